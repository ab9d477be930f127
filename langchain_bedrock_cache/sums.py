"""Sums of values that are counts or amounts by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def add_up(values: Sequence[_Value]) -> _Value:
    """Add up dataclasses of numbers, field by field.

    As `sum()` does with those that have a `+`, but without a new value for each.

    Args:
        values: At least one, all of the same class with at least two fields.
    """
    kind: Any = type(values[0])
    names, read = _fields_of(kind)
    sums = map(sum, zip(*map(read, values), strict=True))
    total: _Value = kind(**dict(zip(names, sums, strict=True)))
    return total


@cache
def _fields_of(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)
