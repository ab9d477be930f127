"""A call record as values of metrics, and the dimensions they are published with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, NoneType

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.cloudwatch.metrics import MODEL_DIMENSION
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.worth import wasted_usd

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
_MAX_DIMENSIONS = 30
_MAX_NAME_LENGTH = 255
_MAX_VALUE_LENGTH = 1024
_MS_PER_SECOND = 1000


def values_of(record: CallRecord) -> dict[str, float]:
    """Return the values of a call by name of the published metric.

    Args:
        record: A finished call.

    Returns:
        What is known of it: no tokens without usage, no USD without a price.
    """
    values = {"Calls": 1.0, "FailedCalls": float(record.error is not None)}
    usage, cost, found = record.usage, record.cost, record.diagnosis
    if usage is not None:
        values |= {
            "UnpricedCalls": float(cost is None),
            "UncachedInputTokens": float(usage.uncached_input_tokens),
            "CacheReadTokens": float(usage.cache_read_tokens),
            "CacheWrite5mTokens": float(usage.cache_write_5m_tokens),
            "CacheWrite1hTokens": float(usage.cache_write_1h_tokens),
            "OutputTokens": float(usage.output_tokens),
        }
    if found is not None:
        values["WastedTokens"] = float(found.wasted_tokens)
    if cost is not None:
        values |= {
            "CostUSD": float(cost.total_usd),
            "WithoutCachingUSD": float(cost.without_caching_usd),
        }
        if found is not None:
            values["WastedUSD"] = float(wasted_usd(record) or 0)
    if record.latency_seconds is not None:
        values["Latency"] = record.latency_seconds * _MS_PER_SECOND
    if record.time_to_first_token_seconds is not None:
        values["TimeToFirstToken"] = record.time_to_first_token_seconds * _MS_PER_SECOND
    return values


def model_of(record: CallRecord) -> str:
    """Return the model ID as a dimension can hold it; "unknown" if there is none."""
    return _ascii(record.model_id or "")[:_MAX_VALUE_LENGTH] or "unknown"


def checked_dimensions(dimensions: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return dimensions of the application, checked against CloudWatch's limits.

    Args:
        dimensions: Such as `{"Service": "leases"}`; each combination of values is a metric of its
            own, so take no IDs of users or requests.

    Raises:
        CachePolicyError: If CloudWatch would refuse them, or one is called `ModelId`.
    """
    check_type("dimensions", dimensions, (Mapping, NoneType), what="a dict of strings, or None")
    checked = dict(dimensions or {})
    if len(checked) > _MAX_DIMENSIONS - 1:
        msg = (
            f"{len(checked)} dimensions were given, but CloudWatch takes {_MAX_DIMENSIONS} and "
            f"{MODEL_DIMENSION} is one of them. Leave some out."
        )
        raise CachePolicyError(msg)
    for name, value in checked.items():
        if name == MODEL_DIMENSION:
            msg = f"The dimension {MODEL_DIMENSION} is set for each call. Give yours another name."
            raise CachePolicyError(msg)
        _check_text("dimension name", name, _MAX_NAME_LENGTH)
        _check_text("dimension value", value, _MAX_VALUE_LENGTH)
        if name.startswith(":"):
            msg = f"The dimension name {name!r} begins with a colon, which CloudWatch refuses."
            raise CachePolicyError(msg)
    return MappingProxyType(checked)


def checked_namespace(namespace: str) -> str:
    """Return a namespace, checked against CloudWatch's limits.

    Raises:
        CachePolicyError: If CloudWatch would refuse it.
    """
    _check_text("namespace", namespace, _MAX_NAME_LENGTH)
    if namespace.startswith((":", "AWS/")):
        msg = (
            f"The namespace is {namespace!r}, but CloudWatch takes none that begins with a colon, "
            "and keeps AWS/ for itself. Take another name."
        )
        raise CachePolicyError(msg)
    return namespace


def _check_text(what: str, text: str, limit: int) -> None:
    check_type(what, text, str, what="a string")
    if not text.strip() or len(text) > limit or text != _ascii(text):
        msg = (
            f"A {what} is {text!r}, but CloudWatch wants 1 to {limit} printable ASCII "
            "characters, not only spaces."
        )
        raise CachePolicyError(msg)


def _ascii(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(char for char in text if char.isascii() and char.isprintable())
