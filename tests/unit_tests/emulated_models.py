"""Chat models on the emulator, ours and langchain-aws's, and the ways to call them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel
from wire import words

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SYSTEM = SystemMessage(words(2000, "system"))
PROMPT: list[BaseMessage] = [SYSTEM, HumanMessage("Hello")]


@langchain_tool
def look_up(n: int) -> str:
    """Look something up."""
    return words(500, f"found{n}")


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def cached(emulator: BedrockEmulator, **settings: Any) -> ChatBedrockCached:
    """Return a cached model on the emulator, with a memory of its own."""
    client = emulator.client()
    settings = {"model": SONNET, "client": client, "bedrock_client": client} | settings
    return ChatBedrockCached(**{"prefix_memory": PrefixMemory(clock=lambda: 0.0), **settings})


def plain(emulator: BedrockEmulator, **settings: Any) -> ChatBedrockConverse:
    """Return langchain-aws's own model on the emulator."""
    client = emulator.client()
    return ChatBedrockConverse(
        **{"model": SONNET, "client": client, "bedrock_client": client} | settings
    )


async def _collected(stream: Any) -> AIMessageChunk:
    chunks = [chunk async for chunk in stream]
    return _joined(chunks)


def _joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    first, *rest = chunks
    return sum(rest, start=first)


Ask = Callable[..., AIMessage]
ASKS: dict[str, Ask] = {
    "invoke": lambda model, prompt, **kw: model.invoke(prompt, **kw),
    "stream": lambda model, prompt, **kw: _joined(list(model.stream(prompt, **kw))),
    "batch": lambda model, prompt, **kw: model.batch([prompt], **kw)[0],
    "ainvoke": lambda model, prompt, **kw: asyncio.run(model.ainvoke(prompt, **kw)),
    "astream": lambda model, prompt, **kw: asyncio.run(_collected(model.astream(prompt, **kw))),
    "abatch": lambda model, prompt, **kw: asyncio.run(model.abatch([prompt], **kw))[0],
}
EVERY_WAY = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
GUARDRAIL = {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}
PERSON = {"name": "Ada", "age": 36}


def person(request: dict[str, Any]) -> Reply:
    """Answer with a person, in the form that was asked for."""
    if "toolConfig" in request:
        return Reply(tool_uses=[ToolUse(name="Person", input=PERSON)])
    return Reply(text=json.dumps(PERSON))
