"""A report as a picture; imported only where matplotlib is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from matplotlib.figure import Figure

from langchain_bedrock_cache.records import CallRecord

# Told apart without color vision as well: they differ in lightness.
_READ, _WRITTEN, _UNCACHED = "#1b7f5c", "#e0a030", "#9aa3b5"


def draw(records: Sequence[CallRecord]) -> Any:
    """Draw tokens per call, stacked, above cumulative cost with and without caching.

    Args:
        records: Calls in order; those without usage are left out, those without a price are left
            out of the cost.

    Returns:
        A figure of 8 by 6 inches.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1)
    used = [record.usage for record in records if record.usage is not None]
    numbers = range(1, len(used) + 1)
    read = [usage.cache_read_tokens for usage in used]
    written = [usage.cache_write_tokens for usage in used]
    uncached = [usage.uncached_input_tokens for usage in used]
    above.bar(numbers, read, color=_READ, label="read from the cache")
    above.bar(numbers, written, bottom=read, color=_WRITTEN, label="written to it")
    both = [a + b for a, b in zip(read, written, strict=True)]
    above.bar(numbers, uncached, bottom=both, color=_UNCACHED, label="uncached")
    above.set(ylabel="input tokens", xlabel="call", title="Input of each call")
    costs = [record.cost for record in records if record.cost is not None]
    priced = range(1, len(costs) + 1)
    paid = list(accumulate(float(cost.total_usd) for cost in costs))
    plain = list(accumulate(float(cost.without_caching_usd) for cost in costs))
    below.plot(priced, plain, color=_UNCACHED, linestyle="--", label="without caching")
    below.plot(priced, paid, color=_READ, label="paid")
    below.set(ylabel="USD", xlabel="priced call", title="Cost so far")
    for axes in (above, below):
        if used:
            axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
