"""The tables that the demonstration prints: a row for each step, and the totals side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from langchain_bedrock_cache.demo.comparison import Comparison, Run
from langchain_bedrock_cache.demo.recorder import Step
from langchain_bedrock_cache.demo.ways import NO_CACHING

_Block = list[str]
"""Lines of equal length."""

_STEP_COLUMNS: Mapping[str, Callable[[Step], str]] = {
    "read": lambda step: f"{step.usage.cache_read_tokens:,}",
    "written": lambda step: f"{step.usage.cache_write_tokens:,}",
    "uncached": lambda step: f"{step.usage.uncached_input_tokens:,}",
    "USD": lambda step: _usd(None if step.cost is None else step.cost.total_usd),
}


def steps_table(comparison: Comparison, *, width: int) -> str:
    """Return a row for each step: its tokens and USD in each way.

    The ways stand side by side if there is room, and if they took the same steps (a live model
    decides how many calls it makes), else below each other.

    Args:
        comparison: The runs. One whose steps all used what those of an earlier run used is left
            out; of no caching only uncached tokens and USD are shown.
        width: Characters that fit on a line.

    Returns:
        Lines of text.
    """
    runs = _distinct(comparison.runs)
    together = _side_by_side(runs)
    if len({_labels(run) for run in runs}) == 1 and len(together[0]) <= width:
        return _text(together)
    return "\n\n".join(_text(_side_by_side([run])) for run in runs)


def totals_table(comparison: Comparison) -> str:
    """Return a row for each way: its calls, tokens and USD, and its share of no caching's USD.

    Args:
        comparison: The runs.

    Returns:
        Lines of text.
    """
    columns = [["", *(run.way.title for run in comparison.runs)]]
    figures: Mapping[str, Callable[[Run], str]] = {
        "calls": lambda run: f"{len(run.steps):,}",
        "read": lambda run: f"{run.usage.cache_read_tokens:,}",
        "written": lambda run: f"{run.usage.cache_write_tokens:,}",
        "uncached": lambda run: f"{run.usage.uncached_input_tokens:,}",
        "output": lambda run: f"{run.usage.output_tokens:,}",
        "USD": lambda run: _usd(run.cost_usd),
        "of no caching": lambda run: _ratio(comparison.cost_ratio(run)),
    }
    columns += [[head, *map(cell, comparison.runs)] for head, cell in figures.items()]
    return _text(_block("totals", columns))


def _distinct(runs: Sequence[Run]) -> list[Run]:
    by_usage = {tuple(step.usage for step in run.steps): run for run in reversed(runs)}
    return list(reversed(by_usage.values()))


def _labels(run: Run) -> tuple[str, ...]:
    """Return the first column: each group as a heading, its steps indented below it."""
    labels: list[str] = []
    group = None
    for step in run.steps:
        if step.group != group:
            group = step.group
            labels.append(group)
        labels.append(f"  {step.label}")
    return tuple(labels)


def _side_by_side(runs: Sequence[Run]) -> _Block:
    labels = _labels(runs[0])
    blocks = [_block("", [["", *labels]]), *(_step_block(run, labels) for run in runs)]
    return ["   ".join(parts) for parts in zip(*blocks, strict=True)]


def _step_block(run: Run, labels: Sequence[str]) -> _Block:
    heads = ("uncached", "USD") if run.way is NO_CACHING else tuple(_STEP_COLUMNS)
    columns = []
    for head in heads:
        cells = (_STEP_COLUMNS[head](step) for step in run.steps)
        columns.append([head, *(next(cells) if _is_step(label) else "" for label in labels)])
    return _block(run.way.title, columns)


def _is_step(label: str) -> bool:
    return label.startswith(" ")


def _block(title: str, columns: Sequence[Sequence[str]]) -> _Block:
    """Return columns below a common title; the first is set left if it has no heading."""
    widths = [max(map(len, column)) for column in columns]
    set_left = [not column[0] for column in columns]
    lines = [
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, set_left, strict=True)
        )
        for row in zip(*columns, strict=True)
    ]
    block = [title, *lines]
    width = max(map(len, block))
    return [line.ljust(width) for line in block]


def _text(block: _Block) -> str:
    return "\n".join(line.rstrip() for line in block)


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:.4f}"


def _ratio(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio:.0%}"
