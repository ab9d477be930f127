"""Named policies: where each puts its points, and that the names mean what they say."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from wire import CLAUDE, LEGACY, NOVA, ask, assistant, document, text, tool, tool_result, tool_use
from wire import user as said

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, CacheOutcome, Point
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.policies import DEFAULT_POLICIES, check_policy, make_placer
from langchain_bedrock_cache.simulate.traffic import ReadCall, Traffic, to_traffics

AGENT = ask(
    said("Where?", "Now!"),
    assistant("I look.", tool_use()),
    said(tool_result()),
    tools=[tool()],
    system=[text(9), text(8)],
)
DOCUMENT = ask(said(text(2000), text(9)), system=[text(9)])


def traffic_of(*requests: dict[str, Any], model: str = CLAUDE, **more: Any) -> Traffic:
    """Return the requests as a traffic, 10 s apart."""
    profile = find_profile(model)
    assert profile is not None
    calls = [
        ReadCall(
            at_seconds=10.0 * n,
            session=f"{n}",
            model_id=model,
            profile=profile,
            prefix=read_converse(request, profile),
            **more,
        )
        for n, request in enumerate(requests)
    ]
    [traffic] = to_traffics(calls, source="test")
    return traffic


def placed(name: str, request: dict[str, Any], *, model: str = CLAUDE) -> list[tuple[int, str]]:
    """Return position and ttl of every point a policy places in a single request."""
    traffic = traffic_of(request, model=model)
    placer = make_placer(name, traffic, multipliers=price_multipliers(model))
    assert placer is not None
    return [(point.position, point.ttl) for point in placer.place(traffic.calls[0])]


# AGENT: 1 tool, 2 system blocks, 2 of the first question, 2 of the answer, 1 result
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", []),
        ("tools:5m", [(1, "5m")]),
        ("system:1h", [(3, "1h")]),
        ("head:1h", [(1, "1h"), (3, "1h")]),
        ("tail:5m", [(8, "5m")]),
        ("head:1h+tail:5m", [(1, "1h"), (3, "1h"), (8, "5m")]),
        ("document:5m", [(4, "5m")]),
        ("head:1h+document:5m+tail:5m", [(1, "1h"), (3, "1h"), (4, "5m"), (8, "5m")]),
        ("langchain-aws", [(1, "5m"), (3, "5m"), (7, "5m"), (8, "5m")]),
        ("langchain-aws:1h", [(1, "1h"), (3, "1h"), (7, "1h"), (8, "1h")]),
    ],
)
def test_the_name_of_a_policy_says_where_its_points_go(
    name: str, expected: list[tuple[int, str]]
) -> None:
    """Each part of a name is a point at the end of that part, with that lifetime."""
    assert placed(name, AGENT) == expected


def test_a_document_ends_before_the_question() -> None:
    """In a document with a question, the document part is all but the question."""
    assert placed("document:5m", DOCUMENT) == [(2, "5m")]


def test_a_part_that_is_missing_gets_no_point() -> None:
    """A request without tools and system has no head."""
    assert placed("head:5m+tail:5m", ask(said("Hi"))) == [(1, "5m")]


def test_fixed_policies_step_back_to_where_a_point_is_legal() -> None:
    """No point after a text document on Claude, none after a tool block or in tools on Nova."""
    assert placed("tail:5m", ask(said(text(9), document("txt")))) == [(1, "5m")]
    assert placed("tail:5m", ask(said(document("txt")))) == []
    assert placed("head:5m+tail:5m", AGENT, model=NOVA) == [(3, "5m"), (6, "5m")]


def test_fixed_policies_stay_below_the_cap_of_nova() -> None:
    """A point beyond the documented 20,000 tokens is ignored, so it goes to the last one below."""
    request = ask(said(text(15_000), text(4_000), text(4_000)))
    assert placed("tail:5m", request, model=NOVA) == [(2, "5m")]


@pytest.mark.parametrize("name", ["head:1h", "langchain-aws:1h", "head:1h+tail:5m"])
@pytest.mark.parametrize("model", [NOVA, LEGACY])
def test_a_lifetime_the_model_does_not_take_makes_a_policy_impossible(
    name: str, model: str
) -> None:
    """What Bedrock would refuse every time is not simulated."""
    traffic = traffic_of(AGENT, model=model)
    assert make_placer(name, traffic, multipliers=price_multipliers(model)) is None


def test_logged_points_are_replayed_as_logged() -> None:
    """The policy `as-logged` exists where there were points, and places those."""
    multipliers = price_multipliers(CLAUDE)
    logged = traffic_of(AGENT, logged_points=(Point(2, "1h"),))
    placer = make_placer("as-logged", logged, multipliers=multipliers)
    assert placer is not None
    assert placer.place(logged.calls[0]) == (Point(2, "1h"),)
    assert make_placer("as-logged", traffic_of(AGENT), multipliers=multipliers) is None


@pytest.mark.parametrize(
    "name", ["", "atuo", "head", "head:2h", "tail:5m+", "langchain-aws:5m", "none:5m", "head:"]
)
def test_an_unknown_policy_is_an_error_that_lists_the_known_ones(name: str) -> None:
    """A typo does not become a policy."""
    with pytest.raises(CachePolicyError, match=r"none, langchain-aws, .*auto.*system:1h\+tail:5m"):
        check_policy(name)


def test_longer_lifetimes_come_first() -> None:
    """A combination that Bedrock refuses is an error, in whatever order it is named."""
    check_policy("tail:5m+head:1h")
    with pytest.raises(CachePolicyError, match="longer lifetimes first"):
        check_policy("head:5m+tail:1h")


def test_every_default_policy_is_known() -> None:
    """The defaults are names like any other."""
    assert len(DEFAULT_POLICIES) == len(set(DEFAULT_POLICIES)) > 10
    for name in DEFAULT_POLICIES:
        check_policy(name)


LOOK_CALL = {"name": "look", "args": {"at": 1}, "id": "a", "type": "tool_call"}
HISTORIES: dict[str, list[Any]] = {
    "question": [SystemMessage("Be brief."), HumanMessage("Where is it?")],
    "no system": [HumanMessage("Where is it?")],
    "chat": [HumanMessage("Where?"), AIMessage("Here."), HumanMessage("And now?")],
    "tool result last": [
        SystemMessage("Be brief."),
        HumanMessage("Where is it?"),
        AIMessage("I look.", tool_calls=[LOOK_CALL]),
        ToolMessage("There.", tool_call_id="a"),
    ],
    "tool result before": [
        HumanMessage("Where is it?"),
        AIMessage("I look.", tool_calls=[LOOK_CALL]),
        ToolMessage("There.", tool_call_id="a"),
        AIMessage("There."),
        HumanMessage("And now?"),
    ],
    "reasoning before": [
        HumanMessage("Where is it?"),
        AIMessage(
            [
                {"type": "text", "text": "Here."},
                {
                    "type": "reasoning_content",
                    "reasoning_content": {"text": "Hm.", "signature": "c2ln"},
                },
            ]
        ),
        HumanMessage("And now?"),
    ],
}


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
@pytest.mark.parametrize("with_tools", [False, True])
@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_langchain_aws_policy_is_what_langchain_aws_sends(
    emulator: BedrockEmulator, history: str, ttl: str, model: str, *, with_tools: bool
) -> None:
    """The policy places the points that `ChatBedrockConverse` puts on the wire."""
    from langchain_aws import ChatBedrockConverse  # noqa: PLC0415 - takes a second

    chat: Any = ChatBedrockConverse(model_id=model, client=emulator.client())
    if with_tools or "tool" in history:  # langchain-aws rewrites tool messages without tools
        schema = {"title": "look", "description": "Look.", "type": "object", "properties": {}}
        chat = chat.bind_tools([schema])
    chat.invoke(HISTORIES[history], cache_control={"type": "ephemeral", "ttl": ttl})
    [sent] = emulator.requests
    marks = read_converse(sent, find_profile(model)).marks
    assert marks
    name = "langchain-aws:1h" if ttl == "1h" and model == CLAUDE else "langchain-aws"
    expected = [(mark.position, mark.ttl) for mark in marks]
    assert placed(name, sent, model=model) == expected


def test_auto_places_what_the_cached_client_sends(
    emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """The simulated planner and the one behind a real client decide alike, call by call."""
    from langchain_bedrock_cache import PrefixMemory, cached_client  # noqa: PLC0415

    requests = _mixed_requests()
    client = cached_client(emulator.client(), memory=PrefixMemory(clock=clock))
    for request in requests:
        client.converse(**request)
        clock.advance(10.0)
    sent = [read_converse(body, find_profile(CLAUDE)).marks for body in emulator.requests]
    traffic = traffic_of(*requests)
    placer = make_placer("auto", traffic, multipliers=price_multipliers(CLAUDE))
    assert placer is not None
    simulated = []
    for call in traffic.calls:
        simulated.append([(point.position, point.ttl) for point in placer.place(call)])
        cached = CacheOutcome(write_5m_tokens=call.tokens[-1])
        placer.learn(call, cached)
    assert simulated == [[(mark.position, mark.ttl) for mark in marks] for marks in sent]
    assert sum(map(len, simulated)) > len(requests)


def _mixed_requests() -> list[dict[str, Any]]:
    """Return an agent at work, in between questions about two documents."""
    messages = [said(text(200, "task"))]
    requests = []
    for turn in range(8):
        requests.append(ask(*messages, tools=[tool()], system=[text(3000)]))
        messages += [
            assistant("I look.", tool_use(turn)),
            said(tool_result(turn, tokens=300)),
        ]
        book = text(4000, f"book{turn % 2}")
        requests.append(ask(said(book, text(20, f"question{turn}")), system=[text(30, "rag")]))
    return requests


def test_outcomes_that_nobody_asked_for_are_ignored() -> None:
    """Learning without a placement before it does nothing."""
    traffic = traffic_of(AGENT)
    placer = make_placer("auto", traffic, multipliers=price_multipliers(CLAUDE))
    assert placer is not None
    placer.learn(traffic.calls[0], CacheOutcome())
    assert placer.place(traffic.calls[0])
