"""`ChatAnthropicBedrock` with the transformer in the `cache_control` dialect, over HTTP."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_aws import ChatAnthropicBedrock
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from native_bodies import native_points
from wire import words

from langchain_bedrock_cache import (
    CachePointTransformer,
    CachePolicy,
    CacheUsageCallbackHandler,
    PrefixMemory,
    cached_tools,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
TASK = [SystemMessage(words(2000, "system")), HumanMessage(words(1500, "task"))]
CALL = {"name": "look_up", "args": {"word": "a"}, "id": "toolu_1"}
TURN: list[BaseMessage] = [
    *TASK,
    AIMessage("Let me see.", tool_calls=[CALL]),
    ToolMessage(words(800, "found"), tool_call_id="toolu_1"),
    HumanMessage("And?"),
]
MARK = {"type": "ephemeral"}


@tool
def look_up(word: str) -> str:
    """Look up a word."""
    return word


@pytest.fixture
def model(emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The model over Anthropic's SDK, on the emulator's HTTP server."""
    with emulator.serve() as server:
        monkeypatch.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)
        model = ChatAnthropicBedrock(
            model=MODEL,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="key",
            max_retries=0,
        )
        yield model
        model._client.close()


@pytest.fixture
def transformer(memory: PrefixMemory) -> CachePointTransformer:
    """The transformer in the dialect of that model."""
    return CachePointTransformer(dialect="cache_control", memory=memory)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_a_conversation_is_written_and_read(
    emulator: BedrockEmulator,
    clock: SimulatedClock,
    model: Any,
    transformer: CachePointTransformer,
    how: str,
) -> None:
    """Points arrive on the blocks, and the callback sees what was written and read."""
    handler = CacheUsageCallbackHandler()
    chain = transformer | model.bind_tools([look_up])
    for messages in (TASK, TURN):
        if how == "invoke":
            chain.invoke(messages, {"callbacks": [handler]})
        else:
            list(chain.stream(messages, {"callbacks": [handler]}))
        clock.advance(10)
    first, second = emulator.requests
    assert native_points(first) == ["system[0]", "messages[0][0]"]
    assert native_points(second)[-1] == "messages[2][1]"
    usages = [record.usage for record in handler.records]
    counts = [(u.cache_write_tokens, u.cache_read_tokens, u.input_tokens) for u in usages if u]
    assert counts == [
        (r.cache_write_tokens, r.cache_read_tokens, r.input_tokens) for r in emulator.ledger
    ]
    assert counts[1][1] == counts[0][0] > 0


def test_nothing_else_changes(
    emulator: BedrockEmulator, model: Any, transformer: CachePointTransformer
) -> None:
    """Points aside, the body is the one the model sends by itself; the messages are not touched."""
    before = copy.deepcopy(TURN)
    bound = model.bind_tools([look_up])
    bound.invoke(TURN)
    (transformer | bound).invoke(TURN)
    assert before == TURN
    plain, pointed = emulator.requests
    assert native_points(pointed)
    assert _as_blocks(pointed) == _as_blocks(plain)


def _as_blocks(value: Any) -> Any:
    """Return a body without points, with texts as blocks."""
    if isinstance(value, list):
        return [_as_blocks(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {k: _as_blocks(v) for k, v in value.items() if k != "cache_control"}
    for name in ("content", "system"):
        if isinstance(out.get(name), str):
            out[name] = [{"type": "text", "text": out[name]}]
    return out


def test_marks_of_the_application_are_kept(
    emulator: BedrockEmulator, model: Any, transformer: CachePointTransformer
) -> None:
    """Both spellings of a mark count; what stands inside a tool message comes out on its result."""
    marked = [
        SystemMessage([{"type": "text", "text": words(2000), "cache_control": MARK}]),
        HumanMessage([words(1500, "task"), {"cachePoint": {"type": "default"}}, "Now."]),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage([{"type": "text", "text": "a", "cache_control": MARK}], tool_call_id="toolu_1"),
    ]
    off = CachePointTransformer(dialect="cache_control", policy=CachePolicy.off())
    (off | model.bind_tools([look_up])).invoke(marked)
    expected = ["system[0]", "messages[0][0]", "messages[2][0]"]
    assert native_points(emulator.requests[0]) == expected
    (transformer | model.bind_tools([look_up])).invoke(marked)
    assert set(expected) <= set(native_points(emulator.requests[1]))


def test_short_prompts_pass_as_they_are(transformer: CachePointTransformer) -> None:
    """Without points, the messages are the objects that came in."""
    messages = [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage(""), HumanMessage(" ")]
    assert all(a is b for a, b in zip(transformer.invoke(messages), messages, strict=True))


@pytest.mark.parametrize(
    "last",
    [
        look_up,
        {"name": "big", "description": "d", "input_schema": {"type": "object"}},
        {"type": "bash_20250124", "name": "bash"},
    ],
)
def test_tools_carry_their_point(emulator: BedrockEmulator, model: Any, last: Any) -> None:
    """The last tool, of whatever kind, carries a point; a second time changes nothing."""
    tools = cached_tools([look_up, last], dialect="cache_control")
    assert cached_tools(tools, dialect="cache_control") == tools
    assert "cache_control" not in (last if isinstance(last, dict) else {})
    model.bind_tools(tools).invoke("Hi")
    assert native_points(emulator.requests[0]) == ["tools[1]"]


def test_no_tools_have_no_point() -> None:
    """There is nothing to put a point on."""
    assert cached_tools([], dialect="cache_control") == []
