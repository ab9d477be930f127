"""What is said of a call: a verdict, how much it could have read, and where to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.sent_requests.changes import Change

Verdict = Literal[
    "hit",
    "partial_hit",
    "first_write",
    "expired",
    "prefix_changed",
    "too_short",
    "too_long",
    "out_of_lookback",
    "in_flight",
    "no_points",
    "unsupported",
    "refused",
    "failed",
    "unreported",
    "unexplained",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What the prompt cache did for a call, and why not more.

    Attributes:
        verdict: In a word.
        expected_read_tokens: The yardstick: what the call could have read, had all gone well.
        wasted_tokens: What it read less than that.
        readable_tokens: What it could have read had nothing changed and everything been cached:
            estimated by what the requests have in common; 0 where that says nothing more.
        unwritten_tokens: Those of them that a call would have had to write first.
        change: Where the request differs from the earlier one, if it does.
        age_seconds: How long the entry had not been used, where it has expired.
        ttl: The lifetime of that entry.
        blocks: Blocks between the entry and the next cache point, where that is too far.
        detail: What else is known, in words; never prompt text.
    """

    verdict: Verdict
    expected_read_tokens: int = 0
    wasted_tokens: int = 0
    readable_tokens: int = 0
    unwritten_tokens: int = 0
    change: Change | None = None
    age_seconds: float | None = None
    ttl: CacheTTL | None = None
    blocks: int | None = None
    detail: str = ""

    @property
    def is_waste(self) -> bool:
        """Whether less was read than could have been."""
        return self.wasted_tokens > 0

    @property
    def place(self) -> str:
        """Where the request differs from the earlier one; empty if it does not."""
        return self.change.place if self.change else ""

    def __str__(self) -> str:
        """Say it in a line."""
        said = f"{self.verdict.replace('_', ' ')}"
        detail = f": {self.detail}" if self.detail else ""
        lost = f"; {self.wasted_tokens:,} tokens not read" if self.is_waste else ""
        return said + detail + lost

    def as_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain data, for JSON."""
        change = self.change
        return {
            "verdict": self.verdict,
            "detail": self.detail,
            "expected_read_tokens": self.expected_read_tokens,
            "wasted_tokens": self.wasted_tokens,
            "readable_tokens": self.readable_tokens,
            "unwritten_tokens": self.unwritten_tokens,
            "place": self.place,
            "change": change.kind if change else None,
            "section": change.section if change else None,
            "offset_chars": change.offset_chars if change else None,
            "age_seconds": self.age_seconds,
            "ttl": self.ttl,
            "blocks": self.blocks,
        }
