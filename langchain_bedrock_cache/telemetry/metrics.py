"""Metrics of finished calls: two histograms of the GenAI conventions, and what they leave out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.telemetry import names
from langchain_bedrock_cache.usage import CacheUsage

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

MetricValue = str | bool | int | float
"""What an attribute of a metric may be; each combination of values is a time series."""


class CallMetrics:
    """The instruments, made once.

    Args:
        meter: Makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self._token_usage = meter.create_histogram(
            names.USAGE,
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS,
        )
        self._duration = meter.create_histogram(
            names.DURATION,
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=names.SECONDS_BUCKETS,
        )
        self._first_chunk = meter.create_histogram(
            names.TIME_TO_FIRST_CHUNK,
            unit="s",
            description="Time to the first content of a streamed answer.",
            explicit_bucket_boundaries_advisory=names.SECONDS_BUCKETS,
        )
        self._calls = meter.create_counter(
            names.CALLS, unit="{call}", description="Calls, by what the prompt cache did for them."
        )
        self._unpriced_calls = meter.create_counter(
            names.UNPRICED_CALLS,
            unit="{call}",
            description="Calls that used tokens of unknown price: in no sum of USD.",
        )
        self._tokens = meter.create_counter(
            names.TOKENS,
            unit="{token}",
            description="Tokens by kind; no token is of two kinds.",
        )
        self._wasted_tokens = meter.create_counter(
            names.WASTED_TOKENS,
            unit="{token}",
            description="Tokens not read although they were, or had just been, in the cache.",
        )
        self._cost_usd = meter.create_counter(
            names.COST_USD, unit="{USD}", description="Cost of the calls with a known price."
        )
        # Goes down, too: a write costs more than no caching, until it is read.
        self._savings_usd = meter.create_up_down_counter(
            names.SAVINGS_USD, unit="{USD}", description="What prompt caching saved."
        )
        self._hit_ratio = meter.create_gauge(
            names.HIT_RATIO,
            unit="1",
            description="Part of all input tokens so far that was read from the prompt cache.",
        )
        self._used: dict[frozenset[tuple[str, MetricValue]], CacheUsage] = {}
        self._lock = threading.Lock()

    def add(self, record: CallRecord, attributes: Mapping[str, MetricValue]) -> None:
        """Count a call.

        Args:
            record: The call.
            attributes: Of all metrics.
        """
        failed = {names.ERROR_TYPE: record.error} if record.error else {}
        if record.latency_seconds is not None:
            self._duration.record(record.latency_seconds, {**attributes, **failed})
        if record.time_to_first_token_seconds is not None:
            self._first_chunk.record(record.time_to_first_token_seconds, attributes)
        found = record.diagnosis
        verdict = {names.VERDICT: found.verdict if found else "not_diagnosed"}
        self._calls.add(1, {**attributes, **failed, **verdict})
        if found and found.wasted_tokens:
            self._wasted_tokens.add(found.wasted_tokens, {**attributes, **verdict})
        if record.usage is not None:
            self._add_usage(record.usage, attributes)
        self._add_cost(record, attributes)

    def _add_usage(self, usage: CacheUsage, attributes: Mapping[str, MetricValue]) -> None:
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            self._token_usage.record(count, {**attributes, names.USAGE_TYPE: kind})
        for name, count in usage.as_dict().items():
            if count:  # most calls have no tokens of some kinds, and each takes its time
                kind = name.removesuffix("_tokens")
                self._tokens.add(count, {**attributes, names.USAGE_KIND: kind})
        series = frozenset(attributes.items())
        with self._lock:
            used = self._used[series] = self._used.get(series, CacheUsage()) + usage
            self._hit_ratio.set(used.hit_ratio, attributes)

    def _add_cost(self, record: CallRecord, attributes: Mapping[str, MetricValue]) -> None:
        if record.cost is not None:
            self._cost_usd.add(float(record.cost.total_usd), attributes)
            self._savings_usd.add(float(record.cost.savings_usd), attributes)
        elif record.usage is not None:
            self._unpriced_calls.add(1, attributes)
