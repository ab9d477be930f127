"""Prompt routers: planned within the limits of all their models, remembered as what they chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from client_calls import CALLS, Call
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import ask, points, text, tool, user, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheSkippedWarning,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, PromptRouter
from langchain_bedrock_cache.pricing import Rates, price_of

ROUTER = "arn:aws:bedrock:us-east-1:123456789012:prompt-router/abc123"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"  # caches from 4,096 tokens
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"  # from 1,024
LITE, PRO = "us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0"
NO_CACHING = "us.meta.llama3-3-70b-instruct-v1:0"
ASKED = ("GetPromptRouter",)
SILENT = CachePolicy(unsupported_model_behavior="ignore")


def last_text(request: Mapping[str, Any]) -> str:
    """Return the question."""
    said: str = request["messages"][-1]["content"][0]["text"]
    return said


def emulator_with(
    clock: SimulatedClock, easy: str = HAIKU, hard: str = SONNET, router: str = ROUTER
) -> BedrockEmulator:
    """Return an emulator whose router takes its first model for easy questions."""

    def choose(request: Mapping[str, Any]) -> str:
        return easy if last_text(request).startswith("easy") else hard

    behind = PromptRouter(models=(easy, hard), choose=choose)
    return BedrockEmulator(clock=clock, capture_requests=True, model_arns={router: behind})


@pytest.fixture
def emulator(clock: SimulatedClock) -> BedrockEmulator:
    """An emulator with a router between Haiku and Sonnet."""
    return emulator_with(clock)


def question(what: str, tokens: int = 5000, **more: Any) -> dict[str, Any]:
    """Return a request to the router."""
    return ask(user(what), system=[text(tokens)], model=ROUTER, **more)


@CALLS
def test_each_model_writes_once_and_reads_then(
    emulator: BedrockEmulator, memory: PrefixMemory, call: Call
) -> None:
    """Two caches, two writes; which of them a call reads is up to the router."""
    client = cached_client(emulator.client(), memory=memory)
    for what in ("easy 1", "easy 2", "hard 1", "hard 2", "easy 3"):
        call(client, question(what))
    reads = [record.cache_read_tokens > 4900 for record in emulator.ledger]
    assert reads == [False, True, False, True, True]
    assert all(points(request) for request in emulator.requests)
    assert emulator.control_requests == ASKED


@pytest.mark.parametrize(("tokens", "is_cached"), [(3000, False), (5000, True)])
def test_the_larger_minimum_decides(
    emulator: BedrockEmulator, memory: PrefixMemory, tokens: int, *, is_cached: bool
) -> None:
    """What is too short for one of the models gets no point that it would ignore."""
    client = cached_client(emulator.client(), memory=memory)
    for what in ("hard 1", "hard 2"):
        client.converse(**question(what, tokens=tokens))
    assert bool(points(emulator.requests[-1])) == is_cached
    assert bool(emulator.ledger[-1].cache_read_tokens) == is_cached


def test_the_rules_of_both_hold(clock: SimulatedClock, memory: PrefixMemory) -> None:
    """Between Nova and Claude, points are where Nova takes them and never for an hour."""
    emulator = emulator_with(clock, easy=LITE, hard=SONNET)
    client = cached_client(emulator.client(), memory=memory)
    request = question("easy 1", tools=[tool()])
    for what in ("easy 1", "hard 1", "hard 2", "easy 2"):
        request["messages"] = [user(what)]
        client.converse(**request)
        clock.advance(400)
    assert {record.error_code for record in emulator.ledger} == {None}
    placed = [point for request in emulator.requests for point in points(request)]
    assert placed
    assert not [point for point in placed if point.startswith("tools") or point.endswith("1h")]


def test_what_the_router_chose_is_warm(
    emulator: BedrockEmulator, memory: PrefixMemory, clock: SimulatedClock
) -> None:
    """A model called by its own ID is known to be warm with what a router had it write."""
    router = cached_client(emulator.client(), memory=memory)
    router.converse(**question("hard 1"))
    direct = question("hard 2")
    warm = [
        memory.warm_chars(prefix) > 3 * 4900
        for model in (SONNET, HAIKU)
        if (prefix := router.planner.read({**direct, "modelId": model}, _options(router)))
    ]
    assert warm == [True, False]


def test_the_latest_choice_comes_first(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """Of models in which nothing is warm, the one chosen last is expected to be chosen again."""
    client = cached_client(emulator.client(), memory=memory)
    expected = []
    for what in ("hard 1", "easy 1"):
        client.converse(**question(what))
        new = ask(user("new"), system=[text(5000, f"other {what}")], model=ROUTER)
        expected.append(client.planner.addressed(new, _options(client)).base_model)
    assert expected == [SONNET, HAIKU]


def _options(client: Any) -> Any:
    from langchain_bedrock_cache.calls import CallOptions  # noqa: PLC0415 # as the client makes them

    return CallOptions(locality=client.meta.region_name)


def test_without_permission_the_models_are_learned(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """The first answer names a model: from then on points are placed, and nobody asks again."""
    emulator.fail_next("AccessDeniedException", operation="GetPromptRouter")
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning, match="bedrock:GetPromptRouter.*learned") as caught:
        client.converse(**question("hard 1"))
    assert "base_model_id=" in str(caught[0].message)
    for what in ("hard 2", "hard 3"):
        client.converse(**question(what))
    assert [bool(points(request)) for request in emulator.requests] == [False, True, True]
    assert emulator.ledger[-1].cache_read_tokens > 4900
    assert emulator.control_requests == ASKED


def test_streams_teach_as_well(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """The last event of a stream names the model."""
    emulator.fail_next("AccessDeniedException", operation="GetPromptRouter")
    client = cached_client(emulator.client(), memory=memory, policy=SILENT)
    for what in ("hard 1", "hard 2"):
        list(client.converse_stream(**question(what))["stream"])
    assert [bool(points(request)) for request in emulator.requests] == [False, True]


@pytest.mark.parametrize(
    ("other", "said"),
    [(NO_CACHING, "may choose us.meta.llama"), ("zai.glm-5.3", "may choose zai.glm-5.3")],
)
def test_a_model_without_caching_among_them(
    clock: SimulatedClock, memory: PrefixMemory, other: str, said: str
) -> None:
    """A router that may choose a model that answers 403 gets no points, and one warning says so."""
    emulator = emulator_with(clock, hard=other)
    client = cached_client(emulator.client(), memory=memory)
    calls = [question("easy 1"), question("hard 1")]
    with pytest.warns(CacheSkippedWarning, match=said) as caught:
        responses = [client.converse(**call) for call in calls]
    assert len(caught) == 1
    assert len(responses) == len(emulator.ledger) == 2
    assert [points(request) for request in emulator.requests] == [[], []]


def test_base_model_id_counts_among_the_models(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """langchain-aws wants a base model for some settings; what else answers is learned."""
    client = cached_client(emulator.client(), memory=memory, base_model_id=SONNET)
    client.converse(**question("hard 1", tokens=3000))
    client.converse(**question("easy 1", tokens=3000))
    client.converse(**question("hard 2", tokens=3000))
    assert [bool(points(request)) for request in emulator.requests] == [True, True, False]
    assert emulator.control_requests == ()


def test_profiles_behind_a_router(clock: SimulatedClock, memory: PrefixMemory) -> None:
    """A router between application inference profiles is followed to their models."""
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    emulator = BedrockEmulator(
        clock=clock,
        capture_requests=True,
        model_arns={ROUTER: PromptRouter(models=(SONNET,)), profile: SONNET},
    )
    book_client = emulator.control_client()
    real = book_client.get_prompt_router

    class _Nested:
        """A control plane whose router names a profile."""

        def get_prompt_router(self, **asked: Any) -> Any:
            return {**real(**asked), "models": [{"modelArn": profile}], "fallbackModel": {}}

        def get_inference_profile(self, **asked: Any) -> Any:
            return book_client.get_inference_profile(**asked)

    from langchain_bedrock_cache.address_book import AddressBook  # noqa: PLC0415

    known = AddressBook(clock=clock).models(ROUTER, control=_Nested)
    assert known.models == (SONNET,)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_price_record_and_report(emulator: BedrockEmulator, memory: PrefixMemory, how: str) -> None:
    """Each call has the price of the model that answered, and the report tells them apart."""
    model = ChatBedrockCached(
        model_id=ROUTER,
        provider="anthropic",
        disable_streaming=False,  # langchain-aws does not know that routers stream
        client=emulator.client(),
        bedrock_client=emulator.control_client(),
        prefix_memory=memory,
    )
    with get_cache_usage_callback() as callback:
        for what in ("easy 1", "hard 1", "hard 2", "easy 2"):
            prompt = [("system", words(5000, f"{how} ")), ("human", what)]
            model.invoke(prompt) if how == "invoke" else list(model.stream(prompt))
    chosen = [HAIKU, SONNET, SONNET, HAIKU]
    for record, answered_by in zip(callback.records, chosen, strict=True):
        assert (record.model_id, record.answered_by) == (ROUTER, answered_by)
        assert record.usage is not None
        assert record.cost == price_of(record.usage, answered_by)
    names = [f"prompt-router/abc123 → {model}" for model in (HAIKU, SONNET)]
    assert list(callback.by_model()) == names
    assert all(name in str(callback.report()) for name in names)
    verdicts = [r.diagnosis.verdict for r in callback.records if r.diagnosis]
    assert verdicts[:3] == ["first_write", "prefix_changed", "hit"]
    changed = callback.records[1].diagnosis
    assert changed is not None
    assert "another model" in str(changed)
    assert "claude-haiku-4-5 before, anthropic.claude-sonnet-4-5 now" in str(changed)


def test_own_prices_by_the_model_that_answered(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """A price given for a base model is that of routed calls it answers."""
    rates = Rates.from_list({"input": "7", "output": "9", "cache_read": "1"})
    own = {SONNET.removeprefix("us."): rates}
    model = ChatBedrockCached(
        model_id=ROUTER, provider="anthropic", client=emulator.client(), prefix_memory=memory
    )
    with get_cache_usage_callback(rates=own) as callback:
        model.invoke("hard 1")
        model.invoke("easy 1")
    first, second = callback.records
    assert first.usage is not None
    assert second.usage is not None
    assert first.cost == price_of(first.usage, ROUTER, rates=rates)
    assert second.cost == price_of(second.usage, HAIKU)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from(["easy", "hard"]), min_size=2, max_size=8),
    st.sampled_from([(HAIKU, SONNET), (LITE, PRO), (SONNET, HAIKU)]),
)
def test_no_model_writes_twice_what_is_warm(questions: list[str], models: tuple[str, str]) -> None:
    """In whatever order a router chooses, each model reads all that it wrote before."""
    clock = SimulatedClock()
    emulator = emulator_with(clock, *models)
    client = cached_client(emulator.client(), memory=PrefixMemory(clock=clock))
    for number, what in enumerate(questions):
        client.converse(**question(f"{what} {number}"))
        clock.advance(1)
    seen = set()
    for record in emulator.ledger:
        assert (record.cache_read_tokens > 4900) == (record.base_model_id in seen)
        seen.add(record.base_model_id)
