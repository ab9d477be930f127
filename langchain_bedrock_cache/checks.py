"""Checks of arguments: errors that name the value, what it must be, and nothing of a prompt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from langchain_bedrock_cache.exceptions import CachePolicyError

_LONGEST_SHOWN = 60
_METHODS = ("converse", "converse_stream", "invoke_model")


def check_type(name: str, value: Any, kinds: type | tuple[type, ...], *, what: str) -> None:
    """Raise unless a value is of a type.

    Args:
        name: Of the argument.
        value: Given.
        kinds: What it may be.
        what: The same in words, such as `"a CachePolicy"`.

    Raises:
        TypeError: If it is not.
    """
    if not isinstance(value, kinds):
        msg = f"{name} is {shown(value)}, but must be {what}."
        raise TypeError(msg)


def check_list(name: str, value: Any, *, what: str) -> None:
    """Raise unless a value is a list or the like; a text, a list of letters, is none.

    Args:
        name: Of the argument.
        value: Given.
        what: What it must be in words, such as `"a list of model IDs"`.

    Raises:
        TypeError: If it is not.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        check_type(name, value, (), what=what)


def check_callable(name: str, value: Any, *, what: str) -> None:
    """Raise unless a value can be called.

    Args:
        name: Of the argument.
        value: Given.
        what: What it must be in words, such as `"a function that returns seconds"`.

    Raises:
        TypeError: If it cannot.
    """
    check_type(name, value, Callable, what=what)  # type: ignore[arg-type] # isinstance takes it


def check_runtime_client(name: str, value: Any) -> None:
    """Raise unless a value can call models as a boto3 `bedrock-runtime` client does.

    Args:
        name: Of the argument.
        value: Given; stand-ins need only one of the methods.

    Raises:
        TypeError: If it cannot.
    """
    if not any(hasattr(value, method) for method in _METHODS):
        check_type(name, value, (), what="a boto3 `bedrock-runtime` client")


def check_client(name: str, value: Any, *, method: str, what: str) -> None:
    """Raise unless a value has the method of a boto3 client that will be called.

    Args:
        name: Of the argument.
        value: Given.
        method: Such as `"put_metric_data"`.
        what: What it must be in words, such as `"a boto3 `cloudwatch` client"`.

    Raises:
        TypeError: If it has not.
    """
    if not hasattr(value, method):
        check_type(name, value, (), what=what)


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    is_whole: bool = False,
    is_finite: bool = False,
) -> None:
    """Raise unless a value is a number within its limits.

    Args:
        name: Of the argument.
        value: Given; `True`, `False` and NaN are no numbers.
        least: Lowest value allowed.
        above: What it must be more than.
        most: Highest value allowed.
        is_whole: Whether it must be an `int`.
        is_finite: Whether infinity, which elsewhere means no limit, makes no sense.

    Raises:
        CachePolicyError: If it is not.
    """
    kind = int if is_whole else (int, float, Decimal)
    fits = isinstance(value, kind) and not isinstance(value, bool) and not math.isnan(value)
    fits = fits and not (is_finite and math.isinf(value))
    low = (least is None or (fits and value >= least)) and (
        above is None or (fits and value > above)
    )
    if fits and low and (most is None or value <= most):
        return
    limits = [
        *([f"{least:,} or more"] if least is not None and most is None else []),
        *([f"{least:,} to {most:,}"] if least is not None and most is not None else []),
        *([f"more than {above:,}"] if above is not None else []),
    ]
    number = "a whole number" if is_whole else "a number"
    msg = f"{name} is {shown(value)}, but must be {', '.join([number, *limits])}."
    raise CachePolicyError(msg)


def check_flag(name: str, value: Any) -> None:
    """Raise unless a value is `True` or `False`; of others, `"no"` would count as yes.

    Args:
        name: Of the argument.
        value: Given.

    Raises:
        TypeError: If it is neither.
    """
    check_type(name, value, bool, what="True or False")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise unless a value is one of several words.

    Args:
        name: Of the argument.
        value: Given.
        choices: The words.

    Raises:
        CachePolicyError: If it is none of them.
    """
    known = tuple(choices)
    if not (isinstance(value, str) and value in known):
        msg = f"{name} is {shown(value)}; choose one of {', '.join(map(repr, known))}."
        raise CachePolicyError(msg)


def check_concurrency(config: Any) -> None:
    """Raise unless a limit of calls at once in LangChain's `config` can be kept.

    Args:
        config: One for all calls, or one for each; none says nothing.

    Raises:
        CachePolicyError: If `max_concurrency` is less than 1: LangChain would wait forever.
    """
    for one in config if isinstance(config, list | tuple) else [config]:
        limit = one.get("max_concurrency") if isinstance(one, Mapping) else None
        if limit is not None:
            check_number("max_concurrency", limit, least=1, is_whole=True)


def check_text(name: str, value: Any, *, what: str) -> None:
    """Raise unless a value is a string that is not blank.

    Args:
        name: Of the argument.
        value: Given.
        what: What it says, such as `"a model ID"`.

    Raises:
        TypeError: If it is no string.
        CachePolicyError: If it is blank.
    """
    check_type(name, value, str, what=what)
    if not value.strip():
        msg = f"{name} is blank, but must be {what}."
        raise CachePolicyError(msg)


def shown(value: Any) -> str:
    """Return how a value is spelled in an error.

    Args:
        value: Given.

    Returns:
        The value itself; of large ones, which may hold a prompt, the type only.
    """
    if value is None or isinstance(value, int | float | Decimal | str):
        text = repr(value)
        if len(text) <= _LONGEST_SHOWN:
            return text
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
