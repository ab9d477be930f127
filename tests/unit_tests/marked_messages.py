"""Text blocks that carry marks, and the request that messages with marks become."""

from __future__ import annotations

from typing import Any

from langchain_aws import ChatBedrockConverse
from langchain_core.messages import BaseMessage
from wire import tool

from langchain_bedrock_cache import CachePointTransformer, CachePolicy, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator

EPHEMERAL = {"type": "ephemeral"}


def text(name: str, **more: Any) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": name, **more}


def sent(
    emulator: BedrockEmulator,
    *messages: BaseMessage,
    model: str | None = None,
    policy: CachePolicy | None = None,
    tools: bool = False,
) -> dict[str, Any]:
    """Send messages through a transformer that adds no points, and return the request."""
    transformer = CachePointTransformer(
        model=model, policy=policy or CachePolicy.off(), memory=PrefixMemory()
    )
    chat: Any = ChatBedrockConverse(
        model_id=model or "us.anthropic.claude-sonnet-4-5-20250929-v1:0", client=emulator.client()
    )
    chat = chat.bind(toolConfig={"tools": [tool(6)]}) if tools else chat
    (transformer | chat).invoke([*messages])
    return emulator.requests[-1]
