"""What planning costs: time for a request, its growth with the conversation, memory.

Run it as a script; it prints a table. Times are medians of the thread's own time, so that a busy
machine counts less; they cover all that happens between the caller and boto3: reading the request
into prefix form, looking it up, deciding, writing the points, and learning from the answer.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.profiles import find_profile

MODEL = "us.anthropic.claude-opus-4-8"
NOTHING = CallOptions()
Request = dict[str, Any]


def conversation(messages: int, chars: int) -> list[dict[str, Any]]:
    """Return a conversation of single-block messages that have so many characters together."""
    size = chars // messages
    return [
        {"role": ("user", "assistant")[n % 2], "content": [{"text": f"{n:06} ".ljust(size, "w")}]}
        for n in range(messages)
    ]


def request_of(messages: list[dict[str, Any]]) -> Request:
    """Return Converse arguments with a system prompt and a tool."""
    tool = {"name": "t", "description": "d" * 2_000, "inputSchema": {"json": {"type": "object"}}}
    return {
        "modelId": MODEL,
        "system": [{"text": "s" * 6_000}],
        "messages": messages,
        "toolConfig": {"tools": [{"toolSpec": tool}]},
    }


def turns(last: int, chars_each: int, *, first: int = 1) -> list[Request]:
    """Return the requests of a conversation as it grows, two messages at a time."""
    messages = conversation(last, last * chars_each)
    return [request_of(messages[:n]) for n in range(first, last + 1, 2)]


def milliseconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    began = time.thread_time()
    action()
    return (time.thread_time() - began) * 1_000


def warmed(requests: list[Request]) -> tuple[CallPlanner, SimulatedClock]:
    """Return a planner whose memory has seen these requests."""
    clock = SimulatedClock()
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=clock))
    for request in requests:
        step(planner, clock, request)
    return planner, clock


def step(planner: CallPlanner, clock: SimulatedClock, request: Request) -> None:
    """Plan a request and take in its answer."""
    clock.advance(10.0)
    call = planner.prepare(request, NOTHING)
    planner.succeeded(call, {"inputTokens": 10, "cacheReadInputTokens": 60_000})


def planning(messages: int, chars: int, repeat: int) -> float:
    """Return median milliseconds for the last request of a conversation that was seen to grow."""
    *before, last = turns(messages, chars // messages, first=max(1, messages - 19))
    planner, clock = warmed(before)
    times = [milliseconds(lambda: step(planner, clock, last)) for _ in range(repeat)]
    return median(times)


def growing(messages: int, chars: int, repeat: int) -> float:
    """Return median milliseconds for a turn that is new to the memory, as in real traffic."""
    times = []
    for _ in range(repeat):
        *before, last = turns(messages, chars // messages, first=max(1, messages - 9))
        planner, clock = warmed(before)
        times.append(milliseconds(partial(step, planner, clock, last)))
    return median(times)


def reading(messages: int, chars: int, repeat: int) -> float:
    """Return median milliseconds for reading a request alone, which hashes every byte."""
    request = request_of(conversation(messages, chars))
    profile = find_profile(MODEL)
    return median(milliseconds(lambda: read_converse(request, profile)) for _ in range(repeat))


def megabytes(prefixes: int) -> tuple[float, int]:
    """Return what a memory of so many prefixes takes, and how many it holds.

    They come from conversations of 20 messages that are sent three times as they grow.
    """
    gc.collect()
    tracemalloc.start()
    clock = SimulatedClock()
    planner = CallPlanner(
        policy=CachePolicy(), memory=PrefixMemory(clock=clock, max_entries=prefixes)
    )
    session = 0
    while len(planner.memory) < prefixes and session < prefixes:
        messages = conversation(20, 2_000)
        messages[0] = {"role": "user", "content": [{"text": f"session {session}"}]}
        for n in (7, 13, 20):
            step(planner, clock, request_of(messages[:n]))
        session += 1
    del messages
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / 1_000_000, len(planner.memory)


def row(name: str, value: float, unit: str, limit: float) -> None:
    """Print a figure beside its limit."""
    mark = "" if value <= limit else "  ABOVE THE LIMIT"
    print(f"{name:<58}{value:>9.3f} {unit:<3} (limit {limit:g}){mark}")


def main() -> None:
    """Measure and print."""
    row("60 messages, 200 KB, seen before: plan and learn", planning(60, 200_000, 300), "ms", 0.5)
    row("60 messages, 200 KB, a new turn: plan and learn", growing(60, 200_000, 60), "ms", 0.5)
    row("60 messages, 200 KB: reading alone", reading(60, 200_000, 300), "ms", 0.5)
    for messages in (500, 1_000, 2_000, 5_000):
        cost = planning(messages, messages * 400, 15)
        row(f"{messages} messages: plan and learn, per 1,000", cost * 1_000 / messages, "ms", 1.0)
    for messages in (500, 5_000):
        cost = growing(messages, messages * 400, 5)
        row(f"{messages} messages, a new turn, per 1,000", cost * 1_000 / messages, "ms", 1.0)
    size, held = megabytes(100_000)
    row(f"memory of {held:,} prefixes", size, "MB", 50.0)


if __name__ == "__main__":
    main()
