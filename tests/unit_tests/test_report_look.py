"""How reports look: contrast, what narrow screens and terminals show, and what they are spared."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

import pytest
from situation_stage import RULES, SONNET, Stage, ask

from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report.html_style import STYLE
from langchain_bedrock_cache.report.text import findings
from langchain_bedrock_cache.report.words import HEADINGS
from langchain_bedrock_cache.sent_requests.change import Change
from langchain_bedrock_cache.usage import CacheUsage

ENOUGH = 3.0  # https://www.w3.org/TR/WCAG22/#non-text-contrast
THEMES = re.findall(r"--ink:#[^}]*?--warn:#\w{6}", STYLE)


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", sorted(set(THEMES)), ids=["light", "dark"])
def test_colors_stand_out_from_the_paper(theme: str) -> None:
    """Each part of the bar is told from the paper, which is also what is between the parts."""
    colors = dict(re.findall(r"--(\w+):(#\w{6})(?:;|$)", theme))
    for name in ("read", "written", "uncached"):
        assert _contrast(colors[name], colors["paper"]) >= ENOUGH
    for name in ("ink", "soft", "warn"):
        assert _contrast(colors[name], colors["paper"]) >= 1.5 * ENOUGH
    assert ".bar{display:flex;gap:2px" in STYLE


def _broken() -> CacheReport:
    stage = Stage()
    for day in ("2026-11-16", "2026-11-17"):
        stage.call(ask(rules=f"Today is {day}.\n{RULES}"), model=stage.model(SONNET))
    return stage.handler.report()


def test_empty_parts_are_not_drawn() -> None:
    """A part of the bar without tokens takes no room, not even that of the paper around it."""
    html = _broken()._repr_html_()
    bar = html[html.index('<div class="bar"') : html.index('<p class="key">')]
    assert "var(--written)" in bar
    assert "var(--read)" not in bar


def test_narrow_pages_say_that_tables_go_on() -> None:
    """A hint is shown on narrow pages alone, and what counts most comes first in tables."""
    assert "@container lbc (max-width:680px){.lbc-report .hint{display:block}" in STYLE
    assert 'class="hint"' in _broken()._repr_html_()
    assert HEADINGS[1:5] == ("calls", "hit ratio", "USD", "saved")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_findings_fit_a_terminal(width: int) -> None:
    """Long names are cut, the last columns left out and sentences wrapped; nothing is wider."""
    lines = findings(_broken(), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("prefix ch") for line in lines)
    assert any("hit ratio" in line for line in lines)


def test_many_problems_are_told_short() -> None:
    """Twenty problems are told, in text and in HTML, and the others counted."""
    own = UUID(int=1)
    record = CallRecord(run_id=own, root_run_id=own, usage=CacheUsage(uncached_input_tokens=9_000))
    records = [
        replace(
            record,
            diagnosis=Diagnosis(
                verdict="prefix_changed",
                wasted_tokens=5_000 + block,
                change=Change(kind="text", section="system", block=block),
            ),
        )
        for block in range(25)
    ]
    report = CacheReport(records)
    assert len(report.problems) == 25
    for said in (str(report), report._repr_html_()):
        assert said.count("prefix changed at system[") == 20
        assert "… and 5 more" in said
