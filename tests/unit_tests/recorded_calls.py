"""Calls of chat models in every way there is, for tests of what a callback handler records."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from langchain_aws import ChatBedrockConverse
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from langchain_bedrock_cache import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.usage import CacheUsage

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
SECRET = "the-secret-ingredient"
INSTRUCTIONS = f"Answer briefly, and never name {SECRET}. " * 300

Call = Callable[[Any, Any, dict[str, Any]], object]


def run(coroutine: Any) -> None:
    """Run a coroutine in an event loop of its own."""
    asyncio.run(coroutine)


async def drain(stream: Any) -> None:
    """Read an async stream to its end."""
    async for _ in stream:
        pass


CALLS: dict[str, Call] = {
    "invoke": lambda model, question, config: model.invoke(question, config),
    "ainvoke": lambda model, question, config: run(model.ainvoke(question, config)),
    "stream": lambda model, question, config: list(model.stream(question, config)),
    "astream": lambda model, question, config: run(drain(model.astream(question, config))),
    "batch": lambda model, question, config: model.batch([question], config),
    "abatch": lambda model, question, config: run(model.abatch([question], config)),
}


def plain_chat(
    emulator: BedrockEmulator, model_id: str = SONNET, **kwargs: Any
) -> ChatBedrockConverse:
    """Return langchain-aws's chat model on an emulator."""
    client = emulator.client()
    # Without a `bedrock_client`, which is never called, langchain-aws makes one.
    return ChatBedrockConverse(model_id=model_id, client=client, bedrock_client=client, **kwargs)


def marked_question(text: str, *, ttl: str | None = None) -> list[BaseMessage]:
    """Return a prompt with a cache point after its long system prompt."""
    point = {"type": "default"} | ({"ttl": ttl} if ttl else {})
    system: Any = [{"type": "text", "text": INSTRUCTIONS}, {"cachePoint": point}]
    return [SystemMessage(content=system), HumanMessage(content=text)]


def ticking_handler() -> CacheUsageCallbackHandler:
    """Return a handler whose clock moves on by a second each time it is read."""
    ticks = itertools.count()
    return CacheUsageCallbackHandler(clock=lambda: float(next(ticks)))


def billed(emulator: BedrockEmulator) -> list[CacheUsage]:
    """Return what the emulator counted for each request that it answered."""
    return [
        CacheUsage(
            uncached_input_tokens=entry.uncached_input_tokens,
            cache_read_tokens=entry.cache_read_tokens,
            cache_write_5m_tokens=entry.cache_write_5m_tokens,
            cache_write_1h_tokens=entry.cache_write_1h_tokens,
            output_tokens=entry.output_tokens,
        )
        for entry in emulator.ledger
        if entry.status == 200
    ]


def nothing_open(handler: CacheUsageCallbackHandler) -> bool:
    """Whether a handler has forgotten calls that ended, and their runs."""
    return not handler._calls and not len(handler._tree)
