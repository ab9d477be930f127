"""`PrefixRecord`: what a memory knows of one prefix."""

from __future__ import annotations

import math
from dataclasses import dataclass

from langchain_bedrock_cache.memory.sharing import SharedRecord
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.returns import TAIL_ROLES, Role
from langchain_bedrock_cache.waiting import Waiting


@dataclass(slots=True)
class PrefixRecord:
    """One prefix; the interior positions of a request share one record until one is told apart.

    Attributes:
        last_seen: Time of its last use, in seconds.
        uses: How often it was used.
        role: What it was at its last use; `None` for interior positions.
        pace: Pace class of the conversation it ends.
        waiting: Its last use, until the next.
        ttl: Lifetime of its entry in the prompt cache.
        expires_at: Until when it is believed to be there.
        would_expire_at: The same, had the writes that were too risky been made.
        is_foreign: Whether its last use was in another process.
    """

    last_seen: float
    uses: int = 1
    role: Role | None = None
    pace: int = 0
    waiting: Waiting | None = None
    ttl: CacheTTL = "5m"
    expires_at: float = -math.inf
    would_expire_at: float = -math.inf
    is_foreign: bool = False

    @property
    def is_tail(self) -> bool:
        """Whether a conversation ended here, so far, or what is kept of it."""
        return self.role in TAIL_ROLES or self.role == "history"

    def own(self) -> PrefixRecord:
        """Return a record for this position alone, if it shares one with its neighbors."""
        if self.role is not None:
            return self
        return PrefixRecord(self.last_seen, self.uses)  # nothing else is known of interior ones

    def share(self) -> SharedRecord:
        """Return what other processes need to know."""
        expires_at = self.expires_at if self.expires_at > self.last_seen else 0.0
        tail = self.role if self.role == "history" else "turn" if self.is_tail else "branch"
        return SharedRecord(self.last_seen, expires_at, self.uses, self.pace, self.ttl, tail)

    def merge(self, other: SharedRecord) -> bool:
        """Take over what another process knows; return whether it is news."""
        if other.last_seen <= self.last_seen:
            return False
        self.last_seen = other.last_seen
        self.uses = max(self.uses, other.uses)
        self.pace = max(self.pace, other.pace)
        self.ttl, self.expires_at = other.ttl, other.expires_at or -math.inf
        self.is_foreign = True
        return True

    @classmethod
    def from_shared(cls, other: SharedRecord) -> PrefixRecord:
        """Return a record of a prefix that only other processes have seen."""
        record = cls(-math.inf, uses=0, role=other.role)
        record.merge(other)
        return record
