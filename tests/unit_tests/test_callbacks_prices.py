"""`CacheUsageCallbackHandler`: the price of a call is that of the model it was sent to."""

from decimal import Decimal
from typing import Any

import pytest
from recorded_calls import CALLS, NOVA, SONNET, billed, plain_chat, ticking_handler
from wire import PROFILE_ARN

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import Rates, price_of
from langchain_bedrock_cache.usage import CacheUsage


@pytest.fixture
def handler() -> CacheUsageCallbackHandler:
    """A handler whose clock moves on by a second each time it is read."""
    return ticking_handler()


def test_an_application_inference_profile_is_priced_by_its_base_model(
    emulator: BedrockEmulator,
) -> None:
    """The record names the ARN that was sent; the price is that of `base_model`."""
    emulator = BedrockEmulator(model_arns={PROFILE_ARN: SONNET.removeprefix("us.")})
    handler = CacheUsageCallbackHandler()
    model = plain_chat(
        emulator, PROFILE_ARN, base_model=SONNET.removeprefix("us."), provider="anthropic"
    )
    model.invoke("hi", {"callbacks": [handler]})
    assert handler.records[0].model_id == PROFILE_ARN == emulator.ledger[0].model_id
    assert handler.total_cost == price_of(handler.total, SONNET)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_the_model_id_that_was_sent_decides_the_price(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A `global.` model ID bound to the call is recorded and priced, not the constructor's."""
    sent = f"global.{SONNET.removeprefix('us.')}"
    CALLS[how](plain_chat(emulator).bind(model_id=sent), "hi", {"callbacks": [handler]})
    assert emulator.ledger[0].model_id == handler.records[0].model_id == sent
    assert handler.total_cost == price_of(handler.total, sent)
    assert handler.total_cost != price_of(handler.total, SONNET)


RATES = Rates(**{name: Decimal(10) for name in Rates.__slots__})


@pytest.mark.parametrize(
    "rates", [RATES, {SONNET: RATES}, {SONNET.removeprefix("us."): RATES}], ids=type
)
def test_own_rates(rates: Any, emulator: BedrockEmulator) -> None:
    """Own rates, for all models or by sent or base model ID, replace the list price."""
    handler = CacheUsageCallbackHandler(rates=rates)
    plain_chat(emulator).invoke("hi", {"callbacks": [handler]})
    assert handler.total_cost is not None
    assert handler.total_cost.total_usd == handler.total.total_tokens * Decimal("0.00001")


def test_own_rates_of_another_model_do_not_apply(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A model that is not among the own rates is priced from the list."""
    handler = CacheUsageCallbackHandler(rates={NOVA: RATES})
    plain_chat(emulator).invoke("hi", {"callbacks": [handler]})
    assert handler.total_cost == price_of(handler.total, SONNET)


@pytest.mark.parametrize(
    "kwargs", [{"service_tier": "flex"}, {"performance_config": {"latency": "optimized"}}], ids=str
)
def test_other_tiers_have_no_list_price(kwargs: dict[str, Any], emulator: BedrockEmulator) -> None:
    """Flex tier and optimized latency have prices that no list has: unknown, but for own rates."""
    listed, own = CacheUsageCallbackHandler(), CacheUsageCallbackHandler(rates=RATES)
    plain_chat(emulator, **kwargs).invoke("hi", {"callbacks": [listed, own]})
    assert listed.total == own.total != CacheUsage()
    assert listed.total_cost is None
    assert own.total_cost == price_of(own.total, SONNET, rates=RATES)


def test_an_unknown_price_prints_as_unknown(emulator: BedrockEmulator) -> None:
    """A model without a known price has usage and no cost, and the table says so."""
    handler = CacheUsageCallbackHandler()
    plain_chat(emulator, "acme.new-model-v1:0", provider="acme").invoke(
        "hi", {"callbacks": [handler]}
    )
    assert handler.records[0].usage == billed(emulator)[0]
    assert handler.records[0].cost is None
    assert handler.total_cost is None
    assert "unknown" in str(handler)
    assert "1 of the calls has no known price" in str(handler)
