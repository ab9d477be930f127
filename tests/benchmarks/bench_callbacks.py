"""What the usage callback costs: time and memory per model call, without any model.

Run with `PYTHONPATH=tests/unit_tests python tests/benchmarks/bench_callbacks.py`. Events are made
as LangChain makes them for a chain with one call: start of the chain, start of the call, tokens if
it is streamed, end of both. The first rows are of conversations of 20 turns through our client: the
handler's events, and what the client does because somebody listens (it takes the hashes of the
request, and judges the call when it ends).
What LangChain's own chain takes longer is measured with a chat model that answers at once, against
a handler that does nothing. Times are medians of the time of this thread, which other processes do
not stretch.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from wire import ask, assistant, user, words

from langchain_bedrock_cache.callbacks import (
    CacheUsageCallbackHandler,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.calls import PreparedCall
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.plan import CachePlan
from langchain_bedrock_cache.pricing import estimate_cost, price_multipliers
from langchain_bedrock_cache.profiles import CacheTTL, find_profile
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.settling import Settlement
from langchain_bedrock_cache.usage import CacheUsage

CALLS = 10_000
TOKENS_PER_CALL = 100
TURNS = 20
CONVERSATIONS = 150  # more requests than are remembered, so that forgetting is in it
TARGET_MILLISECONDS = 0.1
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


def _one_run(
    handler: CacheUsageCallbackHandler, result: LLMResult, ids: tuple[UUID, UUID], *, tokens: int
) -> None:
    chain, call = ids
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


def _ids(number: int) -> tuple[UUID, UUID]:
    """Return IDs of a chain and its call; LangChain makes them whether anybody listens or not."""
    return UUID(int=2 * number), UUID(int=2 * number + 1)


def _median_microseconds(action: Callable[[int], object], *, times: int) -> float:
    durations = []
    for number in range(times):
        start = time.thread_time_ns()
        action(number)
        durations.append(time.thread_time_ns() - start)
    return statistics.median(durations) / 1000


def _conversation(number: int) -> Iterator[dict[str, Any]]:
    """Yield the requests of a conversation, turn by turn."""
    messages: list[dict[str, Any]] = []
    for turn in range(TURNS):
        messages.append(user(f"Question {turn} of conversation {number}: {words(100)}"))
        yield ask(*messages, system=[{"text": words(2_000, "rules")}], model=MODEL_ID)
        messages.append(assistant(f"Answer {turn} in conversation {number}: {words(60)}"))


def _sum_of_a_call() -> None:
    """Print what a call of our client costs more because a handler listens."""
    handler, requests, profile = (
        CacheUsageCallbackHandler(),
        sent_requests(),
        find_profile(MODEL_ID),
    )
    hashes: list[int] = []
    verdicts: list[int] = []
    events: list[int] = []
    for number in range(CONVERSATIONS):
        cached = 0
        for turn, request in enumerate(_conversation(number)):
            prefix = read_converse(request, profile)
            points: list[tuple[int, CacheTTL]] = [(len(prefix), "5m")]
            start = time.thread_time_ns()
            noted = requests.note(
                request, prefix=prefix, profile=profile, points=points, token=object()
            )
            hashes.append(time.thread_time_ns() - start)
            size = prefix.chars[-1] // 3
            usage = {"inputTokens": 5, "outputTokens": 60, "cacheReadInputTokens": cached}
            usage["cacheWriteInputTokens"] = size - cached
            call = PreparedCall(request=request, original=request, plan=CachePlan())
            plan: dict[str, Any] = {"points": [], "skipped": [], "refused": None, "request": noted}
            counts = CacheUsage.from_converse(usage)  # the planner's, which learns from them
            start = time.thread_time_ns()
            settlement = Settlement("converse", time.time, ())
            settlement.sent(MODEL_ID, "us-east-1", "Converse")
            settlement.ended(call, plan, usage=usage, counts=counts)
            verdicts.append(time.thread_time_ns() - start)
            result, ids, cached = _planned(plan, usage), _ids(number * TURNS + turn), size
            start = time.thread_time_ns()
            _one_run(handler, result, ids, tokens=0)
            events.append(time.thread_time_ns() - start)
    _report("for scale: summing 1,000 numbers", _median_microseconds(_loop, times=1_000), "us")
    parts = [statistics.median(times) / 1000 for times in (hashes, verdicts, events)]
    said = "within" if parts[2] <= TARGET_MILLISECONDS * 1000 else "beyond"
    _report(
        f"the handler's events, {said} the {TARGET_MILLISECONDS} ms they may take", parts[2], "us"
    )
    _report("  our client, if a handler listens: the request as hashes", parts[0], "us")
    _report("  our client, if a handler listens: the verdict", parts[1], "us")
    _report("  all three", sum(parts), "us")


def _loop(_number: int) -> int:
    """Add numbers: if this takes longer than usual, so does everything else."""
    total = 0
    for n in range(1_000):
        total += n
    return total


def _planned(plan: dict[str, Any], usage: dict[str, int]) -> LLMResult:
    """Return the answer to a request that our client planned."""
    from_aws = {"RequestId": str(plan["request"]), "CachePlan": plan, "ConverseUsage": usage}
    message = AIMessage(
        content="answer",
        response_metadata={"model_name": MODEL_ID, "ResponseMetadata": from_aws},
    )
    return LLMResult(generations=[[ChatGeneration(message=message)]])


def _chain_microseconds(handler: BaseCallbackHandler) -> float:
    """Return how long a chain with one call takes in LangChain, when a handler listens."""
    answer = AIMessage(
        content="answer",
        usage_metadata={"input_tokens": 5000, "output_tokens": 100, "total_tokens": 5100},
    )
    chain = ChatPromptTemplate([("human", "{question}")]) | _AtOnce(answer=answer)
    config: RunnableConfig = {"callbacks": [handler]}
    return _median_microseconds(lambda _: chain.invoke({"question": "?"}, config), times=3_000)


class _AtOnce(BaseChatModel):
    """A chat model that has its answer ready."""

    answer: AIMessage

    @property
    def _llm_type(self) -> str:
        return "at once"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.answer)])


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

    _sum_of_a_call()
    results = [_result(number) for number in range(CALLS)]
    handler = CacheUsageCallbackHandler()
    _report(
        "a chain with one call, all events",
        _median_microseconds(
            lambda n: _one_run(handler, results[n], _ids(n), tokens=0), times=CALLS
        ),
        "us",
    )
    streaming = CacheUsageCallbackHandler()
    streamed = _median_microseconds(
        lambda n: _one_run(streaming, results[n], _ids(n), tokens=TOKENS_PER_CALL),
        times=CALLS // 10,
    )
    _report(f"the same, streamed in {TOKENS_PER_CALL} tokens", streamed, "us")

    nothing = _chain_microseconds(BaseCallbackHandler())
    more = _chain_microseconds(CacheUsageCallbackHandler()) - nothing
    _report("a chain of LangChain with one call, longer by", more, "us")

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
    for number, result in enumerate(results):
        _one_run(kept, result, _ids(number), tokens=0)
    at_limit = tracemalloc.get_traced_memory()[0]
    for number, result in enumerate(results):
        _one_run(kept, result, _ids(number), tokens=0)
    beyond = tracemalloc.get_traced_memory()[0]
    _report(f"memory of {CALLS:,} records", (at_limit - before) / 2**20, "MiB")
    _report(f"more memory after {CALLS:,} more calls", (beyond - at_limit) / 2**20, "MiB")


if __name__ == "__main__":
    main()
