"""Where Bedrock refuses a cache point, in its own words.

The indexes in Claude's and Nova's messages count blocks without the cache points: Bedrock folds a
point into the block in front of it before the model sees the request. The one exception is a point
after a document, where the folding fails and the point itself arrives as a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_bedrock_cache.emulator.blocks import (
    CACHE_POINT,
    BlockList,
    block_kind,
    block_lists,
)
from langchain_bedrock_cache.emulator.errors import (
    AFTER_REASONING,
    CACHING_NOT_SUPPORTED,
    EXTENDED_TTL,
    NOTHING_TO_CACHE,
    access_denied,
    cache_point_after_document,
    foreign_cache_points,
    invalid,
    too_many_cache_points,
    ttl_order,
    unsupported_ttl,
)
from langchain_bedrock_cache.profiles import ModelProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A cache point where it stands.

    Attributes:
        place: The list it is in.
        index: Its own index in that list.
        before: Kind of the block in front of it (other points aside), or `None`.
        before_index: Index of that block in the list without points.
        ttl: As written; `None` if left out.
    """

    place: BlockList
    index: int
    before: str | None
    before_index: int
    ttl: str | None

    @property
    def cache_control(self) -> str:
        """Where Claude sees the point, such as `messages.0.content.2.cache_control`."""
        path = self.place.path[1:] if self.place.section == "tools" else self.place.path
        return ".".join(map(str, (*path, self.before_index, "cache_control")))

    @property
    def pointer(self) -> str:
        """Where Nova sees the point, such as `#/messages/0/content/2`."""
        return "/".join(map(str, ("#", *self.place.path, self.before_index)))


def check_cache_points(request: Mapping[str, Any], profile: ModelProfile | None) -> None:
    """Refuse a request whose cache points Bedrock refuses.

    Args:
        request: Decoded parameters of Converse.
        profile: What the model allows; `None` for an unknown model, which allows no points.

    Raises:
        ServiceError: With the first broken rule, in Bedrock's words.
    """
    points = list(_points(request))
    if not points:
        return
    if profile is None or not profile.supports_caching:
        raise access_denied(CACHING_NOT_SUPPORTED)
    for point in points:
        if point.before is None:
            raise invalid(NOTHING_TO_CACHE)
    _check_schema(points, profile)
    for point in points:
        _check_neighbor(point, profile)
        _check_ttl(point, profile)
    if len(points) > profile.max_cache_points:
        raise too_many_cache_points(found=len(points), limit=profile.max_cache_points)
    _check_ttl_order(points)


def native_rules(profile: ModelProfile | None) -> ModelProfile | None:
    """Return what Claude allows in its own format: there, a document of any kind takes a point."""
    if profile is None:
        return None
    never_after = tuple(kind for kind in profile.never_after if kind != "document")
    return replace(profile, never_after=never_after)


def _points(request: Mapping[str, Any]) -> Iterator[_Point]:
    for place in block_lists(request):
        before, before_index = None, -1
        for index, block in enumerate(place.blocks):
            if CACHE_POINT in block:
                yield _Point(
                    place=place,
                    index=index,
                    before=before,
                    before_index=before_index,
                    ttl=block[CACHE_POINT].get("ttl"),
                )
            else:
                before, before_index = block_kind(block), before_index + 1


def _check_schema(points: list[_Point], profile: ModelProfile) -> None:
    text_only = profile.points_after == "text"
    foreign = [
        point.pointer
        for point in points
        if point.place.section not in profile.sections or (text_only and point.before != "text")
    ]
    if foreign:
        raise foreign_cache_points(foreign)


def _check_neighbor(point: _Point, profile: ModelProfile) -> None:
    if point.before not in profile.never_after:
        return
    if point.before == "reasoning":
        raise invalid(AFTER_REASONING)
    raise cache_point_after_document(".".join(map(str, (*point.place.path, point.index))))


def _check_ttl(point: _Point, profile: ModelProfile) -> None:
    if point.ttl is None:
        return
    # Reports differ on an explicit "5m" outside Claude: two say it is refused like "1h", one that
    # it is accepted. The strict reading is safe: leaving the key out always works.
    if profile.provider != "anthropic" and "1h" not in profile.ttls:
        raise invalid(EXTENDED_TTL)
    if point.ttl not in profile.ttls:
        raise unsupported_ttl(point.cache_control)


def _check_ttl_order(points: list[_Point]) -> None:
    short_seen = False
    for point in points:
        if point.ttl == "1h" and short_seen:
            raise ttl_order(point.cache_control)
        short_seen = short_seen or point.ttl != "1h"
