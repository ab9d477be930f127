"""`assert_cache_hit`: calls read from the prompt cache what they could."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, overload

from langchain_bedrock_cache.checks import check_number
from langchain_bedrock_cache.diagnosis import Diagnosis, default_diagnoser
from langchain_bedrock_cache.emulator import LedgerRecord
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.sent_requests.remedies import remedy
from langchain_bedrock_cache.testing.emulated import current_bedrock
from langchain_bedrock_cache.usage import CacheUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call: its tokens, and why it missed, where that is known."""

    usage: CacheUsage
    diagnosis: Diagnosis | None = None

    def line(self, number: int) -> str:
        used, found = self.usage, self.diagnosis
        text = (
            f"* call {number}: {used.cache_read_tokens:,} read, "
            f"{used.cache_write_tokens:,} written, {used.uncached_input_tokens:,} uncached"
        )
        if found is not None:
            text += f": {found}"
            if found.change is not None and found.is_waste:
                text += f". {remedy(found.change)}"
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """What is asked of the calls together."""

    min_read_tokens: int
    min_hit_ratio: float
    max_wasted_tokens: int | None

    def __post_init__(self) -> None:
        check_number("min_read_tokens", self.min_read_tokens, least=0)
        check_number("min_hit_ratio", self.min_hit_ratio, least=0, most=1)
        if self.max_wasted_tokens is not None:
            check_number("max_wasted_tokens", self.max_wasted_tokens, least=0)

    def check(self, calls: list[_Call]) -> None:
        """Raise an `AssertionError` that says which limit is missed, and what each call did."""
        __tracebackhide__ = True  # pytest then shows the line of the test
        if not calls:
            msg = (
                "No model call was made, or none told its tokens, so nothing can have been read "
                "from the prompt cache."
            )
            raise AssertionError(msg)
        usage = sum((call.usage for call in calls), CacheUsage())
        wasted = sum(call.diagnosis.wasted_tokens for call in calls if call.diagnosis)
        missed = []
        if usage.cache_read_tokens < self.min_read_tokens:
            missed.append(
                f"{usage.cache_read_tokens:,} tokens were read, and min_read_tokens is "
                f"{self.min_read_tokens:,}"
            )
        if usage.hit_ratio < self.min_hit_ratio:
            missed.append(
                f"{usage.hit_ratio:.1%} of the input was read, and min_hit_ratio is "
                f"{self.min_hit_ratio:.1%}"
            )
        if self.max_wasted_tokens is not None and wasted > self.max_wasted_tokens:
            missed.append(
                f"{wasted:,} tokens could have been read and were not, and max_wasted_tokens is "
                f"{self.max_wasted_tokens:,}"
            )
        if missed:
            lines = [call.line(number) for number, call in enumerate(calls, start=1)]
            said = "; ".join(missed)
            raise AssertionError(f"{said[0].upper()}{said[1:]}:\n" + "\n".join(lines))


class CacheHitBlock:
    """A `with` block whose calls must read from the prompt cache; gives the handler."""

    def __init__(self, limits: _Limits) -> None:
        self._limits = limits
        self._recording = ExitStack()
        self._handler: Any = None

    def __enter__(self) -> Any:
        """Record the calls of the block, on the clock of the emulator if one is in use."""
        from langchain_bedrock_cache.callbacks import (  # noqa: PLC0415 - imports LangChain
            get_cache_usage_callback,
        )

        bedrock = current_bedrock()
        recording = get_cache_usage_callback(clock=bedrock.clock if bedrock else time.time)
        self._handler = self._recording.enter_context(recording)
        return self._handler

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Judge the calls, unless the block has failed already."""
        __tracebackhide__ = True
        self._recording.close()
        if kind is None:
            self._limits.check(list(_calls(self._handler)))

    def __del__(self) -> None:
        """Warn of a test that tests nothing, as Python does of coroutines."""
        if self._handler is None:
            message = "assert_cache_hit() without calls asserts nothing unless used with `with`."
            warnings.warn(message, RuntimeWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._limits})"


@overload
def assert_cache_hit(
    *,
    min_read_tokens: int = 1,
    min_hit_ratio: float = 0.0,
    max_wasted_tokens: int | None = 0,
) -> CacheHitBlock: ...
@overload
def assert_cache_hit(
    calls: Any,
    /,
    *,
    min_read_tokens: int = 1,
    min_hit_ratio: float = 0.0,
    max_wasted_tokens: int | None = 0,
) -> None: ...
def assert_cache_hit(
    *calls: Any,
    min_read_tokens: int = 1,
    min_hit_ratio: float = 0.0,
    max_wasted_tokens: int | None = 0,
) -> CacheHitBlock | None:
    """Assert that calls read from the prompt cache what they could.

    `with assert_cache_hit(): chain.invoke(question)` judges the calls of the block, LangChain's
    and those of a `cached_client`, all together; `assert_cache_hit(what)` judges what was
    recorded: a callback handler or a record of it, an answer of a chat model, a response of boto3,
    a `CacheUsage`, an emulator, its ledger or an entry of that, or a list of these.

    Args:
        calls: What to judge; nothing for a `with` block.
        min_read_tokens: Tokens that must be read, in all calls together.
        min_hit_ratio: Part of the input that must be read, 0.0 to 1.0.
        max_wasted_tokens: Tokens that earlier calls had left in the cache and that were not read;
            `None` for any number. Known of calls through `ChatBedrockCached` and `cached_client`
            only.

    Raises:
        AssertionError: If a limit is missed, with the tokens of each call and, where it is known,
            why it missed; or if there was no call.
        CachePolicyError: If a limit is out of range.
        TypeError: If `calls` is something else.
    """
    __tracebackhide__ = True
    limits = _Limits(
        min_read_tokens=min_read_tokens,
        min_hit_ratio=min_hit_ratio,
        max_wasted_tokens=max_wasted_tokens,
    )
    if not calls:
        return CacheHitBlock(limits)
    limits.check([call for what in calls for call in _calls(what)])
    return None


def _calls(what: Any) -> Iterator[_Call]:
    """Yield the calls that an object tells of; those whose tokens are not known are left out."""
    for is_one, read in _READERS:
        if is_one(what):
            yield from read(what)
            return
    if isinstance(what, str | bytes | Mapping) or not isinstance(what, Iterable):
        msg = (
            f"assert_cache_hit cannot judge a {type(what).__name__}. Give it a usage callback "
            "handler, its records, a chat model's answer, a Converse response or an emulator."
        )
        raise TypeError(msg)
    for one in what:
        yield from _calls(one)


def _of_record(record: Any) -> Iterator[_Call]:
    if record.usage is not None:
        yield _Call(usage=record.usage, diagnosis=record.diagnosis)


def _of_message(message: Any) -> Iterator[_Call]:
    if message.usage_metadata:
        usage = CacheUsage.from_usage_metadata(message.usage_metadata)
        yield _Call(usage=usage, diagnosis=_said_of(getattr(message, "response_metadata", None)))


def _of_response(response: Mapping[str, Any]) -> Iterator[_Call]:
    yield _Call(usage=CacheUsage.from_converse(_usage(response)), diagnosis=_said_of(response))


def _usage(response: Any) -> Any:
    """Return the usage of a response of boto3, in the words of Converse; `None` without any."""
    if not isinstance(response, Mapping):
        return None
    metadata = response.get("ResponseMetadata")
    noted = metadata.get("ConverseUsage") if isinstance(metadata, Mapping) else None
    return noted or response.get("usage")


def _said_of(response: Any) -> Diagnosis | None:
    """Return the verdict on the call behind a response; `None` if nobody listened to it."""
    metadata = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    plan = metadata.get("CachePlan") if isinstance(metadata, Mapping) else None
    return default_diagnoser().said_of(plan.get("request")) if isinstance(plan, Mapping) else None


def _of_ledger(record: LedgerRecord) -> Iterator[_Call]:
    if record.error_code is None and record.operation != "CountTokens":
        yield _Call(
            usage=CacheUsage(
                uncached_input_tokens=record.uncached_input_tokens,
                cache_read_tokens=record.cache_read_tokens,
                cache_write_5m_tokens=record.cache_write_5m_tokens,
                cache_write_1h_tokens=record.cache_write_1h_tokens,
                output_tokens=record.output_tokens,
            )
        )


# By what they have, not by type: messages are LangChain's, and importing that takes a second.
_READERS: Sequence[tuple[Callable[[Any], bool], Callable[[Any], Iterable[_Call]]]] = (
    (lambda what: isinstance(what, CacheUsage), lambda usage: [_Call(usage=usage)]),
    (lambda what: isinstance(what, LedgerRecord), _of_ledger),
    (lambda what: hasattr(what, "ledger"), lambda emulator: _calls(emulator.ledger)),
    (lambda what: hasattr(what, "records"), lambda handler: _calls(handler.records)),
    (lambda what: isinstance(what, CallRecord), _of_record),
    (lambda what: hasattr(what, "usage_metadata"), _of_message),
    (lambda what: _usage(what) is not None, _of_response),
)
