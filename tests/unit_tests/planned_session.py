"""Requests planned, sent to the emulator and learned from, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wire import (
    CLAUDE,
    HAIKU,
    NOVA,
    ask,
    assistant,
    text,
    tool,
    tool_result,
    tool_use,
    user,
)

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy

Request = dict[str, Any]
SYSTEM, TOOLS = [text(2000, "system")], [tool(2000)]


# Price of a token that is read, written for 5 minutes, and for an hour; plain input is 1.
PRICES = {CLAUDE: (0.1, 1.25, 2.0), HAIKU: (0.1, 1.25, 2.0), NOVA: (0.25, 1.0, 1.0)}


class Session:
    """Requests one after the other, planned, sent and learned from."""

    def __init__(self, policy: CachePolicy | None = None) -> None:
        self.clock = SimulatedClock()
        self.emulator = BedrockEmulator(clock=self.clock)
        self.client = self.emulator.client()
        self.planner = CallPlanner(
            policy=policy or CachePolicy(), memory=PrefixMemory(clock=self.clock)
        )
        self.sent: Request = {}

    def send(self, request: Request, *, after: float = 0.0) -> LedgerRecord:
        """Send a request some seconds after the last one; return what it read and wrote."""
        self.clock.advance(after)
        call = self.planner.prepare(request, CallOptions())
        self.sent = call.request
        self.planner.succeeded(call, self.client.converse(**call.request)["usage"])
        return self.emulator.ledger[-1]

    def cost_ratio(self, model: str = CLAUDE) -> float:
        """Return what all requests cost, over what they would have cost without caching."""
        read, five, hour = PRICES[model]
        ledger = self.emulator.ledger
        cost = sum(
            r.uncached_input_tokens
            + read * r.cache_read_tokens
            + five * r.cache_write_5m_tokens
            + hour * r.cache_write_1h_tokens
            for r in ledger
        )
        return cost / sum(r.input_tokens for r in ledger)


def conversation(
    turns: int, *, name: str = "opening", model: str = CLAUDE, **more: Any
) -> Iterator[Request]:
    """Send a growing conversation."""
    messages = [user(text(1500, name))]
    for n in range(turns):
        yield ask(*messages, model=model, **more)
        messages = [*messages, assistant(text(200, f"answer{n}")), user(text(200, f"more{n}"))]


def agent_turns(results: int, turns: int, model: str = CLAUDE) -> Iterator[Request]:
    """Send the requests of an agent that calls many tools at once."""
    messages = [user(text(1500, "task"))]
    for turn in range(turns):
        yield ask(*messages, system=SYSTEM, tools=TOOLS, model=model)
        calls = range(turn * 100, turn * 100 + results)
        messages = [
            *messages,
            assistant("Let me see.", *map(tool_use, calls)),
            user(*map(tool_result, calls)),
        ]
