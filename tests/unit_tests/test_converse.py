"""Converse requests read, marked and stripped: nothing but cache points ever changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from converse_strategies import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import (
    CLAUDE,
    HOUR,
    IMAGE,
    NOVA,
    POINT,
    REASONING,
    ask,
    assistant,
    document,
    points,
    text,
    tool,
    tool_result,
    tool_use,
    user,
)

from langchain_bedrock_cache.converse import has_points, read_converse, strip_points, write_points
from langchain_bedrock_cache.exceptions import CachePointPositionError, CachePolicyError
from langchain_bedrock_cache.prefix import Place, Prefix
from langchain_bedrock_cache.profiles import CacheTTL, find_profile

KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "text": (text(3), "text"),
    "blank text": ({"text": " \n\t"}, "blank"),
    "empty text": ({"text": ""}, "blank"),
    "image": (IMAGE, "image"),
    "PDF": (document("pdf"), "pdf"),
    "spreadsheet": (document("csv"), "document"),
    "word document": (document("docx"), "document"),
    "tool call": (tool_use(), "tool_use"),
    "tool result": (tool_result(), "tool_result"),
    "reasoning": (REASONING, "reasoning"),
    "hidden reasoning": ({"reasoningContent": {"redactedContent": b"abc"}}, "reasoning"),
    "guarded text": ({"guardContent": {"text": {"text": "hi"}}}, "guard"),
    "video": ({"video": {"format": "mp4", "source": {"bytes": b"abc"}}}, "video"),
    "audio": ({"audio": {"format": "mp3", "source": {"bytes": b"abc"}}}, "audio"),
    "a block of the future": ({"hologram": {"format": "holo"}}, "other"),
}


@pytest.mark.parametrize("case", KINDS)
def test_kinds(case: str) -> None:
    """Each content block is recognized as what decides whether a point may follow it."""
    block, kind = KINDS[case]
    assert read_converse(ask(user(block))).kinds == [kind]


def size(*blocks: dict[str, Any]) -> int:
    """Return the size of a user message."""
    return read_converse(ask(user(*blocks))).chars[-1]


def test_text_counts_its_characters() -> None:
    """Characters are counted, not bytes."""
    assert size({"text": "日本語"}) == 3


def test_binary_content_weighs_something() -> None:
    """Images, PDFs and documents count whatever their bytes serialize to, also in results."""
    assert size(IMAGE) > 1_000
    assert size(document("txt", tokens=500)) == 1_500
    assert 100 < size(document("pdf", tokens=500)) < 1_500
    for block in (IMAGE, document("txt", tokens=500)):
        nested = {"toolResult": {"toolUseId": "1", "content": [block]}}
        assert size(nested) > size(block)


def test_bytes_are_identified_by_their_content() -> None:
    """Two images differ if their bytes do, and are the same if not, whatever object holds them."""
    blocks = [
        {"image": {"format": "png", "source": {"bytes": data}}}
        for data in (b"same", bytearray(b"same"), b"diff")
    ]
    first, same, other = (read_converse(ask(user(block))).digests[0] for block in blocks)
    assert first == same != other


def test_the_order_of_keys_counts() -> None:
    """Bedrock serializes a tool schema as it came, so another key order is another prefix."""
    schemas: list[dict[str, Any]] = [
        {"type": "object", "title": "T"},
        {"title": "T", "type": "object"},
    ]
    first, second = (
        read_converse(
            ask(user("?"), tools=[{"toolSpec": {"name": "t", "inputSchema": {"json": schema}}}])
        )
        for schema in schemas
    )
    assert first.digests[0] != second.digests[0]


@pytest.mark.parametrize(
    "value", ["\ud800", 2**70, {1: "a"}, float("nan"), {"a", "b"}], ids=lambda v: type(v).__name__
)
def test_odd_values_are_no_reason_to_fail(value: Any) -> None:
    """What JSON cannot say (botocore will have its say about it) is still read."""
    block = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"value": value}}}
    assert len(read_converse(ask(user("?"), assistant(block)))) == 2


def test_lone_surrogates_in_text() -> None:
    """Text that cannot be encoded is read; sending it is not this function's business."""
    assert len(read_converse(ask(user("a\ud800b")))) == 1


TOOLS = [tool(5)]
FORCED = {"tools": TOOLS, "toolChoice": {"tool": {"name": "look_up"}}}
CHOICES: dict[str, dict[str, Any]] = {
    "auto": {"tools": TOOLS, "toolChoice": {"auto": {}}},
    "any": {"tools": TOOLS, "toolChoice": {"any": {}}},
    "forced": FORCED,
}


@pytest.mark.parametrize(
    ("model", "choice", "same"),
    [
        (CLAUDE, "auto", 3),
        (CLAUDE, "any", 2),
        (CLAUDE, "forced", 2),
        (NOVA, "auto", 3),
        (NOVA, "any", 0),
        (NOVA, "forced", 0),
    ],
)
def test_tool_choice_is_part_of_the_prefix(model: str, choice: str, same: int) -> None:
    """A forced tool changes the messages for Claude and everything for Nova, as was recorded."""
    request = ask(user("?"), model=model, system=[text(5)], tools=TOOLS)
    profile = find_profile(model)
    before = read_converse(request, profile).digests
    after = read_converse({**request, "toolConfig": CHOICES[choice]}, profile).digests
    assert [a == b for a, b in zip(before, after, strict=True)] == [n < same for n in range(3)]


MARKED = ask(
    user("a document", POINT, "a question"),
    assistant(tool_use()),
    user(tool_result(), POINT),
    system=[text(5), HOUR],
    tools=[tool(5), HOUR],
)
PLAIN = ask(
    user("a document", "a question"),
    assistant(tool_use()),
    user(tool_result()),
    system=[text(5)],
    tools=[tool(5)],
)


def test_marks_are_the_points_of_the_application() -> None:
    """Points are read as marks after the blocks they follow, and are no blocks themselves."""
    prefix = read_converse(MARKED)
    assert prefix.digests == read_converse(PLAIN).digests
    assert [(m.position, m.ttl, m.place) for m in prefix.marks] == [
        (1, "1h", Place("tools", -1, 0)),
        (2, "1h", Place("system", -1, 0)),
        (3, "5m", Place("messages", 0, 0)),
        (6, "5m", Place("messages", 2, 0)),
    ]


def test_strip_points() -> None:
    """Stripping gives back the request without points, and shares what had none."""
    before = copy.deepcopy(MARKED)
    stripped = strip_points(MARKED)
    assert stripped == PLAIN
    assert before == MARKED
    assert stripped["messages"][1] is MARKED["messages"][1]
    assert (has_points(MARKED), has_points(stripped)) == (True, False)


@pytest.mark.parametrize("empty", [{}, {"messages": []}, ask(), ask(user()), {"system": None}])
def test_requests_without_blocks(empty: dict[str, Any]) -> None:
    """Nothing to read is nothing to change, and no error: boto3 has its own."""
    assert not has_points(empty)
    assert strip_points(empty) == empty
    assert len(read_converse(empty)) == 0


def test_a_block_with_two_keys_is_not_a_point() -> None:
    """`{"text": ..., "cachePoint": ...}` is an error of the caller's, and loses no text here."""
    request = ask(user({"text": "precious", **POINT}))
    assert strip_points(request) == request
    assert not has_points(request)
    assert read_converse(request).marks == []


WRITES: dict[str, tuple[list[tuple[Place, CacheTTL]], list[str]]] = {
    "none": ([], []),
    "tools": ([(Place("tools", -1, 0), "1h")], ["tools[0] 1h"]),
    "system": ([(Place("system", -1, 0), "5m")], ["system[0]"]),
    "several": (
        [
            (Place("messages", 2, 0), "5m"),
            (Place("messages", 0, 0), "5m"),
            (Place("messages", 0, 1), "5m"),
            (Place("system", -1, 0), "1h"),
        ],
        ["system[0] 1h", "messages[0][0]", "messages[0][1]", "messages[2][0]"],
    ),
}


@pytest.mark.parametrize("case", WRITES)
def test_write_points(case: str) -> None:
    """Points go after the blocks they name; 5m is not spelled out; the request is not touched."""
    places, expected = WRITES[case]
    before = copy.deepcopy(PLAIN)
    written = write_points(PLAIN, places)
    assert before == PLAIN
    assert points(written) == expected
    assert strip_points(written) == PLAIN


def test_a_point_is_never_doubled() -> None:
    """A block that is followed by a point already gets no second one, whatever its ttl."""
    places: list[tuple[Place, CacheTTL]] = [(Place("messages", 0, 0), "1h")]
    assert write_points(MARKED, places) == MARKED


def test_blocks_are_shared_not_copied() -> None:
    """A marked request holds the very blocks it was made of, so that nothing can change them."""
    written = write_points(PLAIN, [(Place("messages", 0, 0), "5m")])
    assert written["messages"][0]["content"][0] is PLAIN["messages"][0]["content"][0]
    assert written["messages"][1] is PLAIN["messages"][1]
    assert written["system"] is PLAIN["system"]


def test_other_members_stay() -> None:
    """Everything but the lists with new points is passed on as it is."""
    config = {"tools": TOOLS, "toolChoice": {"any": {}}}
    request = ask(user("?"), toolConfig=config, inferenceConfig={"maxTokens": 5})
    written = write_points(request, [(Place("tools", -1, 0), "5m")])
    assert written == {**request, "toolConfig": {**config, "tools": [*TOOLS, POINT]}}


FIRST_IN_LIST = {
    "messages[0].content": ask(user(POINT, "?")),
    "messages[1].content": ask(user("?"), assistant(POINT)),
    "system": ask(user("?"), system=[POINT, text(5)]),
    "tools": ask(user("?"), tools=[POINT, tool(5)]),
}


@pytest.mark.parametrize("where", FIRST_IN_LIST)
def test_a_point_first_in_its_list(where: str) -> None:
    """A point with nothing before it is an error that says where it is and where it belongs."""
    with pytest.raises(CachePointPositionError) as caught:
        read_converse(FIRST_IN_LIST[where])
    assert f"The cache point at {where}[0] has nothing before it" in str(caught.value)
    assert "Place it after the block that ends the stable part" in str(caught.value)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"type": "default", "ttl": "2h"}, "has ttl '2h', but Bedrock knows only '5m' and '1h'"),
        ({"type": "default", "ttl": 300}, "has ttl 300, but"),
        ({"type": "default", "ttl": None}, "has ttl None, but"),
        ({"type": "ephemeral"}, "has type 'ephemeral', but Converse knows only 'default'"),
        ({}, "has type None, but"),
        (None, "has type None, but"),
    ],
)
def test_points_that_bedrock_does_not_know(point: Any, message: str) -> None:
    """A point of another type or ttl is an error that says what Bedrock takes."""
    with pytest.raises(CachePolicyError, match=message):
        read_converse(ask(user("?", {"cachePoint": point})))


def places_of(prefix: Prefix) -> list[Place]:
    """Return the places of all blocks."""
    return [prefix.place(position) for position in range(1, len(prefix) + 1)]


@settings(max_examples=80, deadline=None)
@given(request=requests(), data=st.data())
def test_writing_and_stripping_are_inverse(request: dict[str, Any], data: st.DataObject) -> None:
    """Points anywhere change neither prefix nor blocks, and stripping them leaves no trace."""
    before = copy.deepcopy(request)
    plain = read_converse(request)
    chosen = data.draw(st.lists(st.sampled_from(places_of(plain)), unique=True))
    written = write_points(request, [(place, "5m") for place in chosen])
    assert request == before
    assert strip_points(written) == request
    prefix = read_converse(written)
    assert prefix.digests == plain.digests
    assert [m.place for m in prefix.marks] == [p for p in places_of(plain) if p in chosen]
    assert write_points(written, [(place, "1h") for place in chosen]) == written
