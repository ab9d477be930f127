"""Marks of the application in messages: read in every spelling, kept, and moved where legal."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from marked_messages import EPHEMERAL, sent, text
from wire import HOUR, LEGACY, NOVA, POINT, points, words

from langchain_bedrock_cache import CachePointTransformer, PrefixMemory
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator

_CALL = {"name": "look_up", "args": {}, "id": "call-0", "type": "tool_call"}


DOCUMENT = {"document": {"name": "d", "format": "txt", "source": {"text": words(100)}}}
PDF = {"document": {"name": "p", "format": "pdf", "source": {"bytes": b"%PDF"}}}

KEPT: dict[str, tuple[list[Any], list[str]]] = {
    "a point of langchain-aws": (
        [text("a"), ChatBedrockConverse.create_cache_point(), text("b")],
        ["messages[0][0]"],
    ),
    "an hour": ([text("a"), HOUR, text("b")], ["messages[0][0] 1h"]),
    "five minutes, spelled out": (
        [text("a"), {"cachePoint": {"type": "default", "ttl": "5m"}}],
        ["messages[0][0]"],
    ),
    "wrapped by LangChain": (
        [text("a"), {"type": "non_standard", "value": POINT}],
        ["messages[0][0]"],
    ),
    "cache_control": ([text("a", cache_control=EPHEMERAL), text("b")], ["messages[0][0]"]),
    "cache_control for an hour": (
        [text("a", cache_control={**EPHEMERAL, "ttl": "1h"}), text("b")],
        ["messages[0][0] 1h"],
    ),
    "cache_control among the extras": (
        [text("a", extras={"cache_control": EPHEMERAL}), text("b")],
        ["messages[0][0]"],
    ),
    "cache_control on a block in Bedrock's own form": (
        [{"text": "a", "cache_control": EPHEMERAL}, text("b")],
        ["messages[0][0]"],
    ),
    "cache_control that says nothing": ([text("a", cache_control=None), text("b")], []),
    "a point in the block, as Nova's own API has it": (
        [{"text": "a", **POINT}, text("b")],
        ["messages[0][0]"],
    ),
    "after a PDF": ([text("a"), PDF, POINT, text("b")], ["messages[0][1]"]),
}


@pytest.mark.parametrize(("content", "expected"), KEPT.values(), ids=KEPT.keys())
def test_marks_are_kept_where_they_are_legal(
    emulator: BedrockEmulator, content: list[Any], expected: list[str]
) -> None:
    """Every spelling of a mark becomes a cache point in the same place, with its lifetime."""
    request = sent(emulator, HumanMessage(content))

    assert points(request) == expected
    assert "cache_control" not in str(request)


MOVED: dict[str, tuple[list[BaseMessage], list[str]]] = {
    "first in a message: to the end of what comes before": (
        [SystemMessage("Be brief."), HumanMessage([POINT, text("a")])],
        ["system[0]"],
    ),
    "first of all: there is nothing to cache": ([HumanMessage([POINT, text("a")])], []),
    "after a text document: before it, since what follows may change": (
        [HumanMessage([text("a"), DOCUMENT, POINT, text("b")])],
        ["messages[0][0]"],
    ),
    "after reasoning: before it": (
        [
            HumanMessage("a"),
            AIMessage(
                [text("b"), {"type": "thinking", "thinking": "so", "signature": "c2ln"}, POINT]
            ),
            HumanMessage("c"),
        ],
        ["messages[1][0]"],
    ),
    "two in a row are one, with the longer lifetime": (
        [HumanMessage([text("a", cache_control=EPHEMERAL), HOUR, text("b")])],
        ["messages[0][0] 1h"],
    ),
    "an answer without text cannot hold one": (
        [
            HumanMessage("a"),
            AIMessage([POINT], tool_calls=[_CALL]),
            ToolMessage("r", tool_call_id="call-0"),
        ],
        ["messages[0][0]"],
    ),
    "inside a tool message: after the tool result": (
        [
            HumanMessage("a"),
            AIMessage("b", tool_calls=[_CALL]),
            ToolMessage([text("r", cache_control=EPHEMERAL), text("s")], tool_call_id="call-0"),
            HumanMessage("c"),
        ],
        ["messages[2][0]"],
    ),
    "inside a tool result block: after it": (
        [
            HumanMessage("a"),
            AIMessage("b", tool_calls=[_CALL]),
            HumanMessage(
                [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call-0",
                        "content": [text("r"), POINT, text("s")],
                    },
                    text("c"),
                ]
            ),
        ],
        ["messages[2][0]"],
    ),
    "inside a tool result of Bedrock's own form: after it": (
        [
            HumanMessage("a"),
            AIMessage("b", tool_calls=[_CALL]),
            HumanMessage(
                [
                    {"toolResult": {"toolUseId": "call-0", "content": [{"text": "r"}, POINT]}},
                    text("c"),
                ]
            ),
        ],
        ["messages[2][0]"],
    ),
    "a message of its own: no message is left": (
        [
            HumanMessage("a"),
            AIMessage("b", tool_calls=[_CALL]),
            ToolMessage("r", tool_call_id="call-0"),
            HumanMessage([POINT]),
        ],
        ["messages[2][0]"],
    ),
    "first, after an answer that cannot hold one": (
        [
            HumanMessage("a"),
            AIMessage("b", response_metadata={"model_provider": "openai"}),
            HumanMessage([POINT, text("c")]),
        ],
        ["messages[0][0]"],
    ),
    "past a system message, which is sent in front": (
        [
            HumanMessage("a"),
            SystemMessage("b"),
            AIMessage([text("c"), POINT], response_metadata={"model_provider": "openai"}),
            HumanMessage("d"),
        ],
        ["messages[0][0]"],
    ),
    "in LangChain's v1 content, which cannot hold one": (
        [
            HumanMessage("a"),
            AIMessage(
                [text("b"), POINT],
                response_metadata={"output_version": "v1", "model_provider": "bedrock_converse"},
            ),
            HumanMessage("c"),
        ],
        ["messages[0][0]"],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), MOVED.values(), ids=MOVED.keys())
def test_marks_move_back_to_where_they_are_legal(
    emulator: BedrockEmulator, messages: list[BaseMessage], expected: list[str]
) -> None:
    """A mark that Bedrock would refuse moves back to the last place where it does not."""
    request = sent(emulator, *messages, tools=True)

    assert points(request) == expected
    assert emulator.ledger[-1].status == 200


def test_a_message_of_a_mark_alone_is_left_out(emulator: BedrockEmulator) -> None:
    """Without its mark nothing is in it, and langchain-aws would send a full stop."""
    request = sent(emulator, HumanMessage("a"), AIMessage("b"), HumanMessage([POINT]))

    assert [block for m in request["messages"] for block in m["content"]] == [
        {"text": "a"},
        {"text": "b"},
        POINT,
    ]


def test_marks_inside_a_tool_message_go_to_its_end() -> None:
    """The point stands where langchain-aws will send it, behind the whole result."""
    result = ToolMessage([text("r", cache_control=EPHEMERAL), text("s")], tool_call_id="call-0")
    messages = [HumanMessage("a"), AIMessage("b", tool_calls=[_CALL]), result]

    transformed = CachePointTransformer(memory=PrefixMemory()).invoke(messages)

    assert transformed[-1].content == [text("r"), text("s"), POINT]


def test_on_nova_marks_move_back_to_text(emulator: BedrockEmulator) -> None:
    """Nova takes points after text only: not after a document, nor after a tool result."""
    document = sent(emulator, HumanMessage([text("a"), PDF, POINT, text("b")]), model=NOVA)
    result = sent(
        emulator,
        HumanMessage("a"),
        AIMessage("b", tool_calls=[_CALL]),
        ToolMessage([text("r"), POINT], tool_call_id="call-0"),
        model=NOVA,
        tools=True,
    )

    assert points(document) == ["messages[0][0]"]
    assert points(result) == ["messages[1][0]"]
    assert [record.status for record in emulator.ledger] == [200, 200]


def test_adjacent_texts_merge_as_without_the_mark(emulator: BedrockEmulator) -> None:
    """Messages in a row are merged before their marks become points: no text changes."""
    messages = [
        HumanMessage([text("a", cache_control=EPHEMERAL), "b"]),
        HumanMessage("c"),
    ]
    request = sent(emulator, *messages)
    plain = ChatBedrockConverse(model_id=request.get("modelId", LEGACY), client=emulator.client())
    plain.invoke(messages)

    assert points(request) == ["messages[0][0]"]
    assert strip_points(request) == emulator.requests[-1]
