"""`CloudWatchReport`: a `CacheReport` of sums that CloudWatch keeps."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typing_extensions import override

from langchain_bedrock_cache.cloudwatch.facts import MetricFacts, row_of_spans
from langchain_bedrock_cache.cloudwatch.shown import as_html, as_text
from langchain_bedrock_cache.cloudwatch.spans import MetricSpan
from langchain_bedrock_cache.extras import needs
from langchain_bedrock_cache.report import CacheReport


class CloudWatchReport(MetricFacts, CacheReport):
    """What the prompt cache did, as CloudWatch tells: print it, show it, save it, or plot it.

    Used as every `CacheReport`. CloudWatch keeps sums by model and span of time, so there is
    nothing in `records`, `runs()` and `problems`, and `by(...)` knows models only: why a call
    missed says `CacheUsageCallbackHandler`. Bedrock's own metrics tell no waste and no lifetimes
    of writes either. Made by `read_report`.
    """

    @override
    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row per model and span of time; USD as floats.

        Raises:
            ImportError: If pandas is not installed.
        """
        with needs("pandas", what="to_pandas", extra="pandas"):
            pandas = import_module("pandas")
        return pandas.DataFrame([_span_as_dict(span) for span in self.spans])

    @override
    def plot(self) -> Any:
        """Plot input tokens over time, stacked, and cumulative cost against no caching.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        with needs("matplotlib", what="plot", extra="plot"):
            from langchain_bedrock_cache.cloudwatch.plot import draw  # noqa: PLC0415 - optional
        return draw(self.over_time(), period_seconds=self.time_range.period_seconds)

    @override
    def __str__(self) -> str:
        """Say it in text: a sentence, a table, and what CloudWatch does not know."""
        return as_text(self)

    @override
    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return as_html(self)


def _span_as_dict(span: MetricSpan) -> dict[str, Any]:
    row = row_of_spans(span.model_id, [span])
    sums = {name: None if usd is None else float(usd) for name, usd in row.sums_usd().items()}
    known = {key: value for key, value in row.as_dict().items() if key != "name"}
    return {
        "start": span.start,
        "model_id": span.model_id,
        **known,
        **sums,
        "wasted_tokens": span.wasted_tokens,
        "mendable_tokens": span.wasted_tokens,
    }
