"""Positions that were seen and have not come back yet, and what hangs on it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.returns import BUCKETS_5M, EDGES_SECONDS, ReturnCurve
from langchain_bedrock_cache.spending import Account

_LAST_BUCKET = {"5m": BUCKETS_5M - 1, "1h": len(EDGES_SECONDS) - 1}


class Stake(NamedTuple):
    """A cache write up to a candidate position; amounts in tokens at the input price.

    Attributes:
        ttl: Lifetime of what is written.
        premium: What it costs above the input price.
        saving: What one read of it saves.
        paid: Whether it is really written, or was too risky.
    """

    ttl: CacheTTL
    premium: float
    saving: float
    paid: bool


@dataclass(slots=True)
class Waiting:
    """One use of one position, until the next.

    Attributes:
        since: Time of the use, in seconds.
        curves: What learns from the outcome.
        account: What the premium was charged to.
        stake: What was written up to the position, or would have been had it been affordable;
            `None` once settled.
        bucket: Age bucket the position is in.
        done: Whether the outcome is known.
    """

    since: float
    curves: Sequence[ReturnCurve]
    account: Account
    stake: Stake | None = None
    bucket: int = 0
    done: bool = False

    def settle(self, *, returned: bool) -> None:
        """Close the stake: the write was (or would have been) read again, or has expired."""
        stake, self.stake = self.stake, None
        if stake is None:
            return
        if stake.paid:
            self.account.settle(stake.premium)
        else:
            self.account.miss((stake.saving if returned else 0.0) - stake.premium)


class WaitingRoom:
    """Ages the waiting positions through the age buckets, each in its turn."""

    def __init__(self) -> None:
        self._queues: tuple[deque[Waiting], ...] = tuple(deque() for _ in EDGES_SECONDS)

    def enter(self, waiting: Waiting) -> None:
        """Begin to wait."""
        for curve in waiting.curves:
            curve.advance(waiting.since)
            curve.enter(0)
        if waiting.stake and waiting.stake.paid:
            waiting.account.risk(waiting.stake.premium)
        self._queues[0].append(waiting)

    def leave(self, waiting: Waiting, now: float, *, returned: bool) -> None:
        """End the wait: the position came back, or the request turned out never to have been."""
        if waiting.done:
            return
        waiting.done = True
        waiting.settle(returned=returned)
        for curve in waiting.curves:
            curve.advance(now)
            curve.leave(waiting.bucket, returned=returned)

    def age(self, now: float) -> None:
        """Move everything that has outlived its bucket, in the order of time.

        Call before asking for chances.
        """
        while True:
            at, bucket = min(
                (queue[0].since + EDGES_SECONDS[i], i) if queue else (math.inf, i)
                for i, queue in enumerate(self._queues)
            )
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
            waiting.settle(returned=False)
        if last:
            waiting.done = True
        else:
            waiting.bucket = bucket + 1
            self._queues[bucket + 1].append(waiting)
