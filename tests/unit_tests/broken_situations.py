"""Broken prompt caches: chains that go wrong in one known way each, and what is wrong with them.

Every situation runs a real chain against the emulator. The verdict, kind and place are of its last
call; a place with an offset says which characters the change begins in.
"""

from __future__ import annotations

from typing import Any

from broken_calls import BROKEN_CALLS
from healthy_situations import HEALTHY
from langchain_core.messages import AIMessage, HumanMessage
from lost_beginnings import LOST_BEGINNINGS
from situation_runs import (
    by_default,
    invoke_model,
    invoked,
    model,
    pair,
    routed,
    rules_change,
    thinking,
    twice,
    with_fields,
    with_tools,
)
from situation_stage import ANSWER, RULES, SONNET, TOOLS, Situation, ask, system, tool, turns
from wire import words

# The same in OpenAI's form, which models on InvokeModel take.
_FUNCTIONS: list[dict[str, Any]] = [
    {
        "name": one["toolSpec"]["name"],
        "description": one["toolSpec"]["description"],
        "parameters": one["toolSpec"]["inputSchema"]["json"],
    }
    for one in TOOLS
]


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
    "the same call again": Situation(run=twice(ask(), ask()), verdict="hit"),
    "next turn of a conversation": Situation(run=twice(turns(2), turns(3)), verdict="hit"),
    "another question, same system": Situation(
        run=twice(ask("What is rule 7 about?"), ask("And which one is the best?")), verdict="hit"
    ),
    "a conversation of its own": Situation(
        run=twice(ask(), ask(rules=words(2_000, "other"))), verdict="first_write"
    ),
    "the same call again, InvokeModel": Situation(run=invoked(ask(), ask()), verdict="hit"),
    "a router that returns to its first model": Situation(
        run=routed("An easy one, please?", "A hard one, please?", "Another easy one?"),
        verdict="hit",
    ),
    # The system prompt changes.
    "date at the start": Situation(
        run=rules_change(f"Today is 2026-11-16.\n{RULES}", f"Today is 2026-11-17.\n{RULES}"),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "weekday at the start": Situation(
        run=rules_change(f"Today is Monday.\n{RULES}", f"Today is Wednesday.\n{RULES}"),
        verdict="prefix_changed", kind="date", place="system[0]", offset=9,
    ),
    "time in the middle": Situation(
        run=rules_change(
            f"{RULES[:_MIDDLE]} Now: 10:04. {RULES[_MIDDLE:]}",
            f"{RULES[:_MIDDLE]} Now: 10:17. {RULES[_MIDDLE:]}",
        ),
        verdict="prefix_changed", kind="time", place="system[0]", offset=_MIDDLE + 9,
    ),
    "request ID at the end": Situation(
        run=rules_change(
            f"{RULES}Request 0d9ff0a6-1f7e-4d2b-9b1c-5f3a7c2e8d41",
            f"{RULES}Request 7be1c2d3-8a90-4c11-a2f4-0c6d1e9b3a57",
        ),
        verdict="prefix_changed", kind="identifier", place="system[0]", offset=len(RULES) + 8,
    ),
    "a counter": Situation(
        run=rules_change(f"Ticket #41. {RULES}", f"Ticket #42. {RULES}"),
        verdict="prefix_changed", kind="number", place="system[0]", offset=9,
    ),
    "date at the start, InvokeModel": Situation(
        run=invoked(
            ask(rules=f"Today is 2026-11-16.\n{RULES}"), ask(rules=f"Today is 2026-11-17.\n{RULES}")
        ),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "whitespace": Situation(
        run=rules_change(RULES, RULES[:998].rstrip() + "\n\n" + RULES[998:].lstrip()),
        verdict="prefix_changed", kind="whitespace", place="system[0]",
    ),
    "the name of the user": Situation(
        run=rules_change(f"You talk to Anna. {RULES}", f"You talk to Bernard. {RULES}"),
        verdict="prefix_changed", kind="text", place="system[0]", offset=12,
    ),
    "reworded": Situation(
        run=rules_change(RULES, RULES.replace("Rule 80: answer", "Rule 80: reply to")),
        verdict="prefix_changed", kind="text", place="system[0]", offset=4_096,
    ),
    "a block in front": Situation(
        run=twice(
            [system(RULES, "Be brief, whatever they ask."), HumanMessage("Why?")],
            [system("You are in Rome.", RULES, "Be brief, whatever they ask."), HumanMessage("W?")],
        ),
        verdict="prefix_changed", kind="block_added", place="system[0]",
    ),
    "a block left out": Situation(
        run=twice(
            [system("You are in Rome.", RULES, "Be brief, whatever they ask."), HumanMessage("W?")],
            [system(RULES, "Be brief, whatever they ask."), HumanMessage("Why?")],
        ),
        verdict="prefix_changed", kind="block_removed", place="system[0]",
    ),
    "time in the system prompt, default policy": Situation(
        run=by_default, verdict="prefix_changed", kind="time", place="system[0]", offset=9
    ),
    # Tools change.
    "shuffled tools": Situation(
        run=pair(with_tools(TOOLS), with_tools(TOOLS[::-1])),
        verdict="prefix_changed", kind="tool_order", place="tools[0]",
    ),
    "shuffled tools, InvokeModel": Situation(
        run=pair(
            lambda s: s.invoke_model().bind_tools(_FUNCTIONS),
            lambda s: s.invoke_model().bind_tools(_FUNCTIONS[::-1]),
        ),
        verdict="prefix_changed", kind="tool_order", place="tools[0]",
    ),
    "a tool described anew": Situation(
        run=pair(
            with_tools(TOOLS),
            with_tools([TOOLS[0], tool("search", description="Now better."), TOOLS[2]]),
        ),
        verdict="prefix_changed", kind="tool_definition", place="tools[1]",
    ),
    "a tool more, in front": Situation(
        run=pair(with_tools(TOOLS), with_tools([tool("ask"), *TOOLS])),
        verdict="prefix_changed", kind="tool_added", place="tools[0]",
    ),
    "a tool less": Situation(
        run=pair(with_tools(TOOLS), with_tools(TOOLS[:2])),
        verdict="prefix_changed", kind="tool_removed", place="tools[2]",
    ),
    "keys of a schema in another order": Situation(
        run=pair(
            with_tools([TOOLS[0], tool("search", **_KEYS)]),
            with_tools([TOOLS[0], tool("search", **dict(reversed(_KEYS.items())))]),
        ),
        verdict="prefix_changed", kind="key_order", place="tools[1]",
    ),
    # Settings change.
    "another model": Situation(
        run=pair(model(), model(SONNET)),
        verdict="prefix_changed", kind="model", place="model",
    ),
    "another Region": Situation(
        run=pair(model(region="us-east-1"), model(region="eu-west-1")),
        verdict="prefix_changed", kind="region", place="region",
    ),
    "the other API": Situation(
        run=pair(model(), invoke_model()),
        verdict="prefix_changed", kind="api", place="api",
    ),
    "a router that chooses another model": Situation(
        run=routed("An easy one, please?", "A hard one, please?"),
        verdict="prefix_changed", kind="model", place="model",
    ),
    "another thinking budget": Situation(
        run=pair(thinking(2_000), thinking(4_000)),
        verdict="prefix_changed", kind="thinking", place="thinking",
    ),
    "another effort": Situation(
        run=pair(
            with_fields(output_config={"effort": "low"}),
            with_fields(output_config={"effort": "high"}),
        ),
        verdict="prefix_changed", kind="effort", place="effort",
    ),
    "another beta": Situation(
        run=pair(with_fields(anthropic_beta=["a"]), with_fields(anthropic_beta=["a", "b"])),
        verdict="prefix_changed", kind="setting", place="anthropic_beta",
    ),
    "a forced tool": Situation(
        run=lambda s: [
            s.call(turns(6), model=with_tools(TOOLS, tool_choice=choice)(s))
            for choice in ("auto", "any")
        ],
        verdict="prefix_changed", kind="tool_choice", place="messages[0][0]",
    ),
    # The conversation changes.
    "trimmed history": Situation(
        run=twice(turns(5), [turns(6)[0], *turns(6)[5:]]),
        verdict="prefix_changed", kind="history_trimmed", place="messages[0][0]",
    ),
    "trimmed history, InvokeModel": Situation(
        run=invoked(turns(5), [turns(6)[0], *turns(6)[5:]]),
        verdict="prefix_changed", kind="history_trimmed", place="messages[0][0]",
    ),
    "summarized history": Situation(
        run=twice(
            turns(5),
            [turns(6)[0], HumanMessage("So far: they spoke."), AIMessage("I see."), *turns(6)[7:]],
        ),
        verdict="prefix_changed", kind="history_summarized", place="messages[0][0]",
    ),
    "an earlier answer edited": Situation(
        run=twice(
            turns(3), [m if i != 2 else AIMessage("0: Done.") for i, m in enumerate(turns(4))]
        ),
        verdict="prefix_changed", kind="text", place="messages[1][0]",
    ),
    "an earlier answer stripped": Situation(
        run=twice(
            turns(3, answer="Well,\n\n this is it."), turns(4, answer="Well,\nthis is it.")
        ),
        verdict="prefix_changed", kind="whitespace", place="messages[1][0]",
    ),
    "an image added": Situation(
        run=twice(
            [system(RULES), _image(_LONG), AIMessage(ANSWER), HumanMessage("And what else then?")],
            [system(RULES), _image(_PICTURE, _LONG), AIMessage(ANSWER), HumanMessage("And then?")],
        ),
        verdict="prefix_changed", kind="media", place="messages[0][0]",
    ),
    "documents in another order": Situation(
        run=twice(
            [system(RULES), _image(_LONG, _OTHER, {"type": "text", "text": "Which is better?"})],
            [system(RULES), _image(_OTHER, _LONG, {"type": "text", "text": "Which is worse?"})],
        ),
        verdict="prefix_changed", kind="block_order", place="messages[0][0]",
    ),
    "date in the first message": Situation(
        run=twice(
            [HumanMessage(f"2026-11-16\n{words(2_000)}")],
            [HumanMessage(f"2026-11-21\n{words(2_000)}")],
        ),
        verdict="prefix_changed", kind="date", place="messages[0][0]", offset=8,
    ),
    "question in front of the document": Situation(
        run=twice(
            [HumanMessage(f"Who wrote it?\n{words(2_000)}")],
            [HumanMessage(f"What happens then?\n{words(2_000)}")],
        ),
        verdict="prefix_changed", kind="text", place="messages[0][0]", offset=0,
    ),
    **BROKEN_CALLS,
    **LOST_BEGINNINGS,
    **HEALTHY,
}  # fmt: skip
