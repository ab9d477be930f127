"""A stage to break prompt caches on: an emulator, a handler that records, and chains on them."""

from __future__ import annotations

import gc
import json
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from wire import CLAUDE, words

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


@dataclass(slots=True)
class Stage:
    """An emulator, a clock, a handler that records, and chains on them."""

    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(1_000.0))
    latency_seconds: float = 0.0
    meeting: threading.Barrier | None = None
    answer: str = ANSWER
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

    def dismiss_handler(self) -> None:
        """Leave nobody to listen, as before an application makes its first handler."""
        del self.handler
        gc.collect()

    def hire_handler(self) -> None:
        """Make a handler anew."""
        self.handler = CacheUsageCallbackHandler(clock=self.clock)

    def call(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: Any = None,
        after: float = 1,
        is_heard: bool = True,
    ) -> Any:
        """Run a chain with a prompt and a model, some seconds after the last call."""
        self.clock.advance(after)
        prompt = ChatPromptTemplate([MessagesPlaceholder("messages")])
        chain = prompt | (model if model is not None else self.model())
        callbacks = [self.handler] if is_heard else []
        return chain.invoke({"messages": messages}, {"callbacks": callbacks})

    def _answer(self, _request: Any) -> Reply:
        if self.meeting is not None:
            self.meeting.wait(timeout=10)
            self.clock.advance(self.latency_seconds)
        return Reply(text=self.answer)


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
