"""A report as a picture; imported only where matplotlib is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from matplotlib.figure import Figure

from langchain_bedrock_cache.records import CallRecord

# Told apart without color vision as well: they differ in lightness.
_READ, _WRITTEN, _UNCACHED = "#1b7f5c", "#b8780f", "#7f8aa0"
# Narrow enough for its letters to be read on a phone, where it is shrunk.
_INCHES = (6.4, 6.0)
_ROOM = 1.05
# A bar of its own for each call, until they are thinner than a line.
_MAX_BARS = 100


def draw(records: Sequence[CallRecord]) -> Any:
    """Draw tokens per call, stacked, above cumulative cost with and without caching.

    Args:
        records: Calls in order; those without usage are left out, those without a price are left
            out of the cost.

    Returns:
        A figure of 6.4 by 6 inches.
    """
    figure = Figure(figsize=_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw_tokens(above, records)
    _draw_costs(below, records)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if axes.get_legend_handles_labels()[0]:
            # Under the axes, where there is never anything to cover.
            axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return figure


def _draw_tokens(axes: Any, records: Sequence[CallRecord]) -> None:
    used = [record.usage for record in records if record.usage is not None]
    layers = (
        ("read from the cache", _READ, [usage.cache_read_tokens for usage in used]),
        ("written to it", _WRITTEN, [usage.cache_write_tokens for usage in used]),
        ("uncached", _UNCACHED, [usage.uncached_input_tokens for usage in used]),
    )
    below = [0] * len(used)
    for label, color, tokens in layers if used else ():
        top = [a + b for a, b in zip(below, tokens, strict=True)]
        if len(used) <= _MAX_BARS:
            calls = range(1, len(used) + 1)
            axes.bar(
                calls,
                tokens,
                bottom=below,
                color=color,
                edgecolor="white",
                linewidth=0.5,
                label=label,
            )
        else:
            edges = [n + 0.5 for n in range(len(used) + 1)]
            sides = ([*values, values[-1]] for values in (below, top))
            axes.fill_between(edges, *sides, step="post", linewidth=0, color=color, label=label)
        below = top
    axes.set(ylabel="input tokens", xlabel="call", title="Input of each call")
    if not any(below):
        axes.set_ylim(0, 1)


def _draw_costs(axes: Any, records: Sequence[CallRecord]) -> None:
    costs = [record.cost for record in records if record.cost is not None]
    priced = range(1, len(costs) + 1)
    paid = list(accumulate(float(cost.total_usd) for cost in costs))
    plain = list(accumulate(float(cost.without_caching_usd) for cost in costs))
    mark = "o" if len(costs) == 1 else None  # a single point makes no line
    axes.plot(priced, plain, color=_UNCACHED, linestyle="--", marker=mark, label="without caching")
    axes.plot(priced, paid, color=_READ, marker=mark, label="paid")
    axes.set(ylabel="USD", xlabel="priced call", title="Cost so far")
    axes.set_ylim(0, (_ROOM * max((*paid[-1:], *plain[-1:]), default=0.0)) or 1)
