"""A request in prefix form: positions, places, and digests that agree as far as requests do."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from converse_strategies import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import CLAUDE, ask, assistant, text, tool, user

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.prefix import Place, Prefix
from langchain_bedrock_cache.profiles import find_profile

REQUEST = ask(
    user("a document", "a question"),
    assistant("an answer"),
    user("another question"),
    model=CLAUDE,
    system=[text(10), text(20)],
    tools=[tool(30, "look_up"), tool(40, "write_down")],
)
PLACES = [
    Place("tools", -1, 0),
    Place("tools", -1, 1),
    Place("system", -1, 0),
    Place("system", -1, 1),
    Place("messages", 0, 0),
    Place("messages", 0, 1),
    Place("messages", 1, 0),
    Place("messages", 2, 0),
]


def test_the_order_is_tools_system_messages() -> None:
    """Position p stands after the p-th block in Bedrock's order, whatever the request's own."""
    prefix = read_converse(REQUEST)
    assert len(prefix) == len(PLACES)
    assert [prefix.place(p) for p in range(1, len(prefix) + 1)] == PLACES
    assert [prefix.section(p) for p in range(1, len(prefix) + 1)] == [p.section for p in PLACES]
    assert (prefix.tools, prefix.head) == (2, 4)
    assert prefix.list_ends() == [2, 4, 6, 7, 8]


def test_sizes_add_up() -> None:
    """`chars` is the size of the whole prefix up to each block."""
    chars = read_converse(REQUEST).chars
    assert chars == sorted(chars)
    assert [after - before for before, after in pairwise(chars[1:])] == [
        *(30, 60),
        *(len("a document"), len("a question")),
        len("an answer"),
        len("another question"),
    ]


def test_answers() -> None:
    """Assistant messages are counted, not blocks."""
    assert read_converse(REQUEST).answers() == 1
    assert read_converse(ask(user("?"))).answers() == 0


@pytest.mark.parametrize("request_", [ask(), ask(user()), {"modelId": CLAUDE}])
def test_an_empty_request(request_: dict[str, Any]) -> None:
    """A request without blocks is an empty prefix, not an error: boto3 has its own."""
    assert len(read_converse(request_)) == 0


def shared(a: Prefix, b: Prefix) -> int:
    """Return for how many positions two prefixes are the same."""
    pairs = zip(a.digests, b.digests, strict=False)
    return next((n for n, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


CHANGES: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": (REQUEST, 8),
    "the model": ({**REQUEST, "modelId": "us.anthropic.claude-opus-5"}, 0),
    "a tool": (
        {**REQUEST, "toolConfig": {"tools": [tool(30, "look_up"), tool(41, "write_down")]}},
        1,
    ),
    "the order of tools": (
        {**REQUEST, "toolConfig": {"tools": REQUEST["toolConfig"]["tools"][::-1]}},
        0,
    ),
    "the second system block": ({**REQUEST, "system": [text(10), text(21)]}, 3),
    "no system": ({k: v for k, v in REQUEST.items() if k != "system"}, 2),
    "the question": (
        {**REQUEST, "messages": [user("a document", "what?"), *REQUEST["messages"][1:]]},
        5,
    ),
    "the answer's role": (
        {**REQUEST, "messages": [*REQUEST["messages"][:1], user("an answer")]},
        6,
    ),
    "two blocks in two messages": (
        {**REQUEST, "messages": [user("a document"), user("a question")]},
        5,
    ),
    "a longer conversation": (
        {**REQUEST, "messages": [*REQUEST["messages"], assistant("so"), user("and?")]},
        8,
    ),
    "sampling": ({**REQUEST, "inferenceConfig": {"temperature": 1.0, "maxTokens": 5}}, 8),
    "metadata": ({**REQUEST, "requestMetadata": {"team": "a"}}, 8),
    "thinking": (
        {**REQUEST, "additionalModelRequestFields": {"thinking": {"type": "enabled"}}},
        0,
    ),
    "effort": ({**REQUEST, "outputConfig": {"effort": "low"}}, 0),
    "structured output": ({**REQUEST, "outputConfig": {"textFormat": {"type": "json_schema"}}}, 0),
}


@pytest.mark.parametrize("case", CHANGES)
def test_digests_agree_up_to_the_change(case: str) -> None:
    """Two requests share digests as far as their prompts are the same, and no further."""
    changed, same = CHANGES[case]
    assert shared(read_converse(REQUEST), read_converse(changed)) == same


def test_geographies_of_a_model_share_their_digests() -> None:
    """The same prompt is the same prefix under any profile of a model with a known profile."""
    models = ("us.anthropic.claude-opus-5", "eu.anthropic.claude-opus-5")
    first, second = (
        read_converse({**REQUEST, "modelId": model}, find_profile(model)) for model in models
    )
    assert shared(first, second) == len(first)


@settings(max_examples=60, deadline=None)
@given(request_=requests(), data=st.data())
def test_digests_are_those_of_the_blocks(request_: dict[str, Any], data: st.DataObject) -> None:
    """A request cut short shares every position it has; any changed block ends the agreement."""
    whole = read_converse(request_)
    keep = data.draw(st.integers(1, len(request_["messages"])))
    cut = read_converse({**request_, "messages": request_["messages"][:keep]})
    assert shared(whole, cut) == len(cut)
    at = data.draw(st.integers(0, keep - 1))
    message = request_["messages"][at]
    changed = [{"text": "something else entirely"}, *message["content"][1:]]
    messages = [*request_["messages"][:at], {**message, "content": changed}]
    before = read_converse({**request_, "messages": request_["messages"][:at]})
    assert shared(whole, read_converse({**request_, "messages": messages})) == len(before)
