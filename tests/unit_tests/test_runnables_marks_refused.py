"""Marks of the application that cannot be sent: too many, unknown, or to the wrong model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from marked_messages import EPHEMERAL, sent, text
from wire import HOUR, LEGACY, LLAMA, POINT, points, words

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
from langchain_bedrock_cache.emulator import BedrockEmulator

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
