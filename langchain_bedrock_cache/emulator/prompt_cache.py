"""Bedrock's prompt cache as a pure state machine: which tokens a request reads and writes.

What is modelled, and how it follows the documentation and the recordings:

* An entry is the exact prefix up to a cache point; it is written only at a point.
* A point finds the longest live entry at its own position or up to `lookback_blocks` before it.
  Of all points, the longest find is what the request reads.
* Finding an entry renews its lifetime, for the entry's own TTL.
* Points beyond what was read write one span: 1h up to the last 1h point, 5m from there to the
  last point. Points below the minimum (or beyond a documented cap) are ignored.
* An entry is readable once the response that wrote it has begun (`readable_at`).

No content is kept: a prefix is a digest.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from langchain_bedrock_cache.checks import check_choice, check_number, check_type
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile


@dataclass(frozen=True, slots=True)
class Point:
    """A cache point: `position` is the number of content blocks before it (at least 1).

    Raises:
        CachePolicyError: If the position is less than 1, or the TTL none that Bedrock knows.
    """

    position: int
    ttl: CacheTTL = "5m"

    def __post_init__(self) -> None:
        check_number("position", self.position, least=1, is_whole=True)
        check_choice("ttl", self.ttl, TTL_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOutcome:
    """What one request read and wrote, in tokens; the rest of the prompt was uncached."""

    read_tokens: int = 0
    write_5m_tokens: int = 0
    write_1h_tokens: int = 0
    uncached_tokens: int = 0

    @property
    def write_tokens(self) -> int:
        """Tokens written, whatever their TTL."""
        return self.write_5m_tokens + self.write_1h_tokens


@dataclass(slots=True)
class _Entry:
    ttl: CacheTTL
    expires_at: float
    readable_at: float


@dataclass(slots=True)
class PromptCache:
    """The entries of one account, Region and model; time is always an argument, in seconds.

    Bounded only by expiry: entries that ran out are dropped as requests come in.
    """

    _entries: dict[Hashable, _Entry] = field(default_factory=dict)
    _next_sweep: float = 0.0

    def __len__(self) -> int:
        """Count the entries held, those not yet swept included."""
        return len(self._entries)

    def request(
        self,
        *,
        digests: Sequence[Hashable],
        cumulative_tokens: Sequence[int],
        points: Sequence[Point],
        profile: ModelProfile,
        now: float,
        readable_at: float | None = None,
    ) -> CacheOutcome:
        """Account for one request: read the longest entry, write what the points ask for.

        Args:
            digests: Digest of the prefix up to and including each content block, in prefix order.
            cumulative_tokens: Tokens of the same prefixes; same length, not decreasing.
            points: Cache points in prefix order.
            profile: The model's minimum, lookback and cap.
            now: When the request arrives.
            readable_at: When entries written now become readable; default: at once.

        Returns:
            Tokens read, written and uncached; they sum to `cumulative_tokens[-1]`.

        Raises:
            CachePolicyError: If there are not as many digests as token counts, or a cache point
                stands behind the last of them.
            TypeError: If `profile` is no `ModelProfile`.
        """
        check_type("profile", profile, ModelProfile, what="a ModelProfile")
        _check_lengths(digests, cumulative_tokens, points)
        self._sweep(now)
        total = cumulative_tokens[-1] if cumulative_tokens else 0
        usable = [
            p
            for p in points
            if cumulative_tokens[p.position - 1] >= profile.min_tokens_per_cache_point
            and not 0 < profile.max_cacheable_tokens < cumulative_tokens[p.position - 1]
        ]
        read_position = 0
        for point in usable:
            found = self._find(digests, point.position, profile.lookback_blocks, now)
            read_position = max(read_position, found)
        read = cumulative_tokens[read_position - 1] if read_position else 0
        new = [p for p in usable if p.position > read_position]
        end_1h = max(
            (cumulative_tokens[p.position - 1] for p in new if p.ttl == "1h"), default=read
        )
        end = max((cumulative_tokens[p.position - 1] for p in new), default=read)
        for point in new:
            self._write(digests[point.position - 1], point.ttl, now, readable_at)
        return CacheOutcome(
            read_tokens=read,
            write_1h_tokens=end_1h - read,
            write_5m_tokens=end - end_1h,
            uncached_tokens=total - end,
        )

    def _find(self, digests: Sequence[Hashable], position: int, lookback: int, now: float) -> int:
        """Return the position of the longest live entry near a point, and renew it; 0 if none."""
        for q in range(position, max(0, position - lookback - 1), -1):
            entry = self._entries.get(digests[q - 1])
            if entry and entry.readable_at <= now < entry.expires_at:
                entry.expires_at = now + TTL_SECONDS[entry.ttl]
                return q
        return 0

    def _write(
        self, digest: Hashable, ttl: CacheTTL, now: float, readable_at: float | None
    ) -> None:
        readable = now if readable_at is None else readable_at
        expires = now + TTL_SECONDS[ttl]
        previous = self._entries.get(digest)
        if previous and previous.expires_at > now:  # a concurrent first write: the earlier stays
            readable = min(readable, previous.readable_at)
            expires = max(expires, previous.expires_at)
            ttl = max(ttl, previous.ttl, key=TTL_SECONDS.__getitem__)
        self._entries[digest] = _Entry(ttl, expires, readable)

    def _sweep(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._entries = {d: e for d, e in self._entries.items() if e.expires_at > now}
        self._next_sweep = now + TTL_SECONDS["5m"]


def _check_lengths(
    digests: Sequence[Hashable], cumulative_tokens: Sequence[int], points: Sequence[Point]
) -> None:
    blocks = len(digests)
    if len(cumulative_tokens) != blocks:
        msg = (
            f"There are {blocks:,} digests, but {len(cumulative_tokens):,} token counts. "
            "Give one of each for every content block."
        )
        raise CachePolicyError(msg)
    behind = [point.position for point in points if point.position > blocks]
    if behind:
        msg = f"A cache point stands behind block {behind[0]:,}, but there are only {blocks:,}."
        raise CachePolicyError(msg)
