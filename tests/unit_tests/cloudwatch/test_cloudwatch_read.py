"""Reading: the report from CloudWatch has the ledger's numbers, and invents none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from cloudwatch_traffic import Traffic, deny, record, usage_of
from hypothesis import given
from hypothesis import strategies as st
from wire import CLAUDE, NOVA, PROFILE_ARN

from langchain_bedrock_cache.cloudwatch import (
    CloudWatchPublisher,
    TimeRange,
    models_with_metrics,
    read_report,
)
from langchain_bedrock_cache.cloudwatch.queries import MAX_HOURS, Wanted
from langchain_bedrock_cache.cloudwatch.spans import wanted_of
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import LedgerRecord
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.pricing import CostBreakdown, Rates, price_of
from langchain_bedrock_cache.usage import CacheUsage

TIERED = "global.anthropic.claude-haiku-5-5"  # dearer from 100,000 input tokens on
NANO = Decimal("0.000000001")


def as_5m(usage: CacheUsage) -> CacheUsage:
    """Return usage as Bedrock's metrics tell it: without lifetimes."""
    return replace(usage, cache_write_5m_tokens=usage.cache_write_tokens, cache_write_1h_tokens=0)


def cost_of(requests: list[LedgerRecord]) -> CostBreakdown:
    """Return what requests cost, each by itself."""
    return sum((price_of(usage_of(one), one.model_id) for one in requests), CostBreakdown())


def test_published_metrics_give_the_report_of_the_records(
    cloudwatch: Any, traffic: Callable[..., Traffic], clock: SimulatedClock
) -> None:
    """What was published reads back as the ledger's tokens, the callback's cost and its waste."""
    with CloudWatchPublisher(cloudwatch) as publisher:
        ran = traffic(publisher)
    report = read_report(cloudwatch, hours=1, source="published", clock=clock)
    own = ran.handler.report()
    assert report.total.usage == ran.usage() == own.total.usage
    assert report.total.calls == own.total.calls == 9
    assert report.total.failed_calls == own.total.failed_calls == 1
    assert report.total.wasted_tokens == own.total.wasted_tokens > 0
    assert {row.name: row.usage for row in report.by("model")} == {
        model_id: ran.usage(model_id) for model_id in (CLAUDE, NOVA)
    }
    assert report.total.mendable_usd == report.total.wasted_usd  # what mending costs is not told
    for field in ("cost_usd", "without_caching_usd", "savings_usd", "wasted_usd"):
        assert abs(getattr(report.total, field) - getattr(own.total, field)) < NANO * 50
    assert report.if_1h_usd is None


@pytest.mark.parametrize("older_names", [False, True])
def test_bedrocks_metrics_give_the_ledgers_numbers(
    cloudwatch: Any,
    traffic: Callable[..., Traffic],
    bedrock_metrics: Callable[..., None],
    clock: SimulatedClock,
    older_names: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Tokens and cost of Bedrock's own metrics are exact up to lifetimes, under either names."""
    ran = traffic()
    bedrock_metrics(ran.ledger(), older_names=older_names)
    report = read_report(cloudwatch, hours=1, clock=clock)
    assert report.total.calls == 8
    assert report.total.usage == as_5m(ran.usage())
    assert report.total.hit_ratio == ran.usage().hit_ratio
    exact = cost_of(ran.ledger())
    assert report.total.without_caching_usd == exact.without_caching_usd
    assert report.total.cost_usd is not None
    assert report.if_1h_usd is not None
    assert report.total.cost_usd < exact.total_usd < report.if_1h_usd
    assert report.mean_latency_seconds == 2.0
    assert report.mean_first_token_seconds == 0.5
    assert {row.name for row in report.by("model")} == {CLAUDE, NOVA}


def test_a_known_lifetime_is_priced(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """`write_ttl` says what Bedrock's metrics do not, and the cost is then the exact one."""
    one = request(clock, cache_write_1h_tokens=4_000, uncached_input_tokens=10, output_tokens=20)
    bedrock_metrics([one])
    report = read_report(cloudwatch, write_ttl="1h", clock=clock)
    assert report.total.usage == usage_of(one)
    assert report.total.cost_usd == report.if_1h_usd == cost_of([one]).total_usd


def request(clock: SimulatedClock, **fields: Any) -> LedgerRecord:
    """Return a request that Bedrock answered."""
    known = {
        "request_id": "r",
        "operation": "Converse",
        "model_id": CLAUDE,
        "account": "a",
        "region": "r",
        "at": clock.now,
    }
    return LedgerRecord(**{**known, **fields})


def test_a_name_of_each_age_counts_once(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """Where an account has both names, they are two names of one number, not two numbers."""
    one = request(clock, cache_read_tokens=700, cache_write_5m_tokens=300)
    bedrock_metrics([one])
    metrics = [("CacheReadInputTokenCount", 700.0), ("CacheWriteInputTokenCount", 300.0)]
    for name, value in metrics:
        put(cloudwatch, clock, name, value)
    report = read_report(cloudwatch, clock=clock)
    assert report.total.usage == usage_of(one)


def put(cloudwatch: Any, clock: SimulatedClock, name: str, value: float, **more: str) -> None:
    """Put a value of one of Bedrock's metrics."""
    named = {"ModelId": CLAUDE, **more}
    cloudwatch.put_metric_data(
        Namespace="AWS/Bedrock",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": n, "Value": v} for n, v in named.items()],
                "Timestamp": datetime.fromtimestamp(clock.now, tz=UTC),
                "Value": value,
            }
        ],
    )


def test_metrics_with_further_dimensions_are_others(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """The same call under more dimensions is not counted twice, and lists no model twice."""
    bedrock_metrics([request(clock, uncached_input_tokens=100)])
    put(cloudwatch, clock, "InputTokenCount", 100.0, ServiceTier="default")
    put(cloudwatch, clock, "Invocations", 1.0, ServiceTier="default")
    report = read_report(cloudwatch, clock=clock)
    assert report.total.usage.input_tokens == 100
    assert report.total.calls == 1
    assert models_with_metrics(cloudwatch) == [CLAUDE]


def test_errors_and_throttles_are_told_apart(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """Failed calls are errors of client and server; throttled ones are in no other number."""
    bedrock_metrics([request(clock, uncached_input_tokens=100)] * 5)
    put(cloudwatch, clock, "InvocationClientErrors", 1.0)
    put(cloudwatch, clock, "InvocationServerErrors", 2.0)
    put(cloudwatch, clock, "InvocationThrottles", 4.0)
    report = read_report(cloudwatch, clock=clock)
    assert (report.total.calls, report.total.failed_calls, report.throttled_calls) == (5, 3, 4)
    assert "4 requests were throttled" in str(report)


def test_an_unknown_price_is_unknown(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """A model without a known price costs an unknown amount, not zero; base models and rates do."""
    one = request(clock, model_id=PROFILE_ARN, uncached_input_tokens=1_000, cache_read_tokens=500)
    bedrock_metrics([one])
    row = read_report(cloudwatch, clock=clock).total
    assert (row.cost_usd, row.savings_usd, row.unpriced_calls) == (None, None, 1)
    assert row.usage.input_tokens == 1_500
    named = read_report(cloudwatch, base_models={PROFILE_ARN: CLAUDE}, clock=clock).total
    assert named.cost_usd == price_of(usage_of(one), PROFILE_ARN, base_model=CLAUDE).total_usd
    rates = Rates(
        input_usd_per_mtok=Decimal(1),
        output_usd_per_mtok=Decimal(1),
        cache_read_usd_per_mtok=Decimal("0.1"),
        cache_write_5m_usd_per_mtok=Decimal(1),
        cache_write_1h_usd_per_mtok=Decimal(1),
    )
    for given_rates in (rates, {PROFILE_ARN: rates}):
        own = read_report(cloudwatch, rates=given_rates, clock=clock).total
        assert own.cost_usd == Decimal("0.00105")


def test_priced_and_unpriced_models_together(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """The total costs what the priced ones cost, and says how many calls are missing."""
    known = request(clock, uncached_input_tokens=1_000)
    bedrock_metrics([known, replace(known, model_id=PROFILE_ARN)])
    row = read_report(cloudwatch, clock=clock).total
    assert row.cost_usd == cost_of([known]).total_usd
    assert (row.calls, row.unpriced_calls) == (2, 1)


@pytest.mark.parametrize(
    ("lengths", "is_known"), [((60_000, 90_000), True), ((60_000, 120_000), False)]
)
def test_prices_that_depend_on_length(
    cloudwatch: Any,
    bedrock_metrics: Callable[..., None],
    clock: SimulatedClock,
    lengths: tuple[int, ...],
    is_known: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A sum over 100,000 tokens is no long call; where one was long, the price is not known."""
    calls = [request(clock, model_id=TIERED, uncached_input_tokens=n) for n in lengths]
    bedrock_metrics(calls)
    cost = read_report(cloudwatch, clock=clock).total.cost_usd
    assert cost == (cost_of(calls).total_usd if is_known else None)


def test_spans_are_where_the_calls_were(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """Over time, calls are in the spans that CloudWatch was asked for, or in longer ones."""
    calls = [request(clock, at=clock.now - 600 * n, uncached_input_tokens=1) for n in range(4)]
    bedrock_metrics(calls)
    report = read_report(cloudwatch, hours=1, clock=clock)
    assert report.time_range.period_seconds == 60
    starts = sorted(one.at // 60 * 60 for one in calls)
    assert [start for start, _ in report.over_time()] == starts
    assert [start for start, _ in report.over_time(seconds=1.0)] == starts
    assert sum(row.calls for _, row in report.over_time(seconds=1_800)) == 4
    assert len(report.over_time(seconds=7_200)) <= 2


@given(st.floats(0.01, MAX_HOURS), st.floats(1e9, 2e9))
def test_ranges_cover_what_was_asked(hours: float, now: float) -> None:
    """A range begins and ends at whole spans, holds all that was asked and a span more at most."""
    found = TimeRange.last(hours, now=now)
    period = found.period_seconds
    assert found.start % period == found.end % period == 0
    assert now - hours * 3600 - period <= found.start <= now - hours * 3600
    assert now <= found.end < now + period
    assert (found.end - found.start) / period <= 457


@given(st.floats(0.01, MAX_HOURS))
def test_no_range_asks_for_spans_that_cloudwatch_has_forgotten(hours: float) -> None:
    """CloudWatch keeps minutes for 15 days, five minutes for 63, and hours for 455."""
    period = TimeRange.last(hours, now=1.795e9).period_seconds
    assert period % 60 == 0
    assert hours <= 15 * 24 or period % 300 == 0
    assert hours <= 63 * 24 or period % 3_600 == 0


def test_more_than_500_queries_are_several_requests(
    cloudwatch: Any, bedrock_metrics: Callable[..., None], clock: SimulatedClock
) -> None:
    """Forty models are read in requests of 500 queries at most, and none is lost."""
    models = [f"anthropic.model-{n}" for n in range(40)]
    bedrock_metrics([request(clock, model_id=m, uncached_input_tokens=7) for m in models])
    asked: list[int] = []
    cloudwatch.meta.events.register(
        "provide-client-params.cloudwatch.GetMetricData",
        lambda params, **_: asked.append(len(params["MetricDataQueries"])),
    )
    report = read_report(cloudwatch, hours=0.02, clock=clock)
    assert len(asked) > 1
    assert max(asked) <= 500
    assert sorted(row.name for row in report.by("model")) == sorted(models)
    assert report.total.usage.input_tokens == 280


def test_pages_are_put_together(cloudwatch: Any, clock: SimulatedClock) -> None:
    """A metric that comes in pieces over two pages is one series, nothing lost or doubled."""
    minute = datetime.fromtimestamp(clock.now // 60 * 60, tz=UTC)
    wanted = wanted_of("bedrock", [CLAUDE])

    def piece(metric: str, minutes: int, value: float) -> dict[str, Any]:
        return {
            "Id": f"q{wanted.index(Wanted(CLAUDE, metric, 'Sum'))}",
            "Label": "x",
            "Timestamps": [minute - timedelta(minutes=minutes)],
            "Values": [value],
            "StatusCode": "PartialData",
        }

    with Stubber(cloudwatch) as stub:
        first = [piece("Invocations", 1, 3.0), piece("InputTokenCount", 1, 100.0)]
        second = [piece("Invocations", 2, 2.0), piece("InputTokenCount", 2, 50.0)]
        stub.add_response("get_metric_data", {"MetricDataResults": first, "NextToken": "t"})
        stub.add_response("get_metric_data", {"MetricDataResults": second})
        report = read_report(cloudwatch, hours=1, model_ids=[CLAUDE], clock=clock)
        stub.assert_no_pending_responses()
    assert report.total.calls == 5
    assert report.total.usage.uncached_input_tokens == 150
    assert len(report.over_time()) == 2


def test_models_without_data_are_named(cloudwatch: Any, clock: SimulatedClock) -> None:
    """A model that was asked about and has no data is said, with what may be the matter."""
    report = read_report(cloudwatch, model_ids=[CLAUDE, CLAUDE], clock=clock)
    assert report.silent_models == (CLAUDE,)
    assert report.total.calls == 0
    assert report.total.cost_usd == 0
    assert f"No data of {CLAUDE}" in str(report)


def test_dimensions_are_asked_for(cloudwatch: Any, clock: SimulatedClock) -> None:
    """Metrics of one service are read alone, with their models found by it."""
    for service, tokens in (("leases", 5), ("claims", 7)):
        named = {"Service": service}
        with CloudWatchPublisher(cloudwatch, dimensions=named, clock=clock) as publisher:
            publisher(record(usage=CacheUsage(uncached_input_tokens=tokens)))
    report = read_report(
        cloudwatch, source="published", dimensions={"Service": "leases"}, clock=clock
    )
    assert report.total.usage.input_tokens == 5
    assert read_report(cloudwatch, source="published", clock=clock).spans == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hours": 0}, "hours is 0"),
        ({"hours": 10_921}, r"10,920 hours \(455 days\)"),
        ({"source": "logs"}, "there are only 'bedrock', 'published'"),
    ],
)
def test_what_cannot_be_read(cloudwatch: Any, arguments: dict[str, Any], said: str) -> None:
    """Ranges and sources that CloudWatch does not have are refused before it is asked."""
    with pytest.raises(CachePolicyError, match=said):
        read_report(cloudwatch, **arguments)


@pytest.mark.parametrize(
    ("operation", "models"), [("GetMetricData", [CLAUDE]), ("ListMetrics", [])]
)
def test_a_missing_permission_is_named(cloudwatch: Any, operation: str, models: list[str]) -> None:
    """AWS's own error passes through, with a note that names the action and the statement."""
    deny(cloudwatch, operation)
    with pytest.raises(ClientError) as caught:
        read_report(cloudwatch, model_ids=models)
    (note,) = caught.value.__notes__
    assert f"lacks cloudwatch:{operation}" in note
    assert f'"Action": "cloudwatch:{operation}"' in note
