"""Changes to the character: fields, offsets and kinds, where both blocks are at hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import IMAGE, document, tool, tool_result, tool_use

from langchain_bedrock_cache.sent_requests.change import Change
from langchain_bedrock_cache.sent_requests.change_kinds import ChangeKind
from langchain_bedrock_cache.sent_requests.exact import (
    ExactChange,
    block_difference,
    exact_change,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def exact(kind: ChangeKind, before: dict[str, Any], now: dict[str, Any]) -> Change:
    """Return what a change found by hashes is to the character."""
    found = Change(kind=kind, section="tools", block=3, offset_chars=64)
    return exact_change(found, before, now)


def with_description(text: str, *, kind: str = "string") -> dict[str, Any]:
    """Return a tool with a parameter that is described so."""
    made = copy.deepcopy(tool(10))
    city = {"type": kind, "description": text}
    made["toolSpec"]["inputSchema"]["json"]["properties"]["city"] = city
    return made


def test_a_tool_says_which_field_differs() -> None:
    """The path of the parameter, and the character in its own text, not in our JSON."""
    found = exact("tool_definition", with_description("The city."), with_description("The town."))
    assert str(found) == (
        "tools[3] toolSpec.inputSchema.json.properties.city.description, character 4 "
        "(the definition of a tool)"
    )
    assert found.place == "tools[3]"


@pytest.mark.parametrize(
    ("before", "now", "field"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "a[1]"),
        ({"a": 1}, {"a": 1, "b": 2}, "b"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({"a": 1, "c": 2}, {"a": 1, "b": 2, "c": 2}, "b"),
        ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}, "x"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": {"Tell Ann the secret": 1}}, {"a": {"Tell Ann the secret": 2}}, "a[0]"),
    ],
)
def test_fields(before: dict[str, Any], now: dict[str, Any], field: str) -> None:
    """Members, items, what is new, missing or in another order; keys that are prose are counted."""
    difference = block_difference(before, now)
    assert difference is not None
    assert difference.field == field


@given(JSON, JSON)
def test_a_difference_is_found_exactly_if_there_is_one(before: Any, now: Any) -> None:
    """Values are the same in JSON, the order of keys included, or there is a difference."""
    difference = block_difference({"x": before}, {"x": now})
    assert (difference is None) == (repr(before) == repr(now))


def test_ids_of_tool_calls_are_identifiers() -> None:
    """Made anew in each turn, an ID is told by its field, whatever it looks like."""
    now = tool_use()
    now["toolUse"]["toolUseId"] = "one-more"
    found = exact("text", tool_use(), now)
    assert isinstance(found, ExactChange)
    assert (found.field, found.kind, found.offset_chars) == ("toolUse.toolUseId", "identifier", 0)


def test_texts_inside_results_are_guessed_about() -> None:
    """A date in a tool's result is one, and has its path."""
    before, now = (
        {"toolResult": {"toolUseId": "call-0", "content": [{"text": f"As of 2027-05-0{day}."}]}}
        for day in (4, 5)
    )
    found = exact("text", before, now)
    assert isinstance(found, ExactChange)
    assert (found.field, found.kind) == ("toolResult.content[0].text", "date")
    assert found.offset_chars == len("As of 2027-05-0")
    assert exact("text", tool_result(0), {"toolResult": {"toolUseId": "call-0"}}).kind == "text"


def test_what_was_there_before_is_looked_at_as_well() -> None:
    """A time that gave way to words was a time."""
    assert exact("text", {"text": "It is 10:15 now."}, {"text": "It is late now."}).kind == "time"
    assert exact("text", {"text": "It is early now."}, {"text": "It is late now."}).kind == "text"


def test_numbers_are_numbers() -> None:
    """A number in JSON that is another one, without an offset in it."""
    found = exact("text", tool_use(1), tool_use(1) | {"toolUse": {**tool_use(1)["toolUse"]}})
    assert not isinstance(found, ExactChange)  # nothing differs
    before, now = ({"toolUse": {"name": "look", "input": {"n": n}}} for n in (1, 2))
    found = exact("text", before, now)
    assert (found.kind, found.offset_chars) == ("number", None)


def test_media_say_whether_name_or_content_differs() -> None:
    """A document with another name, an image with other bytes."""
    renamed = document()
    renamed["document"]["name"] = "report 2"
    found = exact("media_name", document(), renamed)
    assert isinstance(found, ExactChange)
    assert (found.field, found.offset_chars) == ("document.name", 6)
    other = {"image": {"format": "png", "source": {"bytes": b"other"}}}
    found = exact("media", IMAGE, other)
    assert isinstance(found, ExactChange)
    assert (found.field, found.offset_chars) == ("image.source.bytes", None)


def test_the_order_of_keys_has_no_character() -> None:
    """Keys in another order: the object that has them."""
    before = {"toolSpec": {"name": "a", "inputSchema": {"json": {"x": 1, "y": 2}}}}
    now = {"toolSpec": {"name": "a", "inputSchema": {"json": {"y": 2, "x": 1}}}}
    found = exact("key_order", before, now)
    assert str(found) == "tools[3] toolSpec.inputSchema.json (the order of keys in JSON)"


@pytest.mark.parametrize("kind", ["tool_order", "history_trimmed", "block_added", "branch"])
def test_what_is_not_inside_a_block_stays(kind: ChangeKind) -> None:
    """A change of several blocks has no field and no character."""
    assert not isinstance(exact(kind, tool(10), with_description("x")), ExactChange)


def test_another_tool_is_no_other_definition() -> None:
    """At a place where another tool stands, nothing inside it has changed."""
    assert not isinstance(exact("tool_definition", tool(10), tool(10, "b")), ExactChange)
