"""Prompts that change from call to call are noticed, and the place is named."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.exceptions import CacheSkippedWarning
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy

RULES = "Follow the house rules. " * 300
TOOLS = [
    {
        "toolSpec": {
            "name": name,
            "description": f"{name} " * 300,
            "inputSchema": {"json": {"type": "object"}},
        }
    }
    for name in ("search", "fetch", "answer")
]


def request(
    system: list[str], tools: list[dict[str, Any]] | None = None, question: str = "Hi"
) -> dict[str, Any]:
    """Return a request with the given system blocks and tools."""
    out: dict[str, Any] = {
        "modelId": "us.anthropic.claude-opus-4-8",
        "system": [{"text": text} for text in system],
        "messages": [{"role": "user", "content": [{"text": question}]}],
    }
    return out | ({"toolConfig": {"tools": tools}} if tools else {})


def warned(requests: list[dict[str, Any]]) -> list[str]:
    """Plan requests a minute apart; return the warnings."""
    now = [0.0]
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=lambda: now[0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for r in requests:
            planner.prepare(r, CallOptions())
            now[0] += 60.0
    assert all(w.category is CacheSkippedWarning for w in caught)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize(
    ("versions", "place"),
    [
        (
            [f"Now: 2026-11-22 10:{m:02d}. {RULES}" for m in range(6)],
            "system[0] changes from call to call (characters 16 to 23 of 7223, a time perhaps)",
        ),
        (
            [f"{RULES} User {n * 7919:016x}. {RULES}" for n in range(1, 7)],
            "an identifier perhaps",
        ),
        (
            [f"{RULES}{who}{RULES}" for who in ("Ann", "Robert", "Li", "Maximilian", "Jo")],
            "system[0] changes from call to call (characters 7200 to 72",
        ),
    ],
    ids=["time", "identifier", "name"],
)
def test_a_changing_system_prompt_is_named_once(versions: list[str], place: str) -> None:
    """One warning, with section, block, characters and a guess, and none of the text."""
    messages = warned([request([v]) for v in versions])
    assert len(messages) == 1
    assert place in messages[0]
    assert "house rules" not in messages[0]


def test_tools_in_another_order_are_named() -> None:
    """Shuffled tools are one warning about their order."""
    orders = [TOOLS, TOOLS[::-1], [TOOLS[1], TOOLS[0], TOOLS[2]], [TOOLS[2], TOOLS[0], TOOLS[1]]]
    messages = warned([request([RULES], order) for order in orders])
    assert len(messages) == 1
    assert "toolConfig.tools changes" in messages[0]
    assert "order" in messages[0]


def test_a_tool_definition_that_changes_is_named() -> None:
    """The tool whose definition changes is named by its index."""
    lists = []
    for n in range(4):
        spec = {**TOOLS[2]["toolSpec"], "description": f"{n} items in stock. " * 50}
        lists.append([*TOOLS[:2], {"toolSpec": spec}])
    messages = warned([request([RULES], tools) for tools in lists])
    assert len(messages) == 1
    assert "toolConfig.tools[2]" in messages[0]


@pytest.mark.parametrize(
    "requests",
    [
        [request([RULES], question=f"{n}?") for n in range(6)],
        [request([f"{c} " * 3600]) for c in "abcdef"],
        [request([RULES, f"Now: 2026-11-22 10:{m:02d}."]) for m in range(6)],
        [request([f"Now: 10:{m:02d}."]) for m in range(6)],
    ],
    ids=["stable", "different prompts", "already last", "too short to cache"],
)
def test_what_is_in_order_gets_no_warning(requests: list[dict[str, Any]]) -> None:
    """Stable prompts, unrelated prompts, and changes with nothing after them are fine."""
    assert warned(requests) == []


def test_no_write_is_paid_for_a_prompt_that_changes_and_tools_stay_cached() -> None:
    """After a few calls nothing is written, and the tools before the change are still read."""
    now = [0.0]
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=lambda: now[0]))
    plans = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(12):
            r = request([f"Call {n:04d}. {RULES}"], TOOLS)
            plans.append(planner.prepare(r, CallOptions()).plan)
            now[0] += 60.0
    last = plans[-1]
    assert last.expected_write_tokens == 0
    assert last.expected_read_tokens > 1024
    assert [p.place.section for p in last.points] == ["tools"]


def test_a_stable_first_block_is_cached_beside_a_changing_second() -> None:
    """The point moves to the end of the stable system block."""
    now = [0.0]
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=lambda: now[0]))
    for n in range(8):
        r = request([RULES, f"Call {n:04d}."])
        last = planner.prepare(r, CallOptions()).plan
        now[0] += 60.0
    assert last.expected_read_tokens > 1024
    assert [(p.place.section, p.place.block) for p in last.points] == [("system", 0)]
