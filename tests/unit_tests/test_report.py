"""Reports: sums that add up, waste in USD, text, HTML, JSON, tables and pictures."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from uuid import UUID, uuid4

import pytest
from situation_stage import RULES, Stage, ask, turns
from wire import CLAUDE

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report.facts import Grouping
from langchain_bedrock_cache.report.worth import wasted_usd
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
    """Cost at the bound is the cost less what mending is worth, and never more than the cost."""
    total = report.total
    assert total.bound_usd is not None
    assert total.cost_usd is not None
    assert 0 < total.bound_usd < total.cost_usd
    assert f"; ${total.bound_usd:.4f} had everything been mended." in str(report)


def test_problems_come_with_place_and_waste(report: CacheReport) -> None:
    """The two calls with a new date are one problem, at its place, with what it wasted."""
    (problem,) = report.problems
    assert (problem.verdict, problem.place) == ("prefix_changed", "system[0]")
    assert problem.row.calls == 2
    assert problem.row.wasted_tokens == report.total.wasted_tokens > 5_000
    said = str(report)
    assert problem.offset_chars is not None
    assert f"prefix changed at system[0], character {problem.offset_chars}: a date, perh" in said
    assert f"2 calls, {problem.row.mendable_tokens:,} tokens not read, worth $" in said
    assert f"\n    {problem.remedy}\n" in said
    assert "let a tool tell the date" in problem.remedy


def test_text(report: CacheReport) -> None:
    """The text begins with a sentence and holds a table and the quota effect."""
    lines = str(report).splitlines()
    assert repr(report) == str(report)
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
    assert report.timeline(most=3) == ("minute", spans)
    what, hours = report.timeline(most=2)
    assert (what, [row.calls for _, row in hours]) == ("hour", [3])
    assert report.timeline(most=0)[0] == "day"


def test_hits_and_misses_are_timed() -> None:
    """Latency is the median of hits and of misses; unknown where there are none."""
    records = [_record(latency=seconds) for seconds in (1.0, 3.0, 9.0)]
    speed = CacheReport(records).speed
    assert (speed.misses, speed.miss_seconds, speed.hit_seconds) == (3, 3.0, None)
    assert "misses" not in str(CacheReport(records))


def test_an_unknown_price_is_unknown() -> None:
    """A call without a price makes USD unknown, not 0, and is counted."""
    report = CacheReport([_record()])
    assert report.total.cost_usd is None
    assert report.total.savings_ratio is None
    assert json.loads(report.to_json())["total"]["cost_usd"] is None
    assert "1 of the calls has no known price: not in USD." in str(report)


def test_an_empty_report_is_said_so() -> None:
    """Without calls there is nothing to divide by, in no form."""
    report = CacheReport(())
    assert str(report) == "No model calls were recorded."
    assert "No model calls" in report._repr_html_()
    assert json.loads(report.to_json())["total"]["calls"] == 0
    assert report.capacity_ratio == 1.0
    assert report.quota.requests_per_minute is None
    assert report.provisioned is None


def test_the_quota_effect_is_a_minute_s() -> None:
    """Tokens and calls are counted by the minutes in which calls were made, pauses left out."""
    read = CacheUsage(cache_read_tokens=900, uncached_input_tokens=100)
    written = CacheUsage(cache_write_5m_tokens=900, uncached_input_tokens=100)
    starts = (0.0, 30.0, 59.0, 7_201.0)
    records = [_record(usage=read if at else written, started_at=at) for at in starts]
    quota = CacheReport(records).quota
    assert (quota.calls, quota.minutes) == (4, 2)
    assert quota.free_tokens_per_minute == 1_350
    assert quota.requests_per_minute == 2
    assert quota.capacity_ratio == pytest.approx(4_000 / 1_300)
    # What counted would have carried 1,300 of 4,000 tokens, and as many of the calls.
    assert quota.extra_requests_per_minute == pytest.approx(2 * (1 - 1_300 / 4_000))
    assert "2,700 tokens (1,350 a minute) did not count towards the quota" in str(
        CacheReport(records)
    )
    unknown = CacheReport([_record(usage=read)]).quota
    assert unknown.free_tokens_per_minute is unknown.extra_requests_per_minute is None


def test_provisioned_units_carry_more_requests() -> None:
    """Calls to provisioned throughput are told apart, with the requests their units carry more."""
    usage = CacheUsage(cache_read_tokens=750, uncached_input_tokens=250)
    arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghij12"
    calls = [_record(usage=usage, model_id=arn, started_at=float(n)) for n in range(8)]
    other = _record(usage=usage, started_at=3.0)
    report = CacheReport([*calls, other])
    assert report.provisioned is not None
    assert report.provisioned.extra_requests_per_minute == 6
    assert report.quota.calls == 9
    assert "8.0 requests a minute, 6.0 more than the same units carry uncached." in str(report)
    assert json.loads(report.to_json())["provisioned"]["requests_per_minute"] == 8
    assert CacheReport([other]).provisioned is None
    assert "Provisioned" not in str(CacheReport([other]))


def test_the_bound_of_calls_that_nobody_judged_is_unknown() -> None:
    """Where no call was diagnosed, waste in USD is unknown, not 0, and no bound is claimed."""
    usage = CacheUsage(uncached_input_tokens=1_000)
    report = CacheReport([_record(usage=usage, model_id=CLAUDE, cost=price_of(usage, CLAUDE))])
    assert report.total.cost_usd
    assert report.total.wasted_usd is report.total.bound_usd is None
    assert "been mended" not in str(report)


def test_json_is_complete(report: CacheReport) -> None:
    """JSON has totals, groups, runs, problems and speed, in plain numbers."""
    data = json.loads(report.to_json(indent=1))
    assert data["total"]["cache_read_tokens"] == report.total.usage.cache_read_tokens
    assert [run["calls"] for run in data["runs"]] == [1, 1, 1, 1]
    assert data["problems"][0]["place"] == "system[0]"
    assert data["problems"][0]["remedy"]
    assert data["speed"]["hits"] == 1
    assert [row["name"] for row in data["by_step"]] == ["RunnableSequence"]
    assert sum(minute["calls"] for minute in data["over_time"]) == 4
    assert data["quota"]["free_tokens"] == data["quota_free_tokens"] > 0


class _Outline(HTMLParser):
    """Checks that tags nest, and collects captions, scopes and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":  # has no end
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


def test_html_has_tags_and_times() -> None:
    """The application's tags and the minutes are tables of their own; LangChain's tags are none."""
    records = [
        _record(started_at=at, tags=("tenant:anna", "seq:step:2")) for at in (0.0, 59.0, 60.0)
    ]
    html = CacheReport(records)._repr_html_()
    assert "<summary>By tag</summary>" in html
    assert "tenant:<wbr>anna" in html
    assert "seq:" not in html
    assert "<summary>By minute, UTC</summary>" in html
    assert "1970-01-01 00:01" in html
    days = CacheReport([_record(started_at=86_400.0 * day) for day in range(30)])._repr_html_()
    assert "<summary>By day, UTC</summary>" in days
    assert days.count("1970-") == 20
    assert "By tag" not in days
    assert "By minute" not in CacheReport([_record(started_at=0.0)])._repr_html_()


def test_pandas(report: CacheReport) -> None:
    """A data frame has a row per call."""
    pytest.importorskip("pandas", reason="pandas is optional")
    frame = report.to_pandas()
    assert list(frame["verdict"]) == ["first_write", "prefix_changed", "hit", "prefix_changed"]
    assert frame["cache_read_tokens"].sum() == report.total.usage.cache_read_tokens
    assert frame["wasted_usd"].sum() == pytest.approx(float(report.total.wasted_usd or 0))
    assert frame["mendable_tokens"].sum() == report.total.mendable_tokens
    failed = CacheReport(
        [*report.records, _record(usage=None, error="ThrottlingException")]
    ).to_pandas()
    assert str(failed["cache_read_tokens"].dtype) == "Int64"
    assert failed["cache_read_tokens"].isna().sum() == 1
    assert list(CacheReport(()).to_pandas().columns) == list(frame.columns)


def test_plot(report: CacheReport) -> None:
    """The picture has a bar per call and kind, and both costs."""
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    above, below = report.plot().axes
    assert len(above.patches) == 3 * len(report.records)
    assert [len(line.get_ydata()) for line in below.lines] == [4, 4]
    assert [axes.get_ylim()[0] for axes in CacheReport(()).plot().axes] == [0, 0]


def test_the_legend_is_clear_of_the_bars(report: CacheReport) -> None:
    """Legends stand below their axes, where no bar can be, however high the bars are."""
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    figure = report.plot()
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


def test_a_plot_of_many_calls_is_drawn_in_three_pieces() -> None:
    """Ten thousand calls are no ten thousand bars; the stack ends at the input of the last one."""
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    usage = CacheUsage(cache_read_tokens=70, cache_write_5m_tokens=20, uncached_input_tokens=10)
    above, below = CacheReport([_record(usage=usage)] * 10_000).plot().axes
    assert (len(above.patches), len(above.collections)) == (0, 3)
    assert above.collections[-1].get_datalim(above.transData).y1 == 100
    assert [len(line.get_ydata()) for line in below.lines] == [0, 0]


@pytest.mark.parametrize(
    ("method", "package", "extra"),
    [("to_pandas", "pandas", "pandas"), ("plot", "matplotlib", "plot")],
)
def test_optional_packages_come_with_a_hint(
    method: str, package: str, extra: str, report: CacheReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package, the error says what to install."""
    for name in [n for n in sys.modules if n.split(".")[0] == package or n.endswith("report.plot")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    hint = f"{method} needs {package}: pip install 'langchain-bedrock-cache[{extra}]'"
    with pytest.raises(ImportError, match=re.escape(hint)):
        getattr(report, method)()


def _record(*, latency: float | None = None, **values: Any) -> CallRecord:
    record = CallRecord(
        run_id=UUID(int=1),
        root_run_id=uuid4(),
        usage=CacheUsage(uncached_input_tokens=10),
        latency_seconds=latency,
    )
    return replace(record, **values)
