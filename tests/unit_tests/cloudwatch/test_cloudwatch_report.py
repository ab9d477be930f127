"""The report from CloudWatch: text, HTML, JSON, table and picture, with nothing invented."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from cloudwatch_traffic import Traffic
from typing_extensions import override
from wire import CLAUDE, NOVA

from langchain_bedrock_cache.cloudwatch import CloudWatchPublisher, CloudWatchReport, read_report
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.report import CacheReport


@pytest.fixture
def bedrock(
    cloudwatch: Any,
    traffic: Callable[..., Traffic],
    bedrock_metrics: Callable[..., None],
    clock: SimulatedClock,
) -> CloudWatchReport:
    """A report of Bedrock's own metrics."""
    bedrock_metrics(traffic().ledger())
    return read_report(cloudwatch, hours=1, clock=clock)


@pytest.fixture
def published(
    cloudwatch: Any, traffic: Callable[..., Traffic], clock: SimulatedClock
) -> CloudWatchReport:
    """A report of published metrics."""
    with CloudWatchPublisher(cloudwatch) as publisher:
        traffic(publisher)
    return read_report(cloudwatch, hours=1, source="published", clock=clock)


def test_it_is_used_as_every_report(bedrock: CloudWatchReport) -> None:
    """It is a `CacheReport`, and what needs single calls is empty instead of made up."""
    assert isinstance(bedrock, CacheReport)
    assert bedrock.records == ()
    assert bedrock.problems == []
    assert bedrock.runs() == []
    assert bedrock.run_count == 0
    assert bedrock.by("tag") == bedrock.by("step") == bedrock.by("run") == []
    assert bedrock.by("verdict") == []
    assert bedrock.speed.hit_seconds is None
    assert bedrock.quota_free_tokens == bedrock.total.usage.cache_read_tokens > 0
    assert bedrock.capacity_ratio > 1


def test_the_text_says_what_is_not_known(bedrock: CloudWatchReport) -> None:
    """Bedrock's metrics tell no waste and no lifetimes: no column of waste, the range of cost."""
    said = str(bedrock)
    assert said.startswith("Bedrock's own metrics in eu-west-1, 2026-11-18 ")
    assert "8 calls read" in said
    assert "mendable" not in said
    assert "5 minutes are assumed" in said
    assert "Calls took 2.00 s, first tokens of streams after 0.50 s" in said
    assert "why calls missed" in said
    for name in (CLAUDE, NOVA, "total"):
        assert f"\n{name} " in said


def test_the_text_of_published_metrics(published: CloudWatchReport) -> None:
    """Published metrics tell waste and lifetimes, and the text does too."""
    said = str(published)
    assert said.startswith("Metrics of LangChainBedrockCache in eu-west-1")
    assert "mendable" in said
    assert "where nothing was in the cache" in said
    assert "5 minutes are assumed" not in said
    assert "1 of the calls failed" in said


def test_json_has_null_for_what_is_not_known(
    bedrock: CloudWatchReport, published: CloudWatchReport
) -> None:
    """Waste is null in Bedrock's metrics and a number in ours; both say what is not known."""
    own, ours = json.loads(bedrock.to_json()), json.loads(published.to_json())
    rows = [own["total"], *own["by_model"]]
    assert [(row["wasted_tokens"], row["wasted_usd"], row["bound_usd"]) for row in rows] == [
        (None, None, None)
    ] * 3
    assert ours["total"]["wasted_tokens"] == published.total.wasted_tokens
    assert Decimal(own["if_1h_usd"]) > Decimal(own["total"]["cost_usd"])
    assert ours["if_1h_usd"] is None
    assert own["speed"] == {"mean_latency_seconds": 2.0, "mean_first_token_seconds": 0.5}
    assert "verdicts" in own["not_known"]
    assert (own["namespace"], own["region"]) == ("AWS/Bedrock", "eu-west-1")
    assert own["end"] - own["start"] >= 3_600


class _Page(HTMLParser):
    """Collects texts and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_is_one_region_with_the_models(bedrock: CloudWatchReport) -> None:
    """In a notebook the same numbers stand in one well-formed region."""
    page = _Page()
    page.feed(bedrock._repr_html_())
    assert page.open == []
    assert {CLAUDE, NOVA, "total", "hit ratio"} <= set(page.texts)
    assert "wasted" not in page.texts
    assert any("5 minutes are assumed" in text for text in page.texts)


def test_names_are_escaped(cloudwatch: Any, clock: SimulatedClock) -> None:
    """A model ID that looks like a tag does no harm."""
    report = read_report(cloudwatch, model_ids=["<script>"], clock=clock)
    assert "<script>" not in report._repr_html_()


def test_a_row_per_model_and_span(bedrock: CloudWatchReport) -> None:
    """The data frame adds up to the total."""
    frame = bedrock.to_pandas()
    assert len(frame) == len(bedrock.spans) == 8
    assert frame["cache_read_tokens"].sum() == bedrock.total.usage.cache_read_tokens
    assert frame["wasted_tokens"].isna().all()
    assert set(frame["model_id"]) == {CLAUDE, NOVA}


def test_the_picture_has_all_tokens_and_the_cost(bedrock: CloudWatchReport) -> None:
    """Bars add up to the input, and the lines end at the cost with and without caching."""
    above, below = bedrock.plot().axes
    height = sum(bar.get_height() for bars in above.containers for bar in bars)
    assert height == bedrock.total.usage.input_tokens
    plain, paid = (line.get_ydata()[-1] for line in below.lines)
    assert paid == pytest.approx(float(bedrock.total.cost_usd or 0))
    assert plain == pytest.approx(float(bedrock.total.without_caching_usd or 0))


def test_nothing_is_shown_of_nothing(cloudwatch: Any, clock: SimulatedClock) -> None:
    """Without any metrics the report says so in every form."""
    report = read_report(cloudwatch, clock=clock)
    assert "No model calls were recorded." in str(report)
    assert "No model calls were recorded." in report._repr_html_()
    assert len(report.to_pandas()) == 0
    assert report.plot().axes
    assert report.mean_latency_seconds is None
    assert json.loads(report.to_json())["total"]["calls"] == 0


@pytest.mark.parametrize(
    ("method", "missing", "hint"),
    [
        ("to_pandas", "pandas", r"langchain-bedrock-cache\[pandas\]"),
        ("plot", "matplotlib.figure", r"langchain-bedrock-cache\[plot\]"),
    ],
)
def test_a_missing_package_comes_with_a_hint(
    bedrock: CloudWatchReport, monkeypatch: pytest.MonkeyPatch, method: str, missing: str, hint: str
) -> None:
    """Tables and pictures need optional packages, and say which."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "langchain_bedrock_cache.cloudwatch.plot", raising=False)
    with pytest.raises(ImportError, match=hint):
        getattr(bedrock, method)()
