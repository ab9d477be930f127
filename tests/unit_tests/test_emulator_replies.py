"""What the model says: fixed, scripted or computed; in one piece and as a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted
from langchain_bedrock_cache.emulator.replies import Responder

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]

FULL = Reply(
    reasoning="The user wants the sum, and there is a tool for it.",
    text="I will add these numbers with the tool at hand.",
    tool_uses=[ToolUse(name="add", input={"a": 1, "b": [2, 3]}), ToolUse(name="done", id="mine")],
)


def ask(responder: Responder | None, **request: Any) -> dict[str, Any]:
    """Converse with a fresh emulator."""
    client = BedrockEmulator(responder=responder).client()
    return dict(client.converse(**{"modelId": CLAUDE, "messages": HELLO, **request}))


def stream(responder: Responder, **request: Any) -> list[dict[str, Any]]:
    """Stream from a fresh emulator and return all events."""
    client = BedrockEmulator(responder=responder).client()
    arguments = {"modelId": CLAUDE, "messages": HELLO, **request}
    return list(client.converse_stream(**arguments)["stream"])


def assemble(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the content blocks of a stream together as a client does."""
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            blocks[start["contentBlockIndex"]] = {
                "toolUse": {**start["start"]["toolUse"], "input": ""}
            }
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            block = blocks.setdefault(event["contentBlockDelta"]["contentBlockIndex"], {})
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            if "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            if "reasoningContent" in delta:
                reasoning = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
                for key, value in delta["reasoningContent"].items():
                    inner = reasoning["reasoningText"]
                    inner[key] = inner.get(key, "") + value
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return [blocks[index] for index in sorted(blocks)]


def test_default_reply_is_always_the_same() -> None:
    """Without a responder the emulator says one fixed sentence."""
    assert ask(None)["output"] == ask(None)["output"]
    assert ask(None)["stopReason"] == "end_turn"


def test_responder_sees_the_decoded_request() -> None:
    """The function gets model ID and binary content as the caller gave them."""
    image = {"image": {"format": "png", "source": {"bytes": b"\x00\x01"}}}
    seen: list[dict[str, Any]] = []

    def respond(request: dict[str, Any]) -> str:
        seen.append(request)
        return "Seen."

    ask(respond, messages=[{"role": "user", "content": [image]}])
    assert seen[0]["modelId"] == CLAUDE
    assert seen[0]["messages"][0]["content"] == [image]


def test_reply_with_reasoning_text_and_tools() -> None:
    """All kinds of blocks come in order, the stop reason follows, and own IDs are kept."""
    response = ask(lambda _request: FULL)
    reasoning, text, add, done = response["output"]["message"]["content"]
    assert reasoning["reasoningContent"]["reasoningText"]["text"] == FULL.reasoning
    assert text == {"text": FULL.text}
    assert add["toolUse"]["input"] == {"a": 1, "b": [2, 3]}
    assert done["toolUse"]["toolUseId"] == "mine"
    assert response["stopReason"] == "tool_use"


def test_tool_use_ids_are_unique() -> None:
    """No two calls of an emulator share an ID, as results are matched by it."""
    client = BedrockEmulator(responder=lambda _request: FULL).client()
    ids = [
        block["toolUse"]["toolUseId"]
        for _ in range(3)
        for block in client.converse(modelId=CLAUDE, messages=HELLO)["output"]["message"]["content"]
        if block.get("toolUse", {}).get("name") == "add"
    ]
    assert len(set(ids)) == 3


def test_stop_reason_and_output_tokens_can_be_given() -> None:
    """A reply may say what it costs and why it ended."""
    reply = Reply(text="Stop", stop_reason="guardrail_intervened", output_tokens=777)
    response = ask(lambda _request: reply)
    assert response["stopReason"] == "guardrail_intervened"
    assert response["usage"]["outputTokens"] == 777


def test_long_text_is_cut_at_max_tokens() -> None:
    """A warm-up call with maxTokens=1 is billed one output token."""
    response = ask(lambda _request: "word " * 100, inferenceConfig={"maxTokens": 1})
    assert response["output"]["message"]["content"] == [{"text": "wor"}]
    assert response["stopReason"] == "max_tokens"
    assert response["usage"]["outputTokens"] == 1


def test_request_settings_are_echoed() -> None:
    """Service tier and latency come back, as on Bedrock."""
    response = ask(None, serviceTier={"type": "flex"}, performanceConfig={"latency": "optimized"})
    assert response["serviceTier"] == {"type": "flex"}
    assert response["performanceConfig"] == {"latency": "optimized"}


def test_script_is_played_in_order_and_ends() -> None:
    """Replies come one after the other; a loop beyond the script fails instead of repeating."""
    client = BedrockEmulator(responder=scripted(["one", Reply(text="two")])).client()
    said = [
        client.converse(modelId=CLAUDE, messages=HELLO)["output"]["message"]["content"][0]["text"]
        for _ in range(2)
    ]
    assert said == ["one", "two"]
    with pytest.raises(LookupError, match="2 replies, but this is request 3"):
        client.converse(modelId=CLAUDE, messages=HELLO)


def test_failing_responder_leaves_no_trace_in_the_cache() -> None:
    """An exception of the responder reaches the caller, and nothing was written."""
    ideas = ["fine", ""]

    def respond(_request: dict[str, Any]) -> str:
        idea = ideas.pop()
        if not idea:
            msg = "no idea"
            raise RuntimeError(msg)
        return idea

    client = BedrockEmulator(responder=respond).client()
    request = {
        "modelId": CLAUDE,
        "messages": HELLO,
        "system": [{"text": "s" * 6_000}, {"cachePoint": {"type": "default"}}],
    }
    with pytest.raises(RuntimeError, match="no idea"):
        client.converse(**request)
    usage = client.converse(**request)["usage"]
    assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (0, 2_000)


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "kind": {"enum": ["x", "y"]},
        "inner": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
        "maybe": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "several": {"type": ["array", "null"]},
        "fixed": {"const": 7},
        "optional": {"type": "string"},
    },
    "required": ["name", "count", "kind", "inner", "maybe", "several", "fixed"],
}


@pytest.mark.parametrize("choice", [{"any": {}}, {"tool": {"name": "save"}}])
def test_forced_tool_is_called_with_the_smallest_input(choice: dict[str, Any]) -> None:
    """Structured output works without a script: the input fits the schema."""
    spec = {"name": "save", "inputSchema": {"json": SCHEMA}}
    other = {"name": "load", "inputSchema": {"json": {"type": "object"}}}
    tools = [{"toolSpec": spec}, {"toolSpec": other}]
    if "tool" in choice:
        tools.reverse()
    response = ask(None, toolConfig={"tools": tools, "toolChoice": choice})
    [block] = response["output"]["message"]["content"]
    assert block["toolUse"]["input"] == {
        "name": "",
        "count": 0,
        "kind": "x",
        "inner": {"ok": False},
        "maybe": 0,
        "several": [],
        "fixed": 7,
    }


def test_forced_tool_that_does_not_exist_is_not_made_up() -> None:
    """The default reply calls only tools that the request offers."""
    tool = {"toolSpec": {"name": "load", "inputSchema": {"json": {"type": "object"}}}}
    choice = {"tool": {"name": "save"}}
    response = ask(None, toolConfig={"tools": [tool], "toolChoice": choice})
    assert response["stopReason"] == "end_turn"


def test_tool_call_without_text_has_no_text_block() -> None:
    """An empty text is no block, neither in one piece nor as a stream."""
    reply = Reply(tool_uses=[ToolUse(name="add", input={"a": 1}, id="t")])
    blocks = ask(lambda _request: reply)["output"]["message"]["content"]
    assert blocks == assemble(stream(lambda _request: reply))
    assert blocks == [{"toolUse": {"toolUseId": "t", "name": "add", "input": {"a": 1}}}]


def test_stream_has_the_events_of_bedrock_in_order() -> None:
    """Text comes without a start event (recorded), tools with one, usage with the last event."""
    names = [next(iter(event)) for event in stream(lambda _request: FULL)]
    without_repeats = [n for i, n in enumerate(names) if names[i - 1 : i] != [n]]
    block = ["contentBlockDelta", "contentBlockStop"]
    tool = ["contentBlockStart", *block]
    assert without_repeats == [
        "messageStart",
        *block,
        *block,
        *tool,
        *tool,
        "messageStop",
        "metadata",
    ]


def test_stream_says_and_costs_the_same_as_converse() -> None:
    """Put together, a stream is the message of Converse, with the same usage."""
    responder = scripted([FULL, FULL])
    client = BedrockEmulator(responder=responder).client()
    request = {
        "modelId": CLAUDE,
        "messages": HELLO,
        "system": [{"text": "s" * 6_000}, {"cachePoint": {"type": "default"}}],
        "serviceTier": {"type": "flex"},
    }
    events = list(client.converse_stream(**request)["stream"])
    metadata = events[-1]["metadata"]
    assert metadata["usage"]["cacheWriteInputTokens"] == 2_000
    assert metadata["serviceTier"] == {"type": "flex"}
    response = client.converse(**request)
    assert response["usage"]["cacheReadInputTokens"] == 2_000
    assert response["usage"]["totalTokens"] == metadata["usage"]["totalTokens"]

    def without_ids(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"toolUse": block["toolUse"] | {"toolUseId": "any"}} if "toolUse" in block else block
            for block in content
        ]

    assert without_ids(assemble(events)) == without_ids(response["output"]["message"]["content"])


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=200), st.text(max_size=60))
def test_any_text_survives_the_stream(text: str, reasoning: str) -> None:
    """Deltas put together give back every character, line breaks and emoji included."""
    text = text.encode("utf-8", "replace").decode()
    events = stream(lambda _request: Reply(text=text, reasoning=reasoning))
    assert assemble(events)[-1] == {"text": text}
