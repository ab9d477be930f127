"""`PrefixMemory`: what it knows of a request, for how long, and that it stays small and sound."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import CLAUDE, HAIKU, ask, assistant, text, user, words

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.memory import Commitment, PrefixMemory, default_memory
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile, find_profile
from langchain_bedrock_cache.sighting import Sighting

Points = list[tuple[int, CacheTTL]]
QUESTION = ask(user(text(2000, "document"), "?"))
FOLLOW_UP = ask(*QUESTION["messages"], assistant("an answer"), user("??"))


def profile_of(request: dict[str, Any]) -> ModelProfile:
    """Return the profile of a request's model."""
    profile = find_profile(request["modelId"])
    assert profile is not None
    return profile


def observe(memory: PrefixMemory, request: dict[str, Any]) -> Sighting:
    """Let the memory see a request."""
    profile = profile_of(request)
    return memory.observe(read_converse(request, profile), profile)


def send(memory: PrefixMemory, request: dict[str, Any], points: Points | None = None) -> Commitment:
    """Let the memory see a request that is sent with points."""
    profile = profile_of(request)
    prefix = read_converse(request, profile)
    sighting = memory.observe(prefix, profile)
    return memory.commit(prefix, profile, sighting, points=points or [], stakes={}, saving=0.0)


def test_the_first_request_is_unknown(memory: PrefixMemory) -> None:
    """Nothing was seen, nothing is in the cache; the priors speak for what may come back."""
    sighting = observe(memory, QUESTION)
    assert (sighting.seen, dict(sighting.live)) == (0, {})
    assert [(cut.position, cut.cls.role) for cut in sighting.cuts] == [
        (1, "document"),
        (2, "question"),
    ]
    assert len(memory) == 0, "seeing is not sending"


def test_what_was_sent_is_seen(memory: PrefixMemory) -> None:
    """The longest prefix shared with any earlier request is found, to the block."""
    send(memory, QUESTION)
    assert observe(memory, QUESTION).seen == 2
    assert observe(memory, FOLLOW_UP).seen == 2
    assert observe(memory, ask(user(text(2000, "document"), "another"))).seen == 1
    assert observe(memory, ask(user(text(2000, "other"), "?"))).seen == 0


def test_models_have_prefixes_of_their_own(memory: PrefixMemory) -> None:
    """The prompt of one model is nothing new to it under another geography, but to others."""
    send(memory, QUESTION, [(1, "5m")])
    assert observe(memory, {**QUESTION, "modelId": CLAUDE.replace("us.", "eu.")}).seen == 2
    assert observe(memory, {**QUESTION, "modelId": HAIKU}).seen == 0


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_entries_live_as_long_as_their_ttl(
    memory: PrefixMemory, clock: SimulatedClock, ttl: CacheTTL
) -> None:
    """A written prefix is believed to be cached until just before its lifetime ends."""
    send(memory, QUESTION, [(1, ttl)])
    clock.advance(TTL_SECONDS[ttl] - 1)
    assert dict(observe(memory, FOLLOW_UP).live) == {1: ttl}
    clock.advance(1)
    assert dict(observe(memory, FOLLOW_UP).live) == {}


def test_a_read_renews_an_entry(memory: PrefixMemory, clock: SimulatedClock) -> None:
    """An entry that is used again lives for another lifetime, as in the cache itself."""
    send(memory, QUESTION, [(1, "5m")])
    for _ in range(3):
        clock.advance(299)
        send(memory, QUESTION, [(1, "5m")])
    clock.advance(299)
    assert dict(observe(memory, QUESTION).live) == {1: "5m"}


def test_a_failed_request_wrote_nothing(memory: PrefixMemory) -> None:
    """What a canceled request assumed is taken back."""
    commitment = send(memory, QUESTION, [(1, "5m")])
    memory.cancel(commitment)
    assert dict(observe(memory, QUESTION).live) == {}


def test_a_failed_request_leaves_the_cache_as_it_was(memory: PrefixMemory) -> None:
    """An entry that was there before a request failed (throttled, say) is still there."""
    send(memory, QUESTION, [(1, "5m")])
    memory.cancel(send(memory, QUESTION, [(1, "5m"), (2, "5m")]))
    assert dict(observe(memory, QUESTION).live) == {1: "5m"}


def test_a_failed_request_neither_cost_nor_saved(memory: PrefixMemory) -> None:
    """What a request may risk is the same after another one that failed."""
    prefix, profile = read_converse(QUESTION, profile_of(QUESTION)), profile_of(QUESTION)
    before = observe(memory, QUESTION).account.affordable(saving=0.0, prompt=1.0)
    for _ in range(10):
        sighting = memory.observe(prefix, profile)
        memory.cancel(memory.commit(prefix, profile, sighting, points=[], stakes={}, saving=1800.0))
    after = observe(memory, QUESTION).account.affordable(saving=0.0, prompt=1.0)
    assert after == pytest.approx(before)


def test_ignored_points_wrote_nothing(memory: PrefixMemory) -> None:
    """When Bedrock reports neither reads nor writes, nothing is in the cache."""
    commitment = send(memory, QUESTION, [(1, "5m")])
    memory.learn(commitment, input_tokens=2000, cached_tokens=0)
    assert dict(observe(memory, QUESTION).live) == {}


def test_characters_per_token_are_learned(memory: PrefixMemory) -> None:
    """The first answer sets the ratio of its model, later ones move it; other models keep 3.0."""
    commitment = send(memory, ask(user(words(1000))))
    memory.learn(commitment, input_tokens=1200, cached_tokens=1000)
    assert memory.chars_per_token(profile_of(QUESTION)) == pytest.approx(2.5)
    for _ in range(60):
        memory.learn(commitment, input_tokens=1000, cached_tokens=1000)
    assert memory.chars_per_token(profile_of(QUESTION)) == pytest.approx(3.0, abs=0.01)
    assert memory.chars_per_token(profile_of({"modelId": HAIKU})) == 3.0


@pytest.mark.parametrize("input_tokens", [0, -1])
def test_an_impossible_usage_teaches_nothing(memory: PrefixMemory, input_tokens: int) -> None:
    """A usage without input tokens leaves the ratio as it was."""
    memory.learn(send(memory, QUESTION), input_tokens=input_tokens, cached_tokens=1)
    assert memory.chars_per_token(profile_of(QUESTION)) == 3.0


def test_chances_follow_the_traffic(memory: PrefixMemory, clock: SimulatedClock) -> None:
    """Documents that are asked about again and again are expected back, lone ones are not."""

    def chance(name: str) -> float:
        cut = observe(memory, ask(user(text(2000, name), "?"))).cuts[0]
        assert cut.cls.role == "document"
        return cut.chances[0][0]

    before = chance("new")
    for n in range(40):
        send(memory, ask(user(text(2000, f"lone{n}"), "?")))
        clock.advance(30)
    lone = chance("new")
    for n in range(120):
        send(memory, ask(user(text(2000, f"asked{n // 4}"), f"{n}?")))
        clock.advance(30)
    assert lone < 0.1 < before
    assert chance("new") > 0.5


def test_a_canceled_request_was_no_return_and_no_use(
    memory: PrefixMemory, clock: SimulatedClock
) -> None:
    """Requests that fail (throttled, say) neither come back nor stay away."""
    before = observe(memory, QUESTION).cuts[0].chances[0]
    for n in range(60):
        memory.cancel(send(memory, ask(user(text(2000, f"failed{n}"), "?"))))
        clock.advance(1)
    assert observe(memory, QUESTION).cuts[0].chances[0] == pytest.approx(before, abs=0.05)


def test_the_memory_is_bounded(clock: SimulatedClock) -> None:
    """However many prefixes come by, no more are kept than allowed, and the newest are."""
    memory = PrefixMemory(clock=clock, max_entries=50)
    for n in range(300):
        send(memory, ask(user(f"document {n}", "?")), [(1, "5m")])
        assert len(memory) <= 50
        clock.advance(1)
    assert observe(memory, ask(user("document 299", "?"))).seen == 2
    assert observe(memory, ask(user("document 0", "?"))).seen == 0


def test_one_request_larger_than_the_memory(clock: SimulatedClock) -> None:
    """A request with more blocks than may be remembered is no error."""
    memory = PrefixMemory(clock=clock, max_entries=10)
    request = ask(user(*[f"block {n}" for n in range(50)]))
    send(memory, request, [(50, "5m")])
    assert len(memory) <= 10
    assert observe(memory, request).seen in (0, 50)


@pytest.mark.parametrize("back", [1.0, 3600.0, 1e6])
def test_a_clock_that_goes_back(memory: PrefixMemory, clock: SimulatedClock, back: float) -> None:
    """After a step back in time, requests are still seen and judged, and time goes on."""
    clock.advance(10_000)
    for n in range(20):
        send(memory, ask(user(text(2000, f"{n}"), "?")), [(1, "5m")])
        clock.advance(20)
    clock.advance(-back)
    for n in range(20):
        sighting = observe(memory, ask(user(text(2000, f"{n}"), "?")))
        assert sighting.seen == 2
        assert all(0.0 <= c <= 1.0 for cut in sighting.cuts for pair in cut.chances for c in pair)
        send(memory, ask(user(text(2000, f"{n}"), "??")), [(1, "5m")])
        clock.advance(20)
    clock.advance(301)
    assert dict(observe(memory, ask(user(text(2000, "0"), "?"))).live) == {}


def test_threads_share_a_memory(clock: SimulatedClock) -> None:
    """Requests of many threads are all taken in, one at a time."""
    memory = PrefixMemory(clock=clock, max_entries=500)
    request = ask(user("?"), system=[text(2000, "system")])
    profile = profile_of(request)

    def work(thread: int) -> None:
        for n in range(40):
            one = {**request, "messages": [user(f"{thread}/{n}")]}
            commitment = send(memory, one, [(1, "1h")])
            clock.advance(0.5)
            if n % 3 == 0:
                memory.cancel(commitment)
            else:
                memory.learn(commitment, input_tokens=2000, cached_tokens=1999)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    sighting = observe(memory, request)
    assert sighting.account.prompts == 8 * 26, "those canceled are not charged"
    assert sighting.seen == 1
    assert len(memory) <= 500
    assert memory.chars_per_token(profile) == pytest.approx(3.0, rel=0.1)


def test_no_text_is_kept(memory: PrefixMemory) -> None:
    """Nothing that the memory holds contains what a prompt said."""
    send(memory, ask(user("a-very-secret-ingredient", "?"), system=[{"text": "hush-hush"}]))
    kept = pickle.dumps((memory._table, memory._accounts))
    assert kept
    assert b"secret-ingredient" not in kept
    assert b"hush" not in kept


def test_the_default_memory_is_one() -> None:
    """All clients of a process that name no memory share one."""
    assert default_memory() is default_memory()


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 5),  # which document
            st.integers(0, 3),  # which question
            st.sampled_from([0.0, 1.0, 20.0, 250.0, 310.0, 4000.0, -100.0]),
            st.sampled_from(["learn", "cancel", "ignored", "lost"]),
        ),
        max_size=40,
    )
)
def test_any_traffic_leaves_a_sound_memory(steps: list[tuple[int, int, float, str]]) -> None:
    """Whatever comes, fails or goes unanswered: chances are chances and sums are finite."""
    clock = SimulatedClock()
    memory = PrefixMemory(clock=clock, max_entries=20)
    for document, question, seconds, outcome in steps:
        request = ask(user(f"document {document}", f"question {question}"))
        commitment = send(memory, request, [(1, "5m")])
        if outcome == "cancel":
            memory.cancel(commitment)
        elif outcome != "lost":
            memory.learn(commitment, input_tokens=9, cached_tokens=9 * (outcome == "learn"))
        clock.advance(seconds)
        sighting = observe(memory, request)
        assert len(memory) <= 20
        assert math.isfinite(sighting.account.affordable(saving=0.0, prompt=1.0))
        for cut in sighting.cuts:
            assert all(0.0 <= soon + late <= 1.0 + 1e-9 for soon, late in cut.chances)
        assert all(1 <= position <= sighting.seen for position in sighting.live)
