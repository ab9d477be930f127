"""Dashboard and alarms: valid, deployable, and they go off when they should."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from cloudwatch_traffic import Traffic, deny
from hypothesis import given
from hypothesis import strategies as st
from wire import CLAUDE, NOVA, PROFILE_ARN

from langchain_bedrock_cache.cloudwatch import (
    CloudWatchPublisher,
    alarms_of,
    dashboard_body,
    put_alarms,
    put_dashboard,
)
from langchain_bedrock_cache.cloudwatch.expressions import HIT_RATIO_PERCENT
from langchain_bedrock_cache.cloudwatch.metrics import BEDROCK, PUBLISHED
from langchain_bedrock_cache.exceptions import CachePolicyError

REGION = "eu-west-1"


def value(expression: str, **sums: float) -> float:
    """Work out an expression of metric math for one period; a metric without data is left out."""
    code = expression.replace(" AND ", " and ")
    code = re.sub(r"FILL\((\w+), 0\)", r'sums.get("\1", 0)', code)
    # Both branches of IF are worked out, and a division by zero has no value in CloudWatch.
    code = re.sub(r" / (\([^()]*(?:\([^()]*\)[^()]*)*\))", r" / (\1 or float('inf'))", code)
    names = {"sums": sums, "IF": lambda condition, yes, no: yes if condition else no}
    return float(eval(code, names))  # noqa: S307 - our own expressions


def expression_of(alarm: dict[str, Any]) -> str:
    """Return what an alarm watches."""
    (watched,) = [query for query in alarm["Metrics"] if query["ReturnData"]]
    return str(watched["Expression"])


def goes_off(alarm: dict[str, Any], **sums: float) -> bool:
    """Say whether a period with such sums is over the limit of an alarm."""
    found = value(expression_of(alarm), **sums)
    if alarm["ComparisonOperator"] == "LessThanThreshold":
        return found < float(alarm["Threshold"])
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    return found >= float(alarm["Threshold"])


_TOKENS = st.integers(0, 10_000_000)


@given(uncached=_TOKENS, read=_TOKENS, written=_TOKENS)
def test_the_alarm_of_the_hit_ratio(uncached: int, read: int, written: int) -> None:
    """It goes off exactly where there is enough input and too little of it was read."""
    falling, _ = alarms_of(CLAUDE, hit_ratio_below=0.6, min_input_tokens=10_000)
    total = uncached + read + written
    expected = total >= 10_000 and 100 * read / total < 60
    assert goes_off(falling, uncached=uncached, read=read, written=written) == expected


@given(read=_TOKENS, written=_TOKENS)
def test_the_alarm_of_unread_writes(read: int, written: int) -> None:
    """It goes off exactly where much was written, and reads save less than writes cost extra."""
    _, unread = alarms_of(CLAUDE, min_written_tokens=10_000)
    loses = 0.25 * written > 0.9 * read
    close = abs(0.25 * written - 0.9 * read) < 0.001 * (written + 1)
    if not close:
        assert goes_off(unread, read=read, written=written) == (written >= 10_000 and loses)


def test_metrics_without_data_are_zero() -> None:
    """A model that never read has no metric of reads, and that is what the alarm is for."""
    falling, unread = alarms_of(CLAUDE)
    assert goes_off(falling, uncached=100_000)
    assert goes_off(unread, written=100_000)
    assert not goes_off(falling)
    assert not goes_off(unread)


def test_writes_cost_nothing_extra_on_nova() -> None:
    """On Nova any read makes a write pay, so only writes without any read are said."""
    _, unread = alarms_of(NOVA)
    assert goes_off(unread, written=100_000, read=0)
    assert not goes_off(unread, written=100_000, read=1)
    _, of_profile = alarms_of(PROFILE_ARN, base_model=NOVA)
    assert expression_of(of_profile) == expression_of(unread)


def test_alarms_are_deployed_as_they_are(cloudwatch: Any) -> None:
    """CloudWatch keeps what was asked for: names, expressions, limits and actions."""
    topic = "arn:aws:sns:eu-west-1:123456789012:oncall"
    alarms = [one for model in (CLAUDE, NOVA) for one in alarms_of(model, actions=[topic])]
    put_alarms(cloudwatch, alarms)
    kept = {one["AlarmName"]: one for one in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert set(kept) == {alarm["AlarmName"] for alarm in alarms}
    assert len(kept) == 4
    for alarm in alarms:
        found = kept[alarm["AlarmName"]]
        assert found["AlarmActions"] == [topic]
        assert found["Threshold"] == alarm["Threshold"]
        assert found["EvaluationPeriods"] == alarm["EvaluationPeriods"]
        assert {q["Id"] for q in found["Metrics"]} == {"uncached", "read", "written", "watched"}


@pytest.mark.parametrize("model_id", [CLAUDE, PROFILE_ARN + "x" * 2_000])
def test_alarms_keep_the_limits_of_cloudwatch(model_id: str) -> None:
    """Names of 255, expressions of 2,048 characters, one result, known IDs and metrics."""
    for alarm in alarms_of(model_id):
        assert len(alarm["AlarmName"]) <= 255
        assert len(alarm["AlarmDescription"]) <= 1_024
        assert len(expression_of(alarm)) <= 2_048
        queries = alarm["Metrics"]
        names = [q["MetricStat"]["Metric"]["MetricName"] for q in queries if "MetricStat" in q]
        assert set(names) <= set(BEDROCK)
        assert used_in(expression_of(alarm)) <= {query["Id"] for query in queries}
        period = {q["MetricStat"]["Period"] for q in queries if "MetricStat" in q}
        assert period.pop() * alarm["EvaluationPeriods"] <= 86_400


def test_a_limit_that_is_no_ratio() -> None:
    """Per cent instead of a ratio is refused, with the value."""
    with pytest.raises(CachePolicyError, match="hit_ratio_below is 50"):
        alarms_of(CLAUDE, hit_ratio_below=50)


def used_in(expression: str) -> set[str]:
    """Return the IDs that an expression refers to; they begin with a lowercase letter."""
    return set(re.findall(r"\b[a-z]\w*", expression))


def check_dashboard(body: dict[str, Any]) -> None:
    """Check a body against the documented structure of dashboards."""
    assert set(body) <= {"start", "end", "periodOverride", "widgets", "variables"}
    assert body["periodOverride"] in ("auto", "inherit")
    assert len(body["widgets"]) <= 500
    for widget in body["widgets"]:
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        assert 0 <= widget["x"] <= 23
        assert 1 <= widget["width"] <= 24 - widget["x"]
        assert 1 <= widget["height"] <= 1_000
        properties = widget["properties"]
        if widget["type"] == "text":
            assert properties["markdown"]
            continue
        assert widget["type"] == "metric"
        assert properties["region"] == REGION
        assert properties["view"] == "timeSeries"
        assert properties["period"] % 60 == 0
        ids = check_metrics(properties["metrics"])
        for metric in properties["metrics"]:
            if isinstance(metric[0], dict):
                assert used_in(metric[0]["expression"]) <= ids
    for one, other in combinations(body["widgets"], 2):
        apart = (
            one["x"] + one["width"] <= other["x"]
            or other["x"] + other["width"] <= one["x"]
            or one["y"] + one["height"] <= other["y"]
            or other["y"] + other["height"] <= one["y"]
        )
        assert apart


def check_metrics(metrics: list[list[Any]]) -> set[str]:
    """Check the metrics of a widget, and return their IDs."""
    ids = set()
    for metric in metrics:
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        if "id" in options:
            ids.add(str(options["id"]))
        if "expression" in options:
            assert metric == [options]
            continue
        texts = [part for part in metric if isinstance(part, str)]
        namespace, name, *dimensions = texts
        assert name in (BEDROCK if namespace == "AWS/Bedrock" else PUBLISHED)
        assert len(dimensions) % 2 == 0
        assert dimensions[0] == "ModelId"
    return ids


@pytest.mark.parametrize("published_in", [None, "LangChainBedrockCache"])
def test_the_dashboard_is_valid(cloudwatch: Any, published_in: str | None) -> None:
    """It has the documented structure, no widget covers another, and CloudWatch takes it."""
    body = dashboard_body(
        [CLAUDE, NOVA],
        region=REGION,
        published_in=published_in,
        dimensions={"Service": "leases"},
    )
    check_dashboard(body)
    assert len(body["widgets"]) == (7 if published_in is None else 11)
    put_dashboard(cloudwatch, body, name="caches")
    kept = cloudwatch.get_dashboard(DashboardName="caches")["DashboardBody"]
    assert json.loads(kept) == body


def test_the_dashboard_shows_what_is_published(
    cloudwatch: Any, traffic: Callable[..., Traffic]
) -> None:
    """Every published metric that a widget shows is one that a run has put in CloudWatch."""
    with CloudWatchPublisher(cloudwatch, dimensions={"Service": "leases"}) as publisher:
        traffic(publisher)
    listed = {
        (one["Namespace"], one["MetricName"], *(v for d in one["Dimensions"] for v in d.values()))
        for one in cloudwatch.list_metrics(Namespace="LangChainBedrockCache")["Metrics"]
    }
    body = dashboard_body(
        [CLAUDE],
        region=REGION,
        published_in="LangChainBedrockCache",
        dimensions={"Service": "leases"},
    )
    shown = {
        tuple(part for part in metric if isinstance(part, str))
        for widget in body["widgets"]
        for metric in widget["properties"].get("metrics", ())
        if metric[0] == "LangChainBedrockCache"
    }
    assert len(shown) == 4
    assert shown <= listed


def test_the_hit_ratio_of_the_dashboard() -> None:
    """The expression is the hit ratio in per cent."""
    assert value(HIT_RATIO_PERCENT, uncached=10, read=70, written=20) == 70


@pytest.mark.parametrize(("count", "published_in"), [(0, None), (167, None), (100, "N")])
def test_no_room(count: int, published_in: str | None) -> None:
    """A dashboard of nothing, or of more widgets than it may have, is refused."""
    models = [f"m{n}" for n in range(count)]
    with pytest.raises(CachePolicyError, match="a dashboard has room for 1 to"):
        dashboard_body(models, region=REGION, published_in=published_in)


def test_the_largest_dashboard_is_valid() -> None:
    """As many models as fit keep the limit of widgets."""
    check_dashboard(dashboard_body([f"m{n}" for n in range(166)], region=REGION))


@pytest.mark.parametrize(
    ("operation", "put"),
    [
        ("PutDashboard", lambda client: put_dashboard(client, {"widgets": []})),
        ("PutMetricAlarm", lambda client: put_alarms(client, alarms_of(CLAUDE))),
    ],
)
def test_a_missing_permission_is_named(
    cloudwatch: Any, operation: str, put: Callable[[Any], None]
) -> None:
    """AWS's error passes through, with a note that names the action."""
    deny(cloudwatch, operation)
    with pytest.raises(Exception, match="AccessDenied") as caught:
        put(cloudwatch)
    assert f"lacks cloudwatch:{operation}" in caught.value.__notes__[0]
