"""Recorded sessions replayed through real agents: what each way of caching costs on the emulator.

Run with `PYTHONPATH=tests/unit_tests BEDROCK_CACHE_WORKLOADS=... python
tests/benchmarks/bench_agents.py [SESSIONS]`. How sessions are replayed is told in `agent_replay`.

The first table is customer service (tau2, 40 sessions unless said otherwise): input cost as a
share of no caching, and of the bound that no policy can beat if Bedrock keeps the two lifetimes
apart; in brackets the same for the emulated cache, where a later write for an hour prolongs what
was read before it (see `simulate.bound`). The script fails if one of our ways costs more than 1.03
times the bound, or if a cache point is found in what a checkpointer saved.

The second table is coding agents (OpenHands) whose conversations are compacted when they get long.
"Without" counts the compactions for which nothing was read at all: what LangChain's middleware cuts
to 4,000 tokens has to begin with a message of the user, and may not have one.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from agent_costs import bounds, saved_points
from agent_replay import (
    ASKS_FOR_A_SUMMARY,
    NO_CACHING,
    OUR_MIDDLEWARE,
    OUR_MODEL,
    THEIRS,
    Stage,
    replay,
)
from agents_on_emulator import input_cost
from langchain.agents.middleware import AgentMiddleware, SummarizationMiddleware
from recorded_sessions import read_sessions

from langchain_bedrock_cache import CacheSkippedWarning
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.middleware import CachedSummarizationMiddleware

MOST_OVER_BOUND = 1.03
SESSIONS = 40
CODING_SESSIONS = 5
COMPACTION: dict[str, Any] = {"trigger": ("tokens", 12_000), "keep": ("tokens", 4_000)}
_NOT_SUMMARIZED = "Previous conversation was too long to summarize."  # LangChain's words


def service_table(folder: str, *, sessions: int) -> Iterator[str]:
    """Print the first table; yield what is wrong."""
    recorded = read_sessions(folder, "agents_tau2", limit=sessions)
    without = 0.0
    for title, way in (
        ("no caching", NO_CACHING),
        ("langchain-aws's middleware", THEIRS),
        ("ChatBedrockCached", OUR_MODEL),
        ("plain + BedrockCacheMiddleware", OUR_MIDDLEWARE),
    ):
        stage = Stage()
        calls = replay(recorded, way, stage)
        paid = input_cost(stage.emulator.ledger)
        if way is NO_CACHING:
            without = paid
            print(f"{len(recorded)} customer service sessions, {calls} calls; no caching = 1")
        over, over_emulated = (paid / bound for bound in bounds(stage.emulator))
        points = saved_points(stage.saver)
        print(
            f"  {title:<32}{paid / without:>7.4f}   over bound {over:.4f} ({over_emulated:.4f})   "
            f"cache points saved {points}",
            flush=True,
        )
        if way in (OUR_MODEL, OUR_MIDDLEWARE) and (points or over > MOST_OVER_BOUND):
            yield f"{title}: {over:.4f} over the bound, {points} cache points in saved state."


def compaction_table(folder: str) -> None:
    """Print the second table."""
    recorded = read_sessions(folder, "agents_openhands", limit=CODING_SESSIONS)
    print(f"{len(recorded)} coding sessions, thousands of tokens at the input price")
    head = f"{'calls':>6}{'input':>8}{'cost':>8}{'summaries':>11}{'cost each':>11}{'without':>9}"
    print(f"  {'compacted by':<36}{head}")
    compactions: dict[str, Callable[[Any], list[AgentMiddleware[Any, Any, Any]]]] = {
        "nothing": lambda _: [],
        "LangChain's, as it comes": lambda m: [SummarizationMiddleware(m, **COMPACTION)],
        "LangChain's, reading everything": lambda m: [
            SummarizationMiddleware(m, trim_tokens_to_summarize=None, **COMPACTION)
        ],
        "ours, first message not kept": lambda m: [
            CachedSummarizationMiddleware(m, keep_head=False, **COMPACTION)
        ],
        "ours": lambda m: [CachedSummarizationMiddleware(m, **COMPACTION)],
    }
    for title, compaction in compactions.items():
        stage = Stage()

        def way(stage: Stage, compaction: Any = compaction) -> Any:
            model = stage.cached()
            return model, compaction(model)

        replay(recorded, way, stage)
        summaries = _summary_costs(stage.emulator)
        tokens = sum(r.input_tokens for r in stage.emulator.ledger)
        each = f"{sum(summaries) / len(summaries) / 1000:.1f}" if summaries else ""
        print(
            f"  {title:<36}{len(stage.emulator.ledger):>6}{tokens / 1000:>8.0f}"
            f"{input_cost(stage.emulator.ledger) / 1000:>8.1f}{len(summaries):>11}{each:>11}"
            f"{_without_summary(stage.emulator):>9}",
            flush=True,
        )


def _without_summary(emulator: BedrockEmulator) -> int:
    """Return how many compactions put an excuse in place of a summary."""
    openings = (json.dumps(request["messages"][:2]) for request in emulator.requests)
    return len({opening for opening in openings if _NOT_SUMMARIZED in opening})


def _summary_costs(emulator: BedrockEmulator) -> list[float]:
    costs = []
    for record, request in zip(emulator.ledger, emulator.requests, strict=True):
        last = request["messages"][-1]["content"]
        asked = any(ASKS_FOR_A_SUMMARY in block.get("text", "") for block in last)
        if asked or "toolConfig" not in request:
            costs.append(input_cost([record]))
    return costs


def main() -> int:
    """Print both tables; return 1 if one of our ways does not keep what it promises."""
    folder = os.environ.get("BEDROCK_CACHE_WORKLOADS")
    if not folder:
        sys.stderr.write("Set BEDROCK_CACHE_WORKLOADS to the folder of the recorded sessions.\n")
        return 2
    warnings.simplefilter("ignore", CacheSkippedWarning)  # six kinds of agents on one model
    wrong = [*service_table(folder, sessions=int(sys.argv[1]) if sys.argv[1:] else SESSIONS)]
    compaction_table(folder)
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
