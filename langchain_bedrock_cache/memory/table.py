"""`PrefixTable`: the prefixes a memory knows, by digest; bounded, the oldest go first."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_bedrock_cache.memory.record import PrefixRecord
from langchain_bedrock_cache.memory.sharing import SharedRecord
from langchain_bedrock_cache.positions import Cut
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.returns import pace_of


class PrefixTable:
    """Looks prefixes up; not thread-safe, the memory's lock guards it.

    Args:
        max_entries: Prefixes kept.
    """

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._records: dict[bytes, PrefixRecord] = {}

    def __len__(self) -> int:
        """Count the prefixes."""
        return len(self._records)

    def digests(self) -> set[bytes]:
        """Return what is known, as digests."""
        return set(self._records)

    def get(self, prefix: Prefix, position: int) -> PrefixRecord | None:
        """Return what is known of a request up to a position; `None` for nothing, and for 0."""
        return self._records.get(prefix.digests[position - 1]) if position else None

    def own(self, prefix: Prefix, position: int, now: float) -> PrefixRecord:
        """Return the record of a position alone, as the most recently used."""
        digest = prefix.digests[position - 1]
        record = self._records.pop(digest, None) or PrefixRecord(now)
        self._records[digest] = record = record.own()
        return record

    def merge(self, digest: bytes, shared: SharedRecord) -> PrefixRecord | None:
        """Take over what another process knows; return the record if that is news to it."""
        record = self._records.get(digest)
        if record is None:
            self._records[digest] = PrefixRecord.from_shared(shared)
            return None
        record = self._records[digest] = record.own()
        return record if record.merge(shared) else None

    def add(self, prefix: Prefix, after: int, now: float) -> None:
        """Remember the positions of a request after one; until told apart they share a record."""
        interior = PrefixRecord(now)
        for digest in prefix.digests[after:]:
            self._records.setdefault(digest, interior)

    def forget_oldest(self) -> None:
        """Keep to the bound."""
        while len(self._records) > self._max_entries:
            del self._records[next(iter(self._records))]

    def deepest(self, prefix: Prefix) -> int:
        """Return the longest position of a request that is known; 0 if none."""
        for position in range(len(prefix), 0, -1):
            if prefix.digests[position - 1] in self._records:
                return position
        return 0

    def pace(self, prefix: Prefix, seen: int, now: float) -> int:
        """Return the pace of the conversation, this gap included; 0 for a new one."""
        for position in range(seen, prefix.head, -1):
            record = self.get(prefix, position)
            if record and record.is_tail:
                return max(record.pace, pace_of(now - record.last_seen))
        return 0

    def live(
        self, prefix: Prefix, seen: int, cuts: Sequence[Cut], now: float
    ) -> tuple[dict[int, CacheTTL], int]:
        """Return what is in the cache, and up to where it would reach had every write been made."""
        live: dict[int, CacheTTL] = {}
        would = 0
        for position in range(seen, 0, -1):
            record = self.get(prefix, position)
            if record and record.expires_at > now:
                live[position] = record.ttl
                break
            if record and not would and record.would_expire_at > now:
                would = position
        for position, _ in cuts:
            record = self.get(prefix, position)
            if record and record.expires_at > now:
                live[position] = record.ttl
        return live, max(would, *live, 0)

    def warm_chars(self, prefix: Prefix, now: float) -> int:
        """Return how much of a request is believed to be cached now, in characters."""
        for position in range(len(prefix), 0, -1):
            record = self.get(prefix, position)
            if record and record.expires_at > now:
                return prefix.chars[position - 1]
        return 0
