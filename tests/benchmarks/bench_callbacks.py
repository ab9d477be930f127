"""What the usage callback costs: time and memory per model call, without any model.

Run with `python tests/benchmarks/bench_callbacks.py`. Events are made as LangChain makes them for
a chain with one streamed call: start of the chain, start of the call, tokens, end of both.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from uuid import uuid4

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from langchain_bedrock_cache.callbacks import (
    CacheUsageCallbackHandler,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.pricing import estimate_cost, price_multipliers
from langchain_bedrock_cache.usage import CacheUsage

CALLS = 10_000
TOKENS_PER_CALL = 100
MODEL_ID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def _result(number: int) -> LLMResult:
    message = AIMessage(
        content="answer",
        usage_metadata={
            "input_tokens": 5000 + number,
            "output_tokens": 100,
            "total_tokens": 5100 + number,
            "input_token_details": {"cache_read": 4000, "cache_creation": 500},
        },
        response_metadata={"model_name": MODEL_ID, "ResponseMetadata": {"RequestId": str(number)}},
    )
    return LLMResult(generations=[[ChatGeneration(message=message)]])


def _one_run(handler: CacheUsageCallbackHandler, result: LLMResult, *, tokens: int) -> None:
    chain, call = uuid4(), uuid4()
    handler.on_chain_start(None, {}, run_id=chain, name="chain", tags=["a"])
    handler.on_chat_model_start(
        {"kwargs": {"model_id": MODEL_ID}},
        [[]],
        run_id=call,
        parent_run_id=chain,
        tags=["a", "seq:step:2"],
        metadata={"ls_model_name": MODEL_ID},
        invocation_params={"model": MODEL_ID},
    )
    for _ in range(tokens):
        handler.on_llm_new_token("token", run_id=call, parent_run_id=chain)
    handler.on_llm_end(result, run_id=call, parent_run_id=chain, tags=["a"])
    handler.on_chain_end({}, run_id=chain)


def _median_microseconds(action: Callable[[int], object], *, times: int) -> float:
    durations = []
    for number in range(times):
        start = time.perf_counter_ns()
        action(number)
        durations.append(time.perf_counter_ns() - start)
    return statistics.median(durations) / 1000


def _report(what: str, value: float, unit: str) -> None:
    print(f"{what:<58} {value:>10,.2f} {unit}")


def _enter_and_leave(_number: int) -> None:
    with get_cache_usage_callback():
        pass


def main() -> None:
    """Measure, and print a table."""
    start = time.perf_counter()
    price_multipliers(MODEL_ID)
    _report("first price of a process (imports genai-prices)", time.perf_counter() - start, "s")

    results = [_result(number) for number in range(CALLS)]
    handler = CacheUsageCallbackHandler()
    _report(
        "a chain with one call, all events",
        _median_microseconds(lambda n: _one_run(handler, results[n], tokens=0), times=CALLS),
        "us",
    )
    streaming = CacheUsageCallbackHandler()
    streamed = _median_microseconds(
        lambda n: _one_run(streaming, results[n], tokens=TOKENS_PER_CALL), times=CALLS // 10
    )
    _report(f"the same, streamed in {TOKENS_PER_CALL} tokens", streamed, "us")

    usage = CacheUsage(uncached_input_tokens=500, cache_read_tokens=4000, output_tokens=100)
    _report(
        "  of which estimate_cost",
        _median_microseconds(lambda _: estimate_cost(usage, MODEL_ID), times=CALLS),
        "us",
    )
    _report(
        "price_multipliers, remembered",
        _median_microseconds(lambda _: price_multipliers(MODEL_ID), times=CALLS),
        "us",
    )
    _report(
        "a get_cache_usage_callback block",
        _median_microseconds(_enter_and_leave, times=CALLS),
        "us",
    )
    _report(
        f"summary() of {CALLS:,} records",
        _median_microseconds(lambda _: handler.summary(), times=5) / 1000,
        "ms",
    )

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = CacheUsageCallbackHandler()
    for result in results:
        _one_run(kept, result, tokens=0)
    at_limit = tracemalloc.get_traced_memory()[0]
    for result in results:
        _one_run(kept, result, tokens=0)
    beyond = tracemalloc.get_traced_memory()[0]
    _report(f"memory of {CALLS:,} records", (at_limit - before) / 2**20, "MiB")
    _report(f"more memory after {CALLS:,} more calls", (beyond - at_limit) / 2**20, "MiB")


if __name__ == "__main__":
    main()
