"""Which documents were sent in which order, and which order shares most with that.

Keeps digests, times and counts; never text. Requests that begin with the same documents in the
same order share a prefix. So documents go in the order that an earlier request began with, as far
as that reaches; after that those first that keep coming back; and all others by relevance. A
prefix too short to be cached is worth nothing, so nothing is moved for it.

What moving everything by popularity costs, and what these limits gain: bench_rag.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import xxhash

# Nothing lives longer in the prompt cache, unless it is used.
_LIFETIME_SECONDS = 3600.0
# Five uses within a few minutes make a document popular. Fewer were measured to be chance: moved
# for their sake, documents of rarer questions change places whenever popularity does.
_POPULAR_USES = 5.0
_HALF_LIFE_SECONDS = 300.0
# Orders that are tried for one request; few requests need more than a hundred.
_MAX_STEPS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A document that is to be sent.

    Attributes:
        digest: Identifies what is sent of it.
        chars: Its size.
    """

    digest: bytes
    chars: int


@dataclass(slots=True)
class _Popularity:
    """How often a document was sent, old times counting less."""

    uses: float
    at: float

    def now(self, now: float) -> float:
        return self.uses * math.exp2(-max(0.0, now - self.at) / _HALF_LIFE_SECONDS)


class SentSequences:
    """Remember in which order documents were sent, and arrange others to share prefixes.

    Args:
        clock: Seconds; the only source of time.
        min_chars: Size from which on a prefix can be cached.
        max_entries: Documents, and prefixes of sequences, that are remembered (some 150 bytes
            each); the oldest are forgotten first.
    """

    def __init__(self, *, clock: Callable[[], float], min_chars: float, max_entries: int) -> None:
        self._clock = clock
        self._min_chars = min_chars
        self._max_entries = max_entries
        self._sent_at: dict[bytes, float] = {}
        self._popularity: dict[bytes, _Popularity] = {}
        self._lock = threading.Lock()

    def arrange(self, candidates: Sequence[Candidate], *, max_shift: int | None) -> list[int]:
        """Return the order to send documents in, and remember it as sent.

        Args:
            candidates: Different documents, the most relevant first.
            max_shift: By how many ranks a document may move from where it stands; `None` for any.

        Returns:
            Indices of the candidates, each of them once.
        """
        with self._lock:
            now = self._clock()
            order = self._best_order(candidates, max_shift, now)
            self._remember([candidates[i].digest for i in order], now)
            return order

    def _best_order(
        self, candidates: Sequence[Candidate], max_shift: int | None, now: float
    ) -> list[int]:
        shift = len(candidates) if max_shift is None else max_shift
        order = self._longest_shared(candidates, shift, now)
        uses = [self._popular_uses(c.digest, now) for c in candidates]
        ahead = {*order, *(i for i, n in enumerate(uses) if n)}
        if sum(candidates[i].chars for i in ahead) < self._min_chars:
            return [*range(len(candidates))]
        while len(order) < len(candidates):
            # `max` takes the first of equals, which is the most relevant.
            order.append(max(_allowed(order, len(candidates), shift), key=uses.__getitem__))
        return order

    def _longest_shared(self, candidates: Sequence[Candidate], shift: int, now: float) -> list[int]:
        """Return the beginning that shares the most characters with sequences sent before.

        Also where it has expired: it is written again then, and the same for everybody.
        """
        best: list[int] = []
        best_chars = 0
        steps = 0
        open_ends: list[tuple[bytes, list[int], int]] = [(b"", [], 0)]
        while open_ends and steps < _MAX_STEPS:
            node, order, chars = open_ends.pop()
            if chars > best_chars:
                best, best_chars = order, chars
            # The most relevant last, to be popped first: ties are stable.
            for i in reversed([*_allowed(order, len(candidates), shift)]):
                steps += 1
                child = _after(node, candidates[i].digest)
                if now - self._sent_at.get(child, -math.inf) < _LIFETIME_SECONDS:
                    open_ends.append((child, [*order, i], chars + candidates[i].chars))
        return [*best] if best_chars >= self._min_chars else []

    def _uses(self, digest: bytes, now: float) -> float:
        known = self._popularity.get(digest)
        return known.now(now) if known else 0.0

    def _popular_uses(self, digest: bytes, now: float) -> float:
        """Return how often a popular document was used lately; 0.0 for all others."""
        uses = self._uses(digest, now)
        return uses if uses >= _POPULAR_USES else 0.0

    def _remember(self, digests: Sequence[bytes], now: float) -> None:
        node = b""
        for digest in digests:
            node = _after(node, digest)
            self._sent_at.pop(node, None)
            self._sent_at[node] = now
            uses = self._uses(digest, now) + 1.0
            self._popularity.pop(digest, None)
            self._popularity[digest] = _Popularity(uses, now)
        _forget_oldest(self._sent_at, self._max_entries)
        _forget_oldest(self._popularity, self._max_entries)


def _allowed(order: Sequence[int], total: int, shift: int) -> Iterator[int]:
    """Yield the ranks that may come next if no document may move by more than `shift`.

    A document that has waited for so long has to come now; there is at most one such.
    """
    position = len(order)
    overdue = position - shift
    if 0 <= overdue < total and overdue not in order:
        yield overdue
        return
    for rank in range(max(0, overdue), min(total, position + shift + 1)):
        if rank not in order:
            yield rank


def _after(node: bytes, digest: bytes) -> bytes:
    return xxhash.xxh3_128_digest(node + digest)


def _forget_oldest(entries: dict[bytes, float] | dict[bytes, _Popularity], limit: int) -> None:
    while len(entries) > limit:
        del entries[next(iter(entries))]
