"""Span attributes of finished calls: the sum of the calls that were made within a span."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from langchain_bedrock_cache.records import CallRecord, RunTotals
from langchain_bedrock_cache.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

# More places than anybody mends at a time; attributes of spans are to be small.
_MAX_PLACES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTotals:
    """Calls added up for a span.

    Attributes:
        totals: Their counts, tokens and cost.
        wasted_tokens: What they did not read although it was in the cache.
        verdicts: What the prompt cache did for them, each once, in the order of the calls.
        places: Where their requests had changed, the same way.
    """

    totals: RunTotals = field(default_factory=RunTotals)
    wasted_tokens: int = 0
    verdicts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    def plus(self, record: CallRecord) -> SpanTotals:
        """Return the sum with one more call."""
        found = record.diagnosis
        return SpanTotals(
            totals=self.totals.plus(record),
            wasted_tokens=self.wasted_tokens + (found.wasted_tokens if found else 0),
            verdicts=_with(self.verdicts, found.verdict if found else ""),
            places=_with(self.places, found.place if found else "")[:_MAX_PLACES],
        )

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the sum as span attributes; what is not known is left out, and never 0."""
        totals, usage, cost = self.totals, self.totals.usage, self.totals.cost
        said: dict[str, AttributeValue] = {names.CALLS: totals.calls}
        if totals.failed_calls:
            said[names.FAILED_CALLS] = totals.failed_calls
        if totals.priced_calls + totals.unpriced_calls:
            said |= {
                names.INPUT_TOKENS: usage.input_tokens,
                names.OUTPUT_TOKENS: usage.output_tokens,
                names.CACHE_READ_TOKENS: usage.cache_read_tokens,
                names.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
                names.WRITE_5M_TOKENS: usage.cache_write_5m_tokens,
                names.WRITE_1H_TOKENS: usage.cache_write_1h_tokens,
                names.UNCACHED_TOKENS: usage.uncached_input_tokens,
                names.HIT_RATIO: usage.hit_ratio,
            }
        if totals.priced_calls and cost is not None:
            said[names.COST_USD] = float(cost.total_usd)
            said[names.SAVINGS_USD] = float(cost.savings_usd)
        if totals.unpriced_calls:
            said[names.UNPRICED_CALLS] = totals.unpriced_calls
        if self.verdicts:
            said[names.VERDICTS] = self.verdicts
            said[names.WASTED_TOKENS] = self.wasted_tokens
        if self.places:
            said[names.PLACES] = self.places
        return said


class CurrentSpans:
    """Describe calls on the spans that they were made in; a span is forgotten with its user."""

    def __init__(self) -> None:
        self._sums: WeakKeyDictionary[Span, SpanTotals] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def add(self, span: Span, record: CallRecord) -> None:
        """Add a call to the attributes of a span, unless that is over or not recorded.

        Args:
            span: Of the application, or of another instrumentation.
            record: The call.
        """
        if not span.is_recording():
            return
        # Inside the lock, or parallel calls of one span could leave the smaller sum on it.
        with self._lock:
            new = self._sums[span] = self._sums.get(span, SpanTotals()).plus(record)
            span.set_attributes(new.attributes())


def add_own_span(
    tracer: Tracer, record: CallRecord, attributes: Mapping[str, AttributeValue]
) -> None:
    """Tell a call as a span of its own, a child of the current one.

    Args:
        tracer: Makes the span.
        record: The call. The span lasts as long as it did, although it is told afterward.
        attributes: Of the span, beside those of the call.
    """
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - optional

    start = _nanoseconds(record.started_at)
    span = tracer.start_span(
        f"chat {record.model_id}" if record.model_id else "chat",
        kind=SpanKind.CLIENT,
        attributes={**attributes, **SpanTotals().plus(record).attributes()},
        start_time=start,
    )
    if record.error:
        span.set_attribute(names.ERROR_TYPE, record.error)
        span.set_status(Status(StatusCode.ERROR))
    lasted = _nanoseconds(record.latency_seconds)
    span.end(None if start is None or lasted is None else start + lasted)


def _with(known: tuple[str, ...], new: str) -> tuple[str, ...]:
    return known if not new or new in known else (*known, new)


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)
