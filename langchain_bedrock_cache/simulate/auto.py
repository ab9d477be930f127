"""The planner in a simulation: memories with the simulation's clock, one a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import xxhash

from langchain_bedrock_cache.decision import decide
from langchain_bedrock_cache.emulator.prompt_cache import CacheOutcome, Point
from langchain_bedrock_cache.memory import Commitment, PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.simulate.traffic import Call


class AutoPlacer:
    """Places points as `cached_client` does, and learns what the cache did with each call.

    Args:
        profile: What the model allows.
        multipliers: Its price ratios.
        workers: Processes that the sessions are spread over by a hash of their names.
        policy: What the user wants; default: `CachePolicy()`.
        make_memory: Makes the memory of a worker from the simulation's clock.
        spread: What goes to one worker: a whole session, or each call to any of them.
    """

    def __init__(
        self,
        *,
        profile: ModelProfile,
        multipliers: PriceMultipliers,
        workers: int = 1,
        policy: CachePolicy | None = None,
        make_memory: Callable[[Callable[[], float]], PrefixMemory] | None = None,
        spread: Literal["session", "call"] = "session",
    ) -> None:
        self._profile = profile
        self._multipliers = multipliers
        self._policy = policy or CachePolicy()
        self._now = 0.0
        make = make_memory or (lambda clock: PrefixMemory(clock=clock))
        self.memories = [make(self._clock) for _ in range(workers)]
        self._spread = spread
        self._sent: tuple[PrefixMemory, Commitment] | None = None

    def place(self, call: Call) -> Sequence[Point]:
        """Return the cache points that the planner decides on."""
        self._now = call.at_seconds
        memory = self._memory_of(call)
        decision = decide(
            memory,
            call.prefix,
            profile=self._profile,
            policy=self._policy,
            multipliers=self._multipliers,
        )
        self._sent = (memory, decision.commit(memory))
        return [Point(point.position, point.ttl) for point in decision.plan.points]

    def learn(self, call: Call, outcome: CacheOutcome) -> None:
        """Tell the memory what Bedrock would have answered."""
        if self._sent is None:
            return
        memory, commitment = self._sent
        memory.learn(
            commitment,
            input_tokens=call.tokens[-1],
            cached_tokens=outcome.read_tokens + outcome.write_tokens,
        )
        self._sent = None

    def _clock(self) -> float:
        return self._now

    def _memory_of(self, call: Call) -> PrefixMemory:
        if len(self.memories) == 1:
            return self.memories[0]
        key = call.session if self._spread == "session" else f"{call.session}/{call.at_seconds}"
        return self.memories[xxhash.xxh3_64_intdigest(key.encode()) % len(self.memories)]
