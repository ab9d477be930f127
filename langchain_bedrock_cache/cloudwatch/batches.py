"""Values of calls as requests of `PutMetricData` that keep its limits. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
(checked 2026-11-22)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from langchain_bedrock_cache.cloudwatch.metrics import MODEL_DIMENSION, PUBLISHED

MAX_DATA_PER_REQUEST = 1_000
MAX_VALUES_PER_METRIC = 150  # distinct ones, of one metric in one request
MAX_REQUEST_BYTES = 1_000_000

# What the longest of botocore's three protocols, `query`, spends at most: on the names of a datum,
# on each dimension, each value with its count. Guarded by test_requests_stay_below_a_megabyte.
_DATUM_BYTES = 300
_DIMENSION_BYTES = 120
_VALUE_BYTES = 130
_ESCAPED = 3


class SeriesKey(NamedTuple):
    """Which values go into one datum: of one metric and model, in one minute."""

    metric: str
    model_id: str
    minute: int


Pending = Mapping[SeriesKey, Counter[float]]


def put_metric_data_requests(
    pending: Pending, *, namespace: str, dimensions: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return arguments of `put_metric_data` that send all values.

    Args:
        pending: How often each value occurred.
        namespace: Of the metrics.
        dimensions: Of all of them, beside the model ID.

    Returns:
        Requests; together they hold every value once.
    """
    waves: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    filled: dict[tuple[str, str], tuple[int, int]] = {}
    for key, counts in pending.items():
        for values in _chunks(sorted(counts.items())):
            # Values of a metric beyond the limit wait for a request of their own.
            wave, used = filled.get(key[:2], (0, 0))
            if used + len(values) > MAX_VALUES_PER_METRIC:
                wave, used = wave + 1, 0
            waves[wave].append(_datum(key, values, dimensions))
            filled[key[:2]] = (wave, used + len(values))
    return [
        {"Namespace": namespace, "MetricData": data}
        for wave in waves.values()
        for data in _fitting(wave)
    ]


def _chunks(values: Sequence[tuple[float, int]]) -> Iterator[Sequence[tuple[float, int]]]:
    for start in range(0, len(values), MAX_VALUES_PER_METRIC):
        yield values[start : start + MAX_VALUES_PER_METRIC]


def _datum(
    key: SeriesKey, values: Sequence[tuple[float, int]], dimensions: Mapping[str, str]
) -> dict[str, Any]:
    named = {MODEL_DIMENSION: key.model_id, **dimensions}
    return {
        "MetricName": key.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in named.items()],
        "Timestamp": datetime.fromtimestamp(key.minute * 60, tz=UTC),
        "Values": [value for value, _ in values],
        "Counts": [float(count) for _, count in values],
        "Unit": PUBLISHED[key.metric].unit,
    }


def _fitting(data: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut data, of which there are some, into lists of which each fits into a request."""
    fitting: list[dict[str, Any]] = []
    size = 0
    for datum in data:
        more = _bytes_at_most(datum)
        if fitting and (len(fitting) == MAX_DATA_PER_REQUEST or size + more > MAX_REQUEST_BYTES):
            yield fitting
            fitting, size = [], 0
        fitting.append(datum)
        size += more
    yield fitting


def _bytes_at_most(datum: Mapping[str, Any]) -> int:
    texts = sum(len(d["Name"]) + len(d["Value"]) for d in datum["Dimensions"])
    return (
        _DATUM_BYTES
        + _DIMENSION_BYTES * len(datum["Dimensions"])
        + _ESCAPED * texts
        + _VALUE_BYTES * len(datum["Values"])
    )
