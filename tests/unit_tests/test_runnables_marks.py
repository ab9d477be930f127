"""Marks of the application in messages: read in every spelling, kept, and made legal."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from wire import HOUR, LEGACY, LLAMA, NOVA, POINT, points, words

from langchain_bedrock_cache import (
    CachePlanError,
    CachePointTransformer,
    CachePolicy,
    CachePolicyError,
    CacheSkippedWarning,
    CacheTTLOrderError,
    PrefixMemory,
    TooManyCachePointsError,
    UnsupportedModelError,
)
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator

EPHEMERAL = {"type": "ephemeral"}
_CALL = {"name": "look_up", "args": {}, "id": "call-0", "type": "tool_call"}
_TOOL = {
    "toolSpec": {
        "name": "look_up",
        "description": "Look something up.",
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }
}


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
    chat = chat.bind(toolConfig={"tools": [_TOOL]}) if tools else chat
    (transformer | chat).invoke([*messages])
    return emulator.requests[-1]


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


ADDED_BESIDE = CachePolicy.fixed(system="5m", messages="5m")


def test_marks_count_toward_the_four() -> None:
    """Four marks leave no room for more, and none of them is dropped."""
    marked = [text(words(600, name), cache_control=EPHEMERAL) for name in "abcd"]
    messages = [SystemMessage(words(2000)), HumanMessage([*marked, text(words(600, "e"))])]
    transformer = CachePointTransformer(policy=ADDED_BESIDE, memory=PrefixMemory())

    (system, human) = transformer.invoke(messages)

    assert system is messages[0]
    assert [n for n, block in enumerate(human.content) if block == POINT] == [1, 3, 5, 7]


def test_a_fifth_mark_is_an_error() -> None:
    """More marks than the model takes are an error that counts them, before anything is sent."""
    marked: list[Any] = [text(name, cache_control=EPHEMERAL) for name in "abcde"]

    with pytest.raises(TooManyCachePointsError, match=r"5 cache points .* allows 4"):
        CachePointTransformer(memory=PrefixMemory()).invoke([HumanMessage(marked)])


def test_an_hour_after_five_minutes_is_an_error() -> None:
    """Lifetimes in the wrong order are an error that names both places."""
    content: list[Any] = [text("a", cache_control=EPHEMERAL), text("b"), HOUR, text("c")]

    with pytest.raises(CacheTTLOrderError, match=r"content\[1\] has ttl '1h' .*content\[0\]"):
        CachePointTransformer(memory=PrefixMemory()).invoke([HumanMessage(content)])


def test_an_hour_for_a_model_without_it_is_an_error() -> None:
    """A named model that knows only five minutes is not sent an hour."""
    transformer = CachePointTransformer(model=LEGACY, memory=PrefixMemory())

    with pytest.raises(CachePlanError, match="takes only '5m'"):
        transformer.invoke([HumanMessage([text("a"), HOUR])])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown ttl": ({"cachePoint": {"type": "default", "ttl": "2h"}}, "ttl '2h'"),
    "unknown type": ({"cachePoint": {"type": "ephemeral"}}, "type 'ephemeral'"),
    "no type": ({"cachePoint": {}}, "type None"),
    "unknown ttl of cache_control": (
        text("a", cache_control={"type": "ephemeral", "ttl": 300}),
        "ttl 300",
    ),
    "unknown type of cache_control": (text("a", cache_control={"type": "default"}), "'ephemeral'"),
    "cache_control that is no mapping": (text("a", cache_control=True), "type True"),
}


@pytest.mark.parametrize(("block", "message"), BAD.values(), ids=BAD.keys())
def test_marks_with_unknown_values_are_errors(block: dict[str, Any], message: str) -> None:
    """A mark that Converse does not know is an error that quotes it."""
    with pytest.raises(CachePolicyError, match=message):
        CachePointTransformer(memory=PrefixMemory()).invoke([HumanMessage([text("a"), block])])


def test_models_without_caching_get_no_points(emulator: BedrockEmulator) -> None:
    """Marks are taken out for a model that would refuse them, with one warning."""
    with pytest.warns(CacheSkippedWarning, match="no cache points are added"):
        request = sent(
            emulator,
            HumanMessage([text("a", cache_control=EPHEMERAL), POINT]),
            model=LLAMA,
            policy=CachePolicy(),
        )

    assert points(request) == []
    assert emulator.ledger[-1].status == 200


def test_models_without_caching_can_be_an_error() -> None:
    """The policy decides what to do about such a model; raising is one choice."""
    transformer = CachePointTransformer(
        model=LLAMA, policy=CachePolicy(unsupported_model_behavior="raise"), memory=PrefixMemory()
    )

    with pytest.raises(UnsupportedModelError):
        transformer.invoke("Hello.")


def test_marks_are_sent_to_claude_models_of_the_future(emulator: BedrockEmulator) -> None:
    """An unknown Claude model keeps the marks of the application, and gets no more."""
    with pytest.warns(CacheSkippedWarning, match="No prompt-caching facts"):
        (message,) = CachePointTransformer(
            model="anthropic.claude-opus-99", memory=PrefixMemory()
        ).invoke([HumanMessage([POINT, text(words(4000)), POINT, text("b")])])

    assert message.content == [text(words(4000)), POINT, text("b")]
