"""`cached_tools`: a cache point after the tools of a model."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from wire import HOUR, POINT, points, words

from langchain_bedrock_cache import (
    CachePointTransformer,
    CachePolicyError,
    PrefixMemory,
    cached_tools,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@tool
def look_up(topic: str) -> str:
    """Look a topic up."""
    return f"{topic}: nothing found."


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


_SPEC = {"toolSpec": {"name": "beta", "inputSchema": {"json": {"type": "object"}}}}


@pytest.mark.parametrize("model", ["plain_model", "cached_model"])
def test_cached_tools_end_in_a_point(
    emulator: BedrockEmulator, request: pytest.FixtureRequest, model: str
) -> None:
    """`bind_tools(cached_tools(...))` sends one point, after the last tool."""
    bound = request.getfixturevalue(model).bind_tools(cached_tools([look_up, add], ttl="1h"))

    bound.invoke("Hello.")

    sent = emulator.requests[-1]["toolConfig"]["tools"]
    assert [t.get("toolSpec", t).get("name") for t in sent] == ["look_up", "add", None]
    assert points(emulator.requests[-1]) == ["tools[1] 1h"]


TOOLS: dict[str, tuple[list[Any], dict[str, Any], list[Any]]] = {
    "in the given order": ([look_up, add], {}, [look_up, add, POINT]),
    "sorted by name": ([look_up, _SPEC, add], {"sort": True}, [add, _SPEC, look_up, POINT]),
    "for an hour": ([add], {"ttl": "1h"}, [add, HOUR]),
    "for five minutes": ([add], {"ttl": "5m"}, [add, POINT]),
    "with a point already": ([add, HOUR], {}, [add, HOUR]),
    "sorted, with a point in between": (
        [look_up, POINT, add],
        {"sort": True},
        [add, look_up, POINT],
    ),
    "system tools by name": (
        ["nova_grounding", add],
        {"sort": True},
        [add, "nova_grounding", POINT],
    ),
    "sorted, with a point already": ([look_up, add, HOUR], {"sort": True}, [add, look_up, HOUR]),
    "no tools": ([], {}, []),
}


@pytest.mark.parametrize(("tools", "options", "expected"), TOOLS.values(), ids=TOOLS.keys())
def test_cached_tools_are_a_new_list(
    tools: list[Any], options: dict[str, Any], expected: list[Any]
) -> None:
    """Tools keep their order unless sorted, end in one point, and the given list is kept."""
    before = list(tools)

    assert cached_tools(tools, **options) == expected
    assert tools == before


def test_an_unknown_lifetime_of_tools_is_an_error() -> None:
    """A ttl that Bedrock does not know is an error, even without tools."""
    with pytest.raises(CachePolicyError, match="ttl is '2h'"):
        cached_tools([], ttl="2h")  # type: ignore[arg-type]


@pytest.mark.parametrize("ttl", get_args(CacheTTL))
@pytest.mark.parametrize("pause_seconds", [20, 1200])
def test_an_agent_with_cached_tools_is_never_refused(
    clock: SimulatedClock, ttl: CacheTTL, pause_seconds: int
) -> None:
    """Ten turns of an agent: points of tools and transformer together are legal, and are read."""
    emulator = BedrockEmulator(
        clock=clock,
        capture_requests=True,
        responder=scripted([Reply(text="Let me see.", tool_uses=[ToolUse(name="look_up")])] * 10),
    )
    chat = ChatBedrockConverse(model_id=MODEL, client=emulator.client())
    transformer = CachePointTransformer(memory=PrefixMemory(clock=clock), tools_ttl=ttl)
    agent = transformer | chat.bind_tools(cached_tools([look_up, add], ttl=ttl))
    messages: list[BaseMessage] = [SystemMessage(words(2000)), HumanMessage("Look everything up.")]
    for turn in range(10):
        answer = agent.invoke(messages)
        results = [
            ToolMessage(words(300, f"topic{turn}"), tool_call_id=str(call["id"]))
            for call in answer.tool_calls
        ]
        messages += [answer, *results]
        clock.advance(pause_seconds)

    ledger = emulator.ledger
    assert {record.status for record in ledger} == {200}
    assert all(points(sent)[0].startswith("tools[1]") for sent in emulator.requests)
    read = sum(r.cache_read_tokens for r in ledger) / sum(r.input_tokens for r in ledger)
    assert read > 0.5 if pause_seconds < TTL_SECONDS[ttl] else read == 0
