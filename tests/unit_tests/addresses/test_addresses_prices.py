"""Prices by address: what is not billed by the token has none, and service tiers have theirs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from langchain_bedrock_cache import CacheUsage, CacheUsageCallbackHandler, ChatBedrockCached
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import PriceNotFoundError
from langchain_bedrock_cache.pricing import (
    Rates,
    estimate_cost,
    price_multipliers,
    price_of,
)

OPUS = "anthropic.claude-opus-5"
NOVA = "us.amazon.nova-pro-v1:0"
ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:"
BY_CAPACITY = {
    f"{ACCOUNT}provisioned-model/abc123abc123": "by the hour",
    f"{ACCOUNT}custom-model/amazon.nova-lite-v1:0:300k/abc123abc123": "provisioned throughput",
    f"{ACCOUNT}custom-model-deployment/abc123abc123": "list prices",
    f"{ACCOUNT}imported-model/abc123abc123": "imported models",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine": "instances",
}
USAGE = CacheUsage(
    uncached_input_tokens=7, cache_read_tokens=2000, cache_write_5m_tokens=300, output_tokens=11
)
RATES = Rates(
    input_usd_per_mtok=Decimal(1),
    output_usd_per_mtok=Decimal(2),
    cache_read_usd_per_mtok=Decimal("0.1"),
    cache_write_5m_usd_per_mtok=Decimal("1.25"),
    cache_write_1h_usd_per_mtok=Decimal(2),
)


@pytest.mark.parametrize("arn", BY_CAPACITY)
def test_what_is_billed_by_capacity_has_no_price_per_token(arn: str) -> None:
    """Not even where the base model is known; the error says why and what to do."""
    with pytest.raises(PriceNotFoundError, match=BY_CAPACITY[arn]) as caught:
        price_of(USAGE, arn, base_model=OPUS)
    assert "rates=Rates(...)" in str(caught.value)
    assert estimate_cost(USAGE, arn, base_model=OPUS) is None
    assert price_of(USAGE, arn, rates=RATES) == price_of(USAGE, OPUS, rates=RATES)


@pytest.mark.parametrize("arn", BY_CAPACITY)
def test_the_planner_has_the_ratios_of_the_base_model(arn: str) -> None:
    """What a read saves is the same share of the units that were bought."""
    for base in ("anthropic.claude-opus-5-5", NOVA):
        assert price_multipliers(arn, base_model=base) == price_multipliers(base)


@pytest.mark.parametrize(
    ("model_id", "tier", "factor"),
    [
        (NOVA, None, "1"),
        (NOVA, "default", "1"),
        (NOVA, "flex", "0.5"),
        (NOVA, "priority", "1.75"),
        ("eu.amazon.nova-pro-v1:0", "flex", "0.5"),
        ("amazon.nova-premier-v1:0", "priority", "1.75"),
        ("global.amazon.nova-2-lite-v1:0", "flex", "0.5"),
        (f"{ACCOUNT}inference-profile/us.amazon.nova-2-lite-v1:0", "priority", "1.75"),
    ],
)
def test_service_tiers(model_id: str, tier: str | None, factor: str) -> None:
    """A tier is a multiple of the standard one, for cached tokens too."""
    tiered, standard = price_of(USAGE, model_id, service_tier=tier), price_of(USAGE, model_id)
    for kind in ("uncached_input_usd", "cache_read_usd", "cache_write_usd", "output_usd"):
        assert getattr(tiered, kind) == Decimal(factor) * getattr(standard, kind) > 0


@pytest.mark.parametrize(
    ("model_id", "tier"),
    [
        (OPUS, "flex"),
        (OPUS, "priority"),
        (NOVA, "reserved"),
        (NOVA, "next-year"),
        ("amazon.nova-premier-v1:0", "flex"),
        ("amazon.nova-lite-v1:0", "flex"),
        ("", "flex"),
    ],
)
def test_a_tier_without_a_known_price(model_id: str, tier: str) -> None:
    """It is unknown, not zero and not the standard price."""
    with pytest.raises(PriceNotFoundError, match=f"service tier '{tier}'"):
        price_of(USAGE, model_id, service_tier=tier)
    assert estimate_cost(USAGE, model_id, service_tier=tier) is None
    assert price_of(USAGE, model_id, rates=RATES, service_tier=tier).total_usd > 0


def test_the_tier_of_an_arn_is_that_of_its_base_model() -> None:
    """The ARN of an application inference profile says nothing, the base model does."""
    arn = f"{ACCOUNT}application-inference-profile/abc123"
    assert price_of(USAGE, arn, base_model=NOVA, service_tier="flex") == price_of(
        USAGE, NOVA, service_tier="flex"
    )


@pytest.mark.parametrize(
    ("tier", "known"), [("default", True), ("flex", True), ("priority", True), ("reserved", False)]
)
def test_the_tier_that_served_a_call_decides_its_price(
    emulator: BedrockEmulator, tier: str, *, known: bool
) -> None:
    """A chat model with a service tier is billed by what the response says, streamed or not."""
    handler = CacheUsageCallbackHandler()
    model = ChatBedrockCached(model_id=NOVA, client=emulator.client(), service_tier=tier)
    model.invoke("Hello", {"callbacks": [handler]})
    list(model.stream("Hello", {"callbacks": [handler]}))
    for record in handler.records:
        assert record.usage is not None
        if known:
            assert record.cost == price_of(record.usage, NOVA, service_tier=tier)
        else:
            assert record.cost is None
    assert [r["serviceTier"] for r in emulator.requests] == [{"type": tier}] * 2


def test_latency_optimized_inference_has_no_known_price() -> None:
    """Its prices are in no list, whatever the tier."""
    handler = CacheUsageCallbackHandler()
    metadata: dict[str, Any] = {
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "default"},
        "model_name": NOVA,
    }
    usage: Any = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}
    message = AIMessage("Hi", usage_metadata=usage, response_metadata=metadata)
    answer = LLMResult(generations=[[ChatGeneration(message=message)]])
    handler.on_llm_end(answer, run_id=uuid4())
    assert handler.records[0].cost is None
    assert handler.totals.unpriced_calls == 1
