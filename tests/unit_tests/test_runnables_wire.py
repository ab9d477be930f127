"""What langchain-aws sends is the same with cache points as without, to the byte.

The other half of the promise, that no point is refused, is tested here as well: on any list of
messages langchain-aws can send, marked by the application or not.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError
from generated_messages import any_messages, conversations, marked, tool_calls
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from wire import tool

from langchain_bedrock_cache import CachePlanError, CachePointTransformer, CachePolicy, PrefixMemory
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.profiles import find_profile, register_profile, unregister_profile
from langchain_bedrock_cache.runnables.messages import Conversation

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
# The same model, if it cached prompts of any length: points go everywhere.
EAGER = "anthropic.claude-eager"


@pytest.fixture(autouse=True)
def _eager_model() -> Iterator[None]:
    profile = find_profile(MODEL)
    assert profile is not None
    register_profile(replace(profile, id=EAGER, min_tokens_per_cache_point=0))
    yield
    unregister_profile(EAGER)


@cache
def _plain_chat() -> tuple[BedrockEmulator, Any]:
    emulator = BedrockEmulator(capture_requests=True)
    chat = ChatBedrockConverse(model_id=MODEL, client=emulator.client())
    return emulator, chat.bind(toolConfig={"tools": [tool(6)]})


def sent(messages: Sequence[Any]) -> dict[str, Any]:
    """Return what a plain ChatBedrockConverse sends; whether Bedrock takes it is in `refusal`."""
    emulator, chat = _plain_chat()
    emulator.forget()
    # langchain-aws trims the last assistant message in place, hence the copy.
    try:
        chat.invoke(copy.deepcopy(list(messages)))
        refusal = None
    except (ClientError, ValueError) as error:
        refusal = str(error)
    return {**emulator.requests[-1], "refusal": refusal}


def without_points(request: dict[str, Any]) -> dict[str, Any]:
    """Return the messages of a captured request, system prompt included, without cache points."""
    return strip_points({key: request[key] for key in ("system", "messages") if key in request})


def as_json(request: dict[str, Any]) -> Any:
    """Return a request as it looks on the wire."""
    return json.loads(json.dumps(request, default=lambda raw: base64.b64encode(raw).decode()))


def eager_transformer() -> CachePointTransformer:
    """Return a transformer that puts a point wherever the policy may want one."""
    return CachePointTransformer(
        model=EAGER, policy=CachePolicy.fixed(system="5m", messages="5m"), memory=PrefixMemory()
    )


def transformed(
    transformer: CachePointTransformer, messages: list[BaseMessage]
) -> list[BaseMessage]:
    """Return what the transformer makes of messages; drop the example if it refuses the marks."""
    try:
        return transformer.invoke(messages)
    except CachePlanError:
        assume(False)
        raise


_property = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


def _answer(content: Any, *, calls: int = 1, **metadata: Any) -> AIMessage:
    return AIMessage(content, tool_calls=tool_calls(calls), response_metadata=metadata)


SUBTLE: dict[str, list[BaseMessage]] = {
    "texts in a row are joined": [HumanMessage("a"), HumanMessage("b")],
    "unless one is in a list": [HumanMessage(["a"]), HumanMessage("b"), HumanMessage("c")],
    "system messages anywhere": [SystemMessage("a"), HumanMessage("b"), SystemMessage("c")],
    "blank text is replaced": [HumanMessage(" "), _answer(" ", calls=0), HumanMessage([])],
    "blank text in a list is not": [HumanMessage(["", " ", {"type": "text", "text": " "}])],
    "a blank answer with tool calls is dropped": [HumanMessage("a"), _answer("")],
    "so is an answer of a full stop": [HumanMessage("a"), _answer([{"text": "."}])],
    "and an answer that cannot be sent": [
        HumanMessage("a"),
        _answer([{"type": "thinking", "thinking": "unsigned"}], calls=0),
    ],
    "the last answer is trimmed": [HumanMessage("a "), _answer("b \n", calls=0)],
    "in every block": [
        HumanMessage("a"),
        _answer([{"type": "text", "text": "b "}, {"type": "text", "text": "c "}, "d "], calls=0),
    ],
    "then merged": [
        HumanMessage("a"),
        _answer([{"type": "text", "text": "b "}], calls=0),
        _answer("c ", calls=0),
    ],
    "merged or not": [
        HumanMessage("a"),
        _answer("b ", calls=0),
        _answer([{"type": "text", "text": "c "}], calls=0),
    ],
    "with citations or not": [
        HumanMessage("a"),
        _answer([{"type": "text", "text": "b ", "citations": []}], calls=0),
    ],
    "tool calls come last": [HumanMessage("a"), _answer("b", calls=2)],
    "unless they are in the content": [
        HumanMessage("a"),
        _answer(
            [
                {"type": "tool_use", "id": "call-0", "name": "x", "input": {"snake_case": 1}},
                {"type": "text", "text": "b"},
            ]
        ),
    ],
    "even if they are no calls": [
        HumanMessage("a"),
        _answer(
            [{"type": "tool_use", "id": "call-9", "name": "x", "input": {"snake_case": 1}}, "b"]
        ),
    ],
    "with an input of text, perhaps": [
        HumanMessage("a"),
        _answer([{"type": "tool_use", "id": "call-9", "name": "x", "input": '{"q": 1}'}, "b"]),
    ],
    "tool results join the turn of the user": [
        HumanMessage("a"),
        _answer("b", calls=2),
        ToolMessage("r", tool_call_id="call-0"),
        ToolMessage([], tool_call_id="call-1", status="error"),
        HumanMessage("c"),
    ],
    "other providers' answers are translated": [
        HumanMessage("a"),
        _answer("b", model_provider="openai"),
        ToolMessage("r", tool_call_id="call-0"),
        _answer([{"type": "text", "text": "c"}], calls=0, model_provider="anthropic"),
        HumanMessage("d"),
    ],
    "and so are LangChain's own blocks": [
        HumanMessage("a"),
        _answer(
            [{"type": "text", "text": "b"}],
            calls=0,
            output_version="v1",
            model_provider="bedrock_converse",
        ),
        HumanMessage("c"),
    ],
}


@pytest.mark.parametrize("messages", SUBTLE.values(), ids=SUBTLE.keys())
def test_what_langchain_aws_rewrites_is_rewritten_alike(messages: list[BaseMessage]) -> None:
    """What is planned is what is sent, and points anywhere change nothing in it."""
    before = copy.deepcopy(messages)
    conversation = Conversation(messages, model_id=MODEL)

    assert messages == before
    plain = without_points(sent(messages))
    assert as_json(conversation.request) == {"system": [], **plain}
    for position in conversation.slots:
        request = sent(conversation.with_points([(position, "5m")]))
        assert without_points(request) == plain
        assert positions_of(request) == [position]
    everywhere = sent(conversation.with_points([(p, "5m") for p in conversation.slots]))
    assert without_points(everywhere) == plain


def test_answers_that_are_translated_hold_no_points() -> None:
    """How a translation treats a point is not for us to know: the end of the others is enough."""
    messages = SUBTLE["other providers' answers are translated"]

    conversation = Conversation(messages, model_id=MODEL)

    assert {slot.run for slot in conversation.slots.values()} == {0, 2, 4}


@_property
@given(messages=any_messages, data=st.data())
def test_points_at_any_slot_change_no_other_block(
    messages: list[BaseMessage], data: st.DataObject
) -> None:
    """Points arrive after exactly the blocks they were placed after, and nothing else changes."""
    plain = sent(messages)
    conversation = Conversation(messages, model_id=MODEL)
    slots = sorted(conversation.slots)
    chosen = data.draw(st.lists(st.sampled_from(slots), unique=True)) if slots else []

    request = sent(conversation.with_points([(position, "5m") for position in chosen]))

    assert as_json(conversation.request) == {"system": [], **without_points(plain)}
    assert without_points(request) == without_points(plain)
    assert positions_of(request) == sorted(chosen)


@_property
@given(messages=st.one_of(conversations(), any_messages))
def test_every_request_is_sent_as_without_the_transformer(messages: list[BaseMessage]) -> None:
    """A transformer adds points, at most three beside the tools, and changes nothing else."""
    plain = sent(messages)

    request = sent(eager_transformer().invoke(messages))

    assert without_points(request) == without_points(plain)
    assert len(positions_of(request)) <= 3


@_property
@given(messages=conversations().flatmap(marked))
def test_marks_change_no_block_either(messages: list[BaseMessage]) -> None:
    """Messages with marks are sent like the same messages with the marks ignored, or left out.

    Only one of the two, where a mark keeps langchain-aws from merging or dropping a text.
    """
    plain = [sent(messages), sent([_unmarked(message) for message in messages])]

    request = sent(transformed(eager_transformer(), messages))

    assert without_points(request) in [without_points(sent) for sent in plain]


def _unmarked(message: BaseMessage) -> BaseMessage:
    blocks = message.content
    if isinstance(blocks, list):
        blocks = [b for b in blocks if "cachePoint" not in str(b)]
    return message.model_copy(update={"content": blocks})


@_property
@given(messages=conversations().flatmap(marked))
def test_bedrock_never_refuses_a_point(messages: list[BaseMessage]) -> None:
    """Points and marks end up where Bedrock accepts them, whatever the messages are."""
    request = sent(transformed(eager_transformer(), messages))

    assert request["refusal"] is None


@_property
@given(messages=st.one_of(conversations(), any_messages).flatmap(marked))
def test_the_input_is_not_modified(messages: list[BaseMessage]) -> None:
    """Neither the list of messages nor a message or block in it is modified."""
    before = copy.deepcopy(messages)
    identities = [id(message) for message in messages]

    transformed(eager_transformer(), messages)

    assert messages == before
    assert [id(message) for message in messages] == identities


@_property
@given(messages=conversations().flatmap(marked))
def test_transforming_twice_is_transforming_once(messages: list[BaseMessage]) -> None:
    """A second transformer passes the messages of the first one on, and counts no request."""
    transformer = eager_transformer()
    once = transformed(transformer, messages)
    assert transformer.memory is not None
    seen = len(transformer.memory)

    assert transformer.invoke(once) == once
    assert len(transformer.memory) == seen


def positions_of(request: dict[str, Any]) -> list[int]:
    """Return how many blocks stand before each cache point of a request."""
    lists = [request.get("system", []), *(m["content"] for m in request["messages"])]
    found, position = [], 0
    for block in (block for blocks in lists for block in blocks):
        if "cachePoint" in block:
            found.append(position)
        else:
            position += 1
    return found
