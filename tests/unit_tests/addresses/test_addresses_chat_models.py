"""Chat models of application inference profiles: what langchain-aws asks, and leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from wire import CLAUDE, PROFILE_ARN, points, words

from langchain_bedrock_cache import (
    ChatBedrockCached,
    ChatBedrockInvokeCached,
    PrefixMemory,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_of

ASKED = ("GetInferenceProfile",)
BASE = CLAUDE.removeprefix("us.")
PROMPT = [("system", words(2000)), ("human", "?")]
EVERY_CLASS = pytest.mark.parametrize("kind", [ChatBedrockCached, ChatBedrockInvokeCached])
EVERY_WAY = pytest.mark.parametrize(
    "ask",
    [lambda model: model.invoke(PROMPT), lambda model: list(model.stream(PROMPT))],
    ids=["invoke", "stream"],
)


def emulator_with(model: str, clock: SimulatedClock) -> BedrockEmulator:
    """Return an emulator with an application inference profile for a model."""
    return BedrockEmulator(clock=clock, capture_requests=True, model_arns={PROFILE_ARN: model})


def chat_model(
    kind: Callable[..., Any], emulator: BedrockEmulator, memory: PrefixMemory, **more: Any
) -> Any:
    """Return a model whose clients both talk to the emulator."""
    return kind(
        model_id=PROFILE_ARN,
        provider="anthropic",
        client=emulator.client(),
        bedrock_client=emulator.control_client(),
        prefix_memory=memory,
        **more,
    )


@EVERY_WAY
def test_a_chat_model_resolves_by_itself(
    clock: SimulatedClock, memory: PrefixMemory, ask: Callable[[Any], Any]
) -> None:
    """AWS is asked once, when the model is made; the record has ARN, model and price."""
    emulator = emulator_with(CLAUDE, clock)
    model = chat_model(ChatBedrockCached, emulator, memory)
    with get_cache_usage_callback() as callback:
        ask(model)
        ask(model)
    assert emulator.control_requests == ASKED
    first, second = callback.records
    assert (first.model_id, first.answered_by) == (PROFILE_ARN, CLAUDE)
    assert second.usage is not None
    assert second.usage.cache_read_tokens > 1900
    assert second.cost == price_of(second.usage, CLAUDE)
    assert list(callback.by_model()) == [PROFILE_ARN]


@EVERY_CLASS
@EVERY_WAY
def test_a_copy_of_a_global_profile_has_global_prices(
    kind: Any, ask: Callable[[Any], Any], clock: SimulatedClock, memory: PrefixMemory
) -> None:
    """langchain-aws knows the base model without geography; the price is that of the source."""
    source = f"global.{BASE}"
    model = chat_model(kind, emulator_with(source, clock), memory)
    with get_cache_usage_callback() as callback:
        ask(model)
    (record,) = callback.records
    assert model.base_model_id == BASE
    assert record.usage is not None
    assert record.cost == price_of(record.usage, source)
    assert record.cost != price_of(record.usage, BASE)


def test_models_of_one_process_ask_once(clock: SimulatedClock, memory: PrefixMemory) -> None:
    """A model per request, as in a web server, does not ask per request as langchain-aws does."""
    emulator = emulator_with(CLAUDE, clock)
    models = [chat_model(ChatBedrockCached, emulator, memory) for _ in range(3)]
    assert [model.base_model_id for model in models] == [BASE] * 3
    assert emulator.control_requests == ASKED


def test_a_model_that_was_told_asks_nobody(clock: SimulatedClock, memory: PrefixMemory) -> None:
    """`base_model_id` is taken at its word, geography included."""
    emulator = emulator_with(f"global.{BASE}", clock)
    model = chat_model(ChatBedrockCached, emulator, memory, base_model_id=f"global.{BASE}")
    with get_cache_usage_callback() as callback:
        model.invoke(PROMPT)
    (record,) = callback.records
    assert emulator.control_requests == ()
    assert points(emulator.requests[0])
    assert record.usage is not None
    assert record.cost == price_of(record.usage, f"global.{BASE}")


@EVERY_CLASS
def test_no_permission_is_said_with_the_remedy(
    kind: Any, clock: SimulatedClock, memory: PrefixMemory
) -> None:
    """langchain-aws makes no such model without asking; its error stays what it is, with a note."""
    emulator = emulator_with(CLAUDE, clock)
    emulator.fail_next("AccessDeniedException", operation="GetInferenceProfile", times=9)
    with pytest.raises(ClientError, match="AccessDenied") as caught:
        chat_model(kind, emulator, memory)
    (note,) = caught.value.__notes__
    assert "bedrock:GetInferenceProfile" in note
    assert "base_model_id=" in note
    assert chat_model(kind, emulator, memory, base_model_id=BASE).invoke(PROMPT).content


def test_another_error_has_no_such_note(clock: SimulatedClock) -> None:
    """What fails for other reasons is not explained with permissions."""
    emulator = emulator_with(CLAUDE, clock)
    with pytest.raises(ValueError, match="guard_last_turn_only") as caught:
        chat_model(ChatBedrockCached, emulator, PrefixMemory(), guard_last_turn_only=True)
    assert not hasattr(caught.value, "__notes__")
