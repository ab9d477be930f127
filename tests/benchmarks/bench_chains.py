"""Real chains on recorded sessions: what each way of caching costs on the emulator.

Every call goes through a real chat model, a real boto3 client and the emulator, on a simulated
clock; prices are those of `pricing`. The sessions are read from the folder that
BEDROCK_CACHE_WORKLOADS names.

    BEDROCK_CACHE_WORKLOADS=... python tests/benchmarks/bench_chains.py
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from langchain_aws import ChatBedrockConverse
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.runnables import Runnable

from langchain_bedrock_cache import CachePointTransformer, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.usage import CacheUsage

MODEL = "us.anthropic.claude-opus-4-8"
_NO_INPUT = {"parameters": {"type": "object", "properties": {}}}
Call = tuple[float, list[BaseMessage], list[dict[str, Any]]]


def plain(client: Any, _clock: SimulatedClock, tools: list[dict[str, Any]]) -> Runnable[Any, Any]:
    """Return the chat model of langchain-aws, without caching."""
    return _bound(ChatBedrockConverse(model_id=MODEL, client=client, bedrock_client=client), tools)


def own(client: Any, clock: SimulatedClock, tools: list[dict[str, Any]]) -> Runnable[Any, Any]:
    """Return the chat model of langchain-aws with its own caching."""
    return plain(client, clock, tools).bind(cache_control={"type": "ephemeral"})


class Ours:
    """Our ways, each with one memory for all its calls."""

    def __init__(self) -> None:
        self.memory: PrefixMemory | None = None

    def subclass(
        self, client: Any, clock: SimulatedClock, tools: list[dict[str, Any]]
    ) -> Runnable[Any, Any]:
        """Return our chat model."""
        self.memory = self.memory or PrefixMemory(clock=clock)
        model = ChatBedrockCached(
            model_id=MODEL, client=client, bedrock_client=client, prefix_memory=self.memory
        )
        return _bound(model, tools)

    def transformer(
        self, client: Any, clock: SimulatedClock, tools: list[dict[str, Any]]
    ) -> Runnable[Any, Any]:
        """Return the chat model of langchain-aws behind our transformer."""
        self.memory = self.memory or PrefixMemory(clock=clock)
        return CachePointTransformer(memory=self.memory, model=MODEL) | plain(client, clock, tools)


def _bound(model: Any, tools: list[dict[str, Any]]) -> Runnable[Any, Any]:
    return model.bind_tools(tools) if tools else model  # type: ignore[no-any-return]


def rows(name: str) -> list[dict[str, Any]]:
    """Read the rows of one file of sessions."""
    path = Path(os.environ["BEDROCK_CACHE_WORKLOADS"]) / f"{name}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def documents(count: int) -> Iterator[Call]:
    """Yield five questions on each document, in a block of their own."""
    for k, row in enumerate(rows("rag_squality")[:count]):
        for n, question in enumerate(row["questions"][:5]):
            blocks = [f"<document>\n{row['document']}\n</document>", question]
            messages: list[BaseMessage] = [
                SystemMessage("Answer the question from the document."),
                HumanMessage([{"type": "text", "text": text} for text in blocks]),
            ]
            yield k * 120.0 + n * 20.0, messages, []


def agents(count: int) -> Iterator[Call]:
    """Yield the calls of coding agents, 15 seconds apart."""
    calls: list[Call] = []
    for k, row in enumerate(rows("agents_openhands")[:count]):
        tools = [{"type": "function", "function": _NO_INPUT | t["function"]} for t in row["tools"]]
        for n, call in enumerate(row["calls"]):
            history = convert_to_messages(row["messages"][: call["n"]])
            if history[-1].type == "ai":
                continue
            messages = [SystemMessage(row["system"]), *history]
            calls.append((k * 120.0 + n * 15.0, messages, tools))
    return iter(sorted(calls, key=lambda c: c[0]))


def cost(calls: Iterator[Call], way: Callable[..., Runnable[Any, Any]]) -> tuple[Decimal, int]:
    """Return the input cost in USD of some calls, and how many there were."""
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock)
    client = emulator.client()
    usages = []
    for at, messages, tools in calls:
        clock.advance(at - clock())
        way(client, clock, tools).invoke(messages)
        r = emulator.ledger[-1]
        usages.append(
            CacheUsage(
                uncached_input_tokens=r.uncached_input_tokens,
                cache_read_tokens=r.cache_read_tokens,
                cache_write_5m_tokens=r.cache_write_5m_tokens,
                cache_write_1h_tokens=r.cache_write_1h_tokens,
            )
        )
    total = sum((price_of(u, MODEL).total_usd for u in usages), Decimal(0))
    return total, len(usages)


def main() -> int:
    """Print the table."""
    if "BEDROCK_CACHE_WORKLOADS" not in os.environ:
        sys.stderr.write("Set BEDROCK_CACHE_WORKLOADS to the folder of the recorded sessions.\n")
        return 2
    for name, traffic in (
        ("20 documents x 5 questions", partial(documents, 20)),
        ("10 coding-agent sessions", partial(agents, 10)),
    ):
        base, calls = cost(traffic(), plain)
        print(f"{name}: {calls} calls, no caching {base:.4f} USD = 1.000")
        for label, way in (
            ("langchain-aws cache_control", own),
            ("ChatBedrockCached", Ours().subclass),
            ("CachePointTransformer + plain", Ours().transformer),
        ):
            usd, _ = cost(traffic(), way)
            print(f"  {label:32s} {usd:.4f} USD = {usd / base:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
