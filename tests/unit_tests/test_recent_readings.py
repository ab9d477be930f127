"""A conversation that is read again as it grows gives the prefix that reading it alone gives."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
from converse_strategies import requests
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.converse.recent_readings import RecentReadings
from langchain_bedrock_cache.profiles import find_profile

PROFILE = find_profile("anthropic.claude-opus-4-8")
POINT = {"cachePoint": {"type": "default"}}
Request = dict[str, Any]


def conversation(messages: int, *, first: str = "Begin.") -> Request:
    """Return a request of so many messages, tool calls and images among them."""
    kinds: list[dict[str, Any]] = [
        {"text": "What now?"},
        {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": [1, 2.5, None]}}},
        {"toolResult": {"toolUseId": "t1", "content": [{"text": "A door."}]}},
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
    ]
    return {
        "modelId": "anthropic.claude-opus-4-8",
        "system": [{"text": "Answer briefly."}],
        "messages": [{"role": "user", "content": [{"text": first}]}]
        + [
            {
                "role": ("user", "assistant")[n % 2],
                "content": [{"text": f"Turn {n}"}, kinds[n % len(kinds)]],
            }
            for n in range(1, messages)
        ],
    }


def first_turns(request: Request, messages: int) -> Request:
    """Return the request as it was when it had so many messages."""
    return {**request, "messages": copy.deepcopy(request["messages"][:messages])}


def test_a_growing_conversation_reads_as_if_alone() -> None:
    """Whatever was remembered of earlier turns, the prefix is that of `read_converse`."""
    whole = conversation(130)
    readings = RecentReadings()
    for n in range(1, 131):
        turn = first_turns(whole, n)
        assert readings.read(turn, PROFILE) == read_converse(turn, PROFILE)


@pytest.mark.parametrize("changed", [0, 1, 39, 79, 80])
def test_a_changed_message_is_seen_wherever_it_is(changed: int) -> None:
    """A conversation whose history was edited is read as it now stands."""
    readings = RecentReadings()
    readings.read(conversation(80), PROFILE)
    edited = conversation(81)
    edited["messages"][changed]["content"][0]["text"] += "!"
    assert readings.read(edited, PROFILE) == read_converse(edited, PROFILE)
    whole = conversation(81)
    assert readings.read(whole, PROFILE) == read_converse(whole, PROFILE)


@pytest.mark.parametrize("messages", [1, 24, 25, 60])
def test_a_trimmed_conversation_is_read_as_it_stands(messages: int) -> None:
    """A request shorter than what is remembered of its conversation is read whole."""
    readings = RecentReadings()
    readings.read(conversation(80), PROFILE)
    trimmed = conversation(messages)
    assert readings.read(trimmed, PROFILE) == read_converse(trimmed, PROFILE)


def test_cache_points_are_those_of_the_request_at_hand() -> None:
    """Points in the head and in new messages are found, and none of an earlier request."""
    readings = RecentReadings()
    for n in (60, 61, 90, 120):
        turn = first_turns(conversation(120), n)
        turn["messages"][-1]["content"].append(POINT)
        if n != 61:
            turn["system"].append(POINT)
        prefix = readings.read(turn, PROFILE)
        assert prefix == read_converse(turn, PROFILE)
        assert len(prefix.marks) == (1 if n == 61 else 2)


def test_another_model_region_or_tool_choice_is_another_prefix() -> None:
    """What changes the prefix without changing a message is not taken from memory."""
    readings = RecentReadings()
    request = conversation(60)
    haiku = find_profile("anthropic.claude-haiku-4-5-20251001-v1:0")
    forced = {**request, "toolConfig": {"tools": [], "toolChoice": {"any": {}}}}
    for asked, profile, place in (
        (request, PROFILE, ""),
        (request, haiku, ""),
        (request, PROFILE, "eu-west-1"),
        (forced, PROFILE, ""),
        (forced, find_profile("amazon.nova-pro-v1:0"), ""),
    ):
        prefix = readings.read(asked, profile, locality=place)
        assert prefix == read_converse(asked, profile, locality=place)


def test_what_json_cannot_hold_is_read_all_the_same() -> None:
    """Lone surrogates and huge integers are read, without being remembered."""
    readings = RecentReadings()
    request = conversation(60)
    request["messages"][3]["content"].append({"text": "\ud800"})
    request["messages"][5]["content"].append({"toolUse": {"input": {"n": 2**70}}})
    for _ in range(2):
        assert readings.read(request, PROFILE) == read_converse(request, PROFILE)


def test_what_is_returned_is_the_callers_own() -> None:
    """Changing a prefix that was returned changes nothing for the next reader."""
    readings = RecentReadings()
    request = conversation(60)
    for _ in range(3):
        prefix = readings.read(request, PROFILE)
        assert prefix == read_converse(request, PROFILE)
        prefix.digests.clear()
        prefix.chars.clear()
        prefix.list_starts.append(7)


def test_memory_is_bounded_by_blocks() -> None:
    """The conversations idle longest are forgotten; every one is still read correctly."""
    readings = RecentReadings(max_blocks=500)
    for n in range(20):
        readings.read(conversation(60, first=f"Number {n}"), PROFILE)
    assert readings._blocks <= 500
    assert readings._blocks == sum(len(r.prefix) for r in readings._readings.values())
    again = conversation(60, first="Number 0")
    assert readings.read(again, PROFILE) == read_converse(again, PROFILE)


def test_threads_share_one_memory() -> None:
    """Readers of the same and of other conversations do not disturb each other."""
    readings = RecentReadings(max_blocks=1_000)
    wrong: list[int] = []

    def read(worker: int) -> None:
        for n in range(20, 120, 7):
            turn = conversation(n, first=f"Conversation {worker % 3}")
            if readings.read(turn, PROFILE) != read_converse(turn, PROFILE):
                wrong.append(n)

    threads = [threading.Thread(target=read, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert readings._blocks == sum(len(r.prefix) for r in readings._readings.values())


@given(request=requests(), times=st.integers(1, 3))
def test_any_request_repeated_into_a_long_one_reads_the_same(request: Request, times: int) -> None:
    """For generated requests, long because their messages repeat, both readers agree."""
    messages = list(request["messages"])
    readings = RecentReadings()
    long = {**request, "messages": messages * (30 // len(messages) + times)}
    for n in (26, len(long["messages"]), len(long["messages"])):
        turn = {**long, "messages": long["messages"][:n]}
        assert readings.read(turn, PROFILE) == read_converse(turn, PROFILE)
