"""Session files: what each kind of row means as calls to a model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import CLAUDE, NOVA

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.sessions import is_session_row, read_session
from langchain_bedrock_cache.simulate.traffic import ReadCall

TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
}
CONVERSATION: dict[str, Any] = {
    "id": "s",
    "system": "Be brief.",
    "tools": [TOOL],
    "messages": [
        {"role": "user", "content": "Where is it?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "look", "arguments": "[1"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "Here."},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": ""}]},
        {"role": "assistant", "content": "Here."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "?"}],
        },
    ],
    "calls": [{"n": 1, "t": 50.0}, {"n": 4, "t": 52.5}, {"n": 6, "t": 400.0}],
}
HERE = [{"text": "Here."}]
EMPTY = [{"text": "."}]  # Bedrock takes no empty text
REQUEST: dict[str, Any] = {
    "system": [{"text": "Be brief."}],
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "look",
                    "description": "Look.",
                    "inputSchema": {"json": {"type": "object"}},
                }
            }
        ]
    },
    "messages": [
        {"role": "user", "content": [{"text": "Where is it?"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "I look."},
                {"toolUse": {"toolUseId": "a", "name": "look", "input": {}}},
                {"toolUse": {"toolUseId": "b", "name": "look", "input": {"raw": "[1"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "a", "content": HERE, "status": "success"}},
                {"toolResult": {"toolUseId": "b", "content": EMPTY, "status": "success"}},
            ],
        },
        {"role": "assistant", "content": HERE},
        {"role": "user", "content": [{"text": "And "}, {"text": "?"}]},
    ],
}


def read(row: dict[str, Any], *, model: str = CLAUDE, start: float = 0.0) -> list[ReadCall]:
    """Read a row for a model that takes cache points."""
    profile = find_profile(model)
    assert profile is not None
    return read_session(row, name="s", start_seconds=start, model_id=model, profile=profile)


def with_messages(count: int) -> dict[str, Any]:
    """Return the request with its first messages only."""
    return {**REQUEST, "messages": REQUEST["messages"][:count]}


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_calls_of_a_conversation_are_its_beginnings(model: str) -> None:
    """Each call is exactly the Converse request of its messages, as if read on its own."""
    calls = read(CONVERSATION, model=model)
    profile = find_profile(model)
    expected = [read_converse(with_messages(count), profile) for count in (1, 3, 5)]
    assert [call.prefix for call in calls] == expected


def test_recorded_times_count_from_the_first_call() -> None:
    """A session starts when it is told to, and keeps its gaps from there."""
    assert [call.at_seconds for call in read(CONVERSATION, start=240.0)] == [240.0, 242.5, 590.0]


def test_times_that_run_backwards_stand_still() -> None:
    """A clock that was set back makes no call earlier than the one before it."""
    row = {**CONVERSATION, "calls": [{"n": 1, "t": 50}, {"n": 4, "t": 60}, {"n": 6, "t": 55}]}
    assert [call.at_seconds for call in read(row)] == [0, 10, 10]


def test_calls_without_times_are_fifteen_seconds_apart() -> None:
    """Where no time was recorded, or only that of the answer, calls still have an order."""
    row = {**CONVERSATION, "calls": [{"n": 1}, {"n": 4, "t": None}, {"n": 6, "t_done": 7.0}]}
    assert [call.at_seconds for call in read(row)] == [15.0, 30.0, 30.0]


def test_a_greeting_before_the_first_user_turn_was_not_sent() -> None:
    """Messages before the first one of the user, and calls that end in an answer, are no calls."""
    greeting = {"role": "assistant", "content": "Hello!"}
    row = {
        **CONVERSATION,
        "messages": [greeting, *CONVERSATION["messages"]],
        "calls": [{"n": 1}, {"n": 2}, {"n": 6}],
    }
    calls = read(row)
    assert [call.prefix for call in calls] == [
        read_converse(with_messages(1), find_profile(CLAUDE))
    ]
    assert [call.at_seconds for call in calls] == [15.0]


def test_empty_messages_leave_no_block() -> None:
    """A message without content is left out, and its neighbors of one role become one message."""
    messages = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Two."},
    ]
    [call] = read({"messages": messages, "calls": [{"n": 3}]})
    request = {"messages": [{"role": "user", "content": [{"text": "One."}, {"text": "Two."}]}]}
    assert call.prefix == read_converse(request, find_profile(CLAUDE))


def test_tool_arguments_that_are_objects_already_are_taken_as_they_are() -> None:
    """Arguments may be JSON text or an object; a list becomes an object."""

    def row(arguments: Any) -> dict[str, Any]:
        call = {"id": "a", "function": {"name": "look", "arguments": arguments}}
        messages = [
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "Done."},
        ]
        return {"messages": messages, "calls": [{"n": 3}]}

    [as_text], [as_object] = read(row('{"x": 1}')), read(row({"x": 1}))
    [as_list], [as_raw] = read(row("[1]")), read(row({"raw": [1]}))
    assert as_text.prefix == as_object.prefix
    assert as_list.prefix == as_raw.prefix


def test_shapes_without_words_keep_their_sizes() -> None:
    """Filler has the recorded size, is the same for the same block, and differs between blocks."""
    row = {
        "id": "x",
        "messages": [
            ["user", [["text", 4000]]],
            ["assistant", [["text", 500], ["tool_use", 300], ["tool_use", 200]]],
            ["tool", [["tool_result", 9000]]],
            ["tool", [["tool_result", 700]]],
            ["tool", [["tool_result", 50]]],
        ],
        "calls": [{"n": 1, "t": 0.0}, {"n": 5, "t": 9.0}],
    }
    first, second = read(row)
    text_chars = first.prefix.chars[-1] - first.prefix.chars[first.prefix.head - 1]
    assert text_chars == 4000
    assert second.prefix.digests[: len(first.prefix)] == first.prefix.digests
    assert second.prefix.kinds[second.prefix.head :] == [
        "text", "text", "tool_use", "tool_use", "tool_result", "tool_result", "text"
    ]  # fmt: skip
    assert second.prefix.roles[-1] == "user"
    assert len(set(second.prefix.digests)) == len(second.prefix)
    sizes = [b - a for a, b in zip(second.prefix.chars, second.prefix.chars[1:], strict=False)]
    assert sizes[-3] > 9000
    assert sizes[-1] == 50


def test_each_question_is_a_call_about_the_document() -> None:
    """Document and question are blocks of one message, 20 s apart, under one system prompt."""
    row = {"document": "Long.", "questions": ["Who?", {"question": "When?"}]}
    calls = read(row, start=120.0)
    requests = [
        {
            "system": [{"text": "Answer the question from the document."}],
            "messages": [
                {
                    "role": "user",
                    "content": [{"text": "<document>\nLong.\n</document>"}, {"text": question}],
                }
            ],
        }
        for question in ("Who?", "When?")
    ]
    assert [call.prefix for call in calls] == [
        read_converse(request, find_profile(CLAUDE)) for request in requests
    ]
    assert [call.at_seconds for call in calls] == [120.0, 140.0]


def test_trace_requests_share_what_their_hashes_share() -> None:
    """Equal leading ids are an equal prefix; the time is the trace's own, ms or ns."""
    [first] = read({"timestamp": 3000, "hash_ids": [1, 2, 3]}, start=999.0)
    [second] = read({"timestamp": "4500000000", "hash_ids": [1, 2, 4]}, start=999.0)
    assert (first.at_seconds, second.at_seconds) == (3.0, 4.5)
    assert first.prefix.digests[:2] == second.prefix.digests[:2]
    assert first.prefix.digests[2] != second.prefix.digests[2]
    assert first.prefix.chars == [1600, 3200, 4800]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"content": "no role"}], "calls": [{"n": 1}]},
        {"messages": [{"role": "user", "content": 7}], "calls": [{"n": 1}]},
        {"messages": [["user", [["text"]]]], "calls": [{"n": 1}]},
        {"messages": [{"role": "user", "content": "Hi"}], "calls": [{}]},
        {"messages": "text", "calls": [{"n": 1}]},
        {"document": "Long.", "questions": [7]},
        {"timestamp": None, "hash_ids": [1]},
    ],
    ids=json.dumps,
)
def test_a_row_that_breaks_its_promise_is_a_value_error(row: dict[str, Any]) -> None:
    """Garbled rows raise one kind of error, which names the session."""
    assert is_session_row(row)
    with pytest.raises(ValueError, match="Session s cannot be read"):
        read(row)


@pytest.mark.parametrize("document", [None, 7, [], {"messages": []}, {"modelId": "m", "input": {}}])
def test_other_documents_are_no_session_rows(document: Any) -> None:
    """Log records and the like are not taken for sessions."""
    assert not is_session_row(document)
