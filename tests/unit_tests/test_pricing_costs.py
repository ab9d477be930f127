"""Costs and price ratios: savings by hand, sums, own rates, and what prompt tokens cost."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from usage_strategies import usages

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.pricing import (
    CostBreakdown,
    PriceMultipliers,
    Rates,
    estimate_cost,
    price_multipliers,
    price_of,
)
from langchain_bedrock_cache.usage import CacheUsage

OPUS = "us.anthropic.claude-opus-4-8"


def test_savings_by_hand() -> None:
    """One write and nine reads of 10,000 tokens at 5.50 USD cost 1.25 and 9 x 0.1 of one read."""
    write = price_of(CacheUsage(cache_write_5m_tokens=10_000), OPUS)
    read = price_of(CacheUsage(cache_read_tokens=10_000), OPUS)
    cost = sum([write, *[read] * 9], CostBreakdown())
    assert write.savings_usd == Decimal("-0.01375")
    assert cost.cache_write_usd == Decimal("0.06875")
    assert cost.without_caching_usd == Decimal("0.55")
    assert cost.total_usd == Decimal("0.11825")
    assert cost.savings_usd == Decimal("0.43175")
    assert cost.savings_ratio == pytest.approx(1 - (1.25 + 0.9) / 10)
    assert CostBreakdown().savings_ratio == 0.0


@given(st.lists(usages(most=10**6), max_size=4))
def test_costs_add_up(values: list[CacheUsage]) -> None:
    """On a model without length tiers, the sum of costs is the cost of the sum."""
    costs = [price_of(usage, OPUS) for usage in values]
    assert sum(costs, CostBreakdown()) == price_of(sum(values, CacheUsage()), OPUS)


def test_adding_anything_else_is_an_error() -> None:
    """`sum()` works without a start value; a cost plus a number is a TypeError."""
    cost = price_of(CacheUsage(output_tokens=1), OPUS)
    assert sum([cost, cost]) == cost + cost
    with pytest.raises(TypeError):
        cost + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        sum([cost], 1)


_OWN = Rates(
    input_usd_per_mtok=2,  # type: ignore[arg-type]
    output_usd_per_mtok="3",  # type: ignore[arg-type]
    cache_read_usd_per_mtok=0.5,  # type: ignore[arg-type]
    cache_write_5m_usd_per_mtok=Decimal(4),
    cache_write_1h_usd_per_mtok=Decimal(8),
)


def test_own_rates_win_for_any_model() -> None:
    """The user's rates apply to known and unknown models, and numbers of any type are exact."""
    usage = CacheUsage(
        uncached_input_tokens=1,
        cache_read_tokens=1,
        cache_write_5m_tokens=1,
        cache_write_1h_tokens=1,
        output_tokens=1,
    )
    for model_id in (OPUS, "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"):
        assert price_of(usage, model_id, rates=_OWN).total_usd == Decimal("0.0000175")
        assert price_multipliers(model_id, rates=_OWN) == PriceMultipliers(
            read=0.25, write_5m=2.0, write_1h=4.0
        )
    assert estimate_cost(usage, None, rates=_OWN) == price_of(usage, OPUS, rates=_OWN)


@pytest.mark.parametrize("price", [-1, "cheap", float("nan"), float("inf"), None])
def test_rates_must_be_prices(price: object) -> None:
    """A rate that is negative or no number is refused, and the message names the field."""
    with pytest.raises(CachePolicyError, match="output_usd_per_mtok is"):
        Rates(
            input_usd_per_mtok=Decimal(1),
            output_usd_per_mtok=price,  # type: ignore[arg-type]
            cache_read_usd_per_mtok=Decimal(1),
            cache_write_5m_usd_per_mtok=Decimal(1),
            cache_write_1h_usd_per_mtok=Decimal(1),
        )


@pytest.mark.parametrize(
    ("model_id", "base_model", "read", "write_5m", "write_1h"),
    [
        (OPUS, None, 0.1, 1.25, 2.0),
        ("global.anthropic.claude-opus-5-5", None, 0.05, 1.25, 2.0),
        ("us.anthropic.claude-fable-5-1", None, 0.025, 1.25, 2.0),
        ("anthropic.claude-haiku-5-5", None, 0.1, 1.25, 2.0),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", None, 0.1, 1.25, 2.0),
        ("us.amazon.nova-pro-v1:0", None, 0.25, 1.0, 1.0),
        ("amazon.nova-9-unheard-of", None, 0.25, 1.0, 1.0),
        ("anthropic.claude-unheard-of", None, 0.1, 1.25, 2.0),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", None, 0.1, 1.25, 2.0),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
            "amazon.nova-lite-v1:0",
            0.25,
            1.0,
            1.0,
        ),
        ("meta.llama3-3-70b-instruct-v1:0", None, 1.0, 1.0, 1.0),
    ],
)
def test_multipliers(
    model_id: str, base_model: str | None, read: float, write_5m: float, write_1h: float
) -> None:
    """Ratios are those of the model's prices, or the usual ones of its provider."""
    expected = PriceMultipliers(read=read, write_5m=write_5m, write_1h=write_1h)
    assert price_multipliers(model_id, base_model=base_model) == expected


def test_multipliers_are_looked_up_once() -> None:
    """The second call for a model returns the remembered object."""
    first = price_multipliers("eu.anthropic.claude-opus-5")
    assert price_multipliers("eu.anthropic.claude-opus-5") is first


def test_multipliers_of_a_free_model_are_the_usual_ones() -> None:
    """An input price of 0 has no ratios, and is no reason to fail."""
    free = Rates(**dict.fromkeys(Rates.__slots__, Decimal(0)))
    assert price_multipliers(OPUS, rates=free) == price_multipliers(OPUS)
