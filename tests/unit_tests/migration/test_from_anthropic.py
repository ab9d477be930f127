"""From ChatAnthropic's `cache_control` in messages and tools, and from its middleware."""

from __future__ import annotations

from typing import Any

import pytest
from frameworks.agent_loop import RULES, answer
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from wire import CLAUDE, places, points, words

from langchain_bedrock_cache import CachePointTransformer, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator

LEASE = words(2_000, "lease")
MESSAGES: list[BaseMessage] = [
    SystemMessage(
        [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    ),
    HumanMessage(
        [
            {"type": "text", "text": LEASE, "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Who waters flat 7?"},
        ]
    ),
]
TOOL: dict[str, Any] = {
    "name": "add",
    "description": words(2_000, "add"),
    "input_schema": {"type": "object", "properties": {}},
    "cache_control": {"type": "ephemeral"},
}


@pytest.fixture
def plain(emulator: BedrockEmulator) -> ChatBedrockConverse:
    """langchain-aws's own model."""
    client = emulator.client()
    return ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)


@pytest.fixture
def ours(emulator: BedrockEmulator, memory: PrefixMemory) -> ChatBedrockCached:
    """The same with the class name changed."""
    client = emulator.client()
    return ChatBedrockCached(
        model_id=CLAUDE, client=client, bedrock_client=client, prefix_memory=memory
    )


def test_langchain_aws_drops_the_marks(
    emulator: BedrockEmulator, plain: ChatBedrockConverse
) -> None:
    """What is cached with ChatAnthropic is not with ChatBedrockConverse, without a word."""
    plain.bind_tools([TOOL]).invoke(MESSAGES)
    assert points(emulator.requests[0]) == []


def test_with_our_model_the_same_messages_are_cached(
    emulator: BedrockEmulator, ours: ChatBedrockCached
) -> None:
    """Nothing in messages or tools needs to change: the planner caches system prompt and lease."""
    for _ in range(2):
        ours.bind_tools([TOOL]).invoke(MESSAGES)
    assert {"system[0]", "messages[0][0]"} & set(places(emulator.requests[0]))
    assert emulator.ledger[-1].cache_read_tokens >= 6_000


def test_the_transformer_keeps_the_marks(
    emulator: BedrockEmulator, plain: ChatBedrockConverse, memory: PrefixMemory
) -> None:
    """Where places and lifetimes were chosen with care, the transformer makes points of them."""
    marks = CachePointTransformer(memory=memory, model=CLAUDE, tools_ttl=None)
    chain: Runnable[Any, Any] = marks | plain
    chain.invoke(MESSAGES)
    assert points(emulator.requests[0]) == ["system[0] 1h", "messages[0][0]"]


def test_its_middleware_leaves_our_model_alone(memory: PrefixMemory) -> None:
    """`AnthropicPromptCachingMiddleware` skips models of other packages, and may be taken out."""
    agents = pytest.importorskip("langchain.agents", reason="langchain is not installed")
    anthropic = pytest.importorskip(
        "langchain_anthropic.middleware", reason="langchain-anthropic is not installed"
    )
    emulator = BedrockEmulator(responder=answer, capture_requests=True)
    client = emulator.client()
    model = ChatBedrockCached(
        model_id=CLAUDE, client=client, bedrock_client=client, prefix_memory=memory
    )
    middleware = anthropic.AnthropicPromptCachingMiddleware(unsupported_model_behavior="ignore")
    agent = agents.create_agent(model, system_prompt=RULES, middleware=[middleware])
    agent.invoke({"messages": [("user", "Hello?")]})
    assert "system[0]" in places(emulator.requests[0])
    assert "cache_control" not in str(emulator.requests[0])
