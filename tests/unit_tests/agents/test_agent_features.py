"""What agents do with a prompt: change it, change tools, call many at once."""

from __future__ import annotations

from typing import Any

import pytest
from agents_on_emulator import (
    EVERY_WAY,
    SYSTEM,
    Bedrock,
    agent_of,
    human,
    input_cost,
    look_up,
    loop,
)
from langchain.agents.middleware import AgentMiddleware, dynamic_prompt
from langchain_core.messages import SystemMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from wire import words

from langchain_bedrock_cache import CacheSkippedWarning
from langchain_bedrock_cache.emulator import Reply, ToolUse


def large_tool(name: str) -> StructuredTool:
    """Return a tool of 2,000 tokens."""
    return StructuredTool.from_function(
        func=lambda n: n, name=name, description=words(2000, name).strip()
    )


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
@EVERY_WAY
def test_a_prompt_that_changes_at_its_end(way: Any) -> None:
    """A system prompt with the time in its last block: what stands before it is read."""
    bedrock = Bedrock()

    @dynamic_prompt
    def prompt(_request: Any) -> SystemMessage:
        now = {"type": "text", "text": f"It is second {bedrock.clock():.0f}."}
        return SystemMessage([{"type": "text", "text": SYSTEM}, now])

    agent = agent_of(way(bedrock), more=[prompt])
    for _ in range(12):
        agent.invoke(human("What time is it?"))
        bedrock.clock.advance(7)
    assert all(record.cache_read_tokens > 1900 for record in bedrock.ledger[-5:])
    assert input_cost(bedrock.ledger) < 0.8 * sum(r.input_tokens for r in bedrock.ledger)


@EVERY_WAY
def test_a_prompt_that_changes_inside(way: Any) -> None:
    """A new system prompt in every call: the tools are read, and the user is told once."""
    bedrock = Bedrock()

    @dynamic_prompt
    def prompt(_request: Any) -> str:
        return f"It is second {bedrock.clock():.0f}. {SYSTEM}"

    agent = agent_of(way(bedrock), tools=[large_tool("archive")], more=[prompt])

    def ask(times: int) -> None:
        for _ in range(times):
            agent.invoke(human("What time is it?"))
            bedrock.clock.advance(7)

    with pytest.warns(CacheSkippedWarning, match="changes from call to call") as warned:
        ask(12)
    assert len(warned) == 1
    later = bedrock.ledger[4:]
    assert all(record.cache_read_tokens > 1900 for record in later)
    assert input_cost(later) < 0.85 * sum(record.input_tokens for record in later)


class Toolbox(AgentMiddleware[Any, Any, Any]):
    """Gives the model some of its tools."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        """Leave out the other tools."""
        kept = [tool for tool in request.tools if tool.name in self.names]
        return handler(request.override(tools=kept))


@EVERY_WAY
def test_tools_that_come_and_go(way: Any) -> None:
    """Two sets of tools in turn: both end up in the cache, and all of each is read."""
    bedrock, toolbox = Bedrock(), Toolbox()
    tools = [large_tool(name) for name in ("archive", "browser", "catalog")]
    agent = agent_of(way(bedrock), tools=tools, more=[toolbox])
    sets = [{"archive", "browser"}, {"archive", "catalog"}]
    for n in range(10):
        toolbox.names = sets[n % 2]
        agent.invoke(human("Hello"))
        bedrock.clock.advance(7)
    assert all(record.cache_read_tokens > 5900 for record in bedrock.ledger[4:])


def test_a_new_tool_leaves_the_others_cached() -> None:
    """A tool that is found on the way goes behind the others, wherever it is listed."""
    bedrock = Bedrock()
    middleware = bedrock.middleware()
    for names in (["catalog", "archive"], ["browser", "archive", "catalog"]):
        tools = [large_tool(name) for name in names]
        agent = agent_of((bedrock.plain(), [middleware]), tools=tools)
        agent.invoke(human("Hello"))
    assert bedrock.ledger[1].cache_read_tokens > 3900


@EVERY_WAY
def test_thirty_tool_calls_in_a_turn(way: Any) -> None:
    """60 blocks come between two calls, more than Claude looks back: all is read nevertheless."""

    def respond(request: dict[str, Any]) -> Reply:
        turns = sum(m["role"] == "assistant" for m in request["messages"])
        if turns == 3:
            return Reply(text="Enough.")
        uses = [ToolUse(name="look_up", input={"n": 100 * turns + n}) for n in range(30)]
        return Reply(text="Let me see.", tool_uses=uses)

    bedrock = Bedrock(respond)
    agent_of(way(bedrock)).invoke(human("What is it?"))
    assert len(bedrock.ledger) == 4
    for before, record in zip(bedrock.ledger, bedrock.ledger[1:], strict=False):
        assert record.cache_read_tokens >= before.input_tokens - 2
        assert len(record.cache_points) <= 4


@EVERY_WAY
async def test_streams(way: Any) -> None:
    """Tokens are streamed as from any agent, sync and async, and read from the cache."""
    bedrock = Bedrock(loop(1))
    agent = agent_of(way(bedrock))
    sync = [chunk for chunk, _ in agent.stream(human("What is it?"), stream_mode="messages")]
    stream = agent.astream(human("What is it?"), stream_mode="messages")
    unsync = [chunk async for chunk, _ in stream]
    for chunks in (sync, unsync):
        assert "It is so." in "".join(chunk.text for chunk in chunks)
    assert {record.operation for record in bedrock.ledger} == {"ConverseStream"}
    assert all(record.cache_read_tokens > 1900 for record in bedrock.ledger[1:])


@EVERY_WAY
def test_subagents_share_tools_and_system_prompt(way: Any) -> None:
    """Agents of one kind, called as tools one after the other, share what is cached."""
    bedrock = Bedrock(
        lambda request: (
            Reply(text="Found.")
            if "research" not in str(request["toolConfig"])
            else loop(3)(request)
            if "toolResult" in str(request["messages"])
            else Reply(tool_uses=[ToolUse(name="research", input={"question": "Why?"})])
        )
    )
    worker = agent_of(way(bedrock), tools=[look_up], system_prompt=words(3000, "worker"))

    def research(question: str) -> str:
        """Research a question."""
        return str(worker.invoke(human(question))["messages"][-1].text)

    lead = agent_of(
        way(bedrock),
        tools=[StructuredTool.from_function(research)],
        checkpointer=InMemorySaver(),
    )
    for n in range(5):
        bedrock.clock.advance(30)
        lead.invoke(human("Find out."), {"configurable": {"thread_id": str(n)}})
    workers = [r for r in bedrock.ledger if r.input_tokens > 2900]
    assert len(workers) == 5
    assert sum(record.cache_write_tokens > 0 for record in workers) == 1
    assert all(record.cache_read_tokens > 2900 for record in workers[2:])
