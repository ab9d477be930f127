"""One table of conversations, sent through every entry point there is.

Each scenario says what reaches Bedrock (where the cache points stand) and what it answers (whether
anything was read or written). The way it is called must make no difference. The transformer, which
sees neither model nor tools, has its own places; what is read and written must be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from scenario_table import SCENARIOS, Scenario
from wire import points

from langchain_bedrock_cache import (
    CachePointTransformer,
    CachePolicy,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator

Request = dict[str, Any]


def as_messages(request: Request) -> list[BaseMessage]:
    """Return a Converse request as LangChain messages."""
    messages: list[BaseMessage] = []
    if "system" in request:
        messages.append(SystemMessage(list(map(_block, request["system"]))))
    for message in request["messages"]:
        content = message["content"]
        results = [block["toolResult"] for block in content if "toolResult" in block]
        if results:
            messages += [
                ToolMessage(list(map(_block, r["content"])), tool_call_id=r["toolUseId"])
                for r in results
            ]
        elif message["role"] == "user":
            messages.append(HumanMessage(list(map(_block, content))))
        else:
            calls = [block["toolUse"] for block in content if "toolUse" in block]
            messages.append(
                AIMessage(
                    [_block(block) for block in content if "toolUse" not in block],
                    tool_calls=[
                        {"name": c["name"], "args": c["input"], "id": c["toolUseId"]} for c in calls
                    ],
                    response_metadata={"model_provider": "bedrock_converse"},
                )
            )
    return messages


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if "reasoningContent" in block:
        reasoning = block["reasoningContent"]["reasoningText"]
        return {"type": "reasoning_content", "reasoning_content": reasoning}
    if "cachePoint" in block:
        return block
    (kind,) = block
    return {"type": kind, kind: block[kind]}


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


CHAT: dict[str, Callable[[Any, Any], object]] = {
    "invoke": lambda model, prompt: model.invoke(prompt),
    "stream": lambda model, prompt: list(model.stream(prompt)),
    "batch": lambda model, prompt: model.batch([prompt]),
    "ainvoke": lambda model, prompt: asyncio.run(model.ainvoke(prompt)),
    "astream": lambda model, prompt: asyncio.run(_drain(model.astream(prompt))),
    "abatch": lambda model, prompt: asyncio.run(model.abatch([prompt])),
}
BOTO3: dict[str, Callable[[Any, Request], object]] = {
    "converse": lambda client, request: client.converse(**request),
    "converse_stream": lambda client, request: list(client.converse_stream(**request)["stream"]),
}


class Entry:
    """An emulator with a way to send it requests, on a clock of its own.

    Args:
        how: Such as `boto3 converse`, `chat stream`, `transformer invoke`.
        policy: Of the scenario.
    """

    def __init__(self, how: str, policy: CachePolicy) -> None:
        self.clock = SimulatedClock()
        self.emulator = BedrockEmulator(clock=self.clock, capture_requests=True)
        self.memory = PrefixMemory(clock=self.clock)
        self.policy = policy
        self.client = self.emulator.client()
        kind, _, self.call = how.partition(" ")
        self.send = {
            "boto3": self._send_boto3,
            "chat": self._send_chat,
            "transformer": self._send_transformed,
        }[kind]
        self.cached = cached_client(self.client, policy=policy, memory=self.memory)

    def _send_boto3(self, request: Request) -> None:
        BOTO3[self.call](self.cached, request)

    def _send_chat(self, request: Request) -> None:
        model = ChatBedrockCached(
            model_id=request["modelId"],
            client=self.client,
            bedrock_client=self.client,
            cache_policy=self.policy,
            prefix_memory=self.memory,
        )
        CHAT[self.call](self._with_tools(model, request), as_messages(request))

    def _send_transformed(self, request: Request) -> None:
        model = ChatBedrockConverse(
            model_id=request["modelId"], client=self.client, bedrock_client=self.client
        )
        transformer = CachePointTransformer(
            policy=self.policy, memory=self.memory, model=request["modelId"]
        )
        CHAT[self.call](transformer | self._with_tools(model, request), as_messages(request))

    @staticmethod
    def _with_tools(model: Any, request: Request) -> Any:
        config = request.get("toolConfig")
        return model.bind(toolConfig=config) if config else model


BY_PLACE = [f"boto3 {call}" for call in BOTO3] + [f"chat {call}" for call in CHAT]


def run(entry: Entry, scenario: Scenario) -> Iterator[tuple[list[str], list[str]]]:
    """Send the requests of a scenario, each read and written for as it says.

    Yields:
        Points as they were sent and as they should have been, step by step.
    """
    for step in scenario.steps:
        entry.clock.advance(step.after)
        entry.send(step.request)
        record = entry.emulator.ledger[-1]
        assert record.status == 200
        tokens = {"reads": record.cache_read_tokens, "writes": record.cache_write_tokens}
        done = " and ".join(name for name, count in tokens.items() if count) or "nothing"
        assert done == step.cache
        yield points(entry.emulator.requests[-1]), step.points
    assert len(entry.emulator.ledger) == len(scenario.steps)


@pytest.mark.parametrize("how", BY_PLACE)
@pytest.mark.parametrize("title", SCENARIOS)
def test_scenarios(title: str, how: str) -> None:
    """Through every entry point, points stand where they should, and do what they should."""
    scenario = SCENARIOS[title]
    for sent, expected in run(Entry(how, scenario.policy), scenario):
        assert sent == expected


WITHOUT_THE_MODEL = [title for title, scenario in SCENARIOS.items() if scenario.transformer]


@pytest.mark.parametrize("title", WITHOUT_THE_MODEL)
def test_scenarios_with_the_transformer(title: str) -> None:
    """In front of the plain chat model, the transformer reads and writes in the same requests."""
    scenario = SCENARIOS[title]
    assert list(run(Entry("transformer invoke", scenario.policy), scenario))
