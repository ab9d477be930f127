"""Broken prompt caches whose requests have a beginning in common that nothing is read of."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from situation_runs import pair, twice, with_tools
from situation_stage import ANSWER, RULES, TOOLS, Situation, Stage, ask, system, turns
from wire import NOVA, POINT, words

from langchain_bedrock_cache import CachePolicy

_DOCUMENT: Any = {"type": "text", "text": words(2_000, "document")}
_BY_HAND = CachePolicy.off()  # points of the application's own are sent all the same
_QUESTIONS = [f"Question number {n}: what is in the handbook on island {n}?" for n in range(3)]
_PICTURE: Any = {"image": {"format": "png", "source": {"bytes": b"\x89PNG" + bytes(64)}}}


def _paper(name: str) -> Any:
    source = {"bytes": b"%PDF-1.4 " + words(2_000, "paper").encode()}
    return {"document": {"format": "pdf", "name": name, "source": source}}


def _point_behind_the_question(stage: Stage, *, after: float = 1) -> None:
    model = stage.model(cache_policy=_BY_HAND)
    for question in _QUESTIONS[:2]:
        text: Any = [_DOCUMENT, {"type": "text", "text": question}, POINT]
        stage.call([HumanMessage(text)], model=model, after=after)


def _passages_not_kept(stage: Stage, *, as_blocks: bool) -> None:
    history: list[BaseMessage] = [system(RULES)]
    for n, question in enumerate(_QUESTIONS):
        passages = f"Passages:\n{words(1_500, f'passage{n}')}\n\n"
        parts: Any = [{"type": "text", "text": text} for text in (passages, question)]
        stage.call([*history, HumanMessage(parts if as_blocks else passages + question)])
        history += [HumanMessage(question), AIMessage(f"{n}: {ANSWER}")]


def _time_in_each_question(stage: Stage) -> None:
    history: list[BaseMessage] = [system(RULES)]
    for n, question in enumerate(_QUESTIONS):
        stage.call([*history, HumanMessage(f"(It is 10:0{n} now) {question}")])
        history += [HumanMessage(question), AIMessage(f"{n}: {ANSWER}")]


def _agent(turn: int, *, results: int) -> list[BaseMessage]:
    """Return the messages of an agent that has called a tool so many times."""
    messages: list[BaseMessage] = [system(RULES), HumanMessage("Count all the islands, please.")]
    for n in range(results):
        call: Any = {"name": "read", "args": {"n": n}, "id": f"tooluse_{turn}{n:015}x"}
        answer = json.dumps({"n": n, "ships": n * n})
        messages += [AIMessage("", tool_calls=[call]), ToolMessage(answer, tool_call_id=call["id"])]
    return messages


def _last_step_without_tools(stage: Stage) -> None:
    stage.call(turns(2), model=stage.model().bind_tools(TOOLS))
    stage.call(turns(3))


def _new_ids_of_tool_calls(stage: Stage) -> None:
    model = stage.model().bind_tools(TOOLS)
    stage.call(_agent(1, results=8), model=model)
    stage.call(_agent(2, results=9), model=model)


def _another_screenshot(stage: Stage) -> None:
    model = stage.model().bind_tools(TOOLS)
    call: Any = {"name": "read", "args": {"n": 1}, "id": "tooluse_screen"}
    for color in (b"red", b"blue"):
        picture = {"image": {"format": "png", "source": {"bytes": color * 400}}}
        answer: Any = ["The screen, as it is now:", picture]
        seen = [AIMessage("", tool_calls=[call]), ToolMessage(answer, tool_call_id=call["id"])]
        asked = [*ask("What is on the screen?"), *seen, AIMessage(words(900, "colors"))]
        stage.call([*asked, HumanMessage(f"And now, after it was {color!r}?")], model=model)


LOST_BEGINNINGS: dict[str, Situation] = {
    "a cache point behind the question": Situation(
        run=_point_behind_the_question,
        verdict="prefix_changed", kind="branch", place="messages[0][1]",
    ),
    "a cache point behind the question, and a pause": Situation(
        run=lambda s: _point_behind_the_question(s, after=400), verdict="expired"
    ),
    "no cache point in the system prompt": Situation(
        run=lambda s: [
            s.call(ask(question), model=s.model(cache_policy=CachePolicy.fixed(messages="5m")))
            for question in _QUESTIONS[:2]
        ],
        verdict="prefix_changed", kind="branch", place="messages[0][0]",
    ),
    "a question asked in other words": Situation(
        run=twice([*turns(2)[:-1], HumanMessage(_QUESTIONS[0])], turns(2)), verdict="hit"
    ),
    "passages that are not kept": Situation(
        run=lambda s: _passages_not_kept(s, as_blocks=False),
        verdict="hit",
    ),
    "passages that are not kept, in blocks": Situation(
        run=lambda s: _passages_not_kept(s, as_blocks=True),
        verdict="hit",
    ),
    "a time in each question, not kept": Situation(
        run=_time_in_each_question,
        verdict="hit",
    ),
    "the last step of an agent without its tools": Situation(
        run=_last_step_without_tools,
        verdict="prefix_changed", kind="tool_removed", place="tools[0]",
    ),
    "tools for the same question": Situation(
        run=pair(lambda stage: stage.model(), with_tools(TOOLS)),
        verdict="prefix_changed", kind="tool_added", place="tools[0]",
    ),
    "IDs of tool calls made anew": Situation(
        run=_new_ids_of_tool_calls,
        verdict="prefix_changed", kind="identifier", place="messages[1][0]",
    ),
    "another image in a tool's result": Situation(
        run=_another_screenshot,
        verdict="prefix_changed", kind="media", place="messages[2][0]",
    ),
    "blocks of the system prompt swapped": Situation(
        run=twice(
            [system(words(900, "one"), words(900, "two")), HumanMessage("Which one is it?")],
            [system(words(900, "two"), words(900, "one")), HumanMessage("Which one is it?")],
        ),
        verdict="prefix_changed", kind="block_order", place="system[0]",
    ),
    "a turn missing in the middle": Situation(
        run=twice(turns(5), [*turns(6)[:5], *turns(6)[7:]]),
        verdict="prefix_changed", kind="block_removed", place="messages[4][0]",
    ),
    "an image dropped from the history": Situation(
        run=twice(
            [system(RULES), HumanMessage([_DOCUMENT, _PICTURE]), AIMessage(ANSWER), *turns(2)[3:]],
            [
                system(RULES), HumanMessage([_DOCUMENT]), AIMessage(ANSWER), *turns(2)[3:],
                AIMessage(ANSWER), HumanMessage("And what does that mean?"),
            ],
        ),
        verdict="prefix_changed", kind="media", place="messages[0][1]",
    ),
    "a document under another name": Situation(
        run=twice(
            [system(RULES), HumanMessage([_paper("paper one"), "What is in it, please?"])],
            [system(RULES), HumanMessage([_paper("paper two"), "Who wrote it, please?"])],
        ),
        verdict="prefix_changed", kind="media_name", place="messages[0][0]",
    ),
    # What one section is left out for says nothing about the others.
    "too short, other sections left out": Situation(
        run=lambda s: s.call(
            ask(rules=RULES[:1_200]), model=s.model(cache_policy=CachePolicy.fixed(system="5m"))
        ),
        verdict="too_short",
    ),
    "too long for Nova, planned": Situation(
        run=lambda s: s.call(
            [SystemMessage(words(25_000)), HumanMessage("Hi")],
            model=s.model(NOVA, cache_policy=CachePolicy.fixed(system="5m")),
        ),
        verdict="too_long",
    ),
}  # fmt: skip
