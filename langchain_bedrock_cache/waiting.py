"""Positions that were seen and have not come back yet, and what hangs on it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.returns import BUCKETS_5M, EDGES_SECONDS, ReturnCurve
from langchain_bedrock_cache.spending import Account

_LAST_BUCKET = {"5m": BUCKETS_5M - 1, "1h": len(EDGES_SECONDS) - 1}


class Stake(NamedTuple):
    """A cache write up to a candidate position.

    Attributes:
        ttl: Lifetime of what is written.
        premium: What it costs above the input price, in tokens at that price.
    """

    ttl: CacheTTL
    premium: float


class Missed(NamedTuple):
    """What would have been done in this request and the ones before, had all been affordable.

    Attributes:
        entries: Positions that would be written or read now, with the TTL of their entries.
        gain: What this request would have gained beyond what it does: more read, minus premiums,
            in tokens at the input price.
    """

    entries: Mapping[int, CacheTTL]
    gain: float


@dataclass(slots=True)
class Waiting:
    """One use of one position, until the next.

    Attributes:
        since: Time of the use, in seconds.
        curves: What learns from the outcome.
        account: What the premium was charged to.
        stake: What was written up to the position; `None` for nothing, or once settled.
        digest: Of the prefix up to the position, by which other processes know it.
        bucket: Age bucket the position is in.
        done: Whether the outcome is known.
    """

    since: float
    curves: Sequence[ReturnCurve]
    account: Account
    stake: Stake | None = None
    digest: bytes = b""
    bucket: int = 0
    done: bool = False

    def settle(self) -> None:
        """Close the stake: what was written was read again, or has expired."""
        stake, self.stake = self.stake, None
        if stake:
            self.account.settle(stake.premium)


class WaitingRoom:
    """Ages the waiting positions through the age buckets, each in its turn."""

    def __init__(self) -> None:
        self._queues: tuple[deque[Waiting], ...] = tuple(deque() for _ in EDGES_SECONDS)
        self._next_at = math.inf  # nothing outlives its bucket before this time

    def enter(self, waiting: Waiting) -> None:
        """Begin to wait."""
        for curve in waiting.curves:
            curve.advance(waiting.since)
            curve.enter(0)
        if waiting.stake:
            waiting.account.risk(waiting.stake.premium)
        self._queues[0].append(waiting)
        self._next_at = min(self._next_at, waiting.since + EDGES_SECONDS[0])

    def leave(self, waiting: Waiting, now: float, *, returned: bool) -> None:
        """End the wait: the position came back, or the request turned out never to have been."""
        if waiting.done:
            return
        waiting.done = True
        waiting.settle()
        for curve in waiting.curves:
            curve.advance(now)
            curve.leave(waiting.bucket, returned=returned)

    def due(self, now: float, *, most: int) -> list[bytes]:
        """Return the digests of positions that are about to outlive their bucket."""
        digests: list[bytes] = []
        if self._next_at > now:
            return digests
        for queue, edge in zip(self._queues, EDGES_SECONDS, strict=True):
            for waiting in queue:
                if waiting.since + edge > now or len(digests) >= most:
                    break
                if not waiting.done:
                    digests.append(waiting.digest)
        return digests

    def age(self, now: float) -> None:
        """Move everything that has outlived its bucket, in the order of time.

        Call before asking for chances.
        """
        while self._next_at <= now:
            at, bucket = min(
                (queue[0].since + EDGES_SECONDS[i], i) if queue else (math.inf, i)
                for i, queue in enumerate(self._queues)
            )
            self._next_at = at
            if at > now:
                return
            waiting = self._queues[bucket].popleft()
            if not waiting.done:
                self._outlive(waiting, bucket, at)

    def _outlive(self, waiting: Waiting, bucket: int, at: float) -> None:
        last = bucket + 1 == len(self._queues)
        for curve in waiting.curves:
            curve.advance(at)
            curve.leave(bucket, returned=False)
            if not last:
                curve.enter(bucket + 1)
        if waiting.stake and bucket >= _LAST_BUCKET[waiting.stake.ttl]:
            waiting.settle()
        if last:
            waiting.done = True
        else:
            waiting.bucket = bucket + 1
            self._queues[bucket + 1].append(waiting)
