"""The same conversation through Converse and through InvokeModel: same points, same usage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from client_calls import converse, converse_stream
from converse_strategies import MODELS, requests
from hypothesis import given, settings
from hypothesis import strategies as st
from native_bodies import Call, invoke, invoke_stream, native_points
from scenario_table import SCENARIOS, Scenario
from wire import (
    CLAUDE,
    IMAGE,
    LLAMA,
    NOVA,
    REASONING,
    ask,
    assistant,
    document,
    points,
    text,
    tool,
    tool_result,
    tool_use,
    user,
)

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse

PAIRS = pytest.mark.parametrize(
    ("usual", "native"), [(converse, invoke), (converse_stream, invoke_stream)]
)
SPOKEN = {
    name: scenario
    for name, scenario in SCENARIOS.items()
    if all(step.request["modelId"] != LLAMA for step in scenario.steps)
}
LONG_TALK = [
    user(text(2000, "task"), IMAGE, document("pdf", 3000), "Look this up."),
    assistant(REASONING, "Let me see.", tool_use(1), tool_use(2)),
    user(tool_result(1, 700), tool_result(2, 300)),
    assistant(REASONING, "It is there."),
    user(document("txt", 800), "And this?", IMAGE),
    assistant("That, too."),
    user("Thanks. And now?"),
]


class Way:
    """An emulator of its own, with a client that is called in one way."""

    def __init__(self, call: Call, policy: CachePolicy | None = None, **settings: Any) -> None:
        self.clock = SimulatedClock()
        self.emulator = BedrockEmulator(clock=self.clock, capture_requests=True, **settings)
        memory = PrefixMemory(clock=self.clock)
        self.client = cached_client(self.emulator.client(), memory=memory, policy=policy)
        self._call = call

    def send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request; return the response."""
        return self._call(self.client, request)

    def outcome(self, request: dict[str, Any]) -> tuple[Any, ...]:
        """Send a request; return the points on the wire, those reported, and the usage."""
        response = self.send(request)
        sent = self.emulator.requests[-1]
        is_native = "InvokeModel" in self.emulator.ledger[-1].operation
        plan = response["ResponseMetadata"]["CachePlan"]
        counts = ("inputTokens", "outputTokens", "totalTokens")
        cached = ("cacheReadInputTokens", "cacheWriteInputTokens")
        usage = {name: response["usage"][name] for name in (*counts, *cached)}
        usage["cacheDetails"] = response["usage"].get("cacheDetails")
        wire = native_points(sent) if is_native else points(sent)
        return wire, plan["points"], plan["skipped"], usage


@PAIRS
@pytest.mark.parametrize("scenario", SPOKEN.values(), ids=SPOKEN)
def test_the_scenarios_are_the_same_natively(scenario: Scenario, usual: Call, native: Call) -> None:
    """Every conversation of the table has the points it has on Converse, and the same usage."""
    assert len(SPOKEN) > 25
    ways = [Way(usual, scenario.policy), Way(native, scenario.policy)]
    for step in scenario.steps:
        for way in ways:
            way.clock.advance(step.after)
        expected, outcome = (way.outcome(step.request) for way in ways)
        assert outcome == expected


@PAIRS
@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_long_conversation_with_everything_in_it(usual: Call, native: Call, model: str) -> None:
    """Tools, pictures, documents, reasoning and tool results: turn for turn the same."""
    talk = LONG_TALK
    if model == NOVA:
        talk = [{**m, "content": [b for b in m["content"] if b != REASONING]} for m in LONG_TALK]
    ways = [Way(usual), Way(native)]
    reads = 0
    for turns in (1, 3, 5, 7):
        request = ask(*talk[:turns], model=model, system=[text(1500, "system")], tools=[tool(1200)])
        for way in ways:
            way.clock.advance(20.0)
        expected, outcome = (way.outcome(request) for way in ways)
        assert outcome == expected
        reads += outcome[-1]["cacheReadInputTokens"]
    assert reads > 0


@pytest.mark.parametrize("choice", [{"any": {}}, {"auto": {}}, {"tool": {"name": "look_up"}}])
@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_forced_tool_is_the_same_natively(choice: dict[str, Any], model: str) -> None:
    """`tool_choice` changes the prefix where `toolChoice` does."""
    ways = [Way(converse), Way(invoke)]
    for config in ({}, {"toolChoice": choice}, {}):
        request = ask(
            user(text(2000)),
            model=model,
            system=[text(1500, "system")],
            tools=[tool(1200)],
            toolConfig=config,
        )
        expected, outcome = (way.outcome(request) for way in ways)
        assert outcome == expected


def test_answers_are_the_models_own() -> None:
    """Text, reasoning and tool calls of the answer come in the format of the model."""
    reply = Reply(text="There.", reasoning="Where?", tool_uses=[ToolUse(name="f", input={"a": 1})])
    request = ask(user("Hi"), tools=[tool(10)])
    answer = Way(invoke, responder=lambda _: reply).send(request)["answer"]
    assert [block["type"] for block in answer["content"]] == ["thinking", "text", "tool_use"]
    assert answer["content"][2]["input"] == {"a": 1}
    chunks = Way(invoke_stream, responder=lambda _: reply).send(request)["chunks"]
    spoken = "".join(c["delta"].get("text", "") for c in chunks if "index" in c and "delta" in c)
    assert spoken == "There."
    assert json.loads(
        "".join(c["delta"].get("partial_json", "") for c in chunks if "index" in c and "delta" in c)
    ) == {"a": 1}


def plain(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose tool results do not say that they went well, as Claude's never do."""
    for message in request["messages"]:
        for block in message["content"]:
            block.get("toolResult", {}).pop("status", None)
    return request


spoken = requests(models=tuple(m for m in MODELS if "llama" not in m)).map(plain)


@settings(max_examples=30, deadline=None)
@given(st.lists(spoken, min_size=1, max_size=3))
def test_generated_conversations_are_the_same_natively(sent: list[dict[str, Any]]) -> None:
    """Whatever an application says, the places and the counts do not depend on the operation."""
    ways = [Way(converse), Way(invoke)]
    for request in sent:
        expected, outcome = (way.outcome(request) for way in ways)
        assert outcome == expected
