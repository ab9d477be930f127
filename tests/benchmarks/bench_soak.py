"""Soak: many calls through our chat models, one in twenty with a fault, all answers checked.

Run: `python tests/benchmarks/bench_soak.py [--calls 100000] [--processes 2]`. Half of the calls are
made by threads, half by asyncio; half are streamed; one in four goes through InvokeModel. Faults
are of every kind the emulator has and some that it has not: refused points, throttling, service
errors, streams that break off, first bytes that are late, odd usage (as odd as langchain-aws
takes), clocks that jump, a store that fails or answers nonsense. Every token that answers and the
callback handler tell of is compared with the emulator's ledger. Exits with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import random
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.stores import BaseStore

from langchain_bedrock_cache import (
    CachePolicy,
    CacheUsage,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    ChatBedrockInvokeCached,
    PrefixMemory,
)
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
# A refusal closes a model for an hour, so these are refused and MODEL goes on caching.
REFUSING_MODELS = (
    "us.anthropic.claude-opus-4-8",
    "us.anthropic.claude-sonnet-4-6",
    "us.amazon.nova-pro-v1:0",
    "us.amazon.nova-lite-v1:0",
)
INVOKE_SHARE = 0.25
INVOKE_REFUSING = REFUSING_MODELS[0]
SLOW_SECONDS = 0.2
CONCURRENCY = 16
FAULT_SHARE = 0.05
FAULTS = (
    "throttled",
    "unavailable",
    "timed out",
    "broken stream",
    "late",
    "refused",
    "bare usage",
    "odd usage",
)
ORDERED = {
    "throttled": "ThrottlingException",
    "unavailable": "ServiceUnavailableException",
    "timed out": "ModelTimeoutException",
}
HARD = (*ORDERED.values(), "ModelStreamErrorException")
ROUND = 1_000


class JumpyClock:
    """Real time, but now and then hours before or after."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._offset = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return seconds, most of the time later than before."""
        with self._lock:
            if self._random.random() < 0.001:
                self._offset = self._random.uniform(-7200, 7200)
            return time.time() + self._offset


class BrokenStore(BaseStore[str, bytes]):
    """A store that forgets everything, and fails every third time."""

    def __init__(self) -> None:
        self._calls = 0

    def _work(self) -> None:
        self._calls += 1
        if self._calls % 3 == 0:
            raise ConnectionError

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what makes no sense, or fail."""
        self._work()
        return [b"\x01nonsense"] * len(keys)

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Do nothing, or fail."""
        self._work()

    def mdelete(self, keys: Sequence[str]) -> None:
        """Do nothing, or fail."""
        self._work()

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Have no keys."""
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    tag: str
    model: Any
    prompt: list[Any]
    settings: dict[str, Any]
    streamed: bool


class Soak:
    """One process: an emulator, a model, and the books that must agree."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.ledger: dict[str, LedgerRecord] = {}
        self.expected = CacheUsage()
        self.books = threading.Lock()
        self.emulator = BedrockEmulator(
            responder=_echo, first_byte_latency_seconds=0.002, on_record=self._enter
        )
        self.emulator.refuse_cache_points(when=lambda request: request["modelId"] != MODEL)
        client = self.emulator.client()
        client.meta.events.register("after-call.bedrock-runtime.Converse", self._spoil)
        self.usage = CacheUsageCallbackHandler(max_records=1_000)
        memory = PrefixMemory(clock=JumpyClock(seed), max_entries=5_000, store=BrokenStore())
        common: dict[str, Any] = {
            "client": client,
            "prefix_memory": memory,
            "cache_policy": CachePolicy(single_flight_seconds=0.05),
            "callbacks": [self.usage],
        }
        self.model = ChatBedrockCached(model_id=MODEL, **common)
        self.invoking = {
            name: ChatBedrockInvokeCached(model=name, **common) for name in (MODEL, INVOKE_REFUSING)
        }

    def _enter(self, record: LedgerRecord) -> None:
        self.ledger[record.request_id] = record

    def _spoil(self, parsed: dict[str, Any], **_: Any) -> None:
        text = str(parsed.get("output"))
        if "bare usage" in text:
            parsed["usage"] = {k: n for k, n in parsed["usage"].items() if "ache" not in k}
        elif "odd usage" in text:
            parsed["usage"] |= {
                "cacheDetails": [{"ttl": "2h", "inputTokens": 5}],
                "cacheReadInputTokens": -3,
            }

    def plan(self, number: int) -> _Call:
        """Return what to call, and order its fault."""
        kind = self.random.choice(FAULTS) if self.random.random() < FAULT_SHARE else "fine"
        streamed = self.random.random() < 0.5 or kind == "broken stream"
        invoked = self.random.random() < INVOKE_SHARE and "usage" not in kind
        if kind in ORDERED:
            self.emulator.fail_next(ORDERED[kind])
        elif kind == "broken stream":
            self.emulator.fail_next("ModelStreamErrorException", after_events=2)
        name = MODEL
        if kind == "refused":
            name = INVOKE_REFUSING if invoked else self.random.choice(REFUSING_MODELS)
        self.found[kind] += 1
        self.found["by InvokeModel"] += invoked
        rules = f"Rules of the house, number {self.random.randrange(40)}. " * 160
        tag = f"{kind} call {number}"
        return _Call(
            tag=tag,
            model=self.invoking[name] if invoked else self.model,
            prompt=[SystemMessage(rules), HumanMessage(tag)],
            settings={} if invoked or name == MODEL else {"model_id": name},
            streamed=streamed,
        )

    def check(self, call: _Call, answer: Any) -> None:
        """Compare an answer with its question, and its usage with the ledger."""
        if answer.text != f"answer to {call.tag}":
            self.wrong["answer of somebody else"] += 1
        metadata = answer.response_metadata["ResponseMetadata"]
        record = self.ledger.pop(metadata["RequestId"])
        usage = CacheUsage.from_converse(metadata["ConverseUsage"])
        is_spoiled = "usage" in call.tag and not call.streamed
        if not is_spoiled and _tokens_of(record) != usage:
            self.wrong["tokens"] += 1
        with self.books:
            self.expected += usage if is_spoiled else _tokens_of(record)

    def failed(self, call: _Call, error: BaseException) -> None:
        """Take in an error: only faults of the service may be one."""
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if not isinstance(error, ClientError | BotoCoreError) or not (
            code in HARD or "modelStreamError" in str(error)
        ):
            kind = call.tag.partition(" call")[0]
            self.wrong[f"{type(error).__name__} in a {kind} call"] += 1
            print(repr(error)[:300], file=sys.stderr)
        self.found["errors seen"] += 1

    def call(self, number: int) -> None:
        """Make one call."""
        call = self.plan(number)
        try:
            if call.streamed:
                chunks = list(call.model.stream(call.prompt, **call.settings))
                answer = sum(chunks[1:], start=chunks[0])
            else:
                answer = call.model.invoke(call.prompt, **call.settings)
        except Exception as error:  # noqa: BLE001 # every error is judged
            self.failed(call, error)
        else:
            self.check(call, answer)

    async def acall(self, number: int, limit: asyncio.Semaphore) -> None:
        """Make one call in a task."""
        async with limit:
            call = self.plan(number)
            try:
                if call.streamed:
                    stream = call.model.astream(call.prompt, **call.settings)
                    chunks = [chunk async for chunk in stream]
                    answer = sum(chunks[1:], start=chunks[0])
                else:
                    answer = await call.model.ainvoke(call.prompt, **call.settings)
            except Exception as error:  # noqa: BLE001 # as above
                self.failed(call, error)
            else:
                self.check(call, answer)

    async def _tasks(self, numbers: range) -> None:
        limit = asyncio.Semaphore(CONCURRENCY)
        await asyncio.gather(*(self.acall(number, limit) for number in numbers))

    def run(self, calls: int) -> dict[str, Any]:
        """Make all calls, in rounds of threads and of tasks; return what was found."""
        memory: list[int] = []
        for start in range(0, calls, ROUND):
            numbers = range(start, min(start + ROUND, calls))
            if start // ROUND % 2:
                asyncio.run(self._tasks(numbers))
            else:
                with ThreadPoolExecutor(CONCURRENCY) as threads:
                    list(threads.map(self.call, numbers))
            codes = Counter(record.error_code for record in self.ledger.values())
            self.found["errors sent"] += sum(codes[code] for code in HARD)
            self.found["calls with points refused"] += codes["AccessDeniedException"]
            self.ledger.clear()
            memory.append(_resident_mb())
        if self.found["errors sent"] != self.found["errors seen"]:
            self.wrong["calls that failed, or did not, because of us"] += 1
        if self.usage.total != self.expected:
            self.wrong["tokens that the handler tells of"] += 1
        if self.usage.totals.calls != calls:
            self.wrong["calls that the handler counts"] += 1
        return {
            "found": self.found,
            "wrong": self.wrong,
            "memory": memory,
            "calls": self.usage.totals.calls,
            "usage": self.usage.total,
            "expected": self.expected,
        }


def _echo(request: dict[str, Any]) -> str:
    tag = _tag(request)
    if tag.startswith("late"):
        time.sleep(SLOW_SECONDS)
    return f"answer to {tag}"


def _tag(request: Any) -> str:
    return next(str(b["text"]) for b in request["messages"][-1]["content"] if "text" in b)


def _tokens_of(record: LedgerRecord) -> CacheUsage:
    return CacheUsage(
        uncached_input_tokens=record.uncached_input_tokens,
        cache_read_tokens=record.cache_read_tokens,
        cache_write_5m_tokens=record.cache_write_5m_tokens,
        cache_write_1h_tokens=record.cache_write_1h_tokens,
        output_tokens=record.output_tokens,
    )


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20


def _work(arguments: tuple[int, int]) -> dict[str, Any]:
    seed, calls = arguments
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    return Soak(seed).run(calls)


def main() -> int:
    """Run the soak and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    started = time.monotonic()
    share = options.calls // options.processes
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        results = pool.map(_work, [(seed, share) for seed in range(options.processes)])
    seconds = time.monotonic() - started
    found: Counter[str] = sum((result["found"] for result in results), Counter())
    wrong: Counter[str] = sum((result["wrong"] for result in results), Counter())
    calls = sum(result["calls"] for result in results)
    print(f"{calls:,} calls in {seconds:.0f} s, {options.processes} processes")
    for kind, count in sorted(found.items()):
        print(f"  {kind:32} {count:>8,}")
    for number, result in enumerate(results):
        memory = result["memory"]
        print(
            f"process {number}: memory after each tenth {memory[:: max(1, len(memory) // 10)]} MB"
        )
        print(
            f"  read {result['usage'].cache_read_tokens:,} of {result['usage'].input_tokens:,}",
            end=" ",
        )
        print(f"by the handler, {result['expected'].input_tokens:,} by the ledger")
    print("wrong:", dict(wrong) or "nothing")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
