"""What metrics say of one model in one span of time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from langchain_bedrock_cache.cloudwatch.metrics import BEDROCK, PUBLISHED, Metric
from langchain_bedrock_cache.cloudwatch.queries import Series, Statistic, Wanted
from langchain_bedrock_cache.exceptions import PriceNotFoundError
from langchain_bedrock_cache.pricing import estimate_cost
from langchain_bedrock_cache.profiles import CacheTTL, base_model_id
from langchain_bedrock_cache.rates import Rates, listed_rates
from langchain_bedrock_cache.usage import CacheUsage

Source = Literal["bedrock", "published"]

METRICS: Mapping[Source, Mapping[str, Metric]] = {"bedrock": BEDROCK, "published": PUBLISHED}
_INPUT = ("InputTokenCount", "CacheReadInputTokens", "CacheWriteInputTokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpan:
    """Calls of one model in one span of time, added up by CloudWatch.

    Attributes:
        model_id: As called.
        start: Of the span, in seconds since the epoch.
        calls: How many.
        failed_calls: Those of them that failed.
        throttled_calls: Those that Bedrock turned away; not in `calls`.
        unpriced_calls: Those with no known price.
        usage: Tokens.
        cost_usd: What they cost; `None` if no price is known.
        without_caching_usd: The same without prompt caching.
        if_1h_usd: What they would have cost with all writes for an hour; `None` if lifetimes are
            known, or no price is.
        wasted_tokens: What could have been read and was not; `None` if CloudWatch does not know.
        wasted_usd: What reading it would have saved.
        latency_seconds: Sum over the calls that have one.
        latency_calls: How many these are.
        first_token_seconds: Sum of times to the first token, of streams.
        first_token_calls: How many these are.
    """

    model_id: str
    start: int
    calls: int = 0
    failed_calls: int = 0
    throttled_calls: int = 0
    unpriced_calls: int = 0
    usage: CacheUsage
    cost_usd: Decimal | None = None
    without_caching_usd: Decimal | None = None
    if_1h_usd: Decimal | None = None
    wasted_tokens: int | None = None
    wasted_usd: Decimal | None = None
    latency_seconds: float = 0.0
    latency_calls: int = 0
    first_token_seconds: float = 0.0
    first_token_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """How to price what Bedrock's own metrics add up.

    Attributes:
        rates: Prices of the user's own, for all models or by model ID.
        base_models: The models behind IDs that do not name theirs.
        write_ttl: Lifetime of the writes, which Bedrock's metrics do not tell.
    """

    rates: Rates | Mapping[str, Rates] | None = None
    base_models: Mapping[str, str] | None = None
    write_ttl: CacheTTL = "5m"

    def rates_of(self, model_id: str, *, longest_call_tokens: int) -> Rates | None:
        """Return the prices that hold for every call of a sum.

        Args:
            model_id: As called.
            longest_call_tokens: No call had more input.

        Returns:
            The prices; `None` if none are known, or calls of different length may have cost
            different prices, which a sum does not tell apart.
        """
        base = (self.base_models or {}).get(model_id)
        if isinstance(self.rates, Rates):
            return self.rates
        for name in (model_id, base, base_model_id(model_id)):
            if self.rates and name and name in self.rates:
                return self.rates[name]
        try:
            short = listed_rates(model_id, base_model=base, input_tokens=0)
            long = listed_rates(model_id, base_model=base, input_tokens=longest_call_tokens)
        except PriceNotFoundError:
            return None
        return short if short == long else None


def wanted_of(source: Source, model_ids: Sequence[str]) -> list[Wanted]:
    """Return what to ask CloudWatch for: every metric of every model, under all its names."""
    return [
        Wanted(model_id, name, statistic)
        for model_id in model_ids
        for metric in METRICS[source].values()
        for statistic in _statistics(source, metric)
        for name in (metric.name, *metric.older_names)
    ]


def spans_of(source: Source, series: Series, pricing: Pricing) -> list[MetricSpan]:
    """Return what CloudWatch told, by span of time and model.

    Args:
        source: Whose metrics these are.
        series: Under the present names.
        pricing: For Bedrock's own; the published ones have their cost.
    """
    starts = {(at, wanted.model_id) for wanted, values in series.items() for at in values}
    readings = (_Reading(series, model_id, at) for at, model_id in sorted(starts))
    if source == "published":
        return [_published(reading) for reading in readings]
    return [_bedrock(reading, pricing) for reading in readings]


def _statistics(source: Source, metric: Metric) -> Iterator[Statistic]:
    yield "Sum"
    if metric.unit == "Milliseconds":
        yield "SampleCount"
    if source == "bedrock" and metric.name in _INPUT:
        yield "Maximum"


@dataclass(frozen=True, slots=True)
class _Reading:
    """Looks up the values of one model and span."""

    series: Series
    model_id: str
    start: int

    def get(self, metric: str, statistic: Statistic = "Sum") -> float | None:
        return self.series.get(Wanted(self.model_id, metric, statistic), {}).get(self.start)

    def number(self, metric: str, statistic: Statistic = "Sum") -> int:
        return round(self.get(metric, statistic) or 0)

    def usd(self, metric: str) -> Decimal | None:
        value = self.get(metric)
        return None if value is None else Decimal(repr(round(value, 9)))

    def seconds(self, metric: str) -> float:
        return (self.get(metric) or 0.0) / 1000


def _published(reading: _Reading) -> MetricSpan:
    diagnosed = reading.get("WastedTokens") is not None
    return MetricSpan(
        model_id=reading.model_id,
        start=reading.start,
        calls=reading.number("Calls"),
        failed_calls=reading.number("FailedCalls"),
        unpriced_calls=reading.number("UnpricedCalls"),
        usage=CacheUsage(
            uncached_input_tokens=reading.number("UncachedInputTokens"),
            cache_read_tokens=reading.number("CacheReadTokens"),
            cache_write_5m_tokens=reading.number("CacheWrite5mTokens"),
            cache_write_1h_tokens=reading.number("CacheWrite1hTokens"),
            output_tokens=reading.number("OutputTokens"),
        ),
        cost_usd=reading.usd("CostUSD"),
        without_caching_usd=reading.usd("WithoutCachingUSD"),
        wasted_tokens=reading.number("WastedTokens") if diagnosed else None,
        wasted_usd=reading.usd("WastedUSD"),
        latency_seconds=reading.seconds("Latency"),
        latency_calls=reading.number("Latency", "SampleCount"),
        first_token_seconds=reading.seconds("TimeToFirstToken"),
        first_token_calls=reading.number("TimeToFirstToken", "SampleCount"),
    )


def _bedrock(reading: _Reading, pricing: Pricing) -> MetricSpan:
    longest = sum(reading.number(metric, "Maximum") for metric in _INPUT)
    rates = pricing.rates_of(reading.model_id, longest_call_tokens=longest)
    usage, if_1h = (_usage(reading, ttl) for ttl in (pricing.write_ttl, "1h"))
    cost, cost_1h = (
        estimate_cost(used, reading.model_id, rates=rates) if rates else None
        for used in (usage, if_1h)
    )
    calls = reading.number("Invocations")
    return MetricSpan(
        model_id=reading.model_id,
        start=reading.start,
        calls=calls,
        failed_calls=(
            reading.number("InvocationClientErrors") + reading.number("InvocationServerErrors")
        ),
        throttled_calls=reading.number("InvocationThrottles"),
        unpriced_calls=calls if cost is None and (usage.input_tokens or usage.output_tokens) else 0,
        usage=usage,
        cost_usd=cost.total_usd if cost else None,
        without_caching_usd=cost.without_caching_usd if cost else None,
        if_1h_usd=cost_1h.total_usd if cost_1h else None,
        latency_seconds=reading.seconds("InvocationLatency"),
        latency_calls=reading.number("InvocationLatency", "SampleCount"),
        first_token_seconds=reading.seconds("TimeToFirstToken"),
        first_token_calls=reading.number("TimeToFirstToken", "SampleCount"),
    )


def _usage(reading: _Reading, write_ttl: CacheTTL) -> CacheUsage:
    written = reading.number("CacheWriteInputTokens")
    return CacheUsage(
        uncached_input_tokens=reading.number("InputTokenCount"),
        cache_read_tokens=reading.number("CacheReadInputTokens"),
        cache_write_5m_tokens=written if write_ttl == "5m" else 0,
        cache_write_1h_tokens=written if write_ttl == "1h" else 0,
        output_tokens=reading.number("OutputTokenCount"),
    )
