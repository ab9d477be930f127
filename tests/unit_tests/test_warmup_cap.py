"""Warm-up around Nova's cap of 20,000 tokens, whatever characters per token turn out to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from wire import NOVA, words

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.warmup import warm

PROMPTS: dict[str, Callable[[int], list[Any]]] = {
    "system": lambda tokens: [SystemMessage(words(tokens))],
    "document in four blocks": lambda tokens: [
        HumanMessage([{"type": "text", "text": words(tokens // 4, f"d{n}")} for n in range(4)])
    ],
}


@pytest.mark.parametrize("case", PROMPTS)
@pytest.mark.parametrize("tokens", [19_000, 20_000, 21_000, 30_000])
@pytest.mark.parametrize("chars_per_token", [2.0, 3.0, 4.5])
def test_what_was_warmed_is_read(case: str, tokens: int, chars_per_token: float) -> None:
    """The first user reads all that the warm-up wrote, and all that Nova can hold was written."""
    emulator = BedrockEmulator(chars_per_token=chars_per_token)
    chat = ChatBedrockCached(model_id=NOVA, client=emulator.client(), prefix_memory=PrefixMemory())
    prompt = PROMPTS[case](tokens)
    warmed = warm(chat, prompt).cache_write_tokens
    for question in ("What is it about?", "And who wrote it?"):
        chat.invoke([*prompt, HumanMessage(question)])
    first, second = emulator.ledger[1:]
    assert first.cache_read_tokens == warmed
    assert second.cache_read_tokens >= warmed
    size = tokens * 3.0 / chars_per_token
    part = size / 4 if case != "system" else size
    possible = max((n * part for n in range(5) if n * part <= 20_000), default=0)
    assert warmed >= min(possible, size) - 10
