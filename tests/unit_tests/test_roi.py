"""What caching would save, checked against the cache model and the price list themselves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import CLAUDE, NOVA

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.emulator.prompt_cache import Point, PromptCache
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.profiles import CacheTTL, find_profile
from langchain_bedrock_cache.roi import PING_SECONDS, estimate_savings
from langchain_bedrock_cache.usage import CacheUsage


def _on_the_cache_model(
    model: str, ttl: CacheTTL, *, requests: int, cached: int, fresh: int, gap: float
) -> Decimal:
    """Put the same traffic through the cache's rules, and price what comes out."""
    profile = find_profile(model)
    assert profile is not None
    cache, total = PromptCache(), Decimal(0)
    for n in range(requests):
        outcome = cache.request(
            digests=["prefix", f"question {n}"],
            cumulative_tokens=[cached, cached + fresh],
            points=[Point(1, ttl)],
            profile=profile,
            now=n * gap,
        )
        usage = CacheUsage(
            uncached_input_tokens=outcome.uncached_tokens,
            cache_read_tokens=outcome.read_tokens,
            cache_write_5m_tokens=outcome.write_5m_tokens,
            cache_write_1h_tokens=outcome.write_1h_tokens,
            output_tokens=10,
        )
        total += price_of(usage, model).total_usd
    return total


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from([CLAUDE, NOVA]),
    requests=st.integers(1, 12),
    cached=st.integers(100, 9_000),
    fresh=st.integers(0, 500),
    gap=st.sampled_from([1.0, 299.0, 300.0, 1_000.0, 3_600.0, 9_000.0]),
)
def test_the_estimate_is_what_the_cache_model_costs(
    model: str, requests: int, cached: int, fresh: int, gap: float
) -> None:
    """For the traffic that it describes, the estimate is exact to the last digit."""
    found = estimate_savings(
        model_id=model,
        requests_per_day=requests,
        cached_tokens=cached,
        fresh_tokens=fresh,
        output_tokens=10,
        gap_seconds=gap,
    )
    ttls: tuple[CacheTTL, ...] = ("5m", "1h")
    for ttl in ttls:
        if ttl in found.usd_per_day:
            simulated = _on_the_cache_model(
                model, ttl, requests=requests, cached=cached, fresh=fresh, gap=gap
            )
            assert found.usd_per_day[ttl] == simulated


def test_no_caching_costs_what_the_price_list_says() -> None:
    """The cost without caching is the price list's own, times the requests."""
    found = estimate_savings(
        model_id=CLAUDE, requests_per_day=100, cached_tokens=5_000, output_tokens=7
    )
    usage = Usage(input_tokens=5_000, output_tokens=7)
    listed = calc_price(usage, model_ref=CLAUDE, provider_id="aws")
    assert found.usd_per_day["none"] == 100 * listed.total_price


@pytest.mark.parametrize(("model", "expected"), [(CLAUDE, {"5m": 2, "1h": 3}), (NOVA, {"5m": 2})])
def test_break_even(model: str, expected: dict[str, int]) -> None:
    """5 minutes pay from the second request on, an hour from the third; Nova has no hour."""
    found = estimate_savings(model_id=model, requests_per_day=10, cached_tokens=5_000)
    assert found.break_even_requests == expected


@pytest.mark.parametrize("requests", [1, 2, 3, 4])
def test_break_even_is_where_it_pays(requests: int) -> None:
    """From the break-even on, and only from there, a session costs less than without caching."""
    found = estimate_savings(model_id=CLAUDE, requests_per_day=requests, cached_tokens=5_000)
    for ttl, count in found.break_even_requests.items():
        assert (found.usd_per_day[ttl] < found.usd_per_day["none"]) == (requests >= count)


def test_keep_alive() -> None:
    """Pings are cheaper than writing again after 10 minutes, but an hour's lifetime is as well."""
    asked: dict[str, Any] = {"requests_per_day": 20, "cached_tokens": 5_000, "gap_seconds": 600.0}
    on_nova = estimate_savings(model_id=NOVA, **asked)
    assert on_nova.pings_per_gap == 600 // PING_SECONDS == 2
    assert on_nova.is_keep_alive_worth_it
    assert estimate_savings(model_id=CLAUDE, **asked).best == "1h"


def test_sessions_write_each() -> None:
    """Twice as many sessions of the same requests write twice as often."""
    asked: dict[str, Any] = {"model_id": CLAUDE, "requests_per_day": 40, "cached_tokens": 5_000}
    few = estimate_savings(**asked, requests_per_session=20).usd_per_day["5m"]
    many = estimate_savings(**asked, requests_per_session=10).usd_per_day["5m"]
    write = price_of(CacheUsage(cache_write_5m_tokens=5_000), CLAUDE).total_usd
    read = price_of(CacheUsage(cache_read_tokens=5_000), CLAUDE).total_usd
    assert many - few == 2 * (write - read)


def test_what_cannot_be_cached_saves_nothing() -> None:
    """A short prefix costs the same in every way, and numbers below 0 are refused."""
    short = estimate_savings(model_id=CLAUDE, requests_per_day=10, cached_tokens=500)
    assert short.best == "none"
    assert not short.is_cacheable
    assert short.savings_usd_per_day == 0
    with pytest.raises(CachePolicyError):
        estimate_savings(model_id=CLAUDE, requests_per_day=0, cached_tokens=500)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a line per way and the best, or the same as JSON."""
    argv = ["roi", "--model", CLAUDE, "--requests-per-day", "1000", "--cached-tokens", "5000"]
    assert main(argv) == 0
    assert "best: 5m, which saves $" in capsys.readouterr().out
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["break_even_requests"] == {"5m": 2, "1h": 3}
