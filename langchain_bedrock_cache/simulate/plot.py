"""Results as a picture. Needs matplotlib: the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from os import PathLike

from langchain_bedrock_cache.extras import needs
from langchain_bedrock_cache.simulate.policies import AUTO
from langchain_bedrock_cache.simulate.results import TrafficResult

_COLORS = {AUTO: "#1b6ca8"}
_OTHER_COLOR = "#b9c4cc"
_INCHES_PER_BAR = 0.24
_WIDTH_INCHES = 8.0


def check_plotting() -> None:
    """Raise now, not after a long simulation, if no plot can be drawn.

    Raises:
        ImportError: If matplotlib is not installed; says how to install it.
    """
    with needs("matplotlib", what="A plot", extra="plot"):
        import_module("matplotlib.figure")


def save_plot(results: Sequence[TrafficResult], path: str | PathLike[str]) -> None:
    """Draw cost over the bound as bars, one panel a traffic, and save it.

    Args:
        results: What `simulate` found; at least one.
        path: File to write; its suffix decides the format, such as `.png` or `.svg`.

    Raises:
        ImportError: If matplotlib is not installed; says how to install it.
        ValueError: If there is nothing to draw, or the format is unknown.
    """
    check_plotting()
    # The object interface: no window, no state shared with the caller's own plots.
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra

    if not results:
        msg = "There are no results to draw."
        raise ValueError(msg)
    bars = [len(result.policies) for result in results]
    height = _INCHES_PER_BAR * sum(bars) + len(results) + 0.5
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False, height_ratios=bars)
    for panel, result in zip(panels[:, 0], results, strict=True):
        names = [policy.policy for policy in result.policies]
        values = [policy.over_bound for policy in result.policies]
        colors = [_COLORS.get(name, _OTHER_COLOR) for name in names]
        drawn = panel.barh(names, values, color=colors)
        panel.bar_label(drawn, fmt="%.2f", padding=2, fontsize=8)
        panel.axvline(1.0, color="black", linewidth=0.8)
        panel.invert_yaxis()
        panel.set_title(f"{result.source}: {result.model_id}", loc="left", fontsize=9)
        panel.tick_params(labelsize=8)
        panel.margins(x=0.1)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1, 0].set_xlabel("input cost over the least possible (1 is perfect)", fontsize=9)
    figure.savefig(path)
