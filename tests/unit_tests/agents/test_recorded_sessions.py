"""Recorded customer service sessions through real agents: what they cost against the bound."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("BEDROCK_CACHE_WORKLOADS", "")
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_agents.py"

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="BEDROCK_CACHE_WORKLOADS is not set"),
    pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning"),
]


@pytest.fixture(scope="module")
def bench() -> Any:
    """The benchmark, which has the replay."""
    spec = importlib.util.spec_from_file_location("bench_agents", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look themselves up there.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "bench_agents", module)
        spec.loader.exec_module(module)
        yield module


@pytest.mark.parametrize("name", ["OUR_MODEL", "OUR_MIDDLEWARE"])
def test_agents_are_close_to_the_bound(bench: Any, name: str) -> None:
    """The first ten sessions cost at most 1.03 times the bound, and no cache point is saved."""
    stage = bench.Stage()
    sessions = bench.read_sessions(FOLDER, "agents_tau2", limit=10)
    assert bench.replay(sessions, getattr(bench, name), stage) == len(stage.emulator.ledger) == 96
    bound, _ = bench.bounds(stage.emulator)
    assert bound <= bench.cost(stage.emulator) <= 1.03 * bound
    assert bench.saved_points(stage.saver) == 0
    assert all(record.status == 200 for record in stage.emulator.ledger)


def test_the_replay_is_what_was_recorded(bench: Any) -> None:
    """The agents send the conversation that was recorded, message by message."""
    stage = bench.Stage()
    [session] = bench.read_sessions(FOLDER, "agents_tau2", limit=1)
    bench.replay([session], bench.NO_CACHING, stage)
    sent = str(stage.emulator.requests[-1]["messages"])
    recorded = session.messages[: session.calls[-1][1]]
    assert len(recorded) > 10
    for message in recorded:
        if message["role"] == "user":
            assert repr(message["content"].strip())[1:-1] in sent
        for call in message.get("tool_calls") or ():
            assert sent.count(call["id"]) == 2


def test_points_are_found_in_what_is_saved(bench: Any) -> None:
    """A cache point in a saved message is counted, wherever the checkpointer put it."""
    stage = bench.Stage()
    agent = bench.create_agent(stage.plain(), [], checkpointer=stage.saver)
    block: Any = {"cachePoint": {"type": "default"}}
    said = {"messages": [("human", [{"type": "text", "text": "Hi"}, block])]}
    agent.invoke(said, {"configurable": {"thread_id": "1"}})
    assert bench.saved_points(stage.saver) >= 1
