"""`Speed`: how long calls took, hits against misses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from langchain_bedrock_cache.records import CallRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How long calls took, by whether they were hits.

    Attributes:
        hits: Calls that read all they could.
        misses: Calls that read nothing.
        hit_seconds: Median from start to end of the hits; `None` if unknown.
        miss_seconds: The same of the misses.
        hit_first_token_seconds: Median to the first content of streamed hits.
        miss_first_token_seconds: The same of the misses.
    """

    hits: int
    misses: int
    hit_seconds: float | None
    miss_seconds: float | None
    hit_first_token_seconds: float | None
    miss_first_token_seconds: float | None


def speed_of(records: Sequence[CallRecord]) -> Speed:
    """Return how long hits and misses took."""
    hits = [r for r in records if r.diagnosis and r.diagnosis.verdict == "hit"]
    misses = [r for r in records if r.usage and not r.usage.cache_read_tokens]
    return Speed(
        hits=len(hits),
        misses=len(misses),
        hit_seconds=_median(r.latency_seconds for r in hits),
        miss_seconds=_median(r.latency_seconds for r in misses),
        hit_first_token_seconds=_median(r.time_to_first_token_seconds for r in hits),
        miss_first_token_seconds=_median(r.time_to_first_token_seconds for r in misses),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
