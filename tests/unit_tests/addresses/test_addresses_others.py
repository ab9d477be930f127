"""Provisioned throughput, custom and imported models, endpoints, prompts, unknown models."""

from __future__ import annotations

from typing import Any

import pytest
from wire import CLAUDE, ask, points, text, user, words

from langchain_bedrock_cache import (
    CacheSkippedWarning,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import Rates, price_of

ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:"
OTHERS = {
    f"{ACCOUNT}provisioned-model/abc123abc123": "is provisioned throughput",
    f"{ACCOUNT}custom-model/amazon.nova-lite-v1:0:300k/abc123abc123": "is a custom model",
    f"{ACCOUNT}custom-model-deployment/abc123abc123": "is a custom model",
    f"{ACCOUNT}imported-model/abc123abc123": "is an imported model",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine": "is an endpoint of SageMaker",
    f"{ACCOUNT}prompt/ABCDEFGHIJ:1": "does not name its model",
}
RATES = Rates.from_list(
    {"input": "1", "output": "2", "cache_read": "0.1", "cache_write_5m": "1.25"}
)


@pytest.fixture
def emulator(clock: SimulatedClock) -> BedrockEmulator:
    """An emulator in which all of these are Claude."""
    return BedrockEmulator(
        clock=clock, capture_requests=True, model_arns=dict.fromkeys(OTHERS, CLAUDE)
    )


def request_to(model_id: str) -> dict[str, Any]:
    """Return a request that is worth caching."""
    return ask(user("?"), system=[text(2000)], model=model_id)


@pytest.mark.parametrize("model_id", OTHERS)
def test_no_points_and_one_warning(
    emulator: BedrockEmulator, memory: PrefixMemory, model_id: str
) -> None:
    """The request goes out as it is; the warning says what it is and how to say more of it."""
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning, match=OTHERS[model_id]) as caught:
        responses = [client.converse(**request_to(model_id)) for _ in range(2)]
    assert len(responses) == 2
    assert len(caught) == 1
    assert "base_model_id=" in str(caught[0].message)
    assert [points(request) for request in emulator.requests] == [[], []]
    assert emulator.control_requests == ()


@pytest.mark.parametrize("model_id", OTHERS)
def test_told_which_model_it_is(
    emulator: BedrockEmulator, memory: PrefixMemory, model_id: str
) -> None:
    """With `base_model_id`, points are placed as for that model, and read again."""
    client = cached_client(emulator.client(), memory=memory, base_model_id=CLAUDE)
    usages = [client.converse(**request_to(model_id))["usage"] for _ in range(2)]
    assert usages[1]["cacheReadInputTokens"] > 1900


@pytest.mark.parametrize("model_id", OTHERS)
def test_refused_after_all(emulator: BedrockEmulator, memory: PrefixMemory, model_id: str) -> None:
    """Where Bedrock takes no points there, the call is sent again without them, and succeeds."""
    emulator.refuse_cache_points()
    client = cached_client(emulator.client(), memory=memory, base_model_id=CLAUDE)
    with pytest.warns(CacheSkippedWarning, match="refused a cache point"):
        response = client.converse(**request_to(model_id))
    assert response["usage"]["cacheWriteInputTokens"] == 0
    assert [bool(points(request)) for request in emulator.requests] == [True, False]


def test_tokens_of_provisioned_throughput_cost_what_the_user_says(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """Without rates the cost is unknown, and the tokens are counted all the same."""
    arn = f"{ACCOUNT}provisioned-model/abc123abc123"
    model = ChatBedrockCached(
        model_id=arn,
        provider="anthropic",
        base_model_id=CLAUDE,
        client=emulator.client(),
        prefix_memory=memory,
    )
    prompt = [("system", words(2000)), ("human", "?")]
    with get_cache_usage_callback() as listed, get_cache_usage_callback(rates=RATES) as own:
        for _ in range(2):
            model.invoke(prompt)
    assert listed.total.cache_read_tokens > 1900
    assert (listed.total_cost, listed.totals.unpriced_calls) == (None, 2)
    costs = [price_of(r.usage, arn, rates=RATES) for r in own.records if r.usage]
    assert own.total_cost == sum(costs)
    assert "unknown" in listed.summary()


UNKNOWN = ["acme.big-1-v1:0", "us.meta.llama3-3-70b-instruct-v1:0", "anthropic.claude-opus-99"]


@pytest.mark.parametrize("model_id", UNKNOWN)
def test_unknown_models(emulator: BedrockEmulator, memory: PrefixMemory, model_id: str) -> None:
    """Nothing is added for a model nobody knows; the warning says how to make it known."""
    client = cached_client(emulator.client(), memory=memory)
    with pytest.warns(CacheSkippedWarning, match=r"No prompt-caching facts .*register_profile"):
        client.converse(**request_to(model_id))
    assert points(emulator.requests[0]) == []


def test_an_unknown_base_model_is_named(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """Who said which model it is, and said one nobody knows, is not asked to say it again."""
    client = cached_client(emulator.client(), memory=memory, base_model_id="acme.big-1-v1:0")
    arn = f"{ACCOUNT}provisioned-model/abc123abc123"
    with pytest.warns(CacheSkippedWarning, match="No prompt-caching facts .*'acme.big-1-v1:0'"):
        client.converse(**request_to(arn))


def test_geographies_share_limits_and_not_prices(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """Global calls cost a tenth less than those of a geography, on every kind of token."""
    names = [f"{geo}.{CLAUDE[3:]}" for geo in ("us", "eu", "apac", "jp", "au", "global", "us-gov")]
    costs = {}
    for name in names:
        model = ChatBedrockCached(
            model_id=name, client=emulator.client(), prefix_memory=PrefixMemory(clock=lambda: 0.0)
        )
        with get_cache_usage_callback() as callback:
            model.invoke([("system", words(2000, name)), ("human", "?")])
        (record,) = callback.records
        assert record.usage is not None
        assert record.cost is not None
        assert record.usage.cache_write_tokens > 1900
        assert (record.model_id, record.answered_by) == (name, None)
        costs[name] = record.cost.total_usd / record.usage.total_tokens
    assert {points(request)[0].partition(" ")[0] for request in emulator.requests} == {"system[0]"}
    regional = {costs[name] for name in names[:5]}
    assert len(regional) == 1
    assert regional.pop() > costs[names[5]]
    assert costs[names[6]] > costs[names[0]]
