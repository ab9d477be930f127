"""Reports that are shown while calls are made: in a terminal, and in a notebook."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from situation_stage import Stage, ask

from langchain_bedrock_cache.live_report import LiveReportCallbackHandler, live_report
from langchain_bedrock_cache.report import CacheReport


def test_a_live_report_updates_while_calls_are_made() -> None:
    """Each call is shown when it ends, unless the last report is too recent."""
    stage, shown, now = Stage(), [], [0.0]
    handler = LiveReportCallbackHandler(
        lambda report: shown.append(report.total.calls), timer=lambda: now[0], clock=stage.clock
    )
    model = stage.model()
    for seconds in (1.0, 0.1, 1.0):
        now[0] += seconds
        model.invoke(ask(), {"callbacks": [handler]})
    assert shown == [1, 3]


def test_a_live_report_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The last report stays on the screen when the block ends."""
    stage = Stage()
    with live_report(clock=stage.clock) as handler:
        stage.model().invoke(ask(), {"callbacks": [handler]})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 call read 0.0% of its input from the prompt cache")
    assert any(line.startswith("first write ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_live_report_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook one output is updated in place."""
    display = pytest.importorskip("IPython.display", reason="IPython is there in notebooks only")
    updates: list[Any] = []
    shell = SimpleNamespace(kernel=True)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    output = SimpleNamespace(update=updates.append)
    monkeypatch.setattr(display, "display", lambda *_args, **_options: output)
    stage = Stage()
    with live_report(clock=stage.clock, seconds=0) as handler:
        stage.model().invoke(ask(), {"callbacks": [handler]})
    assert updates[-1].total.calls == 1
    assert isinstance(updates[-1], CacheReport)
