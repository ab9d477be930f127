"""A report as HTML for notebooks: readable aloud, light and dark, on phones and desktops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape

from langchain_bedrock_cache.report.facts import ReportFacts
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.report.text import HEADINGS, cells, headline, notes_on, problem_line

_MAX_ROWS = 20
# One span alone would be the total once more.
_MIN_SPANS = 2
# Tags that LangChain gives by itself say which step it was, not what the application calls it.
_LANGCHAIN_TAGS = ("seq:step:", "map:key:", "graph:step:")
_JOINTS = re.compile(r"([.:/_-])(?=[^\W\d])")
_LIGHT = (
    "--ink:#1c2430;--soft:#566072;--line:#d5dae3;--paper:#ffffff;"
    "--read:#1b7f5c;--written:#c98a1b;--uncached:#9aa3b5;--warn:#a33a00"
)
_DARK = (
    "--ink:#e8ebf0;--soft:#a9b2c3;--line:#3a4354;--paper:#161b22;"
    "--read:#4cc39a;--written:#e7b55a;--uncached:#6d778a;--warn:#ffab7a"
)
_STYLE = f"""\
.lbc-report{{{_LIGHT};color:var(--ink);background:var(--paper);padding:12px;line-height:1.4;\
font-family:system-ui,sans-serif;font-size:14px;max-width:960px;box-sizing:border-box}}
@media (prefers-color-scheme:dark){{.lbc-report{{{_DARK}}}}}
[data-jp-theme-light=true] .lbc-report,.vscode-light .lbc-report{{{_LIGHT}}}
[data-jp-theme-light=false] .lbc-report,.vscode-dark .lbc-report{{{_DARK}}}
.lbc-report h3{{font-size:17px;margin:0 0 8px}}
.lbc-report h4{{font-size:14px;margin:16px 0 4px}}
.lbc-report .scroll{{overflow-x:auto}}
.lbc-report table{{border-collapse:collapse;color:inherit;margin:0!important;\
font-size:13px;width:100%}}
.lbc-report caption{{text-align:left;color:var(--soft);padding:12px 0 4px;caption-side:top}}
.lbc-report tbody tr{{background:none!important}}
.lbc-report th,.lbc-report td{{padding:4px 8px;text-align:right;white-space:nowrap;\
border-bottom:1px solid var(--line);background:none;color:inherit}}
.lbc-report th:first-child{{text-align:left;white-space:normal;overflow-wrap:break-word;\
min-width:9em;position:sticky;left:0;background:var(--paper);padding-left:0}}
.lbc-report summary{{margin-top:12px;cursor:pointer}}
.lbc-report .bar{{display:flex;height:14px;border-radius:3px;overflow:hidden}}
.lbc-report .key span{{white-space:nowrap;margin-right:12px;color:var(--soft)}}
.lbc-report .key i{{display:inline-block;width:10px;height:10px;margin-right:4px}}
.lbc-report .mend{{color:var(--warn);margin:0;padding-left:20px}}
.lbc-report p{{margin:6px 0;color:var(--soft)}}"""


def as_html(report: ReportFacts) -> str:
    """Return the report as a piece of HTML, without scripts or anything from elsewhere."""
    parts = [f"<h3>{escape(headline(report))}</h3>"]
    if report.total.usage.input_tokens:
        parts.append(_bar(report.total))
    parts += [f"<p>{escape(note)}</p>" for note in notes_on(report)]
    if report.problems:
        lines = "".join(f"<li>{escape(problem_line(one))}</li>" for one in report.problems)
        parts.append(f'<h4>What to mend</h4><ul class="mend">{lines}</ul>')
    if report.records:
        parts.append(_table("By model", report.by("model")))
        parts.append(_table("By verdict", report.by("verdict")))
        parts += [_tags(report), _times(report), _runs(report)]
    label = 'role="region" aria-label="Prompt cache report"'
    return f'<style>{_STYLE}</style><div class="lbc-report" {label}>{"".join(parts)}</div>'


def _bar(row: ReportRow) -> str:
    usage = row.usage
    shares = (
        ("read", "read from the cache", usage.cache_read_tokens),
        ("written", "written to it", usage.cache_write_tokens),
        ("uncached", "uncached", usage.uncached_input_tokens),
    )
    said = ", ".join(f"{tokens / usage.input_tokens:.1%} {what}" for _, what, tokens in shares)
    bar = "".join(
        f'<div style="width:{100 * tokens / usage.input_tokens:.2f}%;background:var(--{name})">'
        "</div>"
        for name, _, tokens in shares
    )
    key = "".join(
        f'<span><i style="background:var(--{name})"></i>{tokens:,} {what}</span>'
        for name, what, tokens in shares
    )
    alt = escape(f"Input tokens: {said}")
    return f'<div class="bar" role="img" aria-label="{alt}">{bar}</div><p class="key">{key}</p>'


def _table(caption: str, rows: Sequence[ReportRow]) -> str:
    head = "".join(f'<th scope="col">{name or "&nbsp;"}</th>' for name in HEADINGS)
    body = "".join(_row(row) for row in rows)
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
    # Reachable by keyboard, as everything that scrolls has to be.
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="{caption}">'
    return f"{scroll}{table}<tbody>{body}</tbody></table></div>"


def _row(row: ReportRow) -> str:
    name, *values = cells(row)
    data = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<tr><th scope="row">{_breakable(name)}</th>{data}</tr>'


def _breakable(name: str) -> str:
    """Return a name as HTML that may be broken where model IDs and tags have their joints."""
    return _JOINTS.sub(r"\1<wbr>", escape(name))


def _tags(report: ReportFacts) -> str:
    rows = [row for row in report.by("tag") if not row.name.startswith(_LANGCHAIN_TAGS)]
    if not rows:
        return ""
    rows = sorted(rows, key=lambda row: -row.usage.input_tokens)[:_MAX_ROWS]
    return _folded("By tag", "Calls by tag, the most input first", rows)


def _times(report: ReportFacts) -> str:
    """Return a table of minutes, or of longer spans where there are too many of these."""
    what, spans = report.timeline(most=_MAX_ROWS)
    if len(spans) < _MIN_SPANS:
        return ""
    rows = [replace(row, name=_time(start)) for start, row in spans[-_MAX_ROWS:]]
    return _folded(f"By {what}", f"Calls by the {what} in which they began, UTC", rows)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _folded(summary: str, caption: str, rows: Sequence[ReportRow]) -> str:
    return f"<details><summary>{summary}</summary>{_table(caption, rows)}</details>"


def _runs(report: ReportFacts) -> str:
    rows: list[ReportRow] = []
    for run, steps in report.runs(latest=_MAX_ROWS):
        rows.append(run)
        if len(steps) > 1:
            rows += [replace(step, name=f"\u21b3 {step.name}") for step in steps]
    count = report.run_count
    shown = f"the last {_MAX_ROWS} of {count:,}" if count > _MAX_ROWS else f"{count}"
    return _folded(f"By run ({shown})", "Outermost runs, with their steps", rows)
