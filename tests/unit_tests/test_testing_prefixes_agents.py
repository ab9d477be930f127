"""`assert_prefix_stable` and conversations: tools, agents, histories and checkpointers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from prefix_chains import QUESTIONS, RULES, broken, model
from wire import words

from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse
from langchain_bedrock_cache.testing import assert_prefix_stable, emulated_bedrock


def _tools(count: int = 3) -> list[Any]:
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    @tool
    def divide(a: int, b: int) -> float:
        """Divide two numbers."""
        return a / b

    return [add, multiply, divide][:count]


def test_tools_that_change_their_order() -> None:
    """Tools bound in another order are named as such, with the place where it begins."""
    orders = itertools.cycle([_tools(), _tools()[::-1]])
    runnable = RunnableLambda(lambda q: model().bind_tools(next(orders)).invoke(q))
    said = broken(runnable)
    assert "tools[0] (the order of the tools)" in said
    assert "in the same order" in said


def test_a_description_that_changes_is_named_by_its_field() -> None:
    """A tool whose parameter is described anew each time: the path, and the text if asked."""
    days = itertools.count(1)

    def route() -> dict[str, Any]:
        text = f"A place, as of day {next(days)}."
        properties = {"place": {"type": "string", "description": text}}
        return {
            "type": "function",
            "function": {
                "name": "route",
                "description": "Find the way.",
                "parameters": {"type": "object", "properties": properties},
            },
        }

    runnable = RunnableLambda(lambda q: model().bind_tools([route()]).invoke(q))
    said = broken(runnable, show_text=True)
    field = "toolSpec.inputSchema.json.properties.place.description"
    assert f"tools[0] {field}, character 19 (the definition of a tool)" in said
    assert "before: 'A place, as of day 1.'" in said
    assert "now:    'A place, as of day 2.'" in said


def test_ids_of_tool_calls_that_are_made_anew() -> None:
    """An application that gives the calls of its history new IDs is told to keep them."""
    numbers = itertools.count(1)

    def again(question: str) -> Any:
        turn = next(numbers)
        call = {"name": "look", "args": {"what": "harbor"}, "id": f"call_{turn}"}
        history = [
            HumanMessage("Look at the harbor, please."),
            AIMessage("", tool_calls=[call]),
            ToolMessage("Two ferries. " * 200, tool_call_id=f"call_{turn}"),
            *[HumanMessage(question), AIMessage("Two ferries.")] * turn,
            HumanMessage(question),
        ]
        return model().bind_tools(_tools()).invoke(history)

    said = broken(RunnableLambda(again), ["And now?", "And now? Tell me."])
    assert "toolUse.toolUseId, character 5 (an identifier, perhaps)" in said
    assert "Keep the IDs of tool calls as the model gave them" in said


def test_tools_that_come_and_go() -> None:
    """A tool that is missing in some calls is named as such."""
    counts = itertools.cycle([3, 2])
    runnable = RunnableLambda(lambda q: model().bind_tools(_tools(next(counts))).invoke(q))
    assert "tools[2] (a tool that is missing)" in broken(runnable)


def _calls(*names: str) -> list[str | Reply]:
    uses: list[str | Reply] = [
        Reply(tool_uses=[ToolUse(name=name, input={"a": 6, "b": 3})]) for name in names
    ]
    return [*uses, "Done."]


def test_an_agent_passes() -> None:
    """Every call of a tool loop goes on where the last one ended, in all runs."""
    agent = create_agent(model("cached"), _tools(), system_prompt=RULES)
    inputs = [{"messages": [("human", question)]} for question in QUESTIONS]
    with emulated_bedrock() as bedrock:
        bedrock.answer_with(_calls("add", "divide") * 2 + _calls("add", "divide"))
        found = assert_prefix_stable(agent, inputs)
    assert (found.runs, found.calls) == (3, 9)


def test_an_agent_with_the_time_in_its_prompt() -> None:
    """A prompt that is made anew within a tool loop is found between two calls of one run."""
    clock = itertools.count()

    def loop(question: str) -> Any:
        messages: list[Any] = [HumanMessage(question)]
        while True:
            system = ("system", f"{RULES} It is {next(clock)} o'clock.")
            answer = model().bind_tools(_tools()).invoke([system, *messages])
            messages.append(answer)
            if not answer.tool_calls:
                return answer
            calls = answer.tool_calls
            messages += [_tools()[0].invoke(call) for call in calls]

    emulator = BedrockEmulator(responder=_looping(("add", "add")))
    said = broken(RunnableLambda(loop), emulator=emulator)
    assert "(3 runs, 9 calls)" in said
    assert "system[0], character" in said


def _looping(names: Sequence[str]) -> Callable[[dict[str, Any]], str | Reply]:
    """Return a model that uses these tools one after the other, whatever is asked."""

    def respond(request: dict[str, Any]) -> str | Reply:
        used = sum("toolResult" in b for m in request["messages"] for b in m["content"])
        return _calls(*names)[used]

    return respond


def _conversation(cut: Callable[[list[Any]], list[Any]]) -> Any:
    """Return a chain with a history of its own, which it cuts before each call."""
    history: list[Any] = []

    def turn(question: str) -> Any:
        history.append(HumanMessage(f"{question} {words(40, question[:5])}"))
        answer = model().invoke([("system", RULES), *cut(history)])
        history.append(AIMessage(f"{answer.content} {len(history)}"))
        return answer

    return RunnableLambda(turn)


def test_a_conversation_passes() -> None:
    """Turns of one conversation, given one after the other, each add to the last."""
    assert_prefix_stable(_conversation(lambda history: history), [*QUESTIONS, "Why?", "Really?"])


def test_a_trimmed_history() -> None:
    """A history that loses its beginning is found, and may be left out of the judgement."""

    def trim(history: list[Any]) -> list[Any]:
        return history[-3:]

    inputs = [*QUESTIONS, "And how many of them?", "Why is that so?"]
    said = broken(_conversation(trim), inputs)
    assert "messages[0][0] (messages dropped from the beginning of the history)" in said
    assert "cut it seldom" in said
    assert_prefix_stable(_conversation(trim), inputs, through="system")


def test_a_checkpointed_agent() -> None:
    """An agent that keeps its conversations itself goes on with them in each run, and passes."""
    agent = create_agent(model("cached"), [], system_prompt=RULES, checkpointer=InMemorySaver())
    inputs = [{"messages": [("human", question)]} for question in QUESTIONS]
    config = {"configurable": {"thread_id": "one"}}
    found = assert_prefix_stable(agent, inputs, config=config)
    assert (found.runs, found.calls) == (3, 3)
