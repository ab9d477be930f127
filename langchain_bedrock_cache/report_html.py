"""A report as HTML for notebooks: readable aloud, light and dark, on phones and desktops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from langchain_bedrock_cache.report_facts import ReportFacts
from langchain_bedrock_cache.report_rows import ReportRow
from langchain_bedrock_cache.report_text import HEADINGS, cells, headline, notes_on, problem_line

_MAX_RUNS = 20
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
[data-jp-theme-light=true] .lbc-report{{{_LIGHT}}}
[data-jp-theme-light=false] .lbc-report,.vscode-dark .lbc-report{{{_DARK}}}
.lbc-report h3{{font-size:17px;margin:0 0 8px}}
.lbc-report h4{{font-size:14px;margin:16px 0 4px}}
.lbc-report .scroll{{overflow-x:auto}}
.lbc-report table{{border-collapse:collapse;color:inherit;margin:0;font-size:13px;width:100%}}
.lbc-report caption{{text-align:left;color:var(--soft);padding:12px 0 4px;caption-side:top}}
.lbc-report th,.lbc-report td{{padding:4px 8px;text-align:right;white-space:nowrap;\
border-bottom:1px solid var(--line);background:none;color:inherit}}
.lbc-report th:first-child{{text-align:left;white-space:normal;overflow-wrap:anywhere;\
min-width:10em}}
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
    if report.problems:
        lines = "".join(f"<li>{escape(problem_line(one))}</li>" for one in report.problems)
        parts.append(f'<h4>What to mend</h4><ul class="mend">{lines}</ul>')
    if report.records:
        parts.append(_table("By model", report.by("model")))
        parts.append(_table("By verdict", report.by("verdict")))
        parts.append(_runs(report))
    parts += [f"<p>{escape(note)}</p>" for note in notes_on(report)]
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
    return f'<tr><th scope="row">{escape(name)}</th>{data}</tr>'


def _runs(report: ReportFacts) -> str:
    rows: list[ReportRow] = []
    for run, steps in report.runs(latest=_MAX_RUNS):
        rows.append(run)
        if len(steps) > 1:
            rows += [replace(step, name=f"\u21b3 {step.name}") for step in steps]
    count = report.run_count
    shown = f"the last {_MAX_RUNS} of {count:,}" if count > _MAX_RUNS else f"{count}"
    table = _table("Outermost runs, with their steps", rows)
    return f"<details><summary>By run ({shown})</summary>{table}</details>"
