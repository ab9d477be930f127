"""`MetricFacts`: what sums that CloudWatch keeps add up to, where calls are not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from typing_extensions import override

from langchain_bedrock_cache.cloudwatch.queries import TimeRange
from langchain_bedrock_cache.cloudwatch.spans import MetricSpan
from langchain_bedrock_cache.pricing import usd_text
from langchain_bedrock_cache.report.facts import Grouping, ReportFacts
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.usage import CacheUsage

_NOT_KNOWN = ("records", "runs", "tags", "steps", "verdicts", "problems")


class MetricFacts(ReportFacts):
    """What the prompt cache did, added up by model and span of time; `CloudWatchReport` shows it.

    Args:
        spans: What was read, one for each model and span of time.
        namespace: Of the metrics.
        time_range: What they cover.
        region: AWS Region that was asked; empty if not known.
        silent_models: Models that were asked about and have no data.
    """

    def __init__(
        self,
        spans: Sequence[MetricSpan],
        *,
        namespace: str,
        time_range: TimeRange,
        region: str = "",
        silent_models: Sequence[str] = (),
    ) -> None:
        super().__init__(())
        self.spans = tuple(spans)
        self.namespace = namespace
        self.time_range = time_range
        self.region = region
        self.silent_models = tuple(silent_models)

    @property
    def throttled_calls(self) -> int:
        """Requests that Bedrock turned away; in no other number. 0 of published metrics."""
        return sum(span.throttled_calls for span in self.spans)

    @property
    def mean_latency_seconds(self) -> float | None:
        """Mean from start to end of a call; `None` if not known."""
        return _mean([(span.latency_seconds, span.latency_calls) for span in self.spans])

    @property
    def mean_first_token_seconds(self) -> float | None:
        """Mean to the first token of streams; `None` if there were none."""
        return _mean([(span.first_token_seconds, span.first_token_calls) for span in self.spans])

    @property
    def if_1h_usd(self) -> Decimal | None:
        """What the priced calls cost if all writes were for an hour; `None` if lifetimes are known.

        Bedrock's metrics do not tell lifetimes, so that the cost is between `total.cost_usd` and
        this.
        """
        known = [span.if_1h_usd for span in self.spans if span.if_1h_usd is not None]
        return sum(known, Decimal(0)) if known else None

    @cached_property
    def total(self) -> ReportRow:
        """All calls added up."""
        return row_of_spans("total", self.spans)

    @override
    def by(self, grouping: Grouping) -> list[ReportRow]:
        """Return a row per model; no rows for groupings that CloudWatch does not know.

        Args:
            grouping: `"model"`, or one of the others.
        """
        return _rows(self.spans, lambda span: span.model_id) if grouping == "model" else []

    @override
    def over_time(self, *, seconds: float = 60.0) -> list[tuple[float, ReportRow]]:
        """Return a row per span of time, with its start in seconds since the epoch.

        Args:
            seconds: Length of a span; not shorter than those that CloudWatch was asked for.
        """
        length = max(seconds, float(self.time_range.period_seconds))
        starts = sorted({span.start // length * length for span in self.spans})
        rows = _rows(self.spans, lambda span: f"{span.start // length * length:.0f}")
        by_name = {row.name: row for row in rows}
        return [(start, by_name[f"{start:.0f}"]) for start in starts]

    @override
    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data; `None` for what CloudWatch does not know."""
        known = super().as_dict()
        rows = [known["total"], *known["by_model"]]
        if not self.knows_waste:
            for row in rows:
                row["wasted_tokens"] = row["mendable_tokens"] = None
        return known | {
            "speed": {
                "mean_latency_seconds": self.mean_latency_seconds,
                "mean_first_token_seconds": self.mean_first_token_seconds,
            },
            "namespace": self.namespace,
            "region": self.region,
            "start": self.time_range.start,
            "end": self.time_range.end,
            "period_seconds": self.time_range.period_seconds,
            "throttled_calls": self.throttled_calls,
            "if_1h_usd": None if self.if_1h_usd is None else usd_text(self.if_1h_usd),
            "silent_models": list(self.silent_models),
            "not_known": list(_NOT_KNOWN),
        }

    @property
    def knows_waste(self) -> bool:
        """Whether the metrics tell what could have been read and was not."""
        return any(span.wasted_tokens is not None for span in self.spans)


def _rows(spans: Sequence[MetricSpan], name_of: Callable[[MetricSpan], str]) -> list[ReportRow]:
    groups: dict[str, list[MetricSpan]] = {}
    for span in spans:
        groups.setdefault(name_of(span), []).append(span)
    return [row_of_spans(name, group) for name, group in groups.items()]


def row_of_spans(name: str, spans: Sequence[MetricSpan]) -> ReportRow:
    """Add up spans in one row; `wasted_tokens` is 0 where CloudWatch does not know it.

    Of what could be mended it knows no more than what was in the cache, and not what it costs.
    """
    waste = sum(span.wasted_tokens or 0 for span in spans)
    row = ReportRow(
        name=name,
        calls=sum(span.calls for span in spans),
        failed_calls=sum(span.failed_calls for span in spans),
        unpriced_calls=sum(span.unpriced_calls for span in spans),
        usage=sum((span.usage for span in spans), CacheUsage()),
        wasted_tokens=waste,
        mendable_tokens=waste,
    )
    priced = [span for span in spans if span.cost_usd is not None]
    if not priced and row.calls:
        return row
    wasted = [span.wasted_usd for span in spans if span.wasted_usd is not None]
    wasted_usd = sum(wasted, Decimal(0)) if wasted else None
    return replace(
        row,
        cost_usd=sum((span.cost_usd or Decimal(0) for span in priced), Decimal(0)),
        without_caching_usd=sum(
            (span.without_caching_usd or Decimal(0) for span in priced), Decimal(0)
        ),
        wasted_usd=wasted_usd,
        mendable_usd=wasted_usd,
    )


def _mean(sums: Sequence[tuple[float, int]]) -> float | None:
    counted = sum(count for _, count in sums)
    return sum(total for total, _ in sums) / counted if counted else None
