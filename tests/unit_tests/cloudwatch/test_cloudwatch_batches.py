"""Requests of PutMetricData: everything is sent once, and no limit is passed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import botocore.session
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.cloudwatch.batches import (
    MAX_DATA_PER_REQUEST,
    MAX_REQUEST_BYTES,
    MAX_VALUES_PER_METRIC,
    SeriesKey,
    put_metric_data_requests,
)
from langchain_bedrock_cache.cloudwatch.metrics import PUBLISHED

_METRICS = st.sampled_from(sorted(PUBLISHED)[:3])
_KEYS = st.builds(SeriesKey, _METRICS, st.sampled_from(["a", "b"]), st.integers(1, 3))
_VALUES = st.floats(0, 1e9, allow_nan=False)
# A few values as they come, and a long run of different ones.
_COUNTS = st.one_of(
    st.dictionaries(_VALUES, st.integers(1, 5), min_size=1, max_size=4).map(Counter),
    st.integers(100, 400).map(lambda n: Counter(float(i) for i in range(n))),
)


def shown(requests: list[dict[str, Any]]) -> Counter[tuple[str, str, float, float]]:
    """Return how often each value is sent, by metric, model and time."""
    return Counter(
        {
            (datum["MetricName"], datum["Dimensions"][0]["Value"], at, value): int(count)
            for request in requests
            for datum in request["MetricData"]
            for at in [datum["Timestamp"].timestamp() / 60]
            for value, count in zip(datum["Values"], datum["Counts"], strict=True)
        }
    )


@given(st.dictionaries(_KEYS, _COUNTS, max_size=12))
def test_every_value_is_sent_once_within_the_limits(
    pending: dict[SeriesKey, Counter[float]],
) -> None:
    """Whatever has come together: all values with their counts, none of the limits passed."""
    requests = put_metric_data_requests(pending, namespace="N", dimensions={})
    expected = {
        (key.metric, key.model_id, float(key.minute), value): count
        for key, counts in pending.items()
        for value, count in counts.items()
    }
    assert shown(requests) == expected
    for request in requests:
        assert 0 < len(request["MetricData"]) <= MAX_DATA_PER_REQUEST
        values: Counter[tuple[str, str]] = Counter()
        for datum in request["MetricData"]:
            metric = (datum["MetricName"], datum["Dimensions"][0]["Value"])
            values[metric] += len(datum["Values"])
        assert max(values.values()) <= MAX_VALUES_PER_METRIC


def test_a_thousand_data_are_one_request() -> None:
    """Small data go together up to the limit, and the next one begins a second request."""
    for count, requests in ((1_000, 1), (1_001, 2)):
        pending = {SeriesKey("Calls", f"m{n}", 1): Counter([1.0]) for n in range(count)}
        assert len(put_metric_data_requests(pending, namespace="N", dimensions={})) == requests


def test_requests_stay_below_a_megabyte() -> None:
    """Full requests are below the limit in every protocol that botocore has for CloudWatch."""
    value = 1_234_567.890_123_4
    pending = {
        SeriesKey("CacheWrite5mTokens", f"arn:aws:bedrock:{n}/{'é' * 9}{'x' * 900}", 29_916_667): (
            Counter(value + i / 7 for i in range(150))
        )
        for n in range(100)
    }
    dimensions = {f"Dimension{n}": "some value / with: signs" * 10 for n in range(5)}
    requests = put_metric_data_requests(pending, namespace="N", dimensions=dimensions)
    assert len(requests) < 100
    model = botocore.session.Session().get_service_model("cloudwatch")
    operation = model.operation_model("PutMetricData")
    longest: dict[str, int] = {}
    for protocol in ("smithy-rpc-v2-cbor", "json", "query"):
        serializer = create_serializer(protocol, include_validation=False)
        for request in requests:
            body = serializer.serialize_to_request(request, operation)["body"]
            size = len(_form(body)) if isinstance(body, dict) else len(body)
            longest[protocol] = max(longest.get(protocol, 0), size)
    assert len(longest) == 3
    assert max(longest.values()) <= MAX_REQUEST_BYTES
    assert longest["query"] > MAX_REQUEST_BYTES / 4  # the limit is what cuts them


def _form(body: dict[str, Any]) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415 - what botocore does with such a body

    return urlencode(body)
