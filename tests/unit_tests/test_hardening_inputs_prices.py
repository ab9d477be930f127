"""Bad prices and counts of tokens: refused where they are given, not found in a report."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from wire import CLAUDE

from langchain_bedrock_cache import (
    CacheUsage,
    CacheUsageCallbackHandler,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.cloudwatch import read_report
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.langsmith_tracer import CacheUsageTracer
from langchain_bedrock_cache.pricing import estimate_cost, price_of
from langchain_bedrock_cache.rates import Rates
from langchain_bedrock_cache.roi import estimate_savings
from langchain_bedrock_cache.simulate import simulate

RATES = Rates(
    input_usd_per_mtok=Decimal(3),
    output_usd_per_mtok=Decimal(15),
    cache_read_usd_per_mtok=Decimal("0.3"),
    cache_write_5m_usd_per_mtok=Decimal("3.75"),
    cache_write_1h_usd_per_mtok=Decimal(6),
)
USAGE = CacheUsage(uncached_input_tokens=1_000, output_tokens=10)
OF_MODELS: dict[str, Callable[[Any], Any]] = {
    "CacheUsageCallbackHandler": lambda rates: CacheUsageCallbackHandler(rates=rates),
    "get_cache_usage_callback": lambda rates: get_cache_usage_callback(rates=rates).__enter__(),
    "CacheUsageTracer": lambda rates: CacheUsageTracer(rates=rates),
    "read_report": lambda rates: read_report(object_with_paginator(), rates=rates),
}
OF_ONE_MODEL: dict[str, Callable[[Any], Any]] = {
    "price_of": lambda rates: price_of(USAGE, CLAUDE, rates=rates),
    "estimate_cost": lambda rates: estimate_cost(USAGE, CLAUDE, rates=rates),
    "estimate_savings": lambda rates: estimate_savings(
        model_id=CLAUDE, requests_per_day=1, cached_tokens=5, rates=rates
    ),
    "simulate": lambda rates: simulate([Path("nowhere.jsonl")], rates=rates),
}
NO_RATES = {
    "a number": (3.0, r"rates is 3\.0, but must be Rates\(input_usd_per_mtok=\.\.\., output"),
    "a text": ("cheap", r"rates is 'cheap', but must be Rates\("),
    "a list": ([RATES], r"rates is a list, but must be Rates\("),
    "false": (False, "rates is False, but must be Rates"),
}
NO_RATES_BY_MODEL = {
    "numbers": ({"input": 3.0}, r"rates\['input'\] is 3\.0; give a model ID its Rates\(input"),
    "numbers of a model": ({CLAUDE: {"input": 3}}, rf"rates\['{CLAUDE}'\] is a dict; give a"),
    "none": ({CLAUDE: None}, rf"rates\['{CLAUDE}'\] is None; give a model ID its Rates"),
    "no model": ({None: RATES}, r"rates\[None\] is a Rates; give a model ID its Rates"),
}


def object_with_paginator() -> Any:
    """Return what looks like a client of CloudWatch, but cannot be asked anything."""
    return type("Client", (), {"get_paginator": None})()


@pytest.mark.parametrize("case", NO_RATES)
@pytest.mark.parametrize("name", [*OF_MODELS, *OF_ONE_MODEL])
def test_what_is_no_price_is_refused(name: str, case: str) -> None:
    """The message has the value, and how prices are given, before anything is called or read."""
    rates, message = NO_RATES[case]
    with pytest.raises(CachePolicyError, match=message):
        (OF_MODELS | OF_ONE_MODEL)[name](rates)


@pytest.mark.parametrize("case", NO_RATES_BY_MODEL)
@pytest.mark.parametrize("name", OF_MODELS)
def test_what_is_no_price_of_a_model_is_refused(name: str, case: str) -> None:
    """In a mapping, the entry is named."""
    rates, message = NO_RATES_BY_MODEL[case]
    with pytest.raises(CachePolicyError, match=message):
        OF_MODELS[name](rates)


@pytest.mark.parametrize("name", OF_ONE_MODEL)
def test_prices_of_several_models_are_refused_for_one(name: str) -> None:
    """Who prices a single model is told to give its prices."""
    with pytest.raises(CachePolicyError, match=r"rates is a dict, .* the prices of one model"):
        OF_ONE_MODEL[name]({CLAUDE: RATES})


def test_good_prices_stay_good() -> None:
    """None, the prices of all models, and those of some are no mistakes."""
    for rates in (None, RATES, {}, {CLAUDE: RATES}):
        assert CacheUsageCallbackHandler(rates=rates).records == ()
    assert price_of(USAGE, "acme", rates=RATES).uncached_input_usd == Decimal("0.003")
    assert estimate_cost(USAGE, "acme") is None


@pytest.mark.parametrize("count", [-1, 1.5, "5", None, True, float("nan")], ids=repr)
@pytest.mark.parametrize("field", CacheUsage().as_dict())
@pytest.mark.parametrize("price", [price_of, estimate_cost])
def test_counts_that_cannot_be_priced_are_named(price: Any, field: str, count: Any) -> None:
    """A negative count is no discount, and part of a token is no token."""
    usage = CacheUsage(**{field: count})
    message = f"{field} is {count!r}, but must be a whole number, 0 or more"
    with pytest.raises(CachePolicyError, match=message):
        price(usage, CLAUDE)


@pytest.mark.parametrize("usage", [None, {"inputTokens": 5}, 5])
@pytest.mark.parametrize("price", [price_of, estimate_cost])
def test_other_forms_of_usage_are_named(price: Any, usage: Any) -> None:
    """What Bedrock or LangChain report is read with `CacheUsage.from_...` first."""
    with pytest.raises(TypeError, match=r"usage is .* but must be a CacheUsage"):
        price(usage, CLAUDE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_id": ""}, "model_id is blank, but must be a model ID"),
        ({"requests_per_day": float("inf")}, "requests_per_day is inf, but must be a number"),
        ({"cached_tokens": 1_000.5}, "cached_tokens is 1000.5, but must be a whole number"),
        ({"output_tokens": -1}, "output_tokens is -1, but must be a whole number, 0 or more"),
        ({"gap_seconds": float("inf")}, "gap_seconds is inf, but must be a number, 0 or more"),
        ({"requests_per_session": 1.5}, "requests_per_session is 1.5, but must be a whole number"),
    ],
)
def test_savings_of_nonsense_are_refused(options: dict[str, Any], message: str) -> None:
    """An estimate says which number makes no sense."""
    good: dict[str, Any] = {"model_id": CLAUDE, "requests_per_day": 10, "cached_tokens": 5_000}
    with pytest.raises(CachePolicyError, match=message):
        estimate_savings(**{**good, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_records": -1}, "max_records is -1, but must be a whole number, 0 or more"),
        ({"max_records": "all"}, "max_records is 'all', but must be a whole number"),
        ({"clock": 0.0}, "clock is 0.0, but must be a function that returns seconds"),
    ],
)
@pytest.mark.parametrize("make", [CacheUsageCallbackHandler, get_cache_usage_callback])
def test_other_settings_of_the_callback(make: Any, options: dict[str, Any], message: str) -> None:
    """Its other settings are checked as well."""
    with pytest.raises((CachePolicyError, TypeError), match=message):
        make(**options).__enter__()
