"""Fan-out: 200 calls at once on one new prompt of 20,000 tokens, in every way of calling.

Run: `python tests/benchmarks/bench_fanout.py`. An entry of the emulator is readable 50 ms after its
request, in real time. Prints how often the prompt was written, and what that cost.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage

from langchain_bedrock_cache import (
    CachePolicy,
    CacheUsage,
    ChatBedrockCached,
    PrefixMemory,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_of

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CALLS = 200
LATENCY_SECONDS = 0.05
RULES = SystemMessage("word " * 12_000)
PROMPTS = [[RULES, HumanMessage(f"question {n}")] for n in range(CALLS)]


def _respond(request: dict[str, Any]) -> str:
    time.sleep(LATENCY_SECONDS)
    blocks = request["messages"][-1]["content"]
    return next(str(block["text"]) for block in blocks if "text" in block)


def _threads(model: ChatBedrockCached) -> list[Any]:
    with ThreadPoolExecutor(CALLS) as threads:
        return list(threads.map(model.invoke, PROMPTS))


def _batch(model: ChatBedrockCached) -> list[Any]:
    return model.batch(PROMPTS, {"max_concurrency": CALLS})


def _abatch(model: ChatBedrockCached) -> list[Any]:
    return asyncio.run(model.abatch(PROMPTS))


def _run(name: str, call: Callable[[ChatBedrockCached], list[Any]], **settings: Any) -> int:
    emulator = BedrockEmulator(first_byte_latency_seconds=LATENCY_SECONDS, responder=_respond)
    memory = PrefixMemory()
    model = ChatBedrockCached(
        model_id=MODEL, client=emulator.client(), prefix_memory=memory, **settings
    )
    started = time.perf_counter()
    answers = call(model)
    seconds = time.perf_counter() - started
    right = [answer.text for answer in answers] == [f"question {n}" for n in range(CALLS)]
    writes = sum(record.cache_write_tokens >= 20_000 for record in emulator.ledger)
    usd = Decimal(0)
    for record in emulator.ledger:
        usage = CacheUsage(
            uncached_input_tokens=record.uncached_input_tokens,
            cache_read_tokens=record.cache_read_tokens,
            cache_write_5m_tokens=record.cache_write_5m_tokens,
            cache_write_1h_tokens=record.cache_write_1h_tokens,
        )
        usd += price_of(usage, MODEL).total_usd
    reads = sum(record.cache_read_tokens >= 20_000 for record in emulator.ledger)
    order = "in order" if right else "WRONG"
    print(f"{name:32} {writes:>6} {reads:>6} {usd:>8.2f} {seconds:>7.2f} s  {order}")
    return writes if right else -1


def main() -> int:
    """Run all ways and print a table; 1 if a way that shares wrote more than once."""
    print(f"{'':32} {'writes':>6} {'reads':>6} {'USD':>8}")
    _run("threads, no caching", _threads, cache_policy=CachePolicy.off())
    _run("threads", _threads)
    patient = CachePolicy(single_flight_seconds=30)
    shared = [
        _run("threads, single_flight_seconds=30", _threads, cache_policy=patient),
        _run("batch", _batch),
        _run("abatch", _abatch),
    ]
    return 0 if shared == [1, 1, 1] else 1


if __name__ == "__main__":
    sys.exit(main())
