"""Recorded sessions replayed through real agents, each model call at its time.

The agents are LangChain's (`create_agent`), with a checkpointer, real chat models and real boto3
clients. The emulated model answers what was recorded, tool calls included, and the tools return
what was recorded. Agents stop before each model call, so that sessions that overlapped overlap
here as well, on a simulated clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_aws import ChatBedrockConverse
from langchain_aws.middleware import BedrockPromptCachingMiddleware
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from recorded_sessions import Session, text_of
from wire import CLAUDE

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse
from langchain_bedrock_cache.middleware import SUMMARY_INSTRUCTION, BedrockCacheMiddleware

CHARS_PER_TOKEN = 3.0
SUMMARY = "The task, what was tried, and what is left. " * 40
ASKS_FOR_A_SUMMARY = SUMMARY_INSTRUCTION.partition("{kept}")[0]


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
        if "toolConfig" not in request or any(ASKS_FOR_A_SUMMARY in text for text in texts):
            return Reply(text=SUMMARY)
        return self.next_reply

    def plain(self) -> ChatBedrockConverse:
        """Return the chat model of langchain-aws."""
        return ChatBedrockConverse(model_id=CLAUDE, client=self.client, bedrock_client=self.client)

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


def replay(sessions: Sequence[Session], way: Way, stage: Stage) -> int:
    """Have all conversations again, each call at its time; return the number of calls."""
    agents: dict[str, Any] = {}
    model, middleware = way(stage)
    for session in sessions:
        stage.results.update(
            (m["tool_call_id"], text_of(m)) for m in session.messages if m["role"] == "tool"
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
    return Reply(text=text_of(message), tool_uses=uses)


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError:
        arguments = None
    return arguments if isinstance(arguments, dict) else {"raw": text}
