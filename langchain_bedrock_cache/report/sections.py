"""What a report shows below its findings: rows by tag, step and time, and runs. Bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from langchain_bedrock_cache.report.facts import ReportFacts
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.report.tree import OutlineRow, outline

MAX_ROWS = 20
"""In a table. What is left out is counted."""

_MAX_RUN_ROWS = 60
_MAX_CALLS_OF_A_RUN = 10
# One row alone would be the total once more.
_MIN_ROWS = 2
# Tags that LangChain gives by itself say which step it was, not what the application calls it.
_LANGCHAIN_TAGS = ("seq:step:", "map:key:", "graph:step:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table below the findings.

    Attributes:
        title: Of the rows, such as "By tag".
        caption: What the rows are, in a few words more.
        rows: The calls added up.
        more: Rows that are left out.
    """

    title: str
    caption: str
    rows: Sequence[ReportRow]
    more: int = 0


def sections_of(report: ReportFacts) -> list[Section]:
    """Return tables by tag, by step and over time, as far as they say more than the total."""
    return [section for section in (_tags(report), _steps(report), _times(report)) if section]


def runs_of(report: ReportFacts, *, most: int) -> tuple[list[OutlineRow], int]:
    """Return rows of runs with what is in them, and how many outermost runs are left out."""
    runs = report.tree(most_runs=most, most_calls=_MAX_CALLS_OF_A_RUN)
    rows: list[OutlineRow] = []
    shown = 0
    for run in runs:
        inside = list(outline(run))
        if rows and len(rows) + len(inside) > _MAX_RUN_ROWS:
            break
        rows += inside
        shown += 1
    return rows, report.run_count - shown


def _tags(report: ReportFacts) -> Section | None:
    rows = [row for row in report.by("tag") if not row.name.startswith(_LANGCHAIN_TAGS)]
    return _most("By tag", "Calls by tag, the most input first", rows) if rows else None


def _steps(report: ReportFacts) -> Section | None:
    rows = report.by("step")
    if len(rows) < _MIN_ROWS:
        return None
    return _most("By step", "Calls by step, the most input first", rows)


def _most(title: str, caption: str, rows: list[ReportRow]) -> Section:
    rows = sorted(rows, key=lambda row: -row.usage.input_tokens)
    more = max(0, len(rows) - MAX_ROWS)
    return Section(title=title, caption=caption, rows=rows[:MAX_ROWS], more=more)


def _times(report: ReportFacts) -> Section | None:
    """Return rows of minutes, or of longer spans where there are too many of these."""
    what, spans = report.timeline(most=MAX_ROWS)
    if len(spans) < _MIN_ROWS:
        return None
    rows = [replace(row, name=_time(start)) for start, row in spans[-MAX_ROWS:]]
    caption = f"Calls by the {what} in which they began"
    more = max(0, len(spans) - MAX_ROWS)
    return Section(title=f"By {what}, UTC", caption=caption, rows=rows, more=more)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M")
