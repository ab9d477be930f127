"""`CachePlan`: where the cache points of one request go, and why not elsewhere. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from langchain_bedrock_cache.prefix import Origin, Place
from langchain_bedrock_cache.profiles import CacheTTL, Section
from langchain_bedrock_cache.waiting import Missed, Stake

SkipReason = Literal[
    "off",
    "section_off",
    "refused_before",
    "unsupported_model",
    "too_short",
    "too_long",
    "no_legal_position",
    "not_worth_it",
    "loss_limit",
    "budget",
]


class PlannedPoint(NamedTuple):
    """One cache point of the request that is sent.

    Attributes:
        position: Number of blocks before it.
        place: The block it follows.
        ttl: Its lifetime.
        origin: Who placed it.
    """

    position: int
    place: Place
    ttl: CacheTTL
    origin: Origin


class SkippedPoint(NamedTuple):
    """A place without a cache point, and why."""

    section: Section
    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """Where the cache points of one request go, and why not elsewhere.

    Attributes:
        points: All points of the request as it is sent, in prefix order.
        skipped: Sections without a point, with reasons.
        expected_read_tokens: What the memory expects Bedrock to read.
        expected_write_tokens: What the memory expects Bedrock to write.
        stakes: For candidate positions, what is written up to there.
        missed: What would have been done, had it been affordable; `None` if all is.
        saving: What the expected read saves, in tokens at the input price.
    """

    points: tuple[PlannedPoint, ...] = ()
    skipped: tuple[SkippedPoint, ...] = ()
    expected_read_tokens: int = 0
    expected_write_tokens: int = 0
    stakes: Mapping[int, Stake] = field(default_factory=dict)
    missed: Missed | None = None
    saving: float = 0.0

    def added(self) -> list[tuple[Place, CacheTTL]]:
        """Return the points to write into the request: those not placed by the application."""
        return [(p.place, p.ttl) for p in self.points if p.origin == "planner"]
