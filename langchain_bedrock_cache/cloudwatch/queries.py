"""What to ask `GetMetricData` for, and what its answers mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from langchain_bedrock_cache.checks import check_number
from langchain_bedrock_cache.cloudwatch.metrics import MODEL_DIMENSION, Metric

Statistic = Literal["Sum", "SampleCount", "Maximum"]

MAX_QUERIES_PER_REQUEST = 500
_MAX_SPANS = 300
# CloudWatch forgets the shortest of them after 15 days, five minutes after 63, an hour after 455.
# Guarded by test_no_range_asks_for_spans_that_cloudwatch_has_forgotten.
# Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
# (checked 2026-11-22)
_PERIODS_SECONDS = (60, 300, 900, 3_600, 21_600, 86_400)
MAX_HOURS = 455 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """A range of time, cut into spans of one length.

    Attributes:
        start: In seconds since the epoch, at the beginning of a span.
        end: In seconds since the epoch, at the end of one.
        period_seconds: Length of a span.
    """

    start: int
    end: int
    period_seconds: int

    @classmethod
    def last(cls, hours: float, *, now: float) -> TimeRange:
        """Return the last hours, in some 300 spans at most where CloudWatch can.

        Args:
            hours: How many; rounded outward to whole spans.
            now: The present time, in seconds since the epoch.

        Raises:
            CachePolicyError: If there are no hours, or more than CloudWatch keeps.
        """
        check_number("hours", hours, above=0, most=MAX_HOURS)
        seconds = hours * 3600
        fitting = (p for p in _PERIODS_SECONDS if seconds <= _MAX_SPANS * p)
        period = next(fitting, _PERIODS_SECONDS[-1])
        end = -int(-now // period) * period
        return cls(start=int((now - seconds) // period) * period, end=end, period_seconds=period)

    def as_request(self) -> dict[str, datetime]:
        """Return the arguments of a request."""
        return {
            "StartTime": datetime.fromtimestamp(self.start, tz=UTC),
            "EndTime": datetime.fromtimestamp(self.end, tz=UTC),
        }


class Wanted(NamedTuple):
    """A statistic of a metric of a model."""

    model_id: str
    metric: str
    statistic: Statistic


# Values by what was asked for, and by the start of the span in seconds since the epoch.
Series = Mapping[Wanted, Mapping[int, float]]


def metric_data_queries(
    wanted: Sequence[Wanted],
    *,
    namespace: str,
    period_seconds: int,
    dimensions: Mapping[str, str],
) -> Iterator[list[dict[str, Any]]]:
    """Return lists of `MetricDataQueries`, each short enough for a request.

    Args:
        wanted: What to ask for; the ID of a query says its place in here.
        namespace: Of the metrics.
        period_seconds: Length of a span.
        dimensions: Of the metrics, beside the model ID. Metrics with further ones are others.
    """
    queries = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": one.metric,
                    "Dimensions": [
                        {"Name": name, "Value": value}
                        for name, value in {MODEL_DIMENSION: one.model_id, **dimensions}.items()
                    ],
                },
                "Period": period_seconds,
                "Stat": one.statistic,
            },
        }
        for number, one in enumerate(wanted)
    ]
    for start in range(0, len(queries), MAX_QUERIES_PER_REQUEST):
        yield queries[start : start + MAX_QUERIES_PER_REQUEST]


def read_results(
    wanted: Sequence[Wanted], results: Iterable[Mapping[str, Any]], period_seconds: int
) -> dict[Wanted, dict[int, float]]:
    """Put the results of all requests together; one metric may come in several pieces.

    Args:
        wanted: What was asked for.
        results: `MetricDataResults` of all pages.
        period_seconds: Length of a span.
    """
    series: dict[Wanted, dict[int, float]] = {}
    for result in results:
        spans = series.setdefault(wanted[int(result["Id"][1:])], {})
        for at, value in zip(result["Timestamps"], result["Values"], strict=True):
            spans[int(at.timestamp()) // period_seconds * period_seconds] = float(value)
    return series


def under_present_names(series: Series, metrics: Iterable[Metric]) -> Series:
    """Return the series with data under older names moved to the present ones.

    A span that has both counts once: they are two names of one thing.
    """
    merged = {wanted: dict(spans) for wanted, spans in series.items()}
    present = {older: metric.name for metric in metrics for older in metric.older_names}
    for wanted in [wanted for wanted in merged if wanted.metric in present]:
        spans = merged.pop(wanted)
        name = wanted._replace(metric=present[wanted.metric])
        merged[name] = {**spans, **merged.get(name, {})}
    return merged
