"""One table of conversations, sent through every entry point there is.

Each scenario says what reaches Bedrock (where the cache points stand) and what it answers (whether
anything was read or written). The way it is called must make no difference. The transformer, which
sees neither model nor tools, has its own places; what is read and written must be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from wire import (
    HAIKU,
    HOUR,
    IMAGE,
    LEGACY,
    LLAMA,
    NOVA,
    POINT,
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
Send = Callable[[Request], object]
QUIET = CachePolicy(unsupported_model_behavior="ignore")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One request of a scenario.

    Attributes:
        request: Converse keyword arguments.
        points: Where points stand on the wire, see `wire.points`.
        reads: Whether anything is read from the cache.
        writes: Whether anything is written.
        after: Seconds since the step before.
    """

    request: Request
    points: Sequence[str]
    reads: bool = False
    writes: bool = False
    after: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Requests in order, and the policy they are sent with.

    Attributes:
        steps: The requests.
        policy: Of the client or model.
        transformer: Whether the transformer does as well without knowing the tools.
    """

    steps: Sequence[Step]
    policy: CachePolicy = QUIET
    transformer: bool = True


SYSTEM, TOOLS = [text(2000, "system")], [tool(2000)]
BOOK = text(3000, "book")
QUESTION = user(BOOK, "Who?")
TURN_2 = [QUESTION, assistant("He."), user("And then?")]
TURN_3 = [*TURN_2, assistant("She."), user("And after that?")]
CALLS = range(30)
TOOL_TURN = [
    user(text(2000, "task")),
    assistant("Let me see.", tool_use(1)),
    user(tool_result(1, 500)),
]
MANY_RESULTS = [
    *TOOL_TURN,
    assistant("More.", *(tool_use(100 + n) for n in CALLS)),
    user(*(tool_result(100 + n, 60) for n in CALLS)),
]

SCENARIOS: dict[str, Scenario] = {
    "a short prompt has no points": Scenario(
        steps=[Step(request=ask(user("Hi"), system=[text(100)]), points=[])]
    ),
    "a prompt below the model's minimum has none either": Scenario(
        steps=[Step(request=ask(user("Hi"), system=[text(3000)], model=HAIKU), points=[])],
        transformer=False,  # it does not know that this model wants 4,096
    ),
    "the system prompt is written once": Scenario(
        steps=[
            Step(
                request=ask(user("Hi"), system=SYSTEM),
                points=["system[0] 1h", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user("Ho"), system=SYSTEM),
                points=["system[0] 1h", "messages[0][0]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "the point stands after the document, before the question": Scenario(
        steps=[
            Step(request=ask(user(BOOK, "Who?")), points=["messages[0][0]"], writes=True),
            Step(request=ask(user(BOOK, "Why?")), points=["messages[0][0]"], reads=True),
            Step(request=ask(user(BOOK, "When?")), points=["messages[0][0]"], reads=True),
        ]
    ),
    "documents last: after a PDF a point is legal": Scenario(
        steps=[
            Step(
                request=ask(user("Read.", document("pdf", 9000), "Who?")),
                points=["messages[0][1]"],
                writes=True,
            ),
            Step(
                request=ask(user("Read.", document("pdf", 9000), "Why?")),
                points=["messages[0][1]"],
                reads=True,
            ),
        ]
    ),
    "documents last: after a text document it is not": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK, document("csv"), "Who?")),
                points=["messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user(BOOK, document("csv"), "Why?")),
                points=["messages[0][0]"],
                reads=True,
            ),
        ]
    ),
    "images last": Scenario(
        steps=[
            Step(request=ask(user(BOOK, "What?", IMAGE)), points=["messages[0][1]"], writes=True),
            Step(
                request=ask(user(BOOK, "What?", IMAGE)),
                points=["messages[0][1]", "messages[0][2]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "a conversation reads what it wrote": Scenario(
        steps=[
            Step(request=ask(QUESTION), points=["messages[0][0]"], writes=True),
            Step(
                request=ask(*TURN_2),
                points=["messages[0][1] 1h", "messages[2][0]"],
                reads=True,
                writes=True,
            ),
            Step(
                request=ask(*TURN_3),
                points=["messages[0][0]", "messages[2][0]", "messages[4][0]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "tool results": Scenario(
        steps=[
            Step(
                request=ask(TOOL_TURN[0], system=SYSTEM, tools=TOOLS),
                points=["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(*TOOL_TURN, system=SYSTEM, tools=TOOLS),
                points=["tools[0] 1h", "system[0] 1h", "messages[0][0]", "messages[2][0]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "more tool results than Bedrock looks back over": Scenario(
        steps=[
            Step(
                request=ask(*TOOL_TURN, tools=TOOLS),
                points=["tools[0] 1h", "messages[2][0]"],
                writes=True,
            ),
            Step(
                request=ask(*MANY_RESULTS, tools=TOOLS),
                points=["tools[0] 1h", "messages[2][0]", "messages[4][29]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "tools and system are shared by sessions": Scenario(
        steps=[
            Step(
                request=ask(user("Do this."), system=SYSTEM, tools=TOOLS),
                points=["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user("Do that."), system=SYSTEM, tools=TOOLS),
                points=["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                reads=True,
                writes=True,
                after=1800.0,
            ),
        ],
        transformer=False,  # without the tools, it says 5m
    ),
    "another tool list is another prefix": Scenario(
        steps=[
            Step(
                request=ask(user("Hi"), tools=TOOLS),
                points=["tools[0]", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user("Hi"), tools=[tool(2001)]),
                points=["tools[0]", "messages[0][0]"],
                writes=True,
            ),
        ],
        policy=CachePolicy(mode="fixed"),
        transformer=False,  # the tools are bound further on
    ),
    "five minutes are over": Scenario(
        steps=[
            Step(request=ask(QUESTION), points=["messages[0][0]"], writes=True),
            Step(request=ask(QUESTION), points=["messages[0][0]"], writes=True, after=301.0),
        ]
    ),
    "an hour is not over": Scenario(
        steps=[
            Step(
                request=ask(QUESTION),
                points=["messages[0][0] 1h", "messages[0][1] 1h"],
                writes=True,
            ),
            Step(
                request=ask(QUESTION),
                points=["messages[0][0] 1h", "messages[0][1] 1h"],
                reads=True,
                after=3500.0,
            ),
        ],
        policy=CachePolicy(mode="fixed", ttl="1h"),
    ),
    "an hour is not asked of a model that has none": Scenario(
        steps=[
            Step(
                request=ask(user("Hi"), system=SYSTEM, model=LEGACY),
                points=["system[0]"],
                writes=True,
            ),
            Step(
                request=ask(user("Ho"), system=SYSTEM, model=LEGACY),
                points=["system[0]"],
                reads=True,
            ),
        ],
        policy=CachePolicy(ttl="1h", sections=("system",)),
    ),
    "reasoning at the end": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK), assistant("So.", REASONING), user("And?")),
                points=["messages[2][0]"],
                writes=True,
            ),
            Step(
                request=ask(
                    user(BOOK),
                    *(assistant("So.", REASONING), user("And?")),
                    *(assistant("Then.", REASONING), user("Or?")),
                ),
                points=["messages[2][0]", "messages[4][0]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "reasoning last of all": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK), assistant("So.", REASONING)),
                points=["messages[1][0]"],
                writes=True,
            ),
        ],
        policy=CachePolicy(mode="fixed"),
    ),
    "the application's points are kept, not doubled": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK, POINT, "Who?"), system=[*SYSTEM, POINT]),
                points=["system[0]", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user(BOOK, POINT, "Why?"), system=[*SYSTEM, POINT]),
                points=["system[0]", "messages[0][0]"],
                reads=True,
            ),
        ]
    ),
    "four of the application's points are all there are": Scenario(
        steps=[
            Step(
                request=ask(
                    user(BOOK, POINT, text(500), POINT, text(500, "x"), POINT, "Who?"),
                    system=[*SYSTEM, POINT],
                ),
                points=["system[0]", "messages[0][0]", "messages[0][1]", "messages[0][2]"],
                writes=True,
            ),
        ]
    ),
    "the application's hour is kept": Scenario(
        steps=[
            Step(request=ask(user(BOOK, HOUR, "Who?")), points=["messages[0][0] 1h"], writes=True),
            Step(
                request=ask(user(BOOK, HOUR, "Why?")),
                points=["messages[0][0] 1h"],
                reads=True,
                after=3000.0,
            ),
        ]
    ),
    "Nova: no points in tools": Scenario(
        steps=[
            Step(
                request=ask(user("Hi"), system=SYSTEM, tools=TOOLS, model=NOVA),
                points=["system[0]", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user("Hi"), system=SYSTEM, tools=TOOLS, model=NOVA),
                points=["system[0]", "messages[0][0]"],
                reads=True,
            ),
        ]
    ),
    "Nova: no points after tool calls and results": Scenario(
        steps=[
            Step(
                request=ask(*TOOL_TURN[:1], system=SYSTEM, tools=TOOLS, model=NOVA),
                points=["system[0]", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(*TOOL_TURN, system=SYSTEM, tools=TOOLS, model=NOVA),
                points=["system[0]", "messages[0][0]", "messages[1][0]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "Nova: the same places again, since it does not look back": Scenario(
        steps=[
            Step(
                request=ask(QUESTION, model=NOVA),
                points=["messages[0][0]", "messages[0][1]"],
                writes=True,
            ),
            Step(
                request=ask(*TURN_2, model=NOVA),
                points=["messages[0][0]", "messages[0][1]", "messages[2][0]"],
                reads=True,
                writes=True,
            ),
            Step(
                request=ask(*TURN_3, model=NOVA),
                points=["messages[0][0]", "messages[2][0]", "messages[4][0]"],
                reads=True,
                writes=True,
            ),
        ]
    ),
    "a model without caching": Scenario(
        steps=[Step(request=ask(user(BOOK, "Who?"), system=SYSTEM, model=LLAMA), points=[])]
    ),
    "a model without caching, points in the history": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK, POINT, "Who?"), assistant("He."), user("?"), model=LLAMA),
                points=[],
            )
        ],
        transformer=False,  # an application's own points are its own affair there
    ),
    "the policy is off": Scenario(
        steps=[Step(request=ask(QUESTION, system=SYSTEM, tools=TOOLS), points=[])],
        policy=CachePolicy.off(),
    ),
    "the policy is off, points of the application stay": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK, POINT, "Who?"), system=SYSTEM),
                points=["messages[0][0]"],
                writes=True,
            )
        ],
        policy=CachePolicy.off(),
    ),
    "a fixed policy": Scenario(
        steps=[
            Step(
                request=ask(user(BOOK), system=SYSTEM, tools=TOOLS),
                points=["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                writes=True,
            ),
            Step(
                request=ask(user(BOOK), assistant("A."), user("B?"), system=SYSTEM, tools=TOOLS),
                points=["tools[0] 1h", "system[0] 1h", "messages[0][0]", "messages[2][0]"],
                reads=True,
                writes=True,
            ),
        ],
        policy=CachePolicy.fixed(tools="1h", system="1h", messages="5m"),
    ),
}


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


@pytest.mark.parametrize("how", BY_PLACE)
@pytest.mark.parametrize("title", SCENARIOS)
def test_scenarios(title: str, how: str) -> None:
    """Through every entry point, points stand where they should, and do what they should."""
    scenario = SCENARIOS[title]
    entry = Entry(how, scenario.policy)
    for step in scenario.steps:
        entry.clock.advance(step.after)
        entry.send(step.request)
        record = entry.emulator.ledger[-1]
        assert points(entry.emulator.requests[-1]) == list(step.points)
        assert (record.cache_read_tokens > 0, record.cache_write_tokens > 0) == (
            step.reads,
            step.writes,
        )
    assert len(entry.emulator.ledger) == len(scenario.steps)
    assert {record.status for record in entry.emulator.ledger} == {200}


WITHOUT_THE_MODEL = [title for title, scenario in SCENARIOS.items() if scenario.transformer]


@pytest.mark.parametrize("title", WITHOUT_THE_MODEL)
def test_scenarios_with_the_transformer(title: str) -> None:
    """In front of the plain chat model, the transformer reads and writes in the same requests."""
    scenario = SCENARIOS[title]
    entry = Entry("transformer invoke", scenario.policy)
    for step in scenario.steps:
        entry.clock.advance(step.after)
        entry.send(step.request)
        record = entry.emulator.ledger[-1]
        assert record.status == 200
        assert (record.cache_read_tokens > 0, record.cache_write_tokens > 0) == (
            step.reads,
            step.writes,
        )
