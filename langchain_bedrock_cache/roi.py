"""What prompt caching would save: cost a day without it, with either lifetime, with keep-alive.

The model is a prefix that comes back: sessions of requests at even gaps, far enough apart that no
entry lives from one to the next. The first request of a session writes, the others read as long as
the gap is below the lifetime. One cache point stands at the end of the prefix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor
from typing import Literal, Protocol

from langchain_bedrock_cache.addresses import base_model_id
from langchain_bedrock_cache.checks import check_number, check_text
from langchain_bedrock_cache.price_checks import check_rates
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile, find_profile
from langchain_bedrock_cache.rates import Rates, listed_rates
from langchain_bedrock_cache.usage import CacheUsage

Way = Literal["none", "5m", "1h", "keep_alive"]

# A ping has to arrive before the lifetime ends, with time to spare for the call itself.
PING_SECONDS = 270


class _Cost(Protocol):
    def __call__(self, **cached: int) -> Decimal: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsEstimate:
    """Cost a day of the ways of caching one prefix.

    Attributes:
        usd_per_day: Cost by way; ways that the model does not allow, or that make no sense for the
            gap, are left out.
        break_even_requests: Requests of a session from which on a lifetime pays, by lifetime;
            empty where a read costs no less than plain input.
        pings_per_gap: Keep-alive calls between two requests; 0 where none is needed.
        why_not_cached: Why Bedrock would not cache this prefix, and what to do; empty if it would.
    """

    usd_per_day: dict[Way, Decimal]
    break_even_requests: dict[CacheTTL, int]
    pings_per_gap: int
    why_not_cached: str = ""

    @property
    def is_cacheable(self) -> bool:
        """Whether the model caches, and the prefix is neither too short nor too long for it."""
        return not self.why_not_cached

    @property
    def best(self) -> Way:
        """The cheapest way."""
        return min(self.usd_per_day, key=self.usd_per_day.__getitem__)

    @property
    def savings_usd_per_day(self) -> Decimal:
        """What the cheapest way saves against no caching."""
        return self.usd_per_day["none"] - self.usd_per_day[self.best]

    @property
    def is_keep_alive_worth_it(self) -> bool:
        """Whether pings that keep an entry alive are the cheapest way."""
        return self.best == "keep_alive"


def estimate_savings(
    *,
    model_id: str,
    requests_per_day: float,
    cached_tokens: int,
    fresh_tokens: int = 0,
    output_tokens: int = 0,
    gap_seconds: float = 60.0,
    requests_per_session: int | None = None,
    base_model: str | None = None,
    rates: Rates | None = None,
) -> SavingsEstimate:
    """Estimate what caching a prefix saves a day.

    Args:
        model_id: As sent; its prefix (`us.`, `global.`) decides the price.
        requests_per_day: How many requests begin with the prefix.
        cached_tokens: Length of the prefix.
        fresh_tokens: Input after it, different each time.
        output_tokens: Output of a request.
        gap_seconds: Time between two requests of a session.
        requests_per_session: Requests that follow each other at that gap; default: all of a day.
        base_model: The model behind an ARN that does not name it.
        rates: Your own prices; list prices otherwise.

    Returns:
        Cost in USD a day, exact for this model of the traffic.

    Raises:
        CachePolicyError: If a number is negative, part of a token or endless, there are no
            requests, or `rates` are no `Rates`.
        PriceNotFoundError: If no price is known and no `rates` are given.
    """
    check_text("model_id", model_id, what="a model ID")
    if base_model is not None:
        check_text("base_model", base_model, what="a model ID")
    check_number("requests_per_day", requests_per_day, above=0, is_finite=True)
    sizes = {
        "cached_tokens": cached_tokens,
        "fresh_tokens": fresh_tokens,
        "output_tokens": output_tokens,
    }
    for name, size in sizes.items():
        check_number(name, size, least=0, is_whole=True)
    check_number("gap_seconds", gap_seconds, least=0, is_finite=True)
    if requests_per_session is not None:
        check_number("requests_per_session", requests_per_session, least=1, is_whole=True)
    check_rates(rates)
    session = requests_per_session or max(1, ceil(requests_per_day))
    profile = find_profile(model_id, base_model=base_model)
    why_not = _why_not_cached(profile, base_model_id(base_model or model_id), cached_tokens)
    ttls = profile.ttls if profile and not why_not else ()

    def usd_of(usage: CacheUsage) -> Decimal:
        return price_of(usage, model_id, base_model=base_model, rates=rates).total_usd

    def cost(**cached: int) -> Decimal:
        rest = cached_tokens - sum(cached.values())
        usage = CacheUsage(
            uncached_input_tokens=rest + fresh_tokens, output_tokens=output_tokens, **cached
        )
        return usd_of(usage)

    sessions = Decimal(str(requests_per_day)) / session
    usd: dict[Way, Decimal] = {"none": sessions * session * cost()}
    reading = cost(cache_read_tokens=cached_tokens)
    for ttl in ttls:
        writing = _write_cost(cost, ttl, cached_tokens)
        reads = session - 1 if gap_seconds < TTL_SECONDS[ttl] else 0
        usd[ttl] = sessions * ((session - reads) * writing + reads * reading)
    pings = floor(gap_seconds / PING_SECONDS) if gap_seconds >= TTL_SECONDS["5m"] else 0
    if pings and "5m" in ttls:
        ping = CacheUsage(cache_read_tokens=cached_tokens, output_tokens=1)
        between = pings * usd_of(ping)
        writing = _write_cost(cost, "5m", cached_tokens)
        usd["keep_alive"] = sessions * (writing + (session - 1) * (reading + between))
    prices = rates or listed_rates(
        model_id, base_model=base_model, input_tokens=cached_tokens + fresh_tokens
    )
    return SavingsEstimate(
        usd_per_day=usd,
        break_even_requests=_break_even_requests(prices, ttls),
        pings_per_gap=pings,
        why_not_cached=why_not,
    )


def _why_not_cached(profile: ModelProfile | None, model: str | None, tokens: int) -> str:
    """Return why Bedrock would not cache a prefix with a cache point at its end, and a remedy."""
    if profile is None:
        if model is None:
            return "The ID does not name its model. Say which one it is: base_model (--base-model)."
        return (
            f"{model} does not support prompt caching, as far as AWS documents it. If its calls "
            "are cached, say what it allows: profiles.register_profile(...)."
        )
    if not profile.supports_caching:
        return f"{profile.id} does not support prompt caching: it takes no cache points."
    least, most = profile.min_tokens_per_cache_point, profile.max_cacheable_tokens
    if tokens < least:
        return f"{profile.id} caches {least:,} tokens and more, not a prefix of {tokens:,}."
    if 0 < most < tokens:
        return (
            f"{profile.id} caches {most:,} tokens at most: Bedrock ignores a cache point behind "
            f"{tokens:,}. Put one within the first {most:,}, and count the rest as fresh tokens."
        )
    return ""


def _write_cost(cost: _Cost, ttl: CacheTTL, tokens: int) -> Decimal:
    if ttl == "5m":
        return cost(cache_write_5m_tokens=tokens)
    return cost(cache_write_1h_tokens=tokens)


def _break_even_requests(rates: Rates, ttls: Iterable[CacheTTL]) -> dict[CacheTTL, int]:
    """Return the first number of requests for which one write and reads cost less than none."""
    plain, read = rates.input_usd_per_mtok, rates.cache_read_usd_per_mtok
    if read >= plain:
        return {}
    writes: dict[CacheTTL, Decimal] = {
        "5m": rates.cache_write_5m_usd_per_mtok,
        "1h": rates.cache_write_1h_usd_per_mtok,
    }
    return {ttl: floor((writes[ttl] - read) / (plain - read)) + 1 for ttl in ttls}
