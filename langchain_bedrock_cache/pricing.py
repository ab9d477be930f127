"""What a call cost, what it would have cost without prompt caching, and the price ratios.

Two forms of the same question: `price_of` raises when no price is known (the caller asked for it),
`estimate_cost` and `price_multipliers` never do (a report or a decision must go on without).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.exceptions import PriceNotFoundError
from langchain_bedrock_cache.price_checks import check_rates, check_usage
from langchain_bedrock_cache.rates import Rates, listed_rates
from langchain_bedrock_cache.usage import CacheUsage

__all__ = [
    "CostBreakdown",
    "PriceMultipliers",
    "Rates",
    "estimate_cost",
    "price_multipliers",
    "price_of",
    "usd_text",
]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBreakdown:
    """What tokens cost, in USD, by kind; adds with `+` and `sum()`.

    Attributes:
        uncached_input_usd: Input neither read from nor written to the prompt cache.
        cache_read_usd: Input read from the prompt cache.
        cache_write_5m_usd: Input written for 5 minutes.
        cache_write_1h_usd: Input written for 1 hour.
        output_usd: Output.
        without_caching_usd: The same tokens with all input at the plain input price.
    """

    uncached_input_usd: Decimal = Decimal(0)
    cache_read_usd: Decimal = Decimal(0)
    cache_write_5m_usd: Decimal = Decimal(0)
    cache_write_1h_usd: Decimal = Decimal(0)
    output_usd: Decimal = Decimal(0)
    without_caching_usd: Decimal = Decimal(0)

    @property
    def cache_write_usd(self) -> Decimal:
        """Cost of all cache writes."""
        return self.cache_write_5m_usd + self.cache_write_1h_usd

    @property
    def total_usd(self) -> Decimal:
        """Cost of everything, output included."""
        return (
            self.uncached_input_usd + self.cache_read_usd + self.cache_write_usd + self.output_usd
        )

    @property
    def savings_usd(self) -> Decimal:
        """What prompt caching saved; negative if writes cost more than reads saved."""
        return self.without_caching_usd - self.total_usd

    @property
    def savings_ratio(self) -> float:
        """Saved part of the cost without caching, output included; 0.0 if that cost is 0."""
        if not self.without_caching_usd:
            return 0.0
        return float(self.savings_usd / self.without_caching_usd)

    def __add__(self, other: CostBreakdown) -> CostBreakdown:
        if not isinstance(other, CostBreakdown):
            return NotImplemented
        return CostBreakdown(
            uncached_input_usd=self.uncached_input_usd + other.uncached_input_usd,
            cache_read_usd=self.cache_read_usd + other.cache_read_usd,
            cache_write_5m_usd=self.cache_write_5m_usd + other.cache_write_5m_usd,
            cache_write_1h_usd=self.cache_write_1h_usd + other.cache_write_1h_usd,
            output_usd=self.output_usd + other.output_usd,
            without_caching_usd=self.without_caching_usd + other.without_caching_usd,
        )

    def __radd__(self, other: int) -> CostBreakdown:
        """Let `sum()` start from its 0."""
        return self if other == 0 else NotImplemented


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMultipliers:
    """Prices of cached tokens relative to the input price.

    Attributes:
        read: Of a token read from the prompt cache, such as 0.1.
        write_5m: Of a token written for 5 minutes, such as 1.25.
        write_1h: Of a token written for 1 hour, such as 2.0.
    """

    read: float
    write_5m: float
    write_1h: float


_NOTHING_USD = Decimal(0)
_USUAL_CLAUDE = PriceMultipliers(read=0.1, write_5m=1.25, write_1h=2.0)
_USUAL_NOVA = PriceMultipliers(read=0.25, write_5m=1.0, write_1h=1.0)


def price_of(
    usage: CacheUsage,
    model_id: str,
    *,
    base_model: str | None = None,
    rates: Rates | None = None,
    service_tier: str | None = None,
) -> CostBreakdown:
    """Price the tokens of one call.

    Some models charge all tokens of a long call at a higher price, so price calls one by one and
    add the costs; do not price added-up usage.

    Args:
        usage: Tokens of one call.
        model_id: What was sent as `modelId`; `global.` IDs are cheaper than others on most models.
        base_model: The model behind an ARN that does not name it.
        rates: Your own prices, instead of the on-demand list prices.
        service_tier: What Bedrock says served the call, such as `"flex"`; `None` and `"default"`
            are the standard tier. Your own prices are taken as they are.

    Returns:
        The cost in USD, exact.

    Raises:
        CachePolicyError: If a count of `usage` is negative, or `rates` are no `Rates`.
        PriceNotFoundError: If no price is known and no `rates` are given.
    """
    check_usage(usage)
    check_rates(rates)
    if rates is None:
        rates = listed_rates(
            model_id,
            base_model=base_model,
            input_tokens=usage.input_tokens,
            service_tier=service_tier,
        )
    output_usd = _usd(usage.output_tokens, rates.output_usd_per_mtok)
    return CostBreakdown(
        uncached_input_usd=_usd(usage.uncached_input_tokens, rates.input_usd_per_mtok),
        cache_read_usd=_usd(usage.cache_read_tokens, rates.cache_read_usd_per_mtok),
        cache_write_5m_usd=_usd(usage.cache_write_5m_tokens, rates.cache_write_5m_usd_per_mtok),
        cache_write_1h_usd=_usd(usage.cache_write_1h_tokens, rates.cache_write_1h_usd_per_mtok),
        output_usd=output_usd,
        without_caching_usd=_usd(usage.input_tokens, rates.input_usd_per_mtok) + output_usd,
    )


def estimate_cost(
    usage: CacheUsage,
    model_id: str | None,
    *,
    base_model: str | None = None,
    rates: Rates | None = None,
    service_tier: str | None = None,
) -> CostBreakdown | None:
    """Price the tokens of one call for a report: as `price_of`, but a lack of price is no error.

    Args:
        usage: Tokens of one call.
        model_id: What was sent as `modelId`, or `None` if that is not known.
        base_model: The model behind an ARN that does not name it.
        rates: Your own prices, instead of the list prices.
        service_tier: As for `price_of`.

    Returns:
        The cost, or `None` (not zero) if no price is known.

    Raises:
        CachePolicyError: If a count of `usage` is negative, or `rates` are no `Rates`: that is no
            lack of a price.
    """
    try:
        return price_of(
            usage, model_id or "", base_model=base_model, rates=rates, service_tier=service_tier
        )
    except PriceNotFoundError:
        return None
    except Exception:  # a broken price list must not cost anybody a report
        check_usage(usage)
        check_rates(rates)
        _logger.warning("Could not look up the price of %r.", model_id, exc_info=True)
        return None


@lru_cache(maxsize=1024)
def price_multipliers(
    model_id: str, *, base_model: str | None = None, rates: Rates | None = None
) -> PriceMultipliers:
    """Return what cached tokens cost relative to the input price; never raises.

    Looked up once per model, then remembered: made for decisions on every request.

    Args:
        model_id: What is sent as `modelId`.
        base_model: The model behind an ARN that does not name it.
        rates: Your own prices, instead of the list prices.

    Returns:
        The ratios of the model's prices or, where those are not known, the usual ones: 0.1, 1.25
        and 2.0 of Claude, 0.25, 1.0 and 1.0 of Nova.
    """
    usual = _USUAL_NOVA if "amazon.nova" in (base_model or model_id) else _USUAL_CLAUDE
    if base_model and parse_address(model_id).billed_otherwise:
        model_id = base_model  # no price, but what is saved is saved in the same ratios
    try:
        rates = rates or listed_rates(model_id, base_model=base_model)
    except PriceNotFoundError:
        return usual
    except Exception:  # a broken price list must not stop a request
        _logger.warning("Could not look up the price of %r.", model_id, exc_info=True)
        return usual
    if not rates.input_usd_per_mtok:
        return usual
    return PriceMultipliers(
        read=float(rates.cache_read_usd_per_mtok / rates.input_usd_per_mtok),
        write_5m=float(rates.cache_write_5m_usd_per_mtok / rates.input_usd_per_mtok),
        write_1h=float(rates.cache_write_1h_usd_per_mtok / rates.input_usd_per_mtok),
    )


def usd_text(amount: Decimal) -> str:
    """Return USD as they stand in JSON, such as `"0.00000375"`: exact, and without an exponent.

    JSON's own numbers become binary fractions wherever they are read.

    Args:
        amount: USD.
    """
    return format(amount, "f")


def _usd(tokens: int, usd_per_mtok: Decimal) -> Decimal:
    return (tokens * usd_per_mtok).scaleb(-6) if tokens else _NOTHING_USD
