"""Reports: sums that add up, waste in USD, text, HTML, JSON, tables and pictures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from broken_situations import RULES, Stage, ask, turns

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.live_report import LiveReportCallbackHandler, live_report
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report_facts import Grouping
from langchain_bedrock_cache.report_rows import wasted_usd
from langchain_bedrock_cache.usage import CacheUsage


@pytest.fixture
def broken() -> CacheUsageCallbackHandler:
    """Records of a chain whose system prompt begins with a date."""
    stage = Stage()
    for day in ("2026-11-16", "2026-11-17", "2026-11-17", "2026-11-18"):
        stage.call(ask(rules=f"Today is {day}.\n{RULES}"))
    return stage.handler


@pytest.fixture
def report(broken: CacheUsageCallbackHandler) -> CacheReport:
    """Their report."""
    return broken.report()


def test_the_total_is_the_sum(broken: CacheUsageCallbackHandler, report: CacheReport) -> None:
    """Rows add up to the total, and the total is what the handler counted."""
    assert report.total.usage == broken.total
    assert broken.total_cost is not None
    assert report.total.cost_usd == broken.total_cost.total_usd
    assert report.total.savings_usd == broken.total_cost.savings_usd
    groupings: tuple[Grouping, ...] = ("model", "step", "run", "verdict")
    for rows in map(report.by, groupings):
        assert sum(row.calls for row in rows) == report.total.calls == 4
        assert sum((row.usage for row in rows), CacheUsage()) == report.total.usage
        assert sum(row.cost_usd or 0 for row in rows) == report.total.cost_usd


def test_waste_is_priced(broken: CacheUsageCallbackHandler) -> None:
    """A call that wrote again what it could have read wasted 1.25 - 0.1 of the input price."""
    record = broken.records[1]
    assert record.diagnosis is not None
    assert record.usage is not None
    tokens = min(record.diagnosis.wasted_tokens, record.usage.cache_write_tokens)
    as_read = price_of(CacheUsage(cache_read_tokens=tokens), record.model_id or "")
    as_written = price_of(CacheUsage(cache_write_5m_tokens=tokens), record.model_id or "")
    difference = as_written.total_usd - as_read.total_usd
    waste = wasted_usd(record)
    assert waste is not None
    assert abs(waste - difference) < Decimal("0.000001")
    assert wasted_usd(broken.records[2]) is None


def test_the_bound_is_what_no_waste_would_cost(report: CacheReport) -> None:
    """Cost at the bound is the cost less the waste, and never more than the cost."""
    total = report.total
    assert total.bound_usd is not None
    assert total.cost_usd is not None
    assert 0 < total.bound_usd < total.cost_usd


def test_problems_come_with_place_and_waste(report: CacheReport) -> None:
    """The two calls with a new date are one problem, at its place, with what it wasted."""
    (problem,) = report.problems
    assert (problem.verdict, problem.place) == ("prefix_changed", "system[0]")
    assert problem.row.calls == 2
    assert problem.row.wasted_tokens == report.total.wasted_tokens > 5_000
    assert "prefix changed at system[0]: a date, perhaps. 2 calls" in str(report)


def test_text(report: CacheReport) -> None:
    """The text begins with a sentence and holds a table and the quota effect."""
    lines = str(report).splitlines()
    assert lines[0].startswith("4 calls read 25.0% of their input from the prompt cache, which ")
    assert any("first write" in line for line in lines)
    assert "did not count towards the quota: it carried 1.3 times" in str(report)


def test_runs_and_time() -> None:
    """Runs have their steps, and spans of time their calls."""
    stage = Stage()
    for count in (1, 2, 3):
        stage.call(turns(count), after=50)
    report = stage.handler.report()
    runs = report.runs()
    assert [run.calls for run, _ in runs] == [1, 1, 1]
    assert all(len(steps) == 1 for _, steps in runs)
    spans = report.over_time(seconds=60)
    assert [row.calls for _, row in spans] == [1, 1, 1]
    assert all(start % 60 == 0 for start, _ in spans)


def test_hits_and_misses_are_timed() -> None:
    """Latency is the median of hits and of misses; unknown where there are none."""
    records = [_record(latency=seconds) for seconds in (1.0, 3.0, 9.0)]
    speed = CacheReport(records).speed
    assert (speed.misses, speed.miss_seconds, speed.hit_seconds) == (3, 3.0, None)
    assert "misses" not in str(CacheReport(records)).splitlines()[-1]


def test_an_unknown_price_is_unknown() -> None:
    """A call without a price makes USD unknown, not 0, and is counted."""
    report = CacheReport([_record()])
    assert report.total.cost_usd is None
    assert report.total.savings_ratio is None
    assert json.loads(report.to_json())["total"]["cost_usd"] is None
    assert "1 of the calls have no known price: not in USD." in str(report)


def test_an_empty_report_is_said_so() -> None:
    """Without calls there is nothing to divide by, in no form."""
    report = CacheReport(())
    assert str(report) == "No model calls were recorded."
    assert "No model calls" in report._repr_html_()
    assert json.loads(report.to_json())["total"]["calls"] == 0
    assert report.capacity_ratio == 1.0


def test_json_is_complete(report: CacheReport) -> None:
    """JSON has totals, groups, runs, problems and speed, in plain numbers."""
    data = json.loads(report.to_json(indent=1))
    assert data["total"]["cache_read_tokens"] == report.total.usage.cache_read_tokens
    assert [run["calls"] for run in data["runs"]] == [1, 1, 1, 1]
    assert data["problems"][0]["place"] == "system[0]"
    assert data["speed"]["hits"] == 1


class _Outline(HTMLParser):
    """Checks that tags nest, and collects captions, scopes and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_well_formed_and_accessible(report: CacheReport) -> None:
    """Tags nest, tables have captions and scopes, the bar has a text, and nothing is loaded."""
    html = report._repr_html_()
    outline = _Outline()
    outline.feed(html)
    assert outline.open == []
    tags = [tag for tag, _ in outline.seen]
    assert tags.count("caption") == tags.count("table") > 2
    assert all("scope" in attributes for tag, attributes in outline.seen if tag == "th")
    assert 'role="img" aria-label="Input tokens: 25.0% read' in html
    assert "prefers-color-scheme:dark" in html
    assert "<script" not in html
    assert "http" not in html


def test_html_escapes_names() -> None:
    """Names that the application chose are text, whatever is in them."""
    html = CacheReport([_record(root_name="<img src=x>", model_id="<b>")])._repr_html_()
    assert "<img" not in html
    assert "&lt;b&gt;" in html


def test_pandas(report: CacheReport) -> None:
    """A data frame has a row per call."""
    pytest.importorskip("pandas", reason="pandas is optional")
    frame = report.to_pandas()
    assert list(frame["verdict"]) == ["first_write", "prefix_changed", "hit", "prefix_changed"]
    assert frame["cache_read_tokens"].sum() == report.total.usage.cache_read_tokens


def test_plot(report: CacheReport) -> None:
    """The picture has a bar per call and kind, and both costs."""
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    above, below = report.plot().axes
    assert len(above.patches) == 3 * len(report.records)
    assert [len(line.get_ydata()) for line in below.lines] == [4, 4]
    assert CacheReport(()).plot().axes


@pytest.mark.parametrize(("method", "package"), [("to_pandas", "pandas"), ("plot", "matplotlib")])
def test_optional_packages_come_with_a_hint(
    method: str, package: str, report: CacheReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package, the error says what to install."""
    for name in [n for n in sys.modules if n.split(".")[0] == package or n.endswith("report_plot")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{method} needs {package}: pip install {package}"):
        getattr(report, method)()


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
    assert "1 call read 0.0%" in capsys.readouterr().out


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


def _record(*, latency: float | None = None, **values: Any) -> CallRecord:
    record = CallRecord(
        run_id=UUID(int=1),
        root_run_id=uuid4(),
        usage=CacheUsage(uncached_input_tokens=10),
        latency_seconds=latency,
    )
    return replace(record, **values)
