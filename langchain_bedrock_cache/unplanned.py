"""The plan of a request that is sent as it is: its own points, and why none are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache import converse
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.plan import CachePlan, PlannedPoint, SkippedPoint, SkipReason
from langchain_bedrock_cache.profiles import Section


def unplanned(request: Mapping[str, Any], *, reason: SkipReason, detail: str) -> CachePlan:
    """Return the application's own points, and the reason for every section.

    Args:
        request: Converse keyword arguments, as they are sent; not modified.
        reason: Why no points are added.
        detail: The same in words.
    """
    points: tuple[PlannedPoint, ...] = ()
    if converse.has_points(request):
        try:
            marks = converse.read_converse(request).marks
        except BedrockCacheError:  # nothing is checked that is sent as it is
            marks = []
        points = tuple(PlannedPoint(m.position, m.place, m.ttl, "application") for m in marks)
    present: dict[Section, Any] = {
        "tools": request.get("toolConfig"),
        "system": request.get("system"),
        "messages": request.get("messages"),
    }
    skipped = tuple(SkippedPoint(name, reason, detail) for name, held in present.items() if held)
    return CachePlan(points=points, skipped=skipped)
