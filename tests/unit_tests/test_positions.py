"""Candidate positions, and which of them Bedrock accepts, judged by the emulator."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from converse_strategies import MODELS, requests
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import (
    CLAUDE,
    IMAGE,
    NOVA,
    REASONING,
    ask,
    assistant,
    document,
    text,
    tool,
    tool_result,
    tool_use,
    user,
)

from langchain_bedrock_cache.converse import read_converse, write_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.positions import (
    cuts_of,
    is_legal,
    last_in_section,
    legal_at_or_before,
)
from langchain_bedrock_cache.profiles import ModelProfile, find_profile

LONG: dict[str, Any] = {"system": [text(9), text(9)], "tools": [tool(9)]}
# A request, how many of its blocks were seen, and the candidates: position and role.
CUTS: dict[str, tuple[dict[str, Any], int, list[tuple[int, str]]]] = {
    "a question": (ask(user("?")), 0, [(1, "opening")]),
    "a document and a question": (ask(user("d", "?")), 0, [(1, "document"), (2, "question")]),
    "documents and a question": (
        ask(user("d", "d", "d", "?")),
        0,
        [(3, "document"), (4, "question")],
    ),
    "system and a question": (
        ask(user("?"), system=LONG["system"]),
        0,
        [(2, "lone_system"), (3, "opening")],
    ),
    "an agent": (
        ask(user("?"), **LONG),
        0,
        [(1, "tools"), (3, "system"), (4, "agent_opening")],
    ),
    "a conversation": (
        ask(user("d", "?"), assistant("a"), user("?"), **LONG),
        0,
        [(1, "tools"), (3, "system"), (4, "document"), (7, "turn")],
    ),
    "an agent's turn": (
        ask(user("?"), assistant("a"), user(tool_result())),
        0,
        [(3, "turn")],
    ),
    "a branch": (
        ask(user("d", "d", "d", "?")),
        2,
        [(2, "branch"), (3, "document"), (4, "question")],
    ),
    "a branch at the end of system": (
        ask(user("?"), **LONG),
        3,
        [(1, "tools"), (3, "system"), (4, "agent_opening")],
    ),
    "seen to the end": (ask(user("d", "?")), 2, [(1, "document"), (2, "question")]),
}


@pytest.mark.parametrize("case", CUTS)
def test_candidates(case: str) -> None:
    """The ends of what may come back as a whole are candidates, each once, in order."""
    request, seen, expected = CUTS[case]
    cuts = cuts_of(read_converse(request), seen, last_role=None)
    assert [tuple(cut) for cut in cuts] == expected


def test_a_conversation_that_goes_on_is_no_branch() -> None:
    """Where an earlier request ended and this one goes on, nothing branched off."""
    prefix = read_converse(ask(user("d", "?"), assistant("a"), user("?")))
    for role in ("turn", "question"):
        roles = [cut.role for cut in cuts_of(prefix, 2, last_role=role)]
        assert set(roles) - {"branch"} == {"document", "turn"}
    assert "branch" not in [cut.role for cut in cuts_of(prefix, 2, last_role="turn")]


def test_what_stood_before_a_message_that_did_not_stay_is_no_branch_but_history() -> None:
    """The history is a candidate again, up to the last message, which will not stay either."""
    prefix = read_converse(
        ask(user("q"), assistant("a"), user("q"), assistant("a"), user("d", "?"))
    )
    cuts = cuts_of(prefix, 2, last_role="history")
    assert [tuple(cut) for cut in cuts] == [(4, "history"), (6, "turn")]


def profile(model: str) -> ModelProfile:
    """Return the profile of a model that has one."""
    found = find_profile(model)
    assert found is not None
    return found


# What a block is, and whether Claude and Nova take a point after it (in a user message).
LEGAL: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "text": ({"text": "a"}, True, True),
    "image": (IMAGE, True, False),
    "PDF": (document("pdf"), True, False),
    "text document": (document("txt"), False, False),
    "tool result": (tool_result(), True, False),
    "guarded text": ({"guardContent": {"text": {"text": "a"}}}, True, False),
}


@pytest.mark.parametrize("case", LEGAL)
def test_legal_blocks(case: str) -> None:
    """A point may follow what Bedrock says it may, and nothing else."""
    block, claude, nova = LEGAL[case]
    prefix = read_converse(ask(user("a", block)))
    assert is_legal(prefix, 2, profile(CLAUDE)) is claude
    assert is_legal(prefix, 2, profile(NOVA)) is nova


@pytest.mark.parametrize(("block", "claude"), [(REASONING, False), (tool_use(), True)])
def test_legal_blocks_of_an_answer(block: dict[str, Any], *, claude: bool) -> None:
    """Not after reasoning; after a tool call with Claude only."""
    prefix = read_converse(ask(user("a"), assistant(block)))
    assert is_legal(prefix, 2, profile(CLAUDE)) is claude
    assert not is_legal(prefix, 2, profile(NOVA))


def test_legal_sections() -> None:
    """Nova takes no points in tools."""
    prefix = read_converse(ask(user("?"), **LONG))
    assert [is_legal(prefix, p, profile(CLAUDE)) for p in (1, 2, 3, 4)] == [True] * 4
    assert [is_legal(prefix, p, profile(NOVA)) for p in (1, 2, 3, 4)] == [False, True, True, True]


def test_the_last_legal_position() -> None:
    """The search goes back to the last place that is legal, and no further than it is told."""
    prefix = read_converse(ask(user("a", "b", document("txt"), document("csv"))))
    claude = profile(CLAUDE)
    assert legal_at_or_before(prefix, 4, 0, claude) == 2
    assert legal_at_or_before(prefix, 4, 1, claude) == 2
    assert legal_at_or_before(prefix, 4, 2, claude) == 0
    assert legal_at_or_before(prefix, 2, 0, claude, max_chars=1) == 1


def test_the_end_of_a_section() -> None:
    """The last position of each section, 0 where there is none."""
    whole = read_converse(ask(user("?"), **LONG))
    assert [last_in_section(whole, s) for s in ("tools", "system", "messages")] == [1, 3, 4]
    bare = read_converse(ask(user("?")))
    assert [last_in_section(bare, s) for s in ("tools", "system", "messages")] == [0, 0, 1]
    assert last_in_section(read_converse(ask(system=[text(1)])), "messages") == 0


@settings(max_examples=40, deadline=None)
@given(data=st.data(), model=st.sampled_from(MODELS))
def test_legal_is_what_bedrock_accepts(data: st.DataObject, model: str) -> None:
    """A single point at any place is legal exactly where the emulator accepts it.

    One exception: after blank text, where Bedrock accepts a point and we place none of our own.
    """
    found = find_profile(model)
    request = data.draw(requests(models=(model,)))
    prefix = read_converse(request, found)
    client = BedrockEmulator(clock=lambda: 0.0).client()
    position = data.draw(st.integers(1, len(prefix)))
    if found is None or prefix.kinds[position - 1] == "blank":
        return
    marked = write_points(request, [(prefix.place(position), "5m")])
    try:
        client.converse(**request)
    except ClientError:
        return  # refused with or without points
    try:
        client.converse(**marked)
        accepted = True
    except ClientError:
        accepted = False
    assert is_legal(prefix, position, found) is accepted
