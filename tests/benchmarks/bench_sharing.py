"""What processes gain by sharing their memory, what it costs the store, and when it fails.

Every call goes to a worker drawn by a hash of its session and time, the worst case: no worker
sees a conversation twice in a row. `alone`: each worker has a memory of its own. `shared`: all
share an in-memory store, which is given time to write after each call. `late`: a store that
answers after the deadline; `down`: one that raises. Costs are over the bound of `simulate`
(lifetimes kept), cold start.

    BEDROCK_CACHE_WORKLOADS=... python tests/benchmarks/bench_sharing.py [FILE:SESSIONS ...]
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from langchain_core.stores import BaseStore, InMemoryByteStore

from langchain_bedrock_cache.emulator.prompt_cache import CacheOutcome
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.simulate.auto import AutoPlacer
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.reading import ReadOptions, read_sources
from langchain_bedrock_cache.simulate.replay import replay
from langchain_bedrock_cache.simulate.run import cost_tokens
from langchain_bedrock_cache.simulate.traffic import Call, Traffic

MODEL = "anthropic.claude-opus-4-8"
FILES = ("agents_tau2:60", "trace_claudecode:90", "trace_mooncake_conversation:12031")


class LateStore(InMemoryByteStore):
    """A store that answers a second too late."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Wait, then answer."""
        threading.Event().wait(1.0)
        return super().mget(keys)


class DownStore(InMemoryByteStore):
    """A store that cannot be reached."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Fail."""
        raise ConnectionError(keys)

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Fail."""
        raise ConnectionError(key_value_pairs)


class SharingPlacer(AutoPlacer):
    """An auto placer whose writes have reached the store before the next call."""

    def learn(self, call: Call, outcome: CacheOutcome) -> None:
        """Learn, then let the store catch up."""
        super().learn(call, outcome)
        for memory in self.memories:
            if memory.shared and memory.shared.counts.failures == 0:
                memory.shared.flush()


def sharing_memory(clock: Callable[[], float], *, store: BaseStore[str, bytes]) -> PrefixMemory:
    """Return a memory that shares what it knows through a store.

    A store that was late is left alone for 5 seconds of the recorded time, not of the benchmark's.
    """
    memory = PrefixMemory(clock=clock, store=store)
    if memory.shared:
        memory.shared._monotonic = clock
    return memory


def run(
    traffic: Traffic,
    workers: int,
    *,
    make_memory: Callable[[Callable[[], float]], PrefixMemory] | None = None,
    flush: bool = False,
) -> tuple[float, AutoPlacer, float]:
    """Return cost in tokens at the input price, the placer, and seconds per call."""
    multipliers = price_multipliers(MODEL)
    make = SharingPlacer if flush else AutoPlacer
    placer = make(
        profile=traffic.profile,
        multipliers=multipliers,
        workers=workers,
        make_memory=make_memory,
        spread="call",
    )
    start = time.perf_counter()
    usage = replay(traffic, placer).usage
    seconds = (time.perf_counter() - start) / len(traffic.calls)
    return cost_tokens(usage, multipliers), placer, seconds


def report(name: str, cost: float, bound: float, placer: AutoPlacer, seconds: float) -> None:
    """Print one row."""
    counts = [m.shared.counts for m in placer.memories if m.shared]
    calls = max(1, sum(c.reads + c.skipped_reads + c.late_reads for c in counts))
    store = (
        f"  per call: {sum(c.reads for c in counts) / calls:.2f} reads"
        f" of {sum(c.keys_read for c in counts) / calls:.1f} keys"
        f" and {sum(c.bytes_read for c in counts) / calls:.0f} bytes,"
        f" {sum(c.writes for c in counts) / calls:.2f} writes"
        f" of {sum(c.bytes_written for c in counts) / calls:.0f} bytes;"
        f" late {sum(c.late_reads for c in counts)}, left alone"
        f" {sum(c.skipped_reads for c in counts)}, failed {sum(c.failures for c in counts)}"
        if counts
        else ""
    )
    print(f"  {name:18s} {cost / bound:.3f}  {seconds * 1e3:.2f} ms a call{store}", flush=True)


def main(files: Sequence[str]) -> int:
    """Print a table for each file."""
    if "BEDROCK_CACHE_WORKLOADS" not in os.environ:
        sys.stderr.write("Set BEDROCK_CACHE_WORKLOADS to the folder of the recorded sessions.\n")
        return 2
    for spec in files:
        name, sessions = spec.split(":")
        path = Path(os.environ["BEDROCK_CACHE_WORKLOADS"]) / f"{name}.jsonl.gz"
        options = ReadOptions(model=MODEL, limit=int(sessions))
        traffic = read_sources([path], options=options)[0].traffics[0]
        bound = lower_bound(traffic, price_multipliers(MODEL), prolonging=False)
        print(f"{name}: {len(traffic.calls)} calls")
        for workers in (1, 8, 64):
            report(f"{workers} alone", *_row(traffic, workers, bound))
            row = _row(
                traffic,
                workers,
                bound,
                partial(sharing_memory, store=InMemoryByteStore()),
                flush=workers > 1,
            )
            report(f"{workers} shared", *row)
        for label, store in (("late", LateStore()), ("down", DownStore())):
            row = _row(
                traffic,
                8,
                bound,
                partial(sharing_memory, store=store),
            )
            report(f"8, store {label}", *row)
    return 0


def _row(
    traffic: Traffic,
    workers: int,
    bound: float,
    make_memory: Callable[[Callable[[], float]], PrefixMemory] | None = None,
    *,
    flush: bool = False,
) -> tuple[float, float, AutoPlacer, float]:
    cost, placer, seconds = run(traffic, workers, make_memory=make_memory, flush=flush)
    return cost, bound, placer, seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or FILES))
