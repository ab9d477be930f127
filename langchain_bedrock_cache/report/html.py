"""A report as HTML for notebooks: readable aloud, light and dark, on phones and desktops."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from langchain_bedrock_cache.report.facts import ReportFacts
from langchain_bedrock_cache.report.html_style import STYLE
from langchain_bedrock_cache.report.problems import Problem, without_small
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.report.sections import MAX_ROWS, Section, runs_of, sections_of
from langchain_bedrock_cache.report.tree import OutlineRow
from langchain_bedrock_cache.report.words import (
    HEADINGS,
    cells,
    headline,
    notes_on,
    problem_line,
    small_problems_line,
)

_JOINTS = re.compile(r"([.:/_-])(?=[^\W\d])")
_VERDICT = "verdict"
_HINT = '<p class="hint">Tables go on to the right: scroll them.</p>'


def as_html(report: ReportFacts) -> str:
    """Return the report as a piece of HTML, without scripts or anything from elsewhere."""
    parts = [f"<h3>{escape(headline(report))}</h3>"]
    if report.total.usage.input_tokens:
        parts.append(_bar(report.total))
    parts += [f"<p>{escape(note)}</p>" for note in notes_on(report)]
    if report.problems:
        parts.append(_problems(*without_small(report.problems, report.total)))
    if report.records:
        parts += [_HINT, _table("By model", report.by("model"))]
        parts.append(_table("By verdict", report.by("verdict")))
        parts += [_section(section) for section in sections_of(report)]
        parts.append(_runs(report))
    label = 'role="region" aria-label="Prompt cache report"'
    return f'<style>{STYLE}</style><div class="lbc-report" {label}>{"".join(parts)}</div>'


def _bar(row: ReportRow) -> str:
    usage = row.usage
    shares = (
        ("read", "read from the cache", usage.cache_read_tokens),
        ("written", "written to it", usage.cache_write_tokens),
        ("uncached", "uncached", usage.uncached_input_tokens),
    )
    said = ", ".join(f"{tokens / usage.input_tokens:.1%} {what}" for _, what, tokens in shares)
    bar = "".join(
        f'<div style="flex:{tokens};background:var(--{name})"></div>'
        for name, _, tokens in shares
        if tokens
    )
    key = "".join(
        f'<span><i style="background:var(--{name})"></i>{tokens:,} {what}</span>'
        for name, what, tokens in shares
    )
    alt = escape(f"Input tokens: {said}")
    return f'<div class="bar" role="img" aria-label="{alt}">{bar}</div><p class="key">{key}</p>'


def _problems(problems: Sequence[Problem], small: Sequence[Problem]) -> str:
    lines = "".join(
        f"<li>{escape(problem_line(one))}<span>{escape(one.remedy)}</span></li>"
        for one in problems[:MAX_ROWS]
    )
    told = f'<ul class="mend">{lines}</ul>' if problems else ""
    rest = f"<p>{escape(small_problems_line(small))}</p>" if small else ""
    return f"<h4>What to mend</h4>{told}{_more(len(problems) - MAX_ROWS)}{rest}"


def _table(caption: str, rows: Sequence[ReportRow]) -> str:
    return _scrolling(caption, HEADINGS, (_row(row) for row in rows))


def _scrolling(caption: str, headings: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(_heading(name) for name in headings)
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
    # Reachable by keyboard, as everything that scrolls has to be.
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="{caption}">'
    return f"{scroll}{table}<tbody>{''.join(rows)}</tbody></table></div>"


def _heading(name: str) -> str:
    css = ' class="said"' if name == _VERDICT else ""
    return f'<th scope="col"{css}>{name or "&nbsp;"}</th>'


def _row(row: ReportRow) -> str:
    name, *values = cells(row)
    return f'<tr><th scope="row">{_breakable(name)}</th>{_data(values)}</tr>'


def _data(values: Iterable[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _breakable(name: str) -> str:
    """Return a name as HTML that may be broken where model IDs and tags have their joints."""
    return _JOINTS.sub(r"\1<wbr>", escape(name))


def _section(section: Section) -> str:
    return _folded(section.title, _table(section.caption, section.rows) + _more(section.more))


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{summary}</summary>{inside}</details>"


def _runs(report: ReportFacts) -> str:
    rows, more = runs_of(report, most=MAX_ROWS)
    count = report.run_count
    shown = f"{count - more:,} of {count:,}" if more else f"{count}"
    caption = "Runs, what is in them, and model calls with their verdict"
    if more:
        caption += "; those with the most to mend, then the latest"
    table = _scrolling(caption, (*HEADINGS, _VERDICT), map(_run, rows))
    return _folded(f"By run ({shown})", table)


def _run(row: OutlineRow) -> str:
    indent = f' style="padding-left:{row.depth}em"' if row.depth else ""
    arrow = "\u21b3 " if row.depth else ""
    name = f'<th scope="row"{indent} title="run {row.run_id}">{arrow}{_breakable(row.name)}</th>'
    values = cells(row.row)[1:] if row.row else ("",) * (len(HEADINGS) - 1)
    return f'<tr>{name}{_data(values)}<td class="said">{escape(row.verdict)}</td></tr>'


def _more(rows: int) -> str:
    return f"<p>\u2026 and {rows:,} more</p>" if rows > 0 else ""
