"""A lease, a question about it, and the model and events that they are asked with."""

from __future__ import annotations

import json
from typing import Any

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LEASE = "The tenant of the flat waters its balcony. " * 200
ASKED = {"document": LEASE, "question": "Who waters the balcony?"}


def answering_model(emulator: BedrockEmulator, memory: PrefixMemory) -> ChatBedrockCached:
    """Return a model that puts no points of its own: the function knows where they belong."""
    client = emulator.client()
    return ChatBedrockCached(
        model_id=MODEL,
        client=client,
        bedrock_client=client,
        cache_policy=CachePolicy(sections=()),
        prefix_memory=memory,
    )


def http(body: Any, *, method: str = "POST", **event: Any) -> dict[str, Any]:
    """Return the event of a function URL."""
    text = body if isinstance(body, str) else json.dumps(body)
    context = {"http": {"method": method}}
    return {"version": "2.0", "requestContext": context, "body": text, **event}
