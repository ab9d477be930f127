"""What calls left in the prompt cache, as far as their usage tells."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from langchain_bedrock_cache.diagnosis.facts import NOT_KNOWN, Branch, Destination, Entry
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.sent_requests import SentRequest
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.usage import CacheUsage

_MAX_ENTRIES = 8_192
# Token counts of points inside a request are estimates.
_ABOUT = 0.9
# A point this far beyond what was cached, by its characters, was ignored: too long a prefix.
_BEYOND = 1.2


class Cached(NamedTuple):
    """What a call had in the prompt cache when it ended.

    Attributes:
        tokens: Read and written.
        sent_to: Where.
        points: Positions and lifetimes of the cache points up to which that was.
        chars: Size of the prompt up to the last of these.
        used_at: When, in seconds.
    """

    tokens: int = 0
    sent_to: Destination = NOT_KNOWN
    points: Sequence[tuple[int, CacheTTL]] = ()
    chars: int = 0
    used_at: float = 0.0


NOTHING = Cached()
"""Of calls that are not remembered."""


class CacheEntries:
    """The entries of the prompt cache by the digest of their prefix; bounded, not thread-safe."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()

    def get(self, digest: bytes) -> Entry | None:
        """Return an entry; `None` if none is known."""
        return self._entries.get(digest)

    def put(self, digest: bytes, entry: Entry) -> None:
        """Keep an entry as the latest one, and forget the oldest beyond the limit."""
        self._entries[digest] = entry
        self._entries.move_to_end(digest)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)

    def longest(self, taken: Fingerprint) -> Entry | None:
        """Return the longest entry in the prefix of a request."""
        digests = taken.prefix.digests
        for position in range(len(digests), 0, -1):
            entry = self._entries.get(digests[position - 1])
            if entry is not None:
                return entry
        return None

    def take(
        self,
        taken: Fingerprint,
        usage: CacheUsage,
        found: Entry | None,
        *,
        started_at: float,
        readable_at: float,
        sent_to: Destination,
    ) -> Cached:
        """Take in what a call has read and written.

        Args:
            taken: Its request.
            usage: Its tokens.
            found: The longest entry that was there before.
            started_at: When it was made, in seconds.
            readable_at: When its answer began.
            sent_to: Where it went.

        Returns:
            What it had in the cache when it ended.
        """
        read = usage.cache_read_tokens
        tokens = read + usage.cache_write_tokens
        digests, chars = taken.prefix.digests, taken.prefix.chars
        points = _used_points(taken, usage) if tokens else ()
        last = points[-1][0] if points else 0
        size = taken.prefix.chars_before(last)
        cached = Cached(tokens, sent_to, points, size, started_at)
        if not tokens:
            return cached
        if found is not None and read >= _ABOUT * found.tokens:
            self.put(digests[found.position - 1], found._replace(used_at=started_at))
        minimum = taken.profile.min_tokens_per_cache_point if taken.profile else 0
        for position, ttl in points:
            length = round(tokens * chars[position - 1] / max(1, size))
            if length < minimum:
                continue
            entry = Entry(
                tokens=tokens if position == last else length,
                is_exact=position == last,
                ttl=ttl,
                used_at=started_at,
                readable_at=readable_at,
                written_at=sent_to,
                position=position,
            )
            digest = digests[position - 1]
            self.put(digest, self._merged(digest, entry, read))
        return cached

    def _merged(self, digest: bytes, new: Entry, read: int) -> Entry:
        """Return the entry after a call that had a cache point at its end.

        What was read up to a later place was not touched here: only the longest find is renewed.
        """
        old = self._entries.get(digest)
        if old is None or old.written_at != new.written_at or old.tokens > read:
            return new
        used_at = new.used_at if old.tokens >= _ABOUT * read else old.used_at
        return old._replace(used_at=used_at)


def branch_of(sent: SentRequest, earlier: Cached) -> Branch | None:
    """Return what the earlier request had cached of the common beginning, and how that ends.

    It had no cache point at its end: what Bedrock can read ends where a cache point was.
    """
    taken, position = sent.print, sent.shared
    prefix = taken.prefix
    if not 0 < position < min(len(prefix), earlier.points[-1][0]):
        return None
    size = prefix.chars_before(position)
    tokens = round(earlier.tokens * size / max(1, earlier.chars))
    if taken.profile is None or tokens < taken.profile.min_tokens_per_cache_point:
        return None
    before = [p for p, _ in earlier.points if p <= position]
    if prefix.chars_before(max(before, default=0)) >= _ABOUT * size:
        return None
    ttl = next(ttl for end, ttl in earlier.points if end > position)
    return Branch(position, tokens, ttl, earlier.used_at)


def _used_points(taken: Fingerprint, usage: CacheUsage) -> list[tuple[int, CacheTTL]]:
    """Return the points up to the one at which the cached part of the prompt ends."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    chars = taken.prefix.chars
    limit = _BEYOND * cached / max(1, usage.input_tokens) * chars[-1] if chars else 0
    return [point for point in taken.points if chars[point[0] - 1] <= limit]
