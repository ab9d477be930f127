"""A report as text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from langchain_bedrock_cache.report.facts import ReportFacts
from langchain_bedrock_cache.report.problems import without_small
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.report.sections import MAX_ROWS, runs_of, sections_of
from langchain_bedrock_cache.report.words import (
    HEADINGS,
    cells,
    headline,
    notes_on,
    problem_line,
    small_problems_line,
)
from langchain_bedrock_cache.wording import counted

_BETWEEN = "  "
# Names are cut before columns are left out, and columns before names get shorter than this.
_SHORT_NAME = 18
_FEWEST_COLUMNS = 4
_MAX_RUNS = 10


def as_text(report: ReportFacts) -> str:
    """Return the whole report as lines of text; tables have up to 20 rows, or 10 runs."""
    lines = _findings(report, None)
    for section in sections_of(report):
        lines += ["", *table(section.rows, title=section.title)]
        lines += [f"… and {section.more:,} more"] if section.more else []
    return "\n".join([*lines, *_runs(report)])


def findings(report: ReportFacts, *, width: int) -> str:
    """Return what matters most, to fit a terminal.

    Args:
        report: What is shown of it: by model, by verdict, what to mend, costs.
        width: Characters in a line. Long names are cut, and the last columns left out.
    """
    return "\n".join(_findings(report, width))


def table(rows: Sequence[ReportRow], *, title: str = "", width: int | None = None) -> list[str]:
    """Return rows as lines of a table.

    Args:
        rows: The rows; at least one.
        title: Heads the names.
        width: Characters in a line at most; default: as many as it takes.
    """
    return _aligned([(title, *HEADINGS[1:]), *map(cells, rows)], width)


def _findings(report: ReportFacts, width: int | None) -> list[str]:
    lines = _wrapped(headline(report), width)
    models = report.by("model")
    if models:
        rows = [*models, report.total] if len(models) > 1 else models
        lines += ["", *table(rows, width=width), "", *table(report.by("verdict"), width=width)]
    if report.problems:
        problems, small = without_small(report.problems, report.total)
        lines += ["", "What to mend:"]
        for problem in problems[:MAX_ROWS]:
            lines += _wrapped(problem_line(problem), width, indent="  ")
            lines += _wrapped(problem.remedy, width, indent="    ")
        more = len(problems) - MAX_ROWS
        lines += [f"  … and {more:,} more"] if more > 0 else []
        lines += _wrapped(small_problems_line(small), width, indent="  ") if small else []
    notes = [line for note in notes_on(report) for line in _wrapped(note, width)]
    return [*lines, *([""] if notes else []), *notes]


def _runs(report: ReportFacts) -> list[str]:
    rows, more = runs_of(report, most=_MAX_RUNS)
    if not rows:
        return []
    last = len(HEADINGS) - 1
    blank = ("",) * last
    body = [
        (f"{_BETWEEN * row.depth}{row.name}", *(cells(row.row)[1:] if row.row else blank))
        for row in rows
    ]
    lines = _aligned([("Runs", *HEADINGS[1:]), *body])
    verdicts = ["verdict", *(row.verdict for row in rows)]
    width = max(map(len, lines))
    lines = [
        f"{line.ljust(width)}{_BETWEEN}{verdict}".rstrip()
        for line, verdict in zip(lines, verdicts, strict=True)
    ]
    return ["", *lines, *([f"… and {counted(more, 'more run')}"] if more else [])]


def _aligned(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        while len(widths) > _FEWEST_COLUMNS and _room(widths, width) < min(widths[0], _SHORT_NAME):
            widths.pop()
        widths[0] = min(widths[0], max(1, _room(widths, width)))
    return [
        _BETWEEN.join(
            [
                _cut(row[0], widths[0]).ljust(widths[0]),
                *(cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=False)),
            ]
        ).rstrip()
        for row in rows
    ]


def _room(widths: Sequence[int], width: int) -> int:
    """Return how many characters are left for names."""
    return width - sum(widths[1:]) - len(_BETWEEN) * (len(widths) - 1)


def _cut(name: str, size: int) -> str:
    return name if len(name) <= size else f"{name[: size - 1]}…"


def _wrapped(text: str, width: int | None, *, indent: str = "") -> list[str]:
    if width is None:
        return [f"{indent}{text}"] if text else []
    return wrap(text, width, initial_indent=indent, subsequent_indent=f"{indent}  ")
