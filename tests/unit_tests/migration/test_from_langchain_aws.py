"""From `BedrockPromptCachingMiddleware` and `cache_control=` of langchain-aws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from frameworks.agent_loop import RULES, add, answer, doubled
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage
from wire import CLAUDE, points, words

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator

agents = pytest.importorskip("langchain.agents", reason="langchain is not installed")
_middleware = pytest.importorskip("langchain_aws.middleware.prompt_caching")
_memory = pytest.importorskip("langgraph.checkpoint.memory")
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "1"}}


def model_on(emulator: BedrockEmulator, *, cached: bool) -> ChatBedrockConverse:
    """Return the model before, and after."""
    client = emulator.client()
    made: Mapping[str, Any] = {"model": CLAUDE, "client": client, "bedrock_client": client}
    if cached:
        return ChatBedrockCached(**made, prefix_memory=PrefixMemory())
    return ChatBedrockConverse(**made)


def run(*middleware: Any, cached: bool) -> tuple[BedrockEmulator, str]:
    """Ask an agent two questions; return its Bedrock, and its saved state as text."""
    emulator = BedrockEmulator(responder=answer, capture_requests=True)
    agent = agents.create_agent(
        model_on(emulator, cached=cached),
        [add],
        system_prompt=RULES,
        middleware=list(middleware),
        checkpointer=_memory.InMemorySaver(),
    )
    for question in ("1 + 2?", "Sure?"):
        agent.invoke({"messages": [("user", question)]}, CONFIG)
    return emulator, str(agent.get_state(CONFIG))


def test_before_and_after() -> None:
    """Without the middleware our model reads at least as much, and writes no more."""
    before, _ = run(_middleware.BedrockPromptCachingMiddleware(), cached=False)
    after, state = run(cached=True)
    reads = [[record.cache_read_tokens for record in e.ledger] for e in (before, after)]
    writes = [sum(record.cache_write_tokens for record in e.ledger) for e in (before, after)]
    assert all(now >= then for then, now in zip(*reads, strict=True))
    assert writes[1] <= writes[0]
    assert doubled(after.requests) == []
    assert "cachePoint" not in state
    assert "cache_control" not in state


def test_left_in_place_it_is_a_hint() -> None:
    """The middleware may stay: its hour counts, and no point is placed twice."""
    emulator, state = run(_middleware.BedrockPromptCachingMiddleware(ttl="1h"), cached=True)
    assert doubled(emulator.requests) == []
    assert all(point.endswith(" 1h") for request in emulator.requests for point in points(request))
    assert "cachePoint" not in state


def test_cache_control_after_the_question_is_a_write_that_nobody_reads() -> None:
    """On a document with questions langchain-aws writes each time; ours reads the document."""
    written = {}
    for cached in (False, True):
        emulator = BedrockEmulator()
        model = model_on(emulator, cached=cached)
        for question in ("Who waters flat 7?", "And flat 8?", "And flat 9?"):
            message = HumanMessage([words(2_000, "lease"), question])
            model.invoke([message], cache_control={"type": "ephemeral"})
        written[cached] = sum(record.cache_write_tokens for record in emulator.ledger)
    assert written[False] > 6_000
    assert written[True] < 2_100
