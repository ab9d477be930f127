"""Checks of what is priced, and with what: errors that say how to give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from langchain_bedrock_cache.checks import check_number, check_type, shown
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.rates import Rates
from langchain_bedrock_cache.usage import CacheUsage

_COUNTS = tuple(field.name for field in fields(CacheUsage))
_LIKE = (
    "Rates(input_usd_per_mtok=..., output_usd_per_mtok=..., cache_read_usd_per_mtok=..., "
    "cache_write_5m_usd_per_mtok=..., cache_write_1h_usd_per_mtok=...)"
)


def check_rates(rates: Any, *, by_model: bool = False) -> None:
    """Raise unless prices are `Rates`, or `None` for the list prices.

    Args:
        rates: As the user gave them.
        by_model: Whether they may also be a mapping of model IDs to `Rates`.

    Raises:
        CachePolicyError: If they are anything else.
    """
    if rates is None or isinstance(rates, Rates):
        return
    if not (by_model and isinstance(rates, Mapping)):
        also = ", or a dict of such by model ID" if by_model else ", the prices of one model"
        msg = f"rates is {shown(rates)}, but must be {_LIKE}{also}."
        raise CachePolicyError(msg)
    for model_id, of_model in rates.items():
        if not (isinstance(model_id, str) and isinstance(of_model, Rates)):
            msg = f"rates[{shown(model_id)}] is {shown(of_model)}; give a model ID its {_LIKE}."
            raise CachePolicyError(msg)


def check_usage(usage: Any) -> None:
    """Raise unless tokens can be priced.

    `CacheUsage` itself checks nothing: one is made for every call, out of counts that are sound.

    Args:
        usage: As the user gave it.

    Raises:
        CachePolicyError: If a count is negative, or not a whole number.
        TypeError: If it is no `CacheUsage`.
    """
    check_type("usage", usage, CacheUsage, what="a CacheUsage")
    for name in _COUNTS:
        count = getattr(usage, name)
        if type(count) is not int or count < 0:  # what is sound is not checked at length
            check_number(name, count, least=0, is_whole=True)
