"""What the functions reply: plain JSON, with Decimal USD as strings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.serverless.errors import ServerlessError
from langchain_bedrock_cache.usage import CacheUsage


def cost_fields(cost: CostBreakdown | None) -> dict[str, str] | None:
    """Return a cost as JSON, to the last digit.

    Args:
        cost: In USD; `None` if it is not known.

    Returns:
        `total_usd` and `without_caching_usd` as strings, since JSON numbers are binary fractions;
        `None` (null in JSON, not 0) if the cost is not known.
    """
    if cost is None:
        return None
    return {
        "total_usd": f"{cost.total_usd:f}",
        "without_caching_usd": f"{cost.without_caching_usd:f}",
    }


def usage_fields(usage: CacheUsage, cost: CostBreakdown | None) -> dict[str, Any]:
    """Return usage and cost of a call as the fields `usage` and `cost`."""
    return {"usage": usage.as_dict(), "cost": cost_fields(cost)}


def http_reply(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reply with status 200."""
    return _http(200, body)


def http_error(error: ServerlessError) -> dict[str, Any]:
    """Return an error as a reply with its status, and `Retry-After` if it passes."""
    details = {"type": type(error).__name__, "message": str(error)}
    if error.field is not None:
        details["field"] = error.field
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == 405:  # noqa: PLR2004 - RFC 9110 wants the header with this status
        headers["Allow"] = "POST"
    return _http(error.status, {"error": details}, headers)


def _http(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": json.dumps(body, ensure_ascii=False),
    }
