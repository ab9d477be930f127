"""Broken prompt caches: chains that go wrong in one known way each, and what is wrong with them.

Every situation runs a real chain against the emulator. The verdict, kind and place are of its last
call; a place with an offset says which characters the change begins in.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableParallel
from wire import CLAUDE, HAIKU, LLAMA, NOVA, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheSkippedWarning,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    ChatBedrockInvokeCached,
    PrefixMemory,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.diagnosis import Diagnosis, default_diagnoser
from langchain_bedrock_cache.emulator import BedrockEmulator, PromptRouter, Reply
from langchain_bedrock_cache.sent_requests import sent_requests

EVERYWHERE = CachePolicy.fixed(tools="5m", system="5m", messages="5m")
RULES = "".join(f"Rule {n}: answer question {n} with patience and care.\n" for n in range(150))
ANSWER = "This is the answer of the model, in a sentence."
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ROUTER = "arn:aws:bedrock:us-east-1:123456789012:prompt-router/abc123"
_LATENCY_SECONDS = 2.0


@dataclass(slots=True)
class Stage:
    """An emulator, a clock, a handler that records, and chains on them."""

    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(1_000.0))
    latency_seconds: float = 0.0
    meeting: threading.Barrier | None = None
    emulator: BedrockEmulator = field(init=False)
    handler: CacheUsageCallbackHandler = field(init=False)
    memory: PrefixMemory = field(init=False)

    def __post_init__(self) -> None:
        """Build everything on the same clock, with nothing left of other stages."""
        sent_requests.cache_clear()
        default_diagnoser.cache_clear()
        self.emulator = BedrockEmulator(
            clock=self.clock,
            responder=self._answer,
            first_byte_latency_seconds=self.latency_seconds,
            model_arns={ROUTER: PromptRouter(models=(CLAUDE, SONNET), choose=_hard_for_sonnet)},
        )
        self.handler = CacheUsageCallbackHandler(clock=self.clock)
        self.memory = PrefixMemory(clock=self.clock)

    @property
    def last(self) -> Diagnosis | None:
        """Diagnosis of the latest call."""
        return self.handler.records[-1].diagnosis

    def model(self, model_id: str = CLAUDE, *, region: str | None = None, **kwargs: Any) -> Any:
        """Return a chat model on the emulator; caches in every section unless told otherwise."""
        kwargs.setdefault("cache_policy", EVERYWHERE)
        client = self.emulator.client(region=region)
        return ChatBedrockCached(
            model_id=model_id,
            client=client,
            bedrock_client=self.emulator.control_client(),
            prefix_memory=self.memory,
            **kwargs,
        )

    def invoke_model(self, model_id: str = CLAUDE, **kwargs: Any) -> Any:
        """Return a chat model that speaks InvokeModel; caches in every section, too."""
        kwargs.setdefault("cache_policy", EVERYWHERE)
        client = self.emulator.client()
        return ChatBedrockInvokeCached(
            model_id=model_id,
            client=client,
            bedrock_client=client,
            prefix_memory=self.memory,
            **kwargs,
        )

    def call(self, messages: Sequence[BaseMessage], *, model: Any = None, after: float = 1) -> Any:
        """Run a chain with a prompt and a model, some seconds after the last call."""
        self.clock.advance(after)
        prompt = ChatPromptTemplate([MessagesPlaceholder("messages")])
        chain = prompt | (model if model is not None else self.model())
        return chain.invoke({"messages": messages}, {"callbacks": [self.handler]})

    def _answer(self, _request: Any) -> Reply:
        if self.meeting is not None:
            self.meeting.wait(timeout=10)
            self.clock.advance(self.latency_seconds)
        return Reply(text=ANSWER)


def _hard_for_sonnet(request: Any) -> str:
    """Choose a model as a prompt router would, by the question."""
    return SONNET if "hard" in json.dumps(request["messages"][-1]) else CLAUDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One way of going wrong, and what is to be said about it.

    Attributes:
        run: Makes the calls.
        verdict: Of the last one.
        kind: What changed, if something did.
        place: Where.
        offset: Characters of the block before the change, or before the long piece it is in.
        stage: Makes the stage.
    """

    run: Callable[[Stage], object]
    verdict: str
    kind: str | None = None
    place: str = ""
    offset: int | None = None
    stage: Callable[[], Stage] = Stage


def system(*texts: str) -> SystemMessage:
    """Return a system message of one block, or of several."""
    if len(texts) == 1:
        return SystemMessage(texts[0])
    return SystemMessage([{"type": "text", "text": text} for text in texts])


def ask(
    question: str = "What is rule 7 about, please?", *, rules: str = RULES
) -> list[BaseMessage]:
    """Return a first turn."""
    return [system(rules), HumanMessage(question)]


def turns(count: int, *, answer: str = ANSWER, rules: str = RULES) -> list[BaseMessage]:
    """Return a conversation with so many questions, the last one not answered."""
    messages: list[BaseMessage] = [system(rules)]
    for n in range(count):
        messages += [HumanMessage(words(200, f"question{n}")), AIMessage(f"{n}: {answer}")]
    return messages[:-1]


def tool(name: str, *, description: str = "", **schema: Any) -> dict[str, Any]:
    """Return a tool of some 600 tokens, in Converse's own form, which keeps the order of keys."""
    shape = schema or {"type": "object", "properties": {"n": {"type": "integer"}}}
    text = words(600, name) + description
    return {"toolSpec": {"name": name, "description": text, "inputSchema": {"json": shape}}}


TOOLS = [tool("read"), tool("search"), tool("write")]
# The same in OpenAI's form, which models on InvokeModel take.
_FUNCTIONS: list[dict[str, Any]] = [
    {
        "name": one["toolSpec"]["name"],
        "description": one["toolSpec"]["description"],
        "parameters": one["toolSpec"]["inputSchema"]["json"],
    }
    for one in TOOLS
]


def _twice(first: Sequence[BaseMessage], second: Sequence[BaseMessage]) -> Callable[[Stage], None]:
    def run(stage: Stage) -> None:
        stage.call(first)
        stage.call(second)

    return run


def _rules(before: str, now: str) -> Callable[[Stage], None]:
    return _twice(ask(rules=before), ask(rules=now))


def _pair(before: Any, now: Any, *, after: float = 1) -> Callable[[Stage], None]:
    """Ask the same twice, of two models that are made on the stage."""

    def run(stage: Stage) -> None:
        stage.call(ask(), model=before(stage))
        stage.call(ask(), model=now(stage), after=after)

    return run


def _model(model_id: str = CLAUDE, **kwargs: Any) -> Callable[[Stage], Any]:
    return lambda stage: stage.model(model_id, **kwargs)


def _invoke_model(**kwargs: Any) -> Callable[[Stage], Any]:
    return lambda stage: stage.invoke_model(**kwargs)


def _invoked(
    first: Sequence[BaseMessage], second: Sequence[BaseMessage], *, after: float = 1
) -> Callable[[Stage], None]:
    """Call a model that speaks InvokeModel twice."""

    def run(stage: Stage) -> None:
        stage.call(first, model=stage.invoke_model())
        stage.call(second, model=stage.invoke_model(), after=after)

    return run


def _routed(*questions: str) -> Callable[[Stage], None]:
    """Ask a prompt router."""

    def run(stage: Stage) -> None:
        for question in questions:
            stage.call(ask(question), model=stage.model(ROUTER, provider="anthropic"))

    return run


def _with_tools(tools: Sequence[Any], **kwargs: Any) -> Callable[[Stage], Any]:
    return lambda stage: stage.model().bind_tools(tools, **kwargs)


def _thinking(budget: int) -> Callable[[Stage], Any]:
    fields = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return _model(additional_model_request_fields=fields, max_tokens=8_000)


def _fields(**fields: Any) -> Callable[[Stage], Any]:
    return _model(additional_model_request_fields=fields)


def _many_tool_results(stage: Stage) -> None:
    point = {"cachePoint": {"type": "default"}}
    model = stage.model(cache_policy=CachePolicy.off()).bind_tools(TOOLS)
    text: Any = {"type": "text", "text": words(2_000)}
    stage.call([HumanMessage([text, point])], model=model)
    calls: Any = [{"name": "read", "args": {"n": n}, "id": f"call{n}"} for n in range(30)]
    results: list[BaseMessage] = [
        ToolMessage(f"Result number {n}", tool_call_id=f"call{n}") for n in range(29)
    ]
    last: Any = [{"type": "text", "text": "Result number 29"}]
    results.append(ToolMessage(last, tool_call_id="call29"))
    follow = HumanMessage([{"type": "text", "text": "Now sum it up, please."}, point])
    asked = [HumanMessage([text]), AIMessage("", tool_calls=calls)]
    stage.call([*asked, *results, follow], model=model)


def _moving_point_on_nova(stage: Stage) -> None:
    point = {"cachePoint": {"type": "default"}}
    model = stage.model(NOVA, cache_policy=CachePolicy.off())
    first: Any = [{"type": "text", "text": words(2_000)}, point]
    follow: Any = [{"type": "text", "text": "And what is rule 8 about?"}, point]
    stage.call([HumanMessage(first)], model=model)
    kept = HumanMessage(words(2_000))
    stage.call([kept, AIMessage(ANSWER), HumanMessage(follow)], model=model)


def _parallel_first_calls(stage: Stage) -> None:
    stage.meeting = threading.Barrier(2)
    both = RunnableParallel(a=stage.model(), b=stage.model())
    both.invoke(ask(), {"callbacks": [stage.handler]})


def _refused(stage: Stage) -> None:
    stage.emulator.refuse_cache_points()
    stage.call(ask())


def _throttled(stage: Stage) -> None:
    stage.call(ask())
    stage.emulator.fail_next("ThrottlingException", times=10)
    with suppress(ClientError):
        stage.call(ask())


def _evicted(stage: Stage) -> None:
    stage.call(ask())
    stage.emulator.forget()
    stage.call(ask())


def _too_long_for_nova(stage: Stage) -> None:
    point = {"cachePoint": {"type": "default"}}
    text: Any = [{"type": "text", "text": words(25_000)}, point]
    stage.call([HumanMessage(text)], model=stage.model(NOVA, cache_policy=CachePolicy.off()))


def _by_default(stage: Stage) -> None:
    """The default policy, where the system prompt begins with the time."""
    for minute in range(3):
        rules = f"It is 10:{minute:02}. {RULES}"
        stage.call(ask(rules=rules), model=stage.model(cache_policy=CachePolicy()), after=60)


def _image(*parts: Any) -> HumanMessage:
    return HumanMessage([*parts])


_PICTURE = {"image": {"format": "png", "source": {"bytes": b"\x89PNG" + bytes(64)}}}
_LONG = {"type": "text", "text": words(1_200, "document")}
_OTHER = {"type": "text", "text": words(1_200, "report")}
_MIDDLE = len(RULES) // 2
_KEYS: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}


SITUATIONS: dict[str, Situation] = {
    # What works, so that it is not called broken.
    "first call": Situation(run=lambda s: s.call(ask()), verdict="first_write"),
    "the same call again": Situation(run=_twice(ask(), ask()), verdict="hit"),
    "next turn of a conversation": Situation(run=_twice(turns(2), turns(3)), verdict="hit"),
    "another question, same system": Situation(
        run=_twice(ask("What is rule 7 about?"), ask("And which one is the best?")), verdict="hit"
    ),
    "a conversation of its own": Situation(
        run=_twice(ask(), ask(rules=words(2_000, "other"))), verdict="first_write"
    ),
    "the same call again, InvokeModel": Situation(run=_invoked(ask(), ask()), verdict="hit"),
    "a router that returns to its first model": Situation(
        run=_routed("An easy one, please?", "A hard one, please?", "Another easy one?"),
        verdict="hit",
    ),
    # The system prompt changes.
    "date at the start": Situation(
        run=_rules(f"Today is 2026-11-16.\n{RULES}", f"Today is 2026-11-17.\n{RULES}"),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "weekday at the start": Situation(
        run=_rules(f"Today is Monday.\n{RULES}", f"Today is Wednesday.\n{RULES}"),
        verdict="prefix_changed", kind="date", place="system[0]", offset=9,
    ),
    "time in the middle": Situation(
        run=_rules(
            f"{RULES[:_MIDDLE]} Now: 10:04. {RULES[_MIDDLE:]}",
            f"{RULES[:_MIDDLE]} Now: 10:17. {RULES[_MIDDLE:]}",
        ),
        verdict="prefix_changed", kind="time", place="system[0]", offset=_MIDDLE + 9,
    ),
    "request ID at the end": Situation(
        run=_rules(
            f"{RULES}Request 0d9ff0a6-1f7e-4d2b-9b1c-5f3a7c2e8d41",
            f"{RULES}Request 7be1c2d3-8a90-4c11-a2f4-0c6d1e9b3a57",
        ),
        verdict="prefix_changed", kind="identifier", place="system[0]", offset=len(RULES) + 8,
    ),
    "a counter": Situation(
        run=_rules(f"Ticket #41. {RULES}", f"Ticket #42. {RULES}"),
        verdict="prefix_changed", kind="number", place="system[0]", offset=9,
    ),
    "date at the start, InvokeModel": Situation(
        run=_invoked(
            ask(rules=f"Today is 2026-11-16.\n{RULES}"), ask(rules=f"Today is 2026-11-17.\n{RULES}")
        ),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "whitespace": Situation(
        run=_rules(RULES, RULES[:998].rstrip() + "\n\n" + RULES[998:].lstrip()),
        verdict="prefix_changed", kind="whitespace", place="system[0]",
    ),
    "the name of the user": Situation(
        run=_rules(f"You talk to Anna. {RULES}", f"You talk to Bernard. {RULES}"),
        verdict="prefix_changed", kind="text", place="system[0]", offset=12,
    ),
    "reworded": Situation(
        run=_rules(RULES, RULES.replace("Rule 80: answer", "Rule 80: reply to")),
        verdict="prefix_changed", kind="text", place="system[0]", offset=4_096,
    ),
    "a block in front": Situation(
        run=_twice(
            [system(RULES, "Be brief, whatever they ask."), HumanMessage("Why?")],
            [system("You are in Rome.", RULES, "Be brief, whatever they ask."), HumanMessage("W?")],
        ),
        verdict="prefix_changed", kind="block_added", place="system[0]",
    ),
    "a block left out": Situation(
        run=_twice(
            [system("You are in Rome.", RULES, "Be brief, whatever they ask."), HumanMessage("W?")],
            [system(RULES, "Be brief, whatever they ask."), HumanMessage("Why?")],
        ),
        verdict="prefix_changed", kind="block_removed", place="system[0]",
    ),
    "time in the system prompt, default policy": Situation(
        run=_by_default, verdict="prefix_changed", kind="time", place="system[0]", offset=9
    ),
    # Tools change.
    "shuffled tools": Situation(
        run=_pair(_with_tools(TOOLS), _with_tools(TOOLS[::-1])),
        verdict="prefix_changed", kind="tool_order", place="tools[0]",
    ),
    "shuffled tools, InvokeModel": Situation(
        run=_pair(
            lambda s: s.invoke_model().bind_tools(_FUNCTIONS),
            lambda s: s.invoke_model().bind_tools(_FUNCTIONS[::-1]),
        ),
        verdict="prefix_changed", kind="tool_order", place="tools[0]",
    ),
    "a tool described anew": Situation(
        run=_pair(
            _with_tools(TOOLS),
            _with_tools([TOOLS[0], tool("search", description="Now better."), TOOLS[2]]),
        ),
        verdict="prefix_changed", kind="tool_definition", place="tools[1]",
    ),
    "a tool more, in front": Situation(
        run=_pair(_with_tools(TOOLS), _with_tools([tool("ask"), *TOOLS])),
        verdict="prefix_changed", kind="tool_added", place="tools[0]",
    ),
    "a tool less": Situation(
        run=_pair(_with_tools(TOOLS), _with_tools(TOOLS[:2])),
        verdict="prefix_changed", kind="tool_removed", place="tools[2]",
    ),
    "keys of a schema in another order": Situation(
        run=_pair(
            _with_tools([TOOLS[0], tool("search", **_KEYS)]),
            _with_tools([TOOLS[0], tool("search", **dict(reversed(_KEYS.items())))]),
        ),
        verdict="prefix_changed", kind="key_order", place="tools[1]",
    ),
    # Settings change.
    "another model": Situation(
        run=_pair(_model(), _model(SONNET)),
        verdict="prefix_changed", kind="model", place="model",
    ),
    "another Region": Situation(
        run=_pair(_model(region="us-east-1"), _model(region="eu-west-1")),
        verdict="prefix_changed", kind="region", place="region",
    ),
    "the other API": Situation(
        run=_pair(_model(), _invoke_model()),
        verdict="prefix_changed", kind="api", place="api",
    ),
    "a router that chooses another model": Situation(
        run=_routed("An easy one, please?", "A hard one, please?"),
        verdict="prefix_changed", kind="model", place="model",
    ),
    "another thinking budget": Situation(
        run=_pair(_thinking(2_000), _thinking(4_000)),
        verdict="prefix_changed", kind="thinking", place="thinking",
    ),
    "another effort": Situation(
        run=_pair(
            _fields(output_config={"effort": "low"}), _fields(output_config={"effort": "high"})
        ),
        verdict="prefix_changed", kind="effort", place="effort",
    ),
    "another beta": Situation(
        run=_pair(_fields(anthropic_beta=["a"]), _fields(anthropic_beta=["a", "b"])),
        verdict="prefix_changed", kind="setting", place="anthropic_beta",
    ),
    "a forced tool": Situation(
        run=_pair(_with_tools(TOOLS), _with_tools(TOOLS, tool_choice="any")),
        verdict="prefix_changed", kind="tool_choice", place="messages[0][0]",
    ),
    # The conversation changes.
    "trimmed history": Situation(
        run=_twice(turns(5), [turns(6)[0], *turns(6)[5:]]),
        verdict="prefix_changed", kind="history_trimmed", place="messages[0][0]",
    ),
    "trimmed history, InvokeModel": Situation(
        run=_invoked(turns(5), [turns(6)[0], *turns(6)[5:]]),
        verdict="prefix_changed", kind="history_trimmed", place="messages[0][0]",
    ),
    "summarized history": Situation(
        run=_twice(
            turns(5),
            [turns(6)[0], HumanMessage("So far: they spoke."), AIMessage("I see."), *turns(6)[7:]],
        ),
        verdict="prefix_changed", kind="history_summarized", place="messages[0][0]",
    ),
    "an earlier answer edited": Situation(
        run=_twice(
            turns(3), [m if i != 2 else AIMessage("0: Done.") for i, m in enumerate(turns(4))]
        ),
        verdict="prefix_changed", kind="text", place="messages[1][0]",
    ),
    "an earlier answer stripped": Situation(
        run=_twice(
            turns(3, answer="Well,\n\n this is it."), turns(4, answer="Well,\nthis is it.")
        ),
        verdict="prefix_changed", kind="whitespace", place="messages[1][0]",
    ),
    "an image added": Situation(
        run=_twice(
            [system(RULES), _image(_LONG), AIMessage(ANSWER), HumanMessage("And what else then?")],
            [system(RULES), _image(_PICTURE, _LONG), AIMessage(ANSWER), HumanMessage("And then?")],
        ),
        verdict="prefix_changed", kind="media", place="messages[0][0]",
    ),
    "documents in another order": Situation(
        run=_twice(
            [system(RULES), _image(_LONG, _OTHER, {"type": "text", "text": "Which is better?"})],
            [system(RULES), _image(_OTHER, _LONG, {"type": "text", "text": "Which is worse?"})],
        ),
        verdict="prefix_changed", kind="block_order", place="messages[0][0]",
    ),
    "date in the first message": Situation(
        run=_twice(
            [HumanMessage(f"2026-11-16\n{words(2_000)}")],
            [HumanMessage(f"2026-11-21\n{words(2_000)}")],
        ),
        verdict="prefix_changed", kind="date", place="messages[0][0]", offset=8,
    ),
    "question in front of the document": Situation(
        run=_twice(
            [HumanMessage(f"Who wrote it?\n{words(2_000)}")],
            [HumanMessage(f"What happens then?\n{words(2_000)}")],
        ),
        verdict="prefix_changed", kind="text", place="messages[0][0]", offset=0,
    ),
    # Time and place of the calls.
    "pause of 6 minutes": Situation(
        run=_pair(_model(), _model(), after=360), verdict="expired"
    ),
    "pause of 2 hours": Situation(
        run=_pair(
            _model(cache_policy=CachePolicy.fixed(system="1h")),
            _model(cache_policy=CachePolicy.fixed(system="1h")),
            after=7_200,
        ),
        verdict="expired",
    ),
    "pause of 6 minutes, InvokeModel": Situation(
        run=_invoked(ask(), ask(), after=360), verdict="expired"
    ),
    "parallel first calls": Situation(
        run=_parallel_first_calls, verdict="in_flight",
        stage=lambda: Stage(latency_seconds=_LATENCY_SECONDS),
    ),
    "evicted": Situation(run=_evicted, verdict="unexplained"),
    # Length and distance.
    "too short": Situation(run=lambda s: s.call(ask(rules=RULES[:1_200])), verdict="too_short"),
    "too short, InvokeModel": Situation(
        run=lambda s: s.call(ask(rules=RULES[:1_200]), model=s.invoke_model()),
        verdict="too_short",
    ),
    "too short for Haiku": Situation(
        run=lambda s: s.call(ask(), model=s.model(HAIKU)), verdict="too_short"
    ),
    "too long for Nova": Situation(run=_too_long_for_nova, verdict="too_long"),
    "30 tool results in one turn": Situation(run=_many_tool_results, verdict="out_of_lookback"),
    "a moving point on Nova": Situation(run=_moving_point_on_nova, verdict="out_of_lookback"),
    # No cache points, or none that count.
    "a model without caching": Situation(
        run=lambda s: s.call(
            ask(),
            model=s.model(LLAMA, cache_policy=CachePolicy(unsupported_model_behavior="ignore")),
        ),
        verdict="unsupported",
    ),
    "switched off": Situation(
        run=lambda s: s.call(ask(), model=s.model(cache_policy=CachePolicy.off())),
        verdict="no_points",
    ),
    "switched off later, InvokeModel": Situation(
        run=_pair(_invoke_model(), _invoke_model(cache_policy=CachePolicy.off())),
        verdict="no_points",
    ),
    "switched off later": Situation(
        run=_pair(_model(), _model(cache_policy=CachePolicy.off())), verdict="no_points"
    ),
    "refused by Bedrock": Situation(run=_refused, verdict="refused"),
    "throttled": Situation(run=_throttled, verdict="failed"),
}  # fmt: skip


def run_situation(situation: Situation) -> tuple[Diagnosis | None, Stage]:
    """Run a situation and return the diagnosis of its last call, and the stage."""
    stage = situation.stage()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheSkippedWarning)
        situation.run(stage)
    return stage.last, stage


def as_json(diagnosis: Diagnosis | None) -> str:
    """Return a diagnosis as JSON text, to look for prompt text in it."""
    return json.dumps(diagnosis.as_dict() if diagnosis else None)
