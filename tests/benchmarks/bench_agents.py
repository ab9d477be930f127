"""Recorded sessions replayed through real agents: what each way of caching costs on the emulator.

    BEDROCK_CACHE_WORKLOADS=... python tests/benchmarks/bench_agents.py [SESSIONS]

The agents are LangChain's (`create_agent`), with a checkpointer, real chat models and real boto3
clients. The emulated model answers what was recorded, tool calls included, and the tools return
what was recorded. Agents stop before each model call, so that sessions that overlapped overlap
here as well, on a simulated clock.

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

import gzip
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, SummarizationMiddleware
from langchain_aws import ChatBedrockConverse
from langchain_aws.middleware import BedrockPromptCachingMiddleware
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_bedrock_cache import CacheSkippedWarning, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse
from langchain_bedrock_cache.emulator.accounting import measure
from langchain_bedrock_cache.middleware import (
    SUMMARY_INSTRUCTION,
    BedrockCacheMiddleware,
    CachedSummarizationMiddleware,
)
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.traffic import Call, Traffic

MODEL = "us.anthropic.claude-opus-4-8"
CHARS_PER_TOKEN = 3.0
MOST_OVER_BOUND = 1.03
SESSIONS = 40
CODING_SESSIONS = 5
SECONDS_BETWEEN_SESSIONS = 120.0
SECONDS_PER_CALL = 15.0  # where no times were recorded
COMPACTION: dict[str, Any] = {"trigger": ("tokens", 12_000), "keep": ("tokens", 4_000)}
SUMMARY = "The task, what was tried, and what is left. " * 40
_ASKS_FOR_A_SUMMARY = SUMMARY_INSTRUCTION.partition("{kept}")[0]
_NOT_SUMMARIZED = "Previous conversation was too long to summarize."  # LangChain's words
_NO_INPUT = {"parameters": {"type": "object", "properties": {}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One recorded conversation.

    Attributes:
        name: Of its thread.
        system: System prompt.
        tools: In OpenAI's form.
        messages: The same, from the first of the user on.
        calls: When the model was called, and with how many of the messages.
    """

    name: str
    system: str
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    calls: list[tuple[float, int]]


@dataclass(slots=True)
class Stage:
    """What the sessions of one run share.

    Attributes:
        clock: Moved by the replay.
        next_reply: What the model says next.
        results: Recorded tool results by the ID of their call.
        saver: Where the agents save their states.
    """

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    next_reply: Reply = field(default_factory=Reply)
    results: dict[str, str] = field(default_factory=dict)
    saver: Any = field(default_factory=InMemorySaver)
    emulator: BedrockEmulator = field(init=False)
    memory: PrefixMemory = field(init=False)
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        """Set up the emulator, on the clock of the stage."""
        self.emulator = BedrockEmulator(
            clock=self.clock,
            responder=self._answer,
            chars_per_token=CHARS_PER_TOKEN,
            capture_requests=True,
        )
        self.memory = PrefixMemory(clock=self.clock)
        self.client = self.emulator.client()

    def _answer(self, request: dict[str, Any]) -> Reply:
        last = request["messages"][-1]["content"]
        texts = [block["text"] for block in last if "text" in block]
        if "toolConfig" not in request or any(_ASKS_FOR_A_SUMMARY in text for text in texts):
            return Reply(text=SUMMARY)
        return self.next_reply

    def plain(self) -> ChatBedrockConverse:
        """Return the chat model of langchain-aws."""
        return ChatBedrockConverse(model_id=MODEL, client=self.client, bedrock_client=self.client)

    def cached(self) -> ChatBedrockCached:
        """Return our chat model."""
        return ChatBedrockCached.from_model(self.plain(), prefix_memory=self.memory)


class RecordedTools(AgentMiddleware[Any, Any, Any]):
    """Returns recorded results in place of the tools'."""

    def __init__(self, results: dict[str, str]) -> None:
        super().__init__()
        self._results = results

    def wrap_tool_call(self, request: Any, handler: Any) -> ToolMessage:
        """Return the result of a tool call, without calling the tool."""
        call = request.tool_call
        return ToolMessage(
            self._results.get(call["id"], "Done."), tool_call_id=call["id"], name=call["name"]
        )


Way = Callable[[Stage], tuple[ChatBedrockConverse, list[AgentMiddleware[Any, Any, Any]]]]

NO_CACHING: Way = lambda stage: (stage.plain(), [])  # noqa: E731 - a table of ways
THEIRS: Way = lambda stage: (stage.plain(), [BedrockPromptCachingMiddleware()])  # noqa: E731
OUR_MODEL: Way = lambda stage: (stage.cached(), [])  # noqa: E731
OUR_MIDDLEWARE: Way = lambda stage: (  # noqa: E731
    stage.plain(),
    [BedrockCacheMiddleware(memory=stage.memory)],
)


def read_sessions(folder: str | Path, name: str, *, limit: int) -> list[Session]:
    """Return the first sessions of a file, the first at second 0."""
    with gzip.open(Path(folder) / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(limit), strict=False)]
    return [_session(row, k * SECONDS_BETWEEN_SESSIONS) for k, row in enumerate(rows)]


def _session(row: dict[str, Any], start: float) -> Session:
    messages = row["messages"]
    # An agent's greeting before the first user turn was not sent to the model.
    lead = next(i for i, message in enumerate(messages) if message["role"] == "user")
    calls, elapsed = [], 0.0
    first = row["calls"][0].get("t")
    for call in row["calls"]:
        if messages[call["n"] - 1]["role"] == "assistant" or call["n"] >= len(messages):
            continue
        recorded = call.get("t")
        elapsed = elapsed + SECONDS_PER_CALL if recorded is None else max(elapsed, recorded - first)
        calls.append((start + elapsed, call["n"] - lead))
    return Session(
        name=row["id"],
        system=row["system"],
        tools=[_NO_INPUT | tool["function"] for tool in row["tools"]],
        messages=messages[lead:],
        calls=calls,
    )


def replay(sessions: Sequence[Session], way: Way, stage: Stage) -> int:
    """Have all conversations again, each call at its time; return the number of calls."""
    agents: dict[str, Any] = {}
    model, middleware = way(stage)
    for session in sessions:
        stage.results.update(
            (m["tool_call_id"], _text(m)) for m in session.messages if m["role"] == "tool"
        )
    calls = sorted((at, k, n) for k, s in enumerate(sessions) for at, n in s.calls)
    for at, k, n in calls:
        session = sessions[k]
        kind = json.dumps([session.system, session.tools])
        if kind not in agents:
            agents[kind] = create_agent(
                model,
                [*map(_tool, session.tools)],
                system_prompt=session.system,
                middleware=[*middleware, RecordedTools(stage.results)],
                checkpointer=stage.saver,
                interrupt_before=["model"],
            )
        stage.clock.advance(at - stage.clock())
        stage.next_reply = _reply(session.messages[n])
        _step(agents[kind], session, n)
    return len(calls)


def _step(agent: Any, session: Session, n: int) -> None:
    """Let the agent go on to its next model call and through it, after what the user said."""
    config = {"configurable": {"thread_id": session.name}, "recursion_limit": 1000}
    said: list[Any] = []
    for message in reversed(session.messages[:n]):
        if message["role"] != "user":
            break
        said.insert(0, HumanMessage(message["content"]))
    if said:
        agent.invoke({"messages": said}, config)
    agent.invoke(None, config)


def _tool(function: dict[str, Any]) -> StructuredTool:
    return StructuredTool(
        name=function["name"],
        description=function.get("description") or function["name"],
        args_schema=function["parameters"],
        func=print,  # never called
    )


def _reply(message: dict[str, Any]) -> Reply:
    """Return a recorded answer."""
    uses = [
        ToolUse(
            id=call["id"],
            name=call["function"]["name"],
            input=_arguments(call["function"]["arguments"]),
        )
        for call in message.get("tool_calls") or ()
    ]
    return Reply(text=_text(message), tool_uses=uses)


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError:
        arguments = None
    return arguments if isinstance(arguments, dict) else {"raw": text}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def cost(emulator: BedrockEmulator) -> float:
    """Return the price of all input, in tokens at the plain input price."""
    prices = price_multipliers(MODEL)
    return sum(
        r.uncached_input_tokens
        + r.cache_read_tokens * prices.read
        + r.cache_write_5m_tokens * prices.write_5m
        + r.cache_write_1h_tokens * prices.write_1h
        for r in emulator.ledger
    )


def bounds(emulator: BedrockEmulator) -> tuple[float, float]:
    """Return the least that the same requests could cost, in the same unit.

    Returns:
        With lifetimes kept apart, and as in the emulated cache.
    """
    profile = find_profile(MODEL)
    if profile is None:
        raise LookupError(MODEL)
    calls, turns = [], 0
    for record, request in zip(emulator.ledger, emulator.requests, strict=True):
        bare = {"modelId": MODEL, **strip_points(request)}
        size = measure(bare, profile=profile, chars_per_token=CHARS_PER_TOKEN)
        turns += size.turn_tokens  # behind the last block, never cached
        calls.append(
            Call(
                at_seconds=record.at,
                session="",
                prefix=read_converse(bare, profile),
                tokens=size.cumulative_tokens,
            )
        )
    traffic = Traffic(source="agents", model_id=MODEL, profile=profile, calls=tuple(calls))
    prices = price_multipliers(MODEL)
    kept = lower_bound(traffic, prices, prolonging=False)
    return turns + kept, turns + lower_bound(traffic, prices)


def saved_points(saver: InMemorySaver) -> int:
    """Return how many cache points are in what a checkpointer saved, in either spelling."""
    saved = [kept for _, kept in saver.blobs.values()]
    for checkpoints in saver.storage.values():
        for kept in checkpoints.values():
            saved += [blob for entry in kept.values() for _, blob in entry[:2]]
    saved += [entry[2][1] for written in saver.writes.values() for entry in written.values()]
    if not saved:
        msg = "The checkpointer saved nothing."
        raise LookupError(msg)
    return sum(blob.count(word) for blob in saved for word in (b"cachePoint", b"cache_control"))


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
        paid = cost(stage.emulator)
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
            f"{cost(stage.emulator) / 1000:>8.1f}{len(summaries):>11}{each:>11}"
            f"{_without_summary(stage.emulator):>9}",
            flush=True,
        )


def _without_summary(emulator: BedrockEmulator) -> int:
    """Return how many compactions put an excuse in place of a summary."""
    openings = (json.dumps(request["messages"][:2]) for request in emulator.requests)
    return len({opening for opening in openings if _NOT_SUMMARIZED in opening})


def _summary_costs(emulator: BedrockEmulator) -> list[float]:
    prices = price_multipliers(MODEL)
    costs = []
    for record, request in zip(emulator.ledger, emulator.requests, strict=True):
        last = request["messages"][-1]["content"]
        asked = any(_ASKS_FOR_A_SUMMARY in block.get("text", "") for block in last)
        if asked or "toolConfig" not in request:
            costs.append(
                record.uncached_input_tokens
                + record.cache_read_tokens * prices.read
                + record.cache_write_5m_tokens * prices.write_5m
                + record.cache_write_1h_tokens * prices.write_1h
            )
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
