"""What a model charges per million tokens: the list price of its ID, or the user's own price.

List prices come from the genai-prices package; a few rows that it lacks are in `prices.toml`.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from langchain_bedrock_cache.addresses import base_model_id, parse_address
from langchain_bedrock_cache.exceptions import CachePolicyError, PriceNotFoundError

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice, TieredPrices

# On the global price, for Claude and Nova alike: all `us-gov.` rows of litellm 1.109.1 agree, where
# genai-prices has the regional price (x 1.1). Guarded by test_govcloud_is_20_percent_dearer.
_GOVCLOUD_FACTOR = Decimal("1.2")
_VERSION_SUFFIX = re.compile(r"(?:-v\d+)?(?::\w+)*$")
_PRICE_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices of one model, in USD per million tokens; give your own where list prices are wrong.

    Numbers and numeric strings become `Decimal`.

    Attributes:
        input_usd_per_mtok: Of input that is neither read from nor written to the prompt cache.
        output_usd_per_mtok: Of output.
        cache_read_usd_per_mtok: Of input read from the prompt cache.
        cache_write_5m_usd_per_mtok: Of input written for 5 minutes.
        cache_write_1h_usd_per_mtok: Of input written for 1 hour.

    Raises:
        CachePolicyError: If a price is negative or not a number.
    """

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cache_read_usd_per_mtok: Decimal
    cache_write_5m_usd_per_mtok: Decimal
    cache_write_1h_usd_per_mtok: Decimal

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _as_price(field.name, getattr(self, field.name)))

    @classmethod
    def from_list(cls, row: Mapping[str, Decimal | str | None]) -> Self:
        """Make complete rates of a price list's row.

        Args:
            row: USD per million tokens under `input`, `output`, `cache_read`, `cache_write_5m` and
                `cache_write_1h`. Only the first two must be there: reads and writes without a
                price are billed as input, and 1-hour writes at twice the input price if 5-minute
                writes have a price (so on every Claude model that has both).

        Returns:
            The rates.
        """
        price = {name: Decimal(value) for name, value in row.items() if value is not None}
        plain = price["input"]
        return cls(
            input_usd_per_mtok=plain,
            output_usd_per_mtok=price["output"],
            cache_read_usd_per_mtok=price.get("cache_read", plain),
            cache_write_5m_usd_per_mtok=price.get("cache_write_5m", plain),
            cache_write_1h_usd_per_mtok=price.get(
                "cache_write_1h", 2 * plain if "cache_write_5m" in price else plain
            ),
        )

    def times(self, factor: Decimal) -> Self:
        """Return these rates, each multiplied by `factor`."""
        return type(self)(**{f.name: getattr(self, f.name) * factor for f in fields(self)})


def listed_rates(
    model_id: str,
    *,
    base_model: str | None = None,
    input_tokens: int = 0,
    service_tier: str | None = None,
) -> Rates:
    """Return the on-demand list prices of a model.

    Args:
        model_id: What is sent as `modelId`. `global.` and `us-gov.` IDs have prices of their own;
            other geo prefixes and bare IDs pay the regional price.
        base_model: The model behind an ARN that does not name it.
        input_tokens: Input length of the call in tokens, cached ones included: some models charge
            other prices for long calls.
        service_tier: What Bedrock says served the call, such as `"flex"`; `None` and `"default"`
            are the standard tier.

    Returns:
        The prices as of today.

    Raises:
        PriceNotFoundError: If no price is known, or tokens are not what is billed.
    """
    version = _price_list().timestamp
    tiers = _listed_tiers(model_id, base_model, service_tier, _today(), version)
    if isinstance(tiers, str):
        raise PriceNotFoundError(tiers)
    # A tier prices the whole call, not only the tokens beyond its start.
    return next(tier.rates for tier in reversed(tiers) if input_tokens > tier.start)


@lru_cache(maxsize=1024)
def _listed_tiers(
    model_id: str,
    base_model: str | None,
    service_tier: str | None,
    today: int,
    _list_version: datetime,
) -> tuple[_Tier, ...] | str:
    """Search the lists, once per model, service tier, day and version of genai-prices' list.

    Returns:
        The tiers; why there are none, which takes as long to find out.
    """
    if why := parse_address(model_id).billed_otherwise:
        return f"No price per token is known for {model_id!r}: {why}. Pass rates=Rates(...)."
    factor = _tier_factor(model_id, base_model, service_tier)
    if factor is None:
        base = _base_of(model_id, base_model) or model_id
        return (
            f"No price is known for service tier {service_tier!r} of {base!r}. "
            "Pass rates=Rates(...)."
        )
    tiers = _find_tiers(model_id, base_model, today)
    if not tiers:
        also = f" or {base_model!r}" if base_model else ""
        return (
            f"No price is known for {model_id!r}{also}. "
            "Pass rates=Rates(...), or base_model=... if the ID does not name its model."
        )
    return tiers if factor == 1 else tuple(_Tier(t.start, t.rates.times(factor)) for t in tiers)


def _base_of(model_id: str, base_model: str | None) -> str:
    return base_model_id(model_id) or base_model_id(base_model or "") or ""


def _tier_factor(model_id: str, base_model: str | None, tier: str | None) -> Decimal | None:
    """Return what a service tier costs on the standard tier's price; `None` if nobody knows."""
    if tier in (None, "default"):
        return Decimal(1)
    name = _VERSION_SUFFIX.sub("", _base_of(model_id, base_model))
    return _tier_list().get(name, {}).get(tier)


class _Tier(NamedTuple):
    """Prices of calls with more than `start` input tokens."""

    start: int
    rates: Rates


def _find_tiers(model_id: str, base_model: str | None, today: int) -> tuple[_Tier, ...]:
    for candidate in (model_id, base_model):
        base = base_model_id(candidate) if candidate else None
        if not candidate or not base:
            continue
        name = candidate.rpartition("/")[2]  # the part of an ARN that names the model
        if name.startswith("us-gov.") or candidate.startswith("arn:aws-us-gov:"):
            global_tiers = _first_listed(f"global.{base}", base, today=today)
            tiers = tuple(_Tier(t.start, t.rates.times(_GOVCLOUD_FACTOR)) for t in global_tiers)
        else:
            tiers = _first_listed(name, base, f"us.{base}", today=today)
        if tiers:
            return tiers
    return ()


def _today() -> int:
    """Return the day, in days since 1970: prices change at midnight UTC, if they do."""
    return int(time.time() // 86_400)


def _price_list() -> DataSnapshot:
    return _price_list_source()()


@cache
def _price_list_source() -> Callable[[], DataSnapshot]:
    """Import genai-prices when it is first needed: that takes 0.2 s, and a while each time."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    return get_snapshot


def _first_listed(*names: str, today: int) -> tuple[_Tier, ...]:
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=today)
    for name in names:
        if own := _own_list().get(_VERSION_SUFFIX.sub("", name)):
            return (_Tier(-1, own),)
        try:
            _, model = _price_list().find_provider_model(name, None, "aws", None)
        except LookupError:
            continue
        return _to_tiers(model.get_prices(noon))
    return ()


def _to_tiers(prices: ModelPrice) -> tuple[_Tier, ...]:
    """Turn tiers per price, as genai-prices has them, into prices per tier."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415 - takes 0.2 s

    listed = {name: getattr(prices, field) for name, field in _PRICE_FIELDS.items()}
    if listed["input"] is None or listed["output"] is None:
        return ()  # embeddings and the like
    tiered = [price for price in listed.values() if isinstance(price, TieredPrices)]
    starts = sorted({-1} | {tier.start for price in tiered for tier in price.tiers})
    return tuple(
        _Tier(start, Rates.from_list({name: _at(price, start) for name, price in listed.items()}))
        for start in starts
    )


def _at(price: Decimal | TieredPrices | None, start: int) -> Decimal | None:
    if price is None or isinstance(price, Decimal):
        return price
    return next((t.price for t in reversed(price.tiers) if start >= t.start), price.base)


@cache
def _own_list() -> dict[str, Rates]:
    return {
        row["id"]: Rates.from_list({name: row.get(name) for name in _PRICE_FIELDS})
        for row in _own_data()["price"]
    }


@cache
def _tier_list() -> dict[str, dict[str | None, Decimal]]:
    tiers = ("flex", "priority")
    return {
        row["id"]: {tier: Decimal(row[tier]) for tier in tiers if tier in row}
        for row in _own_data()["tier"]
    }


@cache
def _own_data() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "prices.toml").read_text(encoding="utf-8"))


def _as_price(name: str, value: Any) -> Decimal:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and price >= 0):
        msg = f"{name} is {value!r}, but a price is a number of USD, 0 or more."
        raise CachePolicyError(msg)
    return price
