"""Check the cache points that the application placed: they are kept, so they must be legal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from langchain_bedrock_cache.exceptions import (
    CachePointPositionError,
    CacheTTLOrderError,
    TooManyCachePointsError,
)
from langchain_bedrock_cache.positions import is_legal
from langchain_bedrock_cache.prefix import Mark, Place, Prefix
from langchain_bedrock_cache.profiles import ModelProfile, Section


def check_marks(prefix: Prefix, profile: ModelProfile, *, is_native: bool = False) -> None:
    """Raise if Bedrock would refuse the cache points that the application placed.

    Args:
        prefix: The request.
        profile: Its model.
        is_native: Whether the request is in the model's own format: Claude's takes points after
            everything but reasoning.

    Raises:
        TooManyCachePointsError: More points than the model allows.
        CacheTTLOrderError: A longer lifetime after a shorter one, or one the model does not know.
        CachePointPositionError: A point where the model allows none.
    """
    marks = prefix.marks
    if len(marks) > profile.max_cache_points:
        where = ", ".join(f"{sum(m.place.section == s for m in marks)} {s}" for s in _used(marks))
        msg = (
            f"{len(marks)} cache points requested, but Bedrock allows {profile.max_cache_points} "
            f"per request ({where}). Remove some, or let CachePolicy place them."
        )
        raise TooManyCachePointsError(msg)
    for before, after in pairwise(marks):
        if before.ttl == "5m" and after.ttl == "1h":
            msg = (
                f"The cache point after {_name(after.place)} has ttl '1h' but comes after one with "
                f"'5m' (after {_name(before.place)}). Bedrock wants longer lifetimes first, in the "
                "order tools, system, messages: give the earlier one '1h' or the later one '5m'."
            )
            raise CacheTTLOrderError(msg)
    for mark in marks:
        _check_mark(prefix, mark, profile, is_native=is_native)


def _used(marks: Sequence[Mark]) -> list[Section]:
    return list(dict.fromkeys(m.place.section for m in marks))


def _name(place: Place) -> str:
    """Spell a place as in the request, cache points not counted."""
    if place.section == "messages":
        return f"messages[{place.message}].content[{place.block}]"
    return f"{place.section}[{place.block}]"


def _check_mark(prefix: Prefix, mark: Mark, profile: ModelProfile, *, is_native: bool) -> None:
    if mark.ttl not in profile.ttls:
        msg = (
            f"The cache point after {_name(mark.place)} has ttl {mark.ttl!r}, but {profile.id} "
            f"takes only {', '.join(map(repr, profile.ttls))}. Leave the ttl out."
        )
        raise CacheTTLOrderError(msg)
    kind = prefix.kinds[mark.position - 1]
    # Recorded: Claude takes a point after whitespace, which is how some put one after a document.
    taken = kind == "blank" or (is_native and profile.points_after == "any" and kind != "reasoning")
    if is_legal(prefix, mark.position, profile) or (
        taken and mark.place.section in profile.sections
    ):
        return
    remedy = (
        f"{profile.id} takes none in {mark.place.section}: remove it."
        if mark.place.section not in profile.sections
        else "Put a text block before it, or move it to an earlier block."
    )
    msg = (
        f"The cache point after {_name(mark.place)} follows a {kind} block, and Bedrock refuses "
        f"that for {profile.id}. {remedy}"
    )
    raise CachePointPositionError(msg)
