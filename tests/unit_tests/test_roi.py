"""What caching would save, checked against the cache model and the price list themselves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import CLAUDE, LLAMA, NOVA, PROFILE_ARN

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.emulator.prompt_cache import Point, PromptCache
from langchain_bedrock_cache.exceptions import CachePolicyError, PriceNotFoundError
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.profiles import CacheTTL, find_profile, shipped_profiles
from langchain_bedrock_cache.rates import listed_rates
from langchain_bedrock_cache.roi import PING_SECONDS, estimate_savings
from langchain_bedrock_cache.usage import CacheUsage


def _on_the_cache_model(
    model: str,
    ttl: CacheTTL,
    *,
    requests: int,
    cached: int,
    fresh: int,
    gap: float,
    pings: int = 0,
) -> Decimal:
    """Put the same traffic through the cache's rules, and price what comes out.

    Pings go out between two requests, each after so many seconds; they have one output token.
    """
    profile = find_profile(model)
    assert profile is not None
    cache, total = PromptCache(), Decimal(0)
    for n in range(requests):
        is_last = n == requests - 1
        for ping in range(1 + (0 if is_last else pings)):
            outcome = cache.request(
                digests=["prefix", f"question {n}"],
                cumulative_tokens=[cached, cached + (0 if ping else fresh)],
                points=[Point(1, ttl)],
                profile=profile,
                now=n * gap + ping * PING_SECONDS,
            )
            usage = CacheUsage(
                uncached_input_tokens=outcome.uncached_tokens,
                cache_read_tokens=outcome.read_tokens,
                cache_write_5m_tokens=outcome.write_5m_tokens,
                cache_write_1h_tokens=outcome.write_1h_tokens,
                output_tokens=1 if ping else 10,
            )
            total += price_of(usage, model).total_usd
    return total


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from([CLAUDE, NOVA]),
    requests=st.integers(1, 12),
    cached=st.integers(100, 9_000) | st.integers(18_000, 60_000) | st.sampled_from([20_000]),
    fresh=st.integers(0, 500),
    gap=st.sampled_from([1.0, 299.0, 300.0, 1_000.0, 3_600.0, 9_000.0]),
)
def test_the_estimate_is_what_the_cache_model_costs(
    model: str, requests: int, cached: int, fresh: int, gap: float
) -> None:
    """For the traffic that it describes, the estimate is exact to the last digit.

    So it is for prefixes that are too short, or longer than Nova caches: they cost what they cost
    without caching.
    """
    found = estimate_savings(
        model_id=model,
        requests_per_day=requests,
        cached_tokens=cached,
        fresh_tokens=fresh,
        output_tokens=10,
        gap_seconds=gap,
    )
    profile = find_profile(model)
    assert profile is not None
    traffic: dict[str, Any] = {"requests": requests, "cached": cached, "fresh": fresh, "gap": gap}
    plain = found.usd_per_day["none"]
    for ttl in profile.ttls:
        assert (ttl in found.usd_per_day) == found.is_cacheable
        assert found.usd_per_day.get(ttl, plain) == _on_the_cache_model(model, ttl, **traffic)
    if "keep_alive" in found.usd_per_day:
        pinged = _on_the_cache_model(model, "5m", **traffic, pings=found.pings_per_gap)
        assert found.usd_per_day["keep_alive"] == pinged


LISTED = (
    "us.anthropic.claude-opus-4-8",
    "global.anthropic.claude-opus-4-8",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "us.amazon.nova-pro-v1:0",
    "us.amazon.nova-lite-v1:0",
)
HOURLY = LISTED[:4]


@pytest.mark.parametrize("model", LISTED)
@pytest.mark.parametrize(("cached", "fresh"), [(12_000, 300), (250_000, 1_000)])
def test_every_way_costs_what_the_price_list_says(model: str, cached: int, fresh: int) -> None:
    """Reads, both kinds of writes and pings have the prices of genai-prices' own calculation."""
    asked: dict[str, Any] = {
        "model_id": model,
        "requests_per_day": 37,
        "cached_tokens": cached,
        "fresh_tokens": fresh,
        "output_tokens": 200,
    }
    soon = estimate_savings(**asked, gap_seconds=100).usd_per_day
    later = estimate_savings(**asked, gap_seconds=600).usd_per_day

    def listed(output: int = 200, rest: int = fresh, **counts: int) -> Decimal:
        usage = Usage(input_tokens=cached + rest, output_tokens=output, **counts)
        return calc_price(usage, model_ref=model, provider_id="aws").total_price

    write, read = listed(cache_write_tokens=cached), listed(cache_read_tokens=cached)
    ping = listed(output=1, rest=0, cache_read_tokens=cached)
    by_hand = {
        "none": 37 * listed(),
        "5m": write + 36 * read,
        "keep_alive": write + 36 * (read + 2 * ping),
    }
    assert soon["none"] == later["none"] == by_hand["none"]
    if "nova" in model and cached > 20_000:
        assert list(soon) == list(later) == ["none"]
        return
    assert soon["5m"] == by_hand["5m"]
    assert later["5m"] == 37 * write
    assert later["keep_alive"] == by_hand["keep_alive"]
    assert ("1h" in soon) == (model in HOURLY)
    if model in HOURLY:
        hour = listed(cache_write_tokens=cached, cache_write_1h_tokens=cached)
        assert soon["1h"] == later["1h"] == hour + 36 * read


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


@pytest.mark.parametrize(
    ("model", "tokens", "why"),
    [
        (
            CLAUDE,
            500,
            "anthropic.claude-opus-4-8 caches 1,024 tokens and more, not a prefix of 500.",
        ),
        (
            NOVA,
            50_000,
            "amazon.nova-pro caches 20,000 tokens at most: Bedrock ignores a cache point",
        ),
        (LLAMA, 5_000, "meta.llama3-3-70b-instruct-v1:0 does not support prompt caching"),
        (PROFILE_ARN, 5_000, "The ID does not name its model. Say which one it is: base_model"),
    ],
)
def test_what_is_not_cached_saves_nothing(model: str, tokens: int, why: str) -> None:
    """Where Bedrock would not cache the prefix there is one way, and the reason why."""
    found = estimate_savings(
        model_id=model, requests_per_day=10, cached_tokens=tokens, rates=listed_rates(CLAUDE)
    )
    assert list(found.usd_per_day) == ["none"]
    assert found.best == "none"
    assert not found.is_cacheable
    assert found.why_not_cached.startswith(why)
    assert found.savings_usd_per_day == 0
    assert found.break_even_requests == {}


def test_a_model_that_takes_no_cache_points() -> None:
    """A model that is known to cache nothing is said to, whatever the length."""
    (closed, *_) = [profile for profile in shipped_profiles() if not profile.supports_caching]
    found = estimate_savings(
        model_id=closed.id, requests_per_day=10, cached_tokens=5_000, rates=listed_rates(CLAUDE)
    )
    assert "does not support prompt caching: it takes no cache points." in found.why_not_cached


def test_what_the_reason_advises_for_a_long_prefix() -> None:
    """As much as Nova caches saves what the advice promises; the rest is plain input."""
    found = estimate_savings(
        model_id=NOVA, requests_per_day=10, cached_tokens=20_000, fresh_tokens=30_000
    )
    whole = estimate_savings(model_id=NOVA, requests_per_day=10, cached_tokens=50_000)
    assert found.usd_per_day["none"] == whole.usd_per_day["none"]
    assert (found.best, whole.best) == ("5m", "none")


def test_an_application_profile_has_the_limits_and_prices_of_its_model() -> None:
    """An ARN that does not name its model is estimated as the model said to be behind it."""
    asked: dict[str, Any] = {"requests_per_day": 10, "cached_tokens": 5_000}
    with pytest.raises(PriceNotFoundError, match="base_model"):
        estimate_savings(model_id=PROFILE_ARN, **asked)
    named = estimate_savings(model_id=PROFILE_ARN, base_model=CLAUDE, **asked)
    assert named == estimate_savings(model_id=CLAUDE, **asked)


def test_numbers_that_make_no_sense() -> None:
    """No requests, and models that are no text, are refused."""
    with pytest.raises(CachePolicyError):
        estimate_savings(model_id=CLAUDE, requests_per_day=0, cached_tokens=500)
    with pytest.raises((CachePolicyError, TypeError), match="base_model"):
        estimate_savings(
            model_id=PROFILE_ARN,
            base_model=7,  # type: ignore[arg-type]
            requests_per_day=1,
            cached_tokens=500,
        )


ASKED = ["--requests-per-day", "1000", "--cached-tokens", "5000"]


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a line per way and the best, or the same as JSON with exact USD."""
    argv = ["roi", "--model", CLAUDE, *ASKED]
    assert main(argv) == 0
    assert "best: 5m, which saves $" in capsys.readouterr().out
    assert main([*argv, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    found = estimate_savings(model_id=CLAUDE, requests_per_day=1000, cached_tokens=5_000)
    assert data["break_even_requests"] == {"5m": 2, "1h": 3}
    assert Decimal(data["savings_usd_per_day"]) == found.savings_usd_per_day
    assert {way: Decimal(usd) for way, usd in data["usd_per_day"].items()} == found.usd_per_day
    assert all(isinstance(usd, str) for usd in data["usd_per_day"].values())
    assert (data["is_cacheable"], data["why_not_cached"]) == (True, None)


def test_command_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    """A model without prompt caching is not told off for the length of the prefix."""
    assert main(["roi", "--model", LLAMA, *ASKED]) == 0
    out = capsys.readouterr().out
    assert "does not support prompt caching" in out
    assert "length" not in out


def test_command_has_what_it_advises(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a price it names its own options, and these give one."""
    argv = ["roi", "--model", PROFILE_ARN, *ASKED]
    assert main(argv) == 1
    said = capsys.readouterr().err
    assert "--rates INPUT OUTPUT READ WRITE_5M WRITE_1H, or --base-model MODEL_ID" in said

    assert main([*argv, "--base-model", CLAUDE]) == 0
    by_model = capsys.readouterr().out
    assert (
        main([*argv, "--base-model", CLAUDE, "--rates", "5.5", "27.5", "0.55", "6.875", "11"]) == 0
    )
    assert capsys.readouterr().out == by_model
    assert main([*argv, "--rates", "5", "25", "0.5", "6.25", "much"]) == 1
    assert "cache_write_1h_usd_per_mtok is 'much'" in capsys.readouterr().err
