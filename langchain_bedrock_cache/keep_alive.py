"""Keep a prompt in the cache with pings, only while that is cheaper than writing it again.

A ping reads the prompt and thereby renews its lifetime. `Pinging` decides, without I/O, what to do
when; `KeepAlive` does it, in a thread or a task.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Self, get_args

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import run_in_executor

from langchain_bedrock_cache.checks import check_callable, check_choice, check_number
from langchain_bedrock_cache.pricing import PriceMultipliers, estimate_cost, price_multipliers
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL
from langchain_bedrock_cache.usage import CacheUsage
from langchain_bedrock_cache.warmup import prepare_warm_up

_logger = logging.getLogger(__name__)

StopReason = Literal["time", "pings", "budget", "cancelled"]

# A ping must arrive before the entry expires, though clocks and queues differ a little.
_INTERVAL_SHARE = 0.9
_GAPS_KEPT = 200
_FEWEST_GAPS = 5


def most_pings(
    gaps_seconds: Sequence[float],
    *,
    interval_seconds: float,
    multipliers: PriceMultipliers,
    ttl: CacheTTL = "5m",
) -> int:
    """Return after how many pings without a use to stop; 0 if pings do not pay at all.

    Pings up to the price of a rewrite never cost more than twice what perfect foresight would pay.
    With at least five gaps observed, the number that would have been cheapest for them is taken.

    Args:
        gaps_seconds: Observed times from one use to the next.
        interval_seconds: From a use or ping to the next ping.
        multipliers: The model's price ratios.
        ttl: Lifetime of the entry.
    """
    write = multipliers.write_1h if ttl == "1h" else multipliers.write_5m
    if multipliers.read <= 0:
        break_even = 1_000
    else:
        break_even = max(0, int((write - multipliers.read) / multipliers.read + 1e-9))
    if len(gaps_seconds) < _FEWEST_GAPS:
        return break_even
    needed = [int(gap // interval_seconds) for gap in gaps_seconds]

    def price(limit: int) -> float:
        pings = sum(min(n, limit) for n in needed) * multipliers.read
        return pings + sum(multipliers.read if n <= limit else write for n in needed)

    return min(range(break_even + 1), key=price)


@dataclass(slots=True, kw_only=True)
class Pinging:
    """When to ping: a state machine in seconds of any clock.

    Attributes:
        started_at: When it began.
        max_seconds: How long to go on at most.
        max_pings: How many pings to send at most; `None` for no limit.
        max_usd: What pings may cost at most; `None` for no limit.
        interval_seconds: From a use or ping to the next ping.
        limit: Pings in a row without a use; see `most_pings`.
        pings: Pings sent.
        usd: What they cost, as far as prices are known.
        in_a_row: Pings since the last use.
        renewed_at: Last use or ping.
        cold: Whether the entry was let go, until the next use.
    """

    started_at: float
    max_seconds: float
    max_pings: int | None
    max_usd: Decimal | None
    interval_seconds: float
    limit: int
    pings: int = 0
    usd: Decimal = Decimal(0)
    in_a_row: int = 0
    renewed_at: float = 0.0
    cold: bool = False

    def used(self, now: float) -> None:
        """Take in a use of the prompt: it renews the entry, or writes it."""
        self.renewed_at, self.in_a_row, self.cold = now, 0, False

    def pinged(self, now: float, *, usd: Decimal, was_alive: bool) -> None:
        """Take in a ping.

        Args:
            now: When it was sent.
            usd: What it cost.
            was_alive: Whether it found the entry; if not, it was no use and no other follows.
        """
        self.pings += 1
        self.in_a_row += 1
        self.usd += usd
        self.renewed_at = now
        self.cold = not was_alive

    def stop_reason(self, now: float) -> StopReason | None:
        """Return why it is over; `None` if it is not."""
        if now - self.started_at >= self.max_seconds:
            return "time"
        if self.max_pings is not None and self.pings >= self.max_pings:
            return "pings"
        if self.max_usd is not None and self._next_usd() > self.max_usd:
            return "budget"
        return None

    def seconds_to_next(self, now: float) -> float:
        """Return how long to wait: until a ping is due, or to the end; 0 for a ping now."""
        end = self.started_at + self.max_seconds
        due = self.renewed_at + self.interval_seconds
        resting = self.cold or self.in_a_row >= self.limit
        return max(0.0, (end if resting else min(due, end)) - now)

    def _next_usd(self) -> Decimal:
        """Return what will be spent after one more ping, if it costs what pings cost so far."""
        return self.usd + (self.usd / self.pings if self.pings else Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAliveReport:
    """What keeping alive did.

    Attributes:
        pings: Pings sent.
        failed_pings: Those that failed.
        usage: Tokens of all pings.
        usd: What they cost; 0 if no price is known.
        stopped: Why it ended; `None` while it runs.
    """

    pings: int
    failed_pings: int
    usage: CacheUsage
    usd: Decimal
    stopped: StopReason | None


class KeepAlive(BaseCallbackHandler):
    """Keep a prompt of a model in the cache while that pays; start it when the prompt is warm.

    Pass it as a callback of the calls that use the prompt (or call `used()`), so that it knows when
    no ping is needed, and learns how long the gaps are. Use it as a context manager for a
    background thread, or await `arun()`.

    Args:
        model: As in `prepare_warm_up`.
        prompt: As in `prepare_warm_up`.
        ttl: As in `prepare_warm_up`.
        max_seconds: How long to go on at most.
        max_pings: How many pings to send at most.
        max_usd: What they may cost at most, by list prices.
        clock: Seconds.
        sleep: Waits so many seconds; default: until `cancel` or a use.
        asleep: The same for `arun`.

    Raises:
        CachePolicyError: If a limit is not a positive number, or `ttl` is unknown.
        TypeError: As `prepare_warm_up`, or if clock or sleep cannot be called.
    """

    run_inline = True

    def __init__(
        self,
        model: Any,
        prompt: Any = (),
        *,
        ttl: CacheTTL = "5m",
        max_seconds: float = 3600.0,
        max_pings: int | None = None,
        max_usd: Decimal | float | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
        asleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        limits = {"max_seconds": max_seconds, "max_pings": max_pings, "max_usd": max_usd}
        for name, value in limits.items():
            if value is not None or name == "max_seconds":
                check_number(name, value, above=0, is_whole=name == "max_pings")
        check_choice("ttl", ttl, get_args(CacheTTL))
        for name, function in {"clock": clock, "sleep": sleep, "asleep": asleep}.items():
            if function is not None or name != "sleep":
                check_callable(name, function, what="a function, of seconds")
        self._call = prepare_warm_up(model, prompt, ttl=ttl)
        self._ttl = ttl
        self._clock = clock
        self._wake = threading.Event()
        self._sleep = sleep or self._wake.wait
        self._asleep = asleep
        self._lock = threading.Lock()
        self._cancelled = False
        self._thread: threading.Thread | None = None
        self._gaps: deque[float] = deque(maxlen=_GAPS_KEPT)
        self._used_at = clock()
        self._usage = CacheUsage()
        self._failed = 0
        self._stopped: StopReason | None = None
        target = self._call.model
        self._multipliers = price_multipliers(target.model_id, base_model=target.base_model_id)
        self._state = Pinging(
            started_at=self._used_at,
            max_seconds=max_seconds,
            max_pings=max_pings,
            max_usd=None if max_usd is None else Decimal(str(max_usd)),
            interval_seconds=TTL_SECONDS[ttl] * _INTERVAL_SHARE,
            limit=0,
            renewed_at=self._used_at,
        )
        self._learn()

    @property
    def report(self) -> KeepAliveReport:
        """What it did so far."""
        with self._lock:
            return KeepAliveReport(
                pings=self._state.pings,
                failed_pings=self._failed,
                usage=self._usage,
                usd=self._state.usd,
                stopped=self._stopped,
            )

    def used(self) -> None:
        """Say that the prompt was used just now."""
        with self._lock:
            now = self._clock()
            self._gaps.append(max(0.0, now - self._used_at))
            self._used_at = now
            self._state.used(now)
            self._learn()
        self._wake.set()

    def on_chat_model_start(self, *_args: Any, **_kwargs: Any) -> None:
        """Take every call that this is a callback of as a use."""
        self.used()

    def cancel(self) -> None:
        """Stop soon; a ping under way is finished."""
        self._cancelled = True
        self._wake.set()

    def run(self) -> KeepAliveReport:
        """Ping until a limit is reached or `cancel` is called; blocks."""
        while (wait := self._wait()) is not None:
            if wait > 0:
                self._sleep(wait)
                self._wake.clear()
            else:
                self._ping()
        return self.report

    async def arun(self) -> KeepAliveReport:
        """Do what `run` does in a task; cancel the task to stop at once."""
        while (wait := self._wait()) is not None:
            if wait > 0:
                await self._asleep(wait)
            else:
                await run_in_executor(None, self._ping)
        return self.report

    def __enter__(self) -> Self:
        """Start a background thread."""
        self._thread = threading.Thread(target=self.run, name="keep-alive", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop it, and wait for it."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def _wait(self) -> float | None:
        """Return the seconds to the next step, 0 for a ping now, `None` at the end."""
        with self._lock:
            now = self._clock()
            self._stopped = "cancelled" if self._cancelled else self._state.stop_reason(now)
            return None if self._stopped else self._state.seconds_to_next(now)

    def _ping(self) -> None:
        sent_at = self._clock()
        usage, usd = CacheUsage(), Decimal(0)
        try:
            usage = self._call.send()
        except Exception as error:  # noqa: BLE001 # a ping that fails costs a rewrite, no more
            _logger.warning("A keep-alive ping failed (%s).", type(error).__name__)
        else:
            model = self._call.model
            cost = estimate_cost(usage, model.model_id, base_model=model.base_model_id)
            usd = cost.total_usd if cost else usd
        with self._lock:
            self._failed += not usage.input_tokens
            self._usage += usage
            self._state.pinged(sent_at, usd=usd, was_alive=usage.cache_read_tokens > 0)

    def _learn(self) -> None:
        self._state.limit = most_pings(
            self._gaps,
            interval_seconds=self._state.interval_seconds,
            multipliers=self._multipliers,
            ttl=self._ttl,
        )
