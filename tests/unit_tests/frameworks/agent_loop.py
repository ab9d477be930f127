"""An agent with one tool, as every framework runs it: what Bedrock answers, and what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from wire import words

from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse
from langchain_bedrock_cache.usage import CacheUsage

RULES = words(2_000, "rules")


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: One number.
        b: The other one.
    """
    return a + b


def answer(request: Mapping[str, Any]) -> Reply | str:
    """Call the tool for every question, and say what it returned."""
    last = request["messages"][-1]["content"]
    if any("toolResult" in block for block in last):
        return "It is 3."
    if not request.get("toolConfig"):
        return "Hello."
    return Reply(tool_uses=[ToolUse(name="add", input={"a": 1, "b": 2})])


def used(emulator: BedrockEmulator) -> CacheUsage:
    """Return what all calls that Bedrock answered have used."""
    return sum(
        (
            CacheUsage(
                uncached_input_tokens=record.uncached_input_tokens,
                cache_read_tokens=record.cache_read_tokens,
                cache_write_5m_tokens=record.cache_write_5m_tokens,
                cache_write_1h_tokens=record.cache_write_1h_tokens,
                output_tokens=record.output_tokens,
            )
            for record in emulator.ledger
        ),
        CacheUsage(),
    )


def doubled(requests: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the numbers of requests with two cache points in a row, or more than four."""
    found = []
    for number, request in enumerate(requests):
        lists = [(request.get("toolConfig") or {}).get("tools") or [], request.get("system") or []]
        lists += [message["content"] for message in request["messages"]]
        are_points = [["cachePoint" in block for block in blocks] for blocks in lists]
        in_a_row = any(a and b for row in are_points for a, b in pairwise(row))
        if in_a_row or sum(map(sum, are_points)) > 4:
            found.append(number)
    return found
