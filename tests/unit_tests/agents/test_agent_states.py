"""What checkpointers save, and agents that go on from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from agents_on_emulator import (
    EVERY_WAY,
    Bedrock,
    agent_of,
    human,
    input_cost,
    look_up,
    loop,
    points_in,
    thread,
)
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from langchain_bedrock_cache import PrefixMemory
from langchain_bedrock_cache.converse import strip_points

HOURS = 3 * 3600.0
APPROVED: Command[Any] = Command(resume={"decisions": [{"type": "approve"}]})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database file for checkpoints."""
    with closing(sqlite3.connect(tmp_path / "agents.db", check_same_thread=False)) as connection:
        yield connection


def saved_in(database: sqlite3.Connection) -> bytes:
    """Return everything that is in a database."""
    tables = [
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    rows = [row for name in tables for row in database.execute(f"SELECT * FROM [{name}]")]  # noqa: S608
    return b"\n".join(
        cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row
    )


def awaiting_approval(way: Any, bedrock: Bedrock, database: sqlite3.Connection) -> Any:
    """Return an agent, as a new process makes it, whose tool calls wait for approval."""
    approval = HumanInTheLoopMiddleware(interrupt_on={"look_up": True})
    return agent_of(way(bedrock), more=[approval], checkpointer=SqliteSaver(database))


def test_the_search_finds_points(database: sqlite3.Connection) -> None:
    """A cache point in a message of the application is found in what is saved."""
    bedrock = Bedrock()
    agent = agent_of((bedrock.plain(), []), checkpointer=SqliteSaver(database))
    block: Any = {"cachePoint": {"type": "default"}}
    agent.invoke({"messages": [("human", [{"type": "text", "text": "Hi"}, block])]}, thread())
    assert points_in(saved_in(database))


@EVERY_WAY
def test_nothing_is_left_in_a_database(way: Any, database: sqlite3.Connection) -> None:
    """After many turns with points on the wire, none is in a saved checkpoint."""
    bedrock = Bedrock(loop(2))
    agent = agent_of(way(bedrock), checkpointer=SqliteSaver(database))
    for n in range(3):
        agent.invoke(human(f"Question {n}"), thread())
    saved = saved_in(database)
    assert b"Question 2" in saved
    assert points_in(saved) == 0
    assert all(points_in(request) for request in bedrock.requests)


@EVERY_WAY
def test_nothing_is_left_in_memory(way: Any) -> None:
    """The same in memory, for every version of every channel."""
    bedrock = Bedrock(loop(2))
    saver = InMemorySaver()
    agent = agent_of(way(bedrock), checkpointer=saver)
    for n in range(3):
        agent.invoke(human(f"Question {n}"), thread())
    states = [*agent.get_state_history(thread())]
    assert len(states) > 9
    assert points_in(states) == 0
    assert points_in([*saver.blobs.values(), *saver.writes.values()]) == 0
    assert "Question 2" in repr(states)


@EVERY_WAY
def test_time_travel_reads_the_cache(way: Any) -> None:
    """A conversation that goes on from an earlier checkpoint reads what it has in common."""
    bedrock = Bedrock(loop(1))
    agent = agent_of(way(bedrock), checkpointer=InMemorySaver())
    agent.invoke(human("Question 0"), thread())
    config = agent.get_state(thread()).config
    agent.invoke(human("Question 1"), thread())
    agent.invoke(human("Another question"), config)
    assert bedrock.ledger[4].cache_read_tokens >= bedrock.ledger[1].input_tokens - 2


@EVERY_WAY
def test_approval_after_hours(way: Any, database: sqlite3.Connection) -> None:
    """A new process goes on hours later: the same prompt, written once more, then read."""
    bedrock = Bedrock(loop(2))
    paused = awaiting_approval(way, bedrock, database).invoke(human("What is it?"), thread())
    assert paused["__interrupt__"]
    bedrock.clock.advance(HOURS)
    bedrock.memory = PrefixMemory(clock=bedrock.clock)
    resumed = awaiting_approval(way, bedrock, database)
    assert resumed.invoke(APPROVED, thread())["__interrupt__"]
    assert resumed.invoke(APPROVED, thread())["messages"][-1].text == "It is so."
    first, second, third = bedrock.ledger
    assert second.cache_read_tokens == 0  # nothing lives for hours
    assert second.cache_write_tokens >= first.input_tokens - 2
    assert third.cache_read_tokens >= second.input_tokens - 2
    before, after = (strip_points(r)["messages"] for r in bedrock.requests[:2])
    assert after[: len(before)] == before
    assert points_in(saved_in(database)) == 0


@EVERY_WAY
def test_hours_of_waiting_never_cost_more_than_no_caching(
    way: Any, database: sqlite3.Connection
) -> None:
    """Approvals that come hours later, again and again, in one process: nobody pays for writes."""
    bedrock = Bedrock(loop(8))
    agent = awaiting_approval(way, bedrock, database)
    agent.invoke(human("What is it?"), thread())
    for _ in range(8):
        bedrock.clock.advance(HOURS)
        agent.invoke(APPROVED, thread())
    assert len(bedrock.ledger) == 9
    assert input_cost(bedrock.ledger[1:]) <= 1.01 * sum(r.input_tokens for r in bedrock.ledger[1:])


@EVERY_WAY
def test_approval_within_the_hour(way: Any) -> None:
    """Tools and system prompt are read again after half an hour, if their hour was paid for."""
    bedrock = Bedrock(loop(1))
    approval = HumanInTheLoopMiddleware(interrupt_on={"look_up": True})
    agent = agent_of(way(bedrock), more=[approval], checkpointer=InMemorySaver())
    for n in range(4):
        agent.invoke(human("What is it?"), thread(str(n)))
        bedrock.clock.advance(1800)
        agent.invoke(APPROVED, thread(str(n)))
    assert all(record.cache_read_tokens > 1900 for record in bedrock.ledger[-4:])


def test_the_tool_ran() -> None:
    """The helper's tool is one that an agent can run."""
    assert look_up.invoke({"n": 1}).startswith("found1")
