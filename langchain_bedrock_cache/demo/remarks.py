"""What is to be seen in the figures, said only where the figures show it."""

from __future__ import annotations

from langchain_bedrock_cache.demo.comparison import Comparison, Run
from langchain_bedrock_cache.demo.ways import CACHED, NO_CACHING, TRANSFORMER


def remarks(comparison: Comparison) -> list[str]:
    """Return sentences about a comparison.

    Args:
        comparison: Its runs.

    Returns:
        One text for each way but no caching, with figures of the runs only.
    """
    return [
        f"{run.way.title}: {_price(comparison, run)}. {_reason(comparison, run)}"
        for run in comparison.runs
        if run.way is not NO_CACHING
    ]


def _price(comparison: Comparison, run: Run) -> str:
    ratio = comparison.cost_ratio(run)
    return "price unknown" if ratio is None else f"{ratio:.0%} of the price of no caching"


def _reason(comparison: Comparison, run: Run) -> str:
    usage = run.usage
    if not usage.cache_write_tokens:
        return "Nothing was written: no prefix was long enough, or expected to come back."
    if run.way is TRANSFORMER and _same_tokens(comparison, run):
        return "The very same tokens, with the plain model and one Runnable before it."
    if not usage.cache_read_tokens:
        return f"{usage.cache_write_tokens:,} tokens written, none read. {comparison.why_unread}"
    per_written = usage.cache_read_tokens / usage.cache_write_tokens
    reason = f"{per_written:.1f} tokens read for each one written."
    if usage.cache_write_1h_tokens:
        reason += (
            f" {usage.cache_write_1h_tokens:,} tokens were written for an hour, to outlive pauses "
            "of more than 5 minutes."
        )
    return reason


def _same_tokens(comparison: Comparison, run: Run) -> bool:
    return any(other.way is CACHED and other.usage == run.usage for other in comparison.runs)
