"""Recorded customer service sessions through real agents: what they cost against the bound."""

from __future__ import annotations

import os
from typing import Any

import pytest
from agent_costs import bounds, saved_points
from agent_replay import NO_CACHING, OUR_MIDDLEWARE, OUR_MODEL, Stage, Way, replay
from agents_on_emulator import input_cost
from langchain.agents import create_agent
from recorded_sessions import read_sessions

FOLDER = os.environ.get("BEDROCK_CACHE_WORKLOADS", "")

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="BEDROCK_CACHE_WORKLOADS is not set"),
    pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning"),
]


@pytest.mark.parametrize("way", [OUR_MODEL, OUR_MIDDLEWARE], ids=["OUR_MODEL", "OUR_MIDDLEWARE"])
def test_agents_are_close_to_the_bound(way: Way) -> None:
    """The first ten sessions cost at most 1.03 times the bound, and no cache point is saved."""
    stage = Stage()
    sessions = read_sessions(FOLDER, "agents_tau2", limit=10)
    assert replay(sessions, way, stage) == len(stage.emulator.ledger) == 96
    bound, _ = bounds(stage.emulator)
    assert bound <= input_cost(stage.emulator.ledger) <= 1.03 * bound
    assert saved_points(stage.saver) == 0
    assert all(record.status == 200 for record in stage.emulator.ledger)


def test_the_replay_is_what_was_recorded() -> None:
    """The agents send the conversation that was recorded, message by message."""
    stage = Stage()
    [session] = read_sessions(FOLDER, "agents_tau2", limit=1)
    replay([session], NO_CACHING, stage)
    sent = str(stage.emulator.requests[-1]["messages"])
    recorded = session.messages[: session.calls[-1][1]]
    assert len(recorded) > 10
    for message in recorded:
        if message["role"] == "user":
            assert repr(message["content"].strip())[1:-1] in sent
        for call in message.get("tool_calls") or ():
            assert sent.count(call["id"]) == 2


def test_points_are_found_in_what_is_saved() -> None:
    """A cache point in a saved message is counted, wherever the checkpointer put it."""
    stage = Stage()
    agent = create_agent(stage.plain(), [], checkpointer=stage.saver)
    block: Any = {"cachePoint": {"type": "default"}}
    said: Any = {"messages": [("human", [{"type": "text", "text": "Hi"}, block])]}
    agent.invoke(said, {"configurable": {"thread_id": "1"}})
    assert saved_points(stage.saver) >= 1
