"""Agents on the emulator: the ways to cache them, and what they send and save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_aws import ChatBedrockConverse
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, tool
from wire import CLAUDE, words

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse
from langchain_bedrock_cache.emulator.ledger import LedgerRecord
from langchain_bedrock_cache.emulator.replies import Responder
from langchain_bedrock_cache.middleware import BedrockCacheMiddleware
from langchain_bedrock_cache.pricing import price_multipliers

SYSTEM = words(2000, "system")


@dataclass(slots=True)
class Bedrock:
    """An emulator on a clock of its own, the models on it, and one memory for all of them."""

    responder: Responder = field(default=lambda _request: "Yes.")
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    emulator: BedrockEmulator = field(init=False)
    memory: PrefixMemory = field(init=False)

    def __post_init__(self) -> None:
        """Set up the emulator."""
        self.emulator = BedrockEmulator(
            clock=self.clock, responder=self.responder, capture_requests=True
        )
        self.memory = PrefixMemory(clock=self.clock)

    def plain(self, kind: type[ChatBedrockConverse] = ChatBedrockConverse) -> ChatBedrockConverse:
        """Return langchain-aws's model."""
        client = self.emulator.client()
        return kind(model_id=CLAUDE, client=client, bedrock_client=client)

    def cached(self) -> ChatBedrockCached:
        """Return our model."""
        return ChatBedrockCached.from_model(self.plain(), prefix_memory=self.memory)

    def middleware(self, **settings: Any) -> BedrockCacheMiddleware:
        """Return our middleware."""
        return BedrockCacheMiddleware(**{"memory": self.memory, **settings})

    @property
    def ledger(self) -> Sequence[LedgerRecord]:
        """What happened."""
        return self.emulator.ledger

    @property
    def requests(self) -> Sequence[dict[str, Any]]:
        """What was sent."""
        return self.emulator.requests


Stack = tuple[BaseChatModel, list[AgentMiddleware[Any, Any, Any]]]
WAYS: dict[str, Callable[[Bedrock], Stack]] = {
    "our model": lambda bedrock: (bedrock.cached(), []),
    "our middleware": lambda bedrock: (bedrock.plain(), [bedrock.middleware()]),
    "both": lambda bedrock: (bedrock.cached(), [bedrock.middleware()]),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@tool
def look_up(n: int) -> str:
    """Look something up."""
    return words(200, f"found{n}")


def agent_of(
    stack: Stack,
    *,
    tools: Sequence[BaseTool] = (look_up,),
    more: Sequence[AgentMiddleware[Any, Any, Any]] = (),
    **settings: Any,
) -> Any:
    """Return an agent; `more` middleware comes after that of the stack."""
    model, middleware = stack
    settings = {"system_prompt": SYSTEM} | settings
    return create_agent(model, [*tools], middleware=[*middleware, *more], **settings)


def loop(lookups: int) -> Responder:
    """Return a responder that looks things up so many times after each question, one by one."""

    def respond(request: dict[str, Any]) -> Reply:
        done = 0
        for message in reversed(request["messages"]):
            if any("text" in block for block in message["content"]):
                break
            done += any("toolResult" in block for block in message["content"])
        if done < lookups:
            return Reply(tool_uses=[ToolUse(name="look_up", input={"n": done})])
        return Reply(text="It is so.")

    return respond


def points_in(value: Any) -> int:
    """Return how many cache points are in a request, or in anything saved, in either spelling."""
    text = value if isinstance(value, bytes) else repr(value).encode()
    return text.count(b"cachePoint") + text.count(b"cache_control")


def thread(name: str = "1") -> dict[str, Any]:
    """Return the config of a conversation."""
    return {"configurable": {"thread_id": name}}


def human(text: str) -> dict[str, Any]:
    """Return the input of an agent."""
    return {"messages": [("human", text)]}


def input_cost(ledger: Sequence[LedgerRecord]) -> float:
    """Return the price of the input of calls, in tokens at the plain input price."""
    prices = price_multipliers(CLAUDE)
    return sum(
        r.uncached_input_tokens
        + r.cache_read_tokens * prices.read
        + r.cache_write_5m_tokens * prices.write_5m
        + r.cache_write_1h_tokens * prices.write_1h
        for r in ledger
    )
