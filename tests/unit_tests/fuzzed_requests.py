"""Sessions of requests of every shape, sent through a cached client to the emulator's validation.

No boto3 and no HTTP in between (see `direct_client`), so that hundreds of thousands fit into
minutes; the service model's checks and all rules of the emulator are there.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from direct_client import DirectClient
from native_bodies import native
from request_shapes import RequestShapes

from langchain_bedrock_cache import BedrockCacheError, CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.batch_context import current_batch
from langchain_bedrock_cache.calls import CallOptions
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.profiles import find_profile, shipped_profiles
from langchain_bedrock_cache.shared_prefixes import SharedPrefixes

Linter = Callable[[dict[str, Any]], list[str]]

POLICIES = (
    CachePolicy(),
    CachePolicy(),
    CachePolicy(ttl="1h"),
    CachePolicy(ttl="5m"),
    CachePolicy.fixed(tools="1h", system="1h", messages="5m"),
    CachePolicy.fixed(messages="5m"),
    CachePolicy(sections=("tools", "system")),
    CachePolicy(section_ttls={"system": "1h"}),
    CachePolicy(tenant="acme"),
    CachePolicy(rollout=0.5),
    CachePolicy(min_tokens=3_000),
    CachePolicy(single_flight_seconds=0.01),
)
HINTS = (None, None, None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"})


@dataclass(slots=True)
class Found:
    """What came of the requests.

    Attributes:
        counts: Requests by what became of them.
        models: Requests a model.
        wrong: What must not be, with an example.
    """

    counts: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, other: Found) -> None:
        """Add what others found."""
        self.counts += other.counts
        self.models += other.models
        self.wrong += other.wrong


def fuzz(seed: int, requests: int, *, lint: Linter | None = None) -> Found:
    """Send so many requests, or a few more, and return what came of them.

    Args:
        seed: Decides everything.
        requests: How many.
        lint: Returns the errors of another checker in a Converse request or body.
    """
    rng = random.Random(seed)
    found = Found()
    while found.models.total() < requests:
        _Session(rng, found, lint).run()
    return found


class _Session:
    """One application for some minutes: a model, a policy, conversations that go on and branch."""

    def __init__(self, rng: random.Random, found: Found, lint: Linter | None) -> None:
        self._rng = rng
        self._found = found
        self._lint = lint
        self._profile = rng.choice(shipped_profiles())
        geography = rng.choice(("", "us.", "global."))
        self._model = f"{geography}{self._profile.id}"
        self._is_native = rng.random() < 0.4 and self._profile.supports_caching
        self._policy = rng.choice(POLICIES)
        self._hint = rng.choice(HINTS)
        self._is_batch = rng.random() < 0.1
        self._marks = rng.random() < 0.3
        self._clock = SimulatedClock()
        chars = rng.choice((2.0, 3.0, 4.5))
        self._direct = DirectClient(BedrockEmulator(clock=self._clock, chars_per_token=chars))
        self._client = cached_client(
            self._direct, policy=self._policy, memory=PrefixMemory(clock=self._clock)
        )

    def run(self) -> None:
        """Send some requests, each after one of the earlier ones, or new."""
        shapes = RequestShapes(self._rng)
        history = [shapes.request(self._model)]
        for _ in range(self._rng.randint(3, 9)):
            request = history[-1]
            if self._marks:
                request = shapes.marked(request, self._profile)
            self._check(request)
            self._clock.advance(self._rng.choice((0.0, 5.0, 200.0, 400.0, 4_000.0)))
            history.append(shapes.following(self._rng.choice(history), self._model))

    def _check(self, request: dict[str, Any]) -> None:
        self._found.models[self._profile.id] += 1
        given = native(request) if self._is_native else request
        before = copy.deepcopy(given) if self._rng.random() < 0.1 else given
        self._direct.refused.clear()
        outcome = "answered"
        try:
            self._call(self._client, given)
        except BedrockCacheError:
            outcome = "our error about points of the application"
            if self._is_accepted(before):
                self._found.wrong[f"we raised, Bedrock would not: {self._model}"] += 1
        except ClientError:
            outcome = "refused, with and without us"
            if self._is_accepted(before):
                self._found.wrong[f"failed because of us: {self._direct.refused[-1]}"] += 1
        if self._direct.refused and self._is_accepted(before):
            self._found.wrong[f"point of ours refused: {self._direct.refused[0]}"] += 1
        if given != before:
            self._found.wrong["the request was changed"] += 1
        if outcome == "answered":
            self._look_at(before)
        self._found.counts[("InvokeModel " if self._is_native else "Converse ") + outcome] += 1

    def _call(self, client: Any, given: dict[str, Any]) -> None:
        send = client.invoke_model if self._is_native else client.converse
        token = current_batch.set(self._shared(given))
        try:
            send(**given, cache_control=self._hint)
        finally:
            current_batch.reset(token)

    def _shared(self, given: dict[str, Any]) -> SharedPrefixes | None:
        """Return places that a batch would share; any will do."""
        if not self._is_batch or self._is_native:
            return None
        prefix = self._client.planner.read(given, CallOptions())
        if prefix is None or not len(prefix):
            return None
        return SharedPrefixes(frozenset(self._rng.choices(prefix.digests, k=3)))

    def _look_at(self, given: dict[str, Any]) -> None:
        points = _count_points(self._direct.sent)
        self._found.counts["with points of ours"] += points > _count_points(given)
        self._found.counts["with points of the application"] += _count_points(given) > 0
        if self._lint is None or "anthropic" not in self._model:
            return
        own = self._lint(given)
        for error in self._lint(self._direct.sent):
            if error in own:
                own.remove(error)
            else:
                self._found.wrong[f"the linter says: {error}"] += 1
        self._found.counts["linted"] += 1

    def _is_accepted(self, given: dict[str, Any]) -> bool:
        """Whether Bedrock takes the request as the application made it."""
        client = DirectClient(BedrockEmulator(clock=self._clock))
        try:
            (client.invoke_model if self._is_native else client.converse)(**given)
        except ClientError:
            return False
        return True


def _count_points(request: dict[str, Any]) -> int:
    body = request.get("body")
    if body is not None:
        text = body.decode() if isinstance(body, bytes) else str(body)
        return text.count('"cachePoint"') + text.count('"cache_control"')
    lists = [message["content"] for message in request["messages"]]
    lists += [request.get("system", []), request.get("toolConfig", {}).get("tools", [])]
    return sum("cachePoint" in block for blocks in lists for block in blocks)


def known_models() -> int:
    """Count the models of the profile table, each of which has a profile under its own ID."""
    profiles = shipped_profiles()
    assert all(find_profile(profile.id) for profile in profiles)
    return len(profiles)
