"""Prices: the published tables by hand, geographies, ARNs, length tiers, the list that is used."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from hypothesis import given
from hypothesis import strategies as st
from usage_strategies import usages

from langchain_bedrock_cache.exceptions import PriceNotFoundError
from langchain_bedrock_cache.pricing import (
    PriceMultipliers,
    estimate_cost,
    price_multipliers,
    price_of,
)
from langchain_bedrock_cache.profiles import shipped_profiles
from langchain_bedrock_cache.usage import CacheUsage

# USD per million tokens on the `global.` endpoint: input, output, read, 5-minute and 1-hour write.
# Sources: https://aws.amazon.com/bedrock/pricing/ as read by three independent lists that agree
# (genai-prices 0.2.3, litellm 1.109.1, CacheCanary 0.4.0 of 2026-10-12). Claude 4.5 and later
# costs 10 % more on every other endpoint.
GLOBAL_PRICES = {
    "anthropic.claude-fable-5-2": ("8", "40", "0.20", "10", "16"),
    "anthropic.claude-fable-5-1": ("10", "50", "0.25", "12.5", "20"),
    "anthropic.claude-mythos-5-1": ("10", "50", "0.25", "12.5", "20"),
    "anthropic.claude-fable-5": ("10", "50", "1.00", "12.5", "20"),
    "anthropic.claude-opus-5-5": ("4", "20", "0.20", "5", "8"),
    "anthropic.claude-opus-5": ("5", "25", "0.50", "6.25", "10"),
    "anthropic.claude-opus-4-8": ("5", "25", "0.50", "6.25", "10"),
    "anthropic.claude-opus-4-7": ("5", "25", "0.50", "6.25", "10"),
    "anthropic.claude-opus-4-6-v1": ("5", "25", "0.50", "6.25", "10"),
    "anthropic.claude-opus-4-5-20251101-v1:0": ("5", "25", "0.50", "6.25", "10"),
    "anthropic.claude-sonnet-5-5": ("2", "10", "0.10", "2.5", "4"),
    "anthropic.claude-sonnet-5": ("2", "10", "0.20", "2.5", "4"),
    "anthropic.claude-sonnet-4-6": ("3", "15", "0.30", "3.75", "6"),
    "anthropic.claude-sonnet-4-5-20250929-v1:0": ("3", "15", "0.30", "3.75", "6"),
    "anthropic.claude-haiku-5-5": ("0.10", "0.50", "0.01", "0.125", "0.20"),
    "anthropic.claude-haiku-4-5-20251001-v1:0": ("1", "5", "0.10", "1.25", "2"),
}
# No premium for other endpoints; Nova writes are billed as input. Same sources.
SAME_EVERYWHERE = {
    "us.anthropic.claude-sonnet-4-20250514-v1:0": ("3", "15", "0.30", "3.75"),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": ("3", "15", "0.30", "3.75"),
    "us.anthropic.claude-opus-4-1-20250805-v1:0": ("15", "75", "1.50", "18.75"),
    "anthropic.claude-3-5-haiku-20241022-v1:0": ("0.80", "4", "0.08", "1.00"),
    "us.amazon.nova-micro-v1:0": ("0.035", "0.14", "0.00875", "0.035"),
    "us.amazon.nova-lite-v1:0": ("0.06", "0.24", "0.015", "0.06"),
    "us.amazon.nova-pro-v1:0": ("0.8", "3.2", "0.2", "0.8"),
    "us.amazon.nova-premier-v1:0": ("2.5", "12.5", "0.625", "2.5"),
    "global.amazon.nova-2-lite-v1:0": ("0.30", "2.50", "0.075", "0.30"),
    "us.amazon.nova-2-lite-v1:0": ("0.33", "2.75", "0.0825", "0.33"),
    "eu.amazon.nova-pro-v1:0": ("1.05", "4.20", "0.2625", "1.05"),
    "apac.amazon.nova-pro-v1:0": ("0.84", "3.36", "0.21", "0.84"),
    "eu.amazon.nova-2-lite-v1:0": ("0.429", "3.597", "0.10725", "0.429"),
    "jp.amazon.nova-2-lite-v1:0": ("0.396", "3.311", "0.099", "0.396"),
    "us.anthropic.claude-mythos-preview": ("27.5", "137.5", "2.75", "34.375", "55"),
}
ONE_KIND_EACH = (
    CacheUsage(uncached_input_tokens=1000),
    CacheUsage(output_tokens=1000),
    CacheUsage(cache_read_tokens=1000),
    CacheUsage(cache_write_5m_tokens=1000),
    CacheUsage(cache_write_1h_tokens=1000),
)
OPUS = "us.anthropic.claude-opus-4-8"


def _prices(model_id: str, kinds: int = 5) -> list[Decimal]:
    """Return USD per million tokens of input, output, read, 5-minute and 1-hour write."""
    return [price_of(usage, model_id).total_usd * 1000 for usage in ONE_KIND_EACH[:kinds]]


@pytest.mark.parametrize("base", GLOBAL_PRICES)
def test_global_prices(base: str) -> None:
    """A `global.` ID pays the published global price for every kind of token."""
    assert _prices(f"global.{base}") == [Decimal(price) for price in GLOBAL_PRICES[base]]


@pytest.mark.parametrize("geo", ["", "us.", "eu.", "jp.", "xx."])
@pytest.mark.parametrize("base", GLOBAL_PRICES)
def test_other_endpoints_cost_10_percent_more(base: str, geo: str) -> None:
    """A bare ID and every other geo prefix, new ones too, pays 1.1 times the global price."""
    expected = [Decimal(price) * Decimal("1.1") for price in GLOBAL_PRICES[base]]
    assert _prices(f"{geo}{base}") == expected


@pytest.mark.parametrize("model_id", SAME_EVERYWHERE)
def test_prices_without_premium(model_id: str) -> None:
    """Older Claude and Nova pay the published price of their own row."""
    expected = [Decimal(price) for price in SAME_EVERYWHERE[model_id]]
    assert _prices(model_id, kinds=len(expected)) == expected


@pytest.mark.parametrize("base", ["anthropic.claude-haiku-5-5", "amazon.nova-pro-v1:0"])
def test_govcloud_is_20_percent_dearer(base: str) -> None:
    """GovCloud IDs and ARNs pay 1.2 times the price that has no premium."""
    expected = [price * Decimal("1.2") for price in _prices(f"global.{base}")]
    assert _prices(f"us-gov.{base}") == expected
    assert _prices(f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{base}") == expected


def test_every_model_that_caches_has_a_price() -> None:
    """Each shipped profile that allows cache points can be priced under its regional ID."""
    versions = {
        "anthropic.claude-sonnet-4-5": "-20250929-v1:0",
        "anthropic.claude-haiku-4-5": "-20251001-v1:0",
        "anthropic.claude-3-7-sonnet": "-20250219-v1:0",
        "anthropic.claude-3-5-sonnet-20241022-v2": ":0",
        "anthropic.claude-sonnet-4": "-20250514-v1:0",
        "anthropic.claude-opus-4": "-20250514-v1:0",
        "anthropic.claude-opus-4-1": "-20250805-v1:0",
        "anthropic.claude-3-5-haiku": "-20241022-v1:0",
    }
    ids = [p.id + versions.get(p.id, "") for p in shipped_profiles() if p.supports_caching]
    assert ids
    assert [i for i in ids if estimate_cost(CacheUsage(output_tokens=1), i) is None] == []


@pytest.mark.parametrize(("tokens", "price"), [(100_000, "0.11"), (100_001, "0.55")])
def test_length_tier_prices_the_whole_call(tokens: int, price: str) -> None:
    """Beyond 100K input tokens of any kind, Haiku 5.5 charges all tokens five times as much."""
    usage = CacheUsage(uncached_input_tokens=1, cache_read_tokens=tokens - 1, output_tokens=10)
    cost = price_of(usage, "us.anthropic.claude-haiku-5-5")
    assert cost.uncached_input_usd == Decimal(price) / 10**6
    assert cost.cache_read_usd == (tokens - 1) * Decimal(price) / 10**7
    assert cost.output_usd == 10 * 5 * Decimal(price) / 10**6
    assert cost.without_caching_usd == tokens * Decimal(price) / 10**6 + cost.output_usd


@pytest.mark.parametrize(
    ("model_id", "base_model", "same_as"),
    [
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-5",
            None,
            "global.anthropic.claude-opus-5",
        ),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
            None,
            "eu.amazon.nova-pro-v1:0",
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5",
            None,
            "us.anthropic.claude-opus-5",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
            "anthropic.claude-opus-5",
            "us.anthropic.claude-opus-5",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
            "global.anthropic.claude-opus-5",
            "global.anthropic.claude-opus-5",
        ),
        (
            "global.anthropic.claude-opus-5",
            "anthropic.claude-opus-5",
            "global.anthropic.claude-opus-5",
        ),
    ],
)
def test_arns_are_priced_as_the_model_they_name(
    model_id: str, base_model: str | None, same_as: str
) -> None:
    """An ARN pays what its ID pays; the ID that was sent decides before `base_model`."""
    for usage in ONE_KIND_EACH:
        assert price_of(usage, model_id, base_model=base_model) == price_of(usage, same_as)


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "acme.unheard-of-v1:0",
        "anthropic.claude-opus-9-9",
        "amazon.titan-embed-text-v2:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
    ],
)
def test_unknown_price(model_id: str) -> None:
    """Asking for an unknown price raises and says what to do; estimating it gives `None`."""
    usage = CacheUsage(output_tokens=1)
    with pytest.raises(PriceNotFoundError, match=r"Pass rates=Rates\(\.\.\.\)"):
        price_of(usage, model_id, base_model="acme.other")
    assert estimate_cost(usage, model_id) is None
    assert estimate_cost(usage, None) is None


@given(
    usages(most=10**6),
    st.sampled_from(["global.anthropic.claude-haiku-5-5", OPUS, "us.amazon.nova-pro"]),
)
def test_agrees_with_genai_prices(usage: CacheUsage, model_id: str) -> None:
    """Where genai-prices knows a model, our total is its total."""
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            output_tokens=usage.output_tokens,
        ),
        model_id,
        provider_id="aws",
    )
    ours = price_of(usage, model_id)
    assert ours.total_usd == theirs.total_price
    assert ours.output_usd == theirs.output_price


@contextmanager
def _price_list(snapshot: DataSnapshot) -> Iterator[None]:
    set_custom_snapshot(snapshot)
    try:
        yield
    finally:
        set_custom_snapshot(None)


def test_an_updated_price_list_is_used() -> None:
    """A price list that genai-prices replaces at run time replaces the remembered prices."""
    usage = CacheUsage(output_tokens=1)
    assert estimate_cost(usage, OPUS) is not None
    aws = next(provider for provider in get_snapshot().providers if provider.id == "aws")
    with _price_list(DataSnapshot(providers=[aws], from_auto_update=True)):
        assert estimate_cost(usage, OPUS) is not None
    with _price_list(DataSnapshot(providers=[], from_auto_update=True)):
        assert estimate_cost(usage, OPUS) is None


def test_a_broken_price_list_fails_no_report(caplog: pytest.LogCaptureFixture) -> None:
    """Reporting forms log a price list they cannot read, and go on without a price."""
    broken = DataSnapshot(providers=[None], from_auto_update=True)  # type: ignore[list-item]
    with _price_list(broken):
        assert estimate_cost(CacheUsage(), "us.anthropic.claude-broken") is None
        usual = PriceMultipliers(read=0.1, write_5m=1.25, write_1h=2.0)
        assert price_multipliers("us.anthropic.claude-broken") == usual
    assert caplog.text.count("Could not look up the price of 'us.anthropic.claude-broken'") == 2


def test_importing_does_not_load_the_price_list() -> None:
    """genai-prices takes 0.2 s to import, so it is imported with the first price asked for."""
    code = (
        "import sys, langchain_bedrock_cache.pricing as p;"
        "assert 'genai_prices' not in sys.modules;"
        "p.price_multipliers('amazon.nova-pro-v1:0');"
        "assert 'genai_prices' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code
