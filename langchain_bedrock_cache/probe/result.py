"""`ProbeResult`: what a probe found, call by call and as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.probe.plan import ProbePlan
from langchain_bedrock_cache.usage import CacheUsage

ProbeStep = Literal["same", "shorter", "later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCall:
    """One call of a probe.

    Attributes:
        step: `"same"` for one of the identical requests, `"shorter"` in search of the minimum,
            `"later"` after a wait.
        latency_seconds: From the request to the end of its answer, here.
        server_seconds: The same as Bedrock reports it; `None` if it does not.
        usage: Tokens.
        waited_seconds: How long was waited before it.
    """

    step: ProbeStep
    latency_seconds: float
    server_seconds: float | None
    usage: CacheUsage
    waited_seconds: float = 0.0

    @property
    def is_cached(self) -> bool:
        """Whether anything was read or written."""
        return self.cached_tokens > 0

    @property
    def cached_tokens(self) -> int:
        """Tokens read or written."""
        return self.usage.cache_read_tokens + self.usage.cache_write_tokens

    def as_dict(self) -> dict[str, Any]:
        """Return the call as plain data, for JSON."""
        return {
            "step": self.step,
            "latency_seconds": self.latency_seconds,
            "server_seconds": self.server_seconds,
            **self.usage.as_dict(),
            "waited_seconds": self.waited_seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe found.

    Attributes:
        plan: What was asked for.
        calls: What was sent, in order.
    """

    plan: ProbePlan
    calls: tuple[ProbeCall, ...]

    @property
    def same(self) -> list[ProbeCall]:
        """The identical requests."""
        return [call for call in self.calls if call.step == "same"]

    @property
    def reads(self) -> list[ProbeCall]:
        """Those of them that read from the cache, the first one aside."""
        return [call for call in self.same[1:] if call.usage.cache_read_tokens]

    @property
    def works(self) -> bool:
        """Whether the first request was written and all others read it."""
        first, *others = self.same
        return first.usage.cache_write_tokens > 0 and len(self.reads) == len(others)

    @property
    def speed_up(self) -> float | None:
        """Latency of the first request over the median of those that read; `None` without any."""
        if not self.reads:
            return None
        read_seconds = median(call.latency_seconds for call in self.reads)
        return self.same[0].latency_seconds / read_seconds if read_seconds else None

    @property
    def observed_minimum(self) -> tuple[int, int] | None:
        """The longest prompt that was not cached and the shortest that was, in tokens.

        `None` if not looked for; 0 and `tokens` where one side was not seen.
        """
        tried = [call for call in self.calls if call.step == "shorter"]
        if not tried:
            return None
        missed = [call.usage.input_tokens for call in tried if not call.is_cached]
        cached = [call.cached_tokens for call in (*tried, *self.same) if call.is_cached]
        return max(missed, default=0), min(cached, default=0)

    @property
    def observed_lifetime(self) -> tuple[float, float] | None:
        """The longest wait after which it was read, and the shortest after which it was not.

        In seconds, since the last use; 0.0 where a side was not seen; `None` if not looked for.
        """
        later = [call for call in self.calls if call.step == "later"]
        if not later:
            return None
        alive = [call.waited_seconds for call in later if call.usage.cache_read_tokens]
        gone = [call.waited_seconds for call in later if not call.usage.cache_read_tokens]
        return max(alive, default=0.0), min(gone, default=0.0)

    @property
    def cost(self) -> CostBreakdown | None:
        """What it cost at list prices; `None` if no price is known."""
        return self.plan.cost_of(call.usage for call in self.calls)
