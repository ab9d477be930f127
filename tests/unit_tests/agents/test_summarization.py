"""`CachedSummarizationMiddleware`: compaction that reads the cached conversation."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from agents_on_emulator import SYSTEM, Bedrock, agent_of, human, input_cost, points_in, thread
from langchain.agents.middleware import SummarizationMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from wire import words

from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import Reply, ToolUse
from langchain_bedrock_cache.middleware import CachedSummarizationMiddleware

SUMMARY = "What was said so far, in short."
SETTINGS: dict[str, Any] = {"trigger": ("messages", 9), "keep": ("messages", 3)}
TURNS = 5  # the ninth message is the fifth question
TASK = "The task. " + words(500, "task")


def asks(request: dict[str, Any]) -> bool:
    """Whether a request asks for a summary, ours or LangChain's."""
    last = str(request["messages"][-1])
    return "Call no tool." in last or "Messages to summarize" in last


def respond(request: dict[str, Any]) -> Reply:
    """Answer at length, or summarize."""
    return Reply(text=SUMMARY if asks(request) else words(700, "answer"))


def conversation(
    compaction: Any,
    *,
    responder: Any = respond,
    turns: int = TURNS,
    sync: bool = True,
    middleware: bool = False,
    **settings: Any,
) -> tuple[Bedrock, Any]:
    """Have a conversation; return the emulator and the last state."""
    bedrock = Bedrock(responder)
    model = bedrock.plain() if middleware else bedrock.cached()
    ours = [bedrock.middleware()] if middleware else []
    agent = agent_of((model, [compaction(model), *ours]), checkpointer=InMemorySaver(), **settings)
    for n in range(turns):
        bedrock.clock.advance(20)
        said = human(TASK if n == 0 else f"Question {n}. " + words(700, "why"))
        if sync:
            agent.invoke(said, thread())
        else:
            asyncio.run(agent.ainvoke(said, thread()))
    return bedrock, agent.get_state(thread()).values["messages"]


def ours(model: Any, **settings: Any) -> CachedSummarizationMiddleware:
    """Return our middleware."""
    return CachedSummarizationMiddleware(model, **SETTINGS | settings)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("middleware", [True, False], ids=["our middleware", "our model"])
def test_a_compaction(*, sync: bool, middleware: bool) -> None:
    """The question reads all that was cached; what follows reads tools and system prompt."""
    bedrock, messages = conversation(ours, sync=sync, middleware=middleware)
    assert [asks(request) for request in bedrock.requests] == [False] * 4 + [True, False]
    *_, before, question, after = bedrock.ledger
    assert question.cache_read_tokens >= before.input_tokens - 2
    assert after.cache_read_tokens > 1900
    assert [message.type for message in messages] == [
        "human",
        "human",
        "human",
        "ai",
        "human",
        "ai",
    ]
    assert messages[0].text == TASK
    assert SUMMARY in messages[1].text
    assert messages[2].text.startswith("Question 3")
    assert points_in(messages) == 0


def test_the_question_is_the_conversation_and_one_message() -> None:
    """Tools, system prompt and messages of the question are those of the call before it."""
    bedrock, _ = conversation(ours)
    before, question = (strip_points(request) for request in bedrock.requests[3:5])
    assert question["toolConfig"] == before["toolConfig"]
    assert question["system"] == before["system"]
    sent = before["messages"]
    assert question["messages"][: len(sent)] == sent


def test_without_the_head() -> None:
    """On request the first message goes, too, as with LangChain's middleware."""
    _, messages = conversation(lambda model: ours(model, keep_head=False))
    assert SUMMARY in messages[0].text


def test_a_second_compaction_keeps_the_head() -> None:
    """The first message stays, and there is only ever one summary."""
    bedrock, messages = conversation(ours, turns=9)
    assert sum(map(asks, bedrock.requests)) > 1
    assert messages[0].text == TASK
    assert sum(SUMMARY in message.text for message in messages) == 1


def test_a_summary_is_no_head() -> None:
    """A conversation that LangChain's middleware compacted before has no first message left."""
    model = Bedrock().cached()
    summary = HumanMessage("In short.", additional_kwargs={"lc_source": "summarization"})
    assert ours(model)._head_of([summary, HumanMessage("Go on")]) == 0
    assert ours(model)._head_of([]) == 0


def test_nothing_new_is_not_summarized() -> None:
    """If what stays is above the trigger already, the summary is not summarized again and again."""
    settings = {"trigger": ("messages", 3), "keep": ("messages", 3)}
    bedrock, _ = conversation(lambda model: ours(model, **settings), turns=3)
    asked = [asks(request) for request in bedrock.requests]
    assert not any(first and second for first, second in pairwise(asked))
    assert asked[-1] is False


def test_it_costs_less_than_langchains() -> None:
    """The same compactions cost less, against LangChain's way with all of the history."""
    in_all, for_summaries = [], []
    for way in (
        ours,
        lambda model: SummarizationMiddleware(model, trim_tokens_to_summarize=None, **SETTINGS),
    ):
        bedrock, _ = conversation(way, turns=9)
        calls = zip(bedrock.ledger, bedrock.requests, strict=True)
        summaries = [record for record, request in calls if asks(request)]
        assert len(summaries) >= 2
        in_all.append(input_cost(bedrock.ledger))
        for_summaries.append(input_cost(summaries))
    assert in_all[0] < in_all[1]
    assert for_summaries[0] < 0.7 * for_summaries[1]


def test_a_model_that_goes_on_with_its_tools() -> None:
    """If the agent answers the question with a tool call, the summary is LangChain's."""

    def stubborn(request: dict[str, Any]) -> Reply:
        if "toolConfig" in request and asks(request):
            return Reply(tool_uses=[ToolUse(name="look_up", input={"n": 1})])
        return respond(request)

    bedrock, messages = conversation(
        lambda model: ours(model, trim_tokens_to_summarize=None), responder=stubborn
    )
    assert [asks(request) for request in bedrock.requests] == [False] * 4 + [True, True, False]
    assert SUMMARY in messages[1].text


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_a_conversation_that_has_outgrown_the_model(*, sync: bool) -> None:
    """If the question is too long, LangChain's way cuts the history; the agent goes on."""
    bedrock = Bedrock(respond)
    model = bedrock.cached()
    compaction = ours(model, trim_tokens_to_summarize=2000)
    agent = agent_of((model, [compaction]), checkpointer=InMemorySaver())
    for n in range(TURNS):
        if n == TURNS - 1:
            bedrock.emulator.fail_next(
                "ValidationException", "Input is too long for requested model."
            )
        said = human(f"Question {n}. " + words(700, "why"))
        if sync:
            agent.invoke(said, thread())
        else:
            asyncio.run(agent.ainvoke(said, thread()))
    messages = agent.get_state(thread()).values["messages"]
    assert SUMMARY in messages[1].text
    assert "toolConfig" not in bedrock.requests[-2]


def test_a_summarizer_of_the_users_own() -> None:
    """It is asked instead of the agent, for what goes alone."""
    seen: list[Any] = []

    def summarize(messages: list[Any]) -> str:
        seen.extend(messages)
        return "My own."

    bedrock, messages = conversation(
        lambda model: ours(model, summarizer=summarize, trim_tokens_to_summarize=None)
    )
    assert not any(map(asks, bedrock.requests))
    assert "My own." in messages[1].text
    assert TASK not in [message.text for message in seen]


def test_structured_output_has_langchains_summary() -> None:
    """Where every answer is a forced tool call, the agent cannot be asked."""
    schema = {"title": "Verdict", "description": "A verdict.", "type": "object", "properties": {}}

    def verdict(request: dict[str, Any]) -> Reply:
        if "toolConfig" in request:
            return Reply(text=words(500, "law"), tool_uses=[ToolUse(name="Verdict")])
        return respond(request)

    bedrock, messages = conversation(
        lambda model: ours(model, trim_tokens_to_summarize=None),
        responder=verdict,
        response_format=ToolStrategy(schema),
        turns=4,
    )
    assert sum(map(asks, bedrock.requests)) == 1
    assert any(SUMMARY in message.text for message in messages)


def test_the_summary_is_not_streamed_as_an_answer() -> None:
    """Streams of an agent's messages can tell the summary by its metadata, as LangChain's."""
    bedrock = Bedrock(respond)
    model = bedrock.cached()
    agent = agent_of((model, [ours(model)]), checkpointer=InMemorySaver())
    sources = []
    for n in range(TURNS):
        said = human(f"Question {n}. " + SYSTEM[:200])
        for _chunk, metadata in agent.stream(said, thread(), stream_mode="messages"):
            sources.append(metadata.get("lc_source"))
    assert "summarization" in sources
    assert sources[-1] is None
    assert "lc_source" not in (model.metadata or {})


def test_names() -> None:
    """It stands in for LangChain's middleware, and there is no node in the graph for it."""
    compaction = ours(Bedrock().cached())
    assert compaction.name == "SummarizationMiddleware"
    agent = agent_of((Bedrock().cached(), [compaction]))
    assert not [node for node in agent.get_graph().nodes if "ummar" in node]
