"""Sums over time as a picture; imported only where matplotlib is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from matplotlib.figure import Figure

from langchain_bedrock_cache.report.rows import ReportRow

# Told apart without color vision as well: they differ in lightness.
_READ, _WRITTEN, _UNCACHED = "#1b7f5c", "#b8780f", "#7f8aa0"
_DAY_SECONDS = 86_400


def draw(rows: Sequence[tuple[float, ReportRow]], *, period_seconds: int) -> Any:
    """Draw input tokens over time, stacked, above cumulative cost with and without caching.

    Args:
        rows: Sums with the start of their span, in seconds since the epoch.
        period_seconds: Length of a span. Those without calls have no bar.

    Returns:
        A figure of 8 by 6 inches.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    times = [datetime.fromtimestamp(start, tz=UTC) for start, _ in rows]
    usages = [row.usage for _, row in rows]
    floor = [0] * len(rows)
    for tokens, color, label in (
        ([usage.cache_read_tokens for usage in usages], _READ, "read from the cache"),
        ([usage.cache_write_tokens for usage in usages], _WRITTEN, "written to it"),
        ([usage.uncached_input_tokens for usage in usages], _UNCACHED, "uncached"),
    ):
        width = period_seconds / _DAY_SECONDS
        above.bar(times, tokens, width, bottom=floor, align="edge", color=color, label=label)
        floor = [below_it + more for below_it, more in zip(floor, tokens, strict=True)]
    above.set(ylabel="input tokens", title=f"Input per {_duration(period_seconds)}")
    plain = accumulate(float(row.without_caching_usd or 0) for _, row in rows)
    paid = accumulate(float(row.cost_usd or 0) for _, row in rows)
    below.step(times, list(plain), _UNCACHED, where="post", ls="--", label="without caching")
    below.step(times, list(paid), _READ, where="post", label="paid")
    below.set(ylabel="USD", xlabel="time, UTC", title="Cost so far")
    below.tick_params(axis="x", labelsize=8)
    for axes in (above, below):
        if rows:
            axes.legend(framealpha=0.9, edgecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _duration(seconds: int) -> str:
    units = ((_DAY_SECONDS, "day"), (3_600, "hour"), (60, "minute"))
    length, unit = next(one for one in units if seconds >= one[0])
    number = seconds // length
    return unit if number == 1 else f"{number} {unit}s"
