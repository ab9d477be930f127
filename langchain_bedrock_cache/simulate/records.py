"""Log records out of the wrappings in which CloudWatch hands them out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

# filter-log-events and get-log-events; subscriptions; Logs Insights
_LISTS = ("events", "logEvents", "results")
_MESSAGES = ("message", "@message")


def records_in(document: Any) -> Iterator[Any]:
    """Yield the log records inside a JSON document; what is not wrapped is yielded as it is.

    Args:
        document: Decoded JSON: a record, a list of records, or CloudWatch's wrapping of either.

    Returns:
        Candidates; `None` for a wrapped message that is not JSON.
    """
    if isinstance(document, list):
        row = _insights_row(document)
        for item in document if row is None else (row,):
            yield from records_in(item)
    elif isinstance(document, dict) and "modelId" not in document:
        yield from _unwrapped(document)
    else:
        yield document


def decoded(value: Any) -> Any:
    """Return what a JSON string holds, `None` if it holds none; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return None


def _unwrapped(document: dict[str, Any]) -> Iterator[Any]:
    for name in _LISTS:
        if isinstance(document.get(name), list):
            yield from records_in(document[name])
            return
    for name in _MESSAGES:
        if name in document:
            yield from records_in(decoded(document[name]))
            return
    yield document


def _insights_row(items: Sequence[Any]) -> dict[str, Any] | None:
    """Return a result row of Logs Insights (a list of field and value) as one object."""
    if items and all(isinstance(item, dict) and "field" in item for item in items):
        return {item["field"]: item.get("value") for item in items}
    return None
