"""An agent with tools that looks things up in documents, and conversations to have with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.demo.documents import Document
from langchain_bedrock_cache.demo.recorder import Recorder
from langchain_bedrock_cache.demo.stage import Stage
from langchain_bedrock_cache.demo.tools import tools_for
from langchain_bedrock_cache.demo.ways import CACHED, NO_CACHING, OWN_CACHING, Way

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

_INSTRUCTIONS = """\
{label} You are a librarian. Look things up before you answer: search for words to find documents,
read what seems to matter, part by part. Name the documents you used. The catalog:
{catalog}"""
_SECONDS_A_TOOL_TAKES = 3.0
_SECONDS_BETWEEN_CONVERSATIONS = 360.0
# A live model may go on searching; a scripted one makes as many calls as its script says.
_MAX_CALLS_PER_TURN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A tool call that the emulated model makes.

    Attributes:
        tool: `search` or `read`.
        arguments: Its arguments.
    """

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the user says, and what the emulated model looks up before it answers.

    Attributes:
        question: Unique in a workload.
        lookups: One model call each, and one more for the answer.
        pause_seconds: How long the user thinks before saying it.
    """

    question: str
    lookups: tuple[Lookup, ...]
    pause_seconds: float = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWorkload:
    """Conversations with the agent, one after the other.

    Attributes:
        documents: What its tools look at.
        conversations: Turn by turn.
        title: Names it.
        why_unread: What to say about a way that writes and never reads.
        ways: What to compare.
    """

    documents: tuple[Document, ...]
    conversations: tuple[tuple[Turn, ...], ...]
    title: str = "Agent with tools"
    why_unread: str = (
        "The cache point moves on with the end of the conversation, and this model finds only what "
        "ends exactly at a cache point."
    )
    ways: tuple[Way, ...] = (NO_CACHING, OWN_CACHING, CACHED)

    @property
    def calls(self) -> int:
        """How many model calls a run makes, if the model keeps to the script."""
        return sum(len(turn.lookups) + 1 for turns in self.conversations for turn in turns)

    @property
    def pace(self) -> str:
        """When the user speaks, in simulated time."""
        pauses = [turn.pause_seconds for turns in self.conversations for turn in turns]
        return (
            f"Conversations: {len(self.conversations)}, "
            f"{_SECONDS_BETWEEN_CONVERSATIONS / 60:.0f} minutes apart. "
            f"Turns: {min(pauses):.0f} to {max(pauses):.0f} seconds apart."
        )

    def run(self, way: Way, model_id: str, stage: Stage, recorder: Recorder) -> None:
        """Have every conversation.

        Args:
            way: How the model caches.
            model_id: Which model.
            stage: Where it runs.
            recorder: Gets every call.
        """
        from langchain_core.messages import HumanMessage, SystemMessage  # noqa: PLC0415 - heavy

        tools = tools_for(self.documents)
        agent = _Agent(way.make(model_id, stage, tools), tools, stage, recorder)
        catalog = "\n".join(f"{d.name}: {d.opening}" for d in self.documents)
        system = _INSTRUCTIONS.format(label=stage.label, catalog=catalog)
        for number, turns in enumerate(self.conversations, 1):
            messages: list[BaseMessage] = [SystemMessage(system)]
            for turn_number, turn in enumerate(turns, 1):
                stage.wait(turn.pause_seconds)
                messages.append(HumanMessage(turn.question))
                agent.answer(messages, f"conversation {number}", f"turn {turn_number}")
            stage.wait(_SECONDS_BETWEEN_CONVERSATIONS)


class _Agent:
    """The loop of every agent: call the model, run the tools it asks for, until it answers."""

    def __init__(
        self,
        model: Runnable[Any, Any],
        tools: Sequence[Any],
        stage: Stage,
        recorder: Recorder,
    ) -> None:
        self._model = model
        self._tools = {tool.name: tool for tool in tools}
        self._stage = stage
        self._recorder = recorder

    def answer(self, messages: list[BaseMessage], group: str, label: str) -> None:
        """Answer the last message; appends what is said and looked up on the way."""
        for number in range(1, _MAX_CALLS_PER_TURN + 1):
            reply = self._model.invoke(messages, self._recorder.config)
            self._recorder.step(group, f"{label}, call {number}")
            messages.append(reply)
            if not reply.tool_calls:
                return
            messages += [self._tools[call["name"]].invoke(call) for call in reply.tool_calls]
            self._stage.wait(_SECONDS_A_TOOL_TAKES)


def reference_agent(documents: Sequence[Document], *, conversations: int) -> AgentWorkload:
    """Return conversations about Python's language reference.

    Args:
        documents: All its topics.
        conversations: How many to have, at most 4.
    """
    return AgentWorkload(
        documents=tuple(documents), conversations=_REFERENCE_CONVERSATIONS[:conversations]
    )


def own_agent(documents: Sequence[Document], *, conversations: int) -> AgentWorkload:
    """Return conversations that can be had about any documents.

    Args:
        documents: The user's.
        conversations: How many to have, at most one for each document.
    """
    return AgentWorkload(
        documents=tuple(documents),
        conversations=tuple(_conversation_about(d.name) for d in documents[:conversations]),
    )


def _search(words: str) -> Lookup:
    return Lookup(tool="search", arguments={"words": words})


def _read(name: str, part: int = 1) -> Lookup:
    return Lookup(tool="read", arguments={"name": name, "part": part})


def _conversation_about(name: str) -> tuple[Turn, ...]:
    return (
        Turn(question=f"What does {name} begin with?", lookups=(_read(name),)),
        Turn(question=f"What comes next in {name}?", lookups=(_search("the"), _read(name, 2))),
        Turn(question=f"And what follows from {name}?", lookups=(), pause_seconds=90.0),
    )


_REFERENCE_CONVERSATIONS: tuple[tuple[Turn, ...], ...] = (
    (
        Turn(
            question="How do try and with differ in what they promise when something fails?",
            lookups=(_search("exception handler"), _read("try"), _read("with")),
        ),
        Turn(question="And what is different with async with?", lookups=(_read("async"),)),
    ),
    (
        Turn(
            question="How do I round a float to two digits in an f-string?",
            lookups=(_read("formatstrings"), _read("formatstrings", 2)),
        ),
        Turn(question="Can the width come from a variable?", lookups=()),
        # Long enough to lose what is cached for five minutes.
        Turn(
            question="What else can I do with strings?",
            lookups=(_search("string methods"), _read("string-methods")),
            pause_seconds=420.0,
        ),
    ),
    (
        Turn(
            question="How does Python find an attribute of an object?",
            lookups=(_search("attribute access"), _read("attribute-access")),
        ),
        Turn(question="When does it call __getattr__?", lookups=(_read("customization"),)),
    ),
    (
        Turn(question="What does a slice with a step return?", lookups=(_read("typesseq"),)),
        Turn(question="How do I write a for loop with an index?", lookups=(_read("for"),)),
    ),
)
