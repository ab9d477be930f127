"""One decision, from what the memory knows to what it is told: for calls and for simulations."""

from __future__ import annotations

from typing import Any

import pytest
from wire import CLAUDE, NOVA, ask, assistant, text, tool, user, words

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.decision import Decision, decide
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.policies import make_placer
from langchain_bedrock_cache.simulate.traffic import ReadCall, to_traffics

SECONDS_APART = 10.0
CONVERSATION = [user(text(1500), "One?"), assistant("Yes."), user("Two?"), assistant("No.")]


def decided(memory: PrefixMemory, request: dict[str, Any]) -> Decision:
    """Decide on a request with the default policy."""
    profile = find_profile(request["modelId"])
    assert profile is not None
    return decide(
        memory,
        read_converse(request, profile),
        profile=profile,
        policy=CachePolicy(),
        multipliers=price_multipliers(request["modelId"]),
    )


def test_a_decision_that_is_committed_is_known_to_the_next_one(memory: PrefixMemory) -> None:
    """What the first request is planned to write, the second one expects to read."""
    first = decided(memory, ask(user(text(2000), "One?")))
    assert first.plan.points
    assert not decided(memory, ask(user(text(2000), "Two?"))).sighting.live  # nothing is sent yet
    first.commit(memory)
    after = decided(memory, ask(user(text(2000), "Three?")))
    assert set(after.sighting.live) == {point.position for point in first.plan.points}
    assert after.plan.expected_read_tokens > 1900


def test_what_is_in_the_cache_stays_below_the_cap(memory: PrefixMemory) -> None:
    """What Nova has cached is read again, also if a later estimate is more than it can cache."""
    first = decided(memory, ask(user(words(19_500), "One?"), model=NOVA))
    memory.learn(first.commit(memory), input_tokens=24_000, cached_tokens=24_000)
    second = decided(memory, ask(user(words(19_500), "Two?"), model=NOVA))
    assert first.profile.max_cacheable_tokens == 20_000
    assert 1 in {point.position for point in second.plan.points}
    assert second.plan.expected_read_tokens > 20_000


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_simulation_places_the_points_that_are_sent(model: str) -> None:
    """Replayed, a conversation and requests on a document get the points of real calls."""
    head: dict[str, Any] = {"system": [text(1200)], "tools": [tool()], "model": model}
    requests = [ask(*CONVERSATION[:n], **head) for n in (1, 3)]
    requests += [ask(user(text(2500), f"Question {n}?"), **head) for n in range(3)]
    profile = find_profile(model)
    assert profile is not None
    calls = [
        ReadCall(
            at_seconds=SECONDS_APART * n,
            session=f"{n}",
            model_id=model,
            profile=profile,
            prefix=read_converse(request, profile),
        )
        for n, request in enumerate(requests)
    ]
    [traffic] = to_traffics(calls, source="test")
    placer = make_placer("auto", traffic, multipliers=price_multipliers(model))
    assert placer is not None
    simulated = [
        [(point.position, point.ttl) for point in placer.place(call)] for call in traffic.calls
    ]
    clock = SimulatedClock()
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=clock))
    sent = []
    for request in requests:
        plan = planner.prepare(request, CallOptions()).plan
        sent.append([(point.position, point.ttl) for point in plan.points])
        clock.advance(SECONDS_APART)
    assert simulated == sent
    assert all(sent)
