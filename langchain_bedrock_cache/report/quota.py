"""`QuotaEffect`: what prompt caching frees of a quota, or of provisioned units. Pure.

Bedrock counts uncached and written input towards tokens per minute, and what is read not at all.
Model units of provisioned throughput are sold in input tokens per minute as well; AWS documents
cache points for on-demand calls only, so that reads count no more there is what the numbers say,
not the documentation.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/prov-throughput.html (checked 2026-11-22)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.rows import ReportRow

_MINUTE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaEffect:
    """What did not count towards a quota, and what it carried instead.

    Attributes:
        calls: How many went well.
        free_tokens: Input tokens that did not count: those read from the prompt cache.
        counted_tokens: Input tokens that did: uncached or written.
        minutes: Minutes of the clock in which these calls were made; 0 if that is not known.
    """

    calls: int = 0
    free_tokens: int = 0
    counted_tokens: int = 0
    minutes: int = 0

    @property
    def capacity_ratio(self) -> float:
        """How many times the input the same quota, or provisioned units, carried: 1.0 or more."""
        if not self.counted_tokens:
            return 1.0
        return (self.free_tokens + self.counted_tokens) / self.counted_tokens

    @property
    def free_tokens_per_minute(self) -> float | None:
        """Tokens that did not count, in a minute with calls; `None` if not known."""
        return self.free_tokens / self.minutes if self.minutes else None

    @property
    def requests_per_minute(self) -> float | None:
        """Calls in a minute with calls; `None` if not known."""
        return self.calls / self.minutes if self.minutes else None

    @property
    def extra_requests_per_minute(self) -> float | None:
        """Calls in a minute beyond those that what counted would carry without prompt caching."""
        made = self.requests_per_minute
        return None if made is None else made - made / self.capacity_ratio

    def as_dict(self) -> dict[str, Any]:
        """Return the effect as plain data."""
        return {
            "calls": self.calls,
            "free_tokens": self.free_tokens,
            "counted_tokens": self.counted_tokens,
            "minutes": self.minutes,
            "capacity_ratio": self.capacity_ratio,
            "free_tokens_per_minute": self.free_tokens_per_minute,
            "requests_per_minute": self.requests_per_minute,
            "extra_requests_per_minute": self.extra_requests_per_minute,
        }


def quota_effect(row: ReportRow, starts: Iterable[float | None] = ()) -> QuotaEffect:
    """Return what calls took of a quota.

    Args:
        row: The calls added up.
        starts: When they were made, in seconds since the epoch.
    """
    return QuotaEffect(
        calls=row.calls - row.failed_calls,
        free_tokens=row.usage.cache_read_tokens,
        counted_tokens=row.usage.input_tokens - row.usage.cache_read_tokens,
        minutes=len({at // _MINUTE_SECONDS for at in starts if at is not None}),
    )


def is_provisioned(record: CallRecord) -> bool:
    """Whether a call went to provisioned throughput."""
    return parse_address(record.model_id or "").kind == "provisioned-model"
