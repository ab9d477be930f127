"""Where the points go, request by request, judged by what the emulator then reads and writes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from planned_session import SYSTEM, TOOLS, Request, Session, agent_turns, conversation
from wire import (
    HAIKU,
    HOUR,
    LEGACY,
    NOVA,
    POINT,
    REASONING,
    ask,
    assistant,
    document,
    points,
    text,
    tool,
    user,
)

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy


def first_points(request: Request, policy: CachePolicy | None = None) -> list[str]:
    """Return the points of a request that is the first one ever seen."""
    session = Session(policy)
    session.send(request)
    return points(session.sent)


COLD: dict[str, tuple[Request, list[str]]] = {
    "too short": (ask(user("?"), system=[text(100)]), []),
    "a document and a question": (ask(user(text(2000), "?")), ["messages[0][0]"]),
    "documents and a question": (
        ask(user(text(600), text(600), text(600), "?")),
        ["messages[0][2]"],
    ),
    "a PDF and a question": (ask(user(document("pdf", 9000), "?")), ["messages[0][0]"]),
    "a spreadsheet and a question": (ask(user(document("csv"), "?")), []),
    "text, a spreadsheet and a question": (
        ask(user(text(2000), document("csv"), "?")),
        ["messages[0][0]"],
    ),
    "system and a short question": (
        ask(user("?"), system=SYSTEM),
        ["system[0]", "messages[0][0]"],
    ),
    "an agent": (
        ask(user("?"), system=SYSTEM, tools=TOOLS),
        ["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
    ),
    "a model that knows no hour": (
        ask(user("?"), system=SYSTEM, model=LEGACY),
        ["system[0]", "messages[0][0]"],
    ),
    "an agent on Nova": (
        ask(user("?"), system=SYSTEM, tools=TOOLS, model=NOVA),
        ["system[0]", "messages[0][0]"],
    ),
    "a higher minimum": (ask(user("?"), system=SYSTEM, model=HAIKU), []),
}


@pytest.mark.parametrize("case", COLD)
def test_the_first_request(case: str) -> None:
    """With nothing seen yet, points go where prefixes usually come back from, and no further."""
    request, expected = COLD[case]
    assert first_points(request) == expected


@pytest.mark.parametrize("results", [1, 5, 10, 19, 21, 30])
def test_many_tool_results_keep_the_last_write_reachable(results: int) -> None:
    """A turn of more blocks than Bedrock looks back over still reads what the turn before wrote."""
    session = Session()
    records = [session.send(request, after=10.0) for request in agent_turns(results, 5)]
    for before, after in pairwise(records):
        assert after.cache_read_tokens == before.cache_read_tokens + before.cache_write_tokens


def test_the_one_point_left_keeps_the_last_write_reachable() -> None:
    """Beside three points of the application, the fourth must not leave the last write behind."""
    system = [text(1200, "a"), POINT, text(1200, "b"), POINT, text(1200, "c"), POINT]
    session = Session()
    records = [
        session.send({**request, "system": system}, after=10.0) for request in agent_turns(30, 5)
    ]
    for before, after in pairwise(records):
        assert after.cache_read_tokens >= before.cache_read_tokens + before.cache_write_tokens


KEPT: dict[str, tuple[Request, list[str]]] = {
    "one": (ask(user(text(2000), POINT, "?")), ["messages[0][0]"]),
    "one for an hour": (ask(user(text(2000), HOUR, "?")), ["messages[0][0] 1h"]),
    "one too short": (ask(user("a", POINT, "?")), ["messages[0][0]"]),
    "four": (
        ask(user("a", POINT, "b", POINT, "c", POINT, text(2000), POINT, "?"), system=SYSTEM),
        ["messages[0][0]", "messages[0][1]", "messages[0][2]", "messages[0][3]"],
    ),
    "one before a longer prefix": (
        ask(user("?"), system=[text(2000), POINT, text(2000)], tools=TOOLS),
        ["system[0]"],
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_points_of_the_application_are_kept(case: str) -> None:
    """Each stays where it is with the ttl it has, and at most four are sent in all."""
    request, own = KEPT[case]
    session = Session()
    for _ in range(3):
        session.send(request, after=10.0)
        sent = points(session.sent)
        assert [p for p in sent if p in own] == own
        assert len(sent) <= 4


def test_points_of_the_application_count() -> None:
    """With three of its own, a request gets at most one more."""
    messages = [m for r in conversation(3) for m in r["messages"]][-5:]
    request = ask(*messages, system=[text(2000), POINT, text(2000), POINT], tools=[tool(), POINT])
    sent = first_points(request)
    assert sent[:3] == ["tools[0]", "system[0]", "system[1]"]
    assert len(sent) == 4


LONG_AGENT = ask(user(text(2000, "task")), system=SYSTEM, tools=TOOLS)
FIXED: dict[str, tuple[CachePolicy, Request, list[str]]] = {
    "everything": (
        CachePolicy(mode="fixed"),
        LONG_AGENT,
        ["tools[0]", "system[0]", "messages[0][0]"],
    ),
    "an hour": (
        CachePolicy(mode="fixed", ttl="1h"),
        LONG_AGENT,
        ["tools[0] 1h", "system[0] 1h", "messages[0][0] 1h"],
    ),
    "by section": (
        CachePolicy.fixed(tools="1h", system="1h", messages="5m"),
        LONG_AGENT,
        ["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
    ),
    "system only": (CachePolicy.fixed(system="5m"), LONG_AGENT, ["system[0]"]),
    "messages only": (CachePolicy.fixed(messages="5m"), LONG_AGENT, ["messages[0][0]"]),
    "tools only": (CachePolicy.fixed(tools="1h"), LONG_AGENT, ["tools[0] 1h"]),
    "a minimum": (CachePolicy(mode="fixed", min_tokens=5000), LONG_AGENT, ["messages[0][0]"]),
    "too short": (CachePolicy(mode="fixed"), ask(user("?"), system=[text(500)]), []),
    "an hour where there is none": (
        CachePolicy(mode="fixed", ttl="1h"),
        {**LONG_AGENT, "modelId": LEGACY},
        ["tools[0]", "system[0]", "messages[0][0]"],
    ),
    "Nova": (
        CachePolicy(mode="fixed"),
        {**LONG_AGENT, "modelId": NOVA},
        ["system[0]", "messages[0][0]"],
    ),
    "after reasoning": (
        CachePolicy(mode="fixed"),
        ask(user(text(2000)), assistant("a", REASONING)),
        ["messages[1][0]"],
    ),
}


@pytest.mark.parametrize("case", FIXED)
def test_fixed_policies_do_as_they_are_told(case: str) -> None:
    """A fixed policy has a point at the end of each section it names, every time."""
    policy, request, expected = FIXED[case]
    session = Session(policy)
    for _ in range(3):
        session.send(request, after=10.0)
        assert points(session.sent) == expected


def test_the_ends_that_a_fixed_policy_names_come_first() -> None:
    """Where more places than four could have a point, the named sections are not left out."""
    session = Session(CachePolicy.fixed(tools="1h", system="1h", messages="5m"))
    question = user(text(2000, "document"), "Who?")
    for messages, end in [
        ([question], "messages[0][1]"),
        ([question, assistant("He."), user("And then?")], "messages[2][0]"),
        ([question, *_turns(2)], "messages[4][0]"),
    ]:
        session.send(ask(*messages, system=SYSTEM, tools=TOOLS), after=10.0)
        assert {"tools[0] 1h", "system[0] 1h", end} <= set(points(session.sent))


def _turns(n: int) -> list[dict[str, Any]]:
    return [m for i in range(n) for m in (assistant(f"answer {i}"), user(f"question {i}"))]


def test_idle_points_keep_earlier_ends_reachable() -> None:
    """Points before the last cost nothing: a conversation that goes another way is read so far."""
    session = Session()
    so_far = [user(text(3000, "story")), *_turns(2)[:-1]]
    session.send(ask(*so_far, user("And then?")))
    record = session.send(ask(*so_far, user("Why?")), after=10.0)
    assert record.cache_read_tokens >= 3000


AUTO_LIMITS: dict[str, tuple[CachePolicy, list[str]]] = {
    "no messages": (CachePolicy(sections=("tools", "system")), ["tools[0] 1h", "system[0] 1h"]),
    "no tools": (
        CachePolicy(sections=("system", "messages")),
        ["system[0] 1h", "messages[0][0]"],
    ),
    "messages": (CachePolicy(sections=("messages",)), ["messages[0][0]"]),
    "5m": (CachePolicy(ttl="5m"), ["tools[0]", "system[0]", "messages[0][0]"]),
    "1h": (CachePolicy(ttl="1h"), ["tools[0] 1h", "system[0] 1h", "messages[0][0] 1h"]),
    "tools for 5m": (
        CachePolicy(section_ttls={"tools": "5m"}),
        ["tools[0]", "system[0]", "messages[0][0]"],
    ),
    "a minimum": (CachePolicy(min_tokens=10_000), []),
}


@pytest.mark.parametrize("case", AUTO_LIMITS)
def test_auto_keeps_to_the_policy(case: str) -> None:
    """Auto places points in the sections, for the lifetimes and from the size it was given."""
    policy, expected = AUTO_LIMITS[case]
    assert first_points(LONG_AGENT, policy) == expected


SKIPPED: dict[str, tuple[CachePolicy, Request, dict[str, str]]] = {
    "too short": (
        CachePolicy(),
        ask(user("?"), system=[text(10)]),
        {"system": "too_short", "messages": "too_short"},
    ),
    "below the policy's minimum": (
        CachePolicy(min_tokens=3000),
        ask(user("?"), system=SYSTEM),
        {"system": "too_short", "messages": "too_short"},
    ),
    "a section that is off": (
        CachePolicy(sections=("messages",)),
        LONG_AGENT,
        {"tools": "section_off", "system": "section_off"},
    ),
    "tools on Nova": (
        CachePolicy(),
        {**LONG_AGENT, "modelId": NOVA},
        {"tools": "no_legal_position"},
    ),
    "a document alone": (
        CachePolicy(),
        ask(user(document("txt"))),
        {"messages": "no_legal_position"},
    ),
    "all placed": (CachePolicy(), LONG_AGENT, {}),
}


@pytest.mark.parametrize("case", SKIPPED)
def test_sections_without_a_point_say_why(case: str) -> None:
    """A section that got no point is listed with its reason; one that got one is not."""
    policy, request, expected = SKIPPED[case]
    planner = CallPlanner(policy=policy, memory=PrefixMemory(clock=SimulatedClock()))
    skipped = planner.prepare(request, CallOptions()).plan.skipped
    assert {s.section: s.reason for s in skipped} == expected
    assert all(s.detail for s in skipped)


def test_expectations_are_those_of_the_emulator() -> None:
    """What a plan expects to be read and written is what is read and written."""
    session = Session()
    for request in conversation(6, system=SYSTEM, tools=TOOLS):
        session.clock.advance(10.0)
        call = session.planner.prepare(request, CallOptions())
        session.planner.succeeded(call, session.client.converse(**call.request)["usage"])
        record = session.emulator.ledger[-1]
        assert call.plan.expected_read_tokens == pytest.approx(record.cache_read_tokens, rel=0.1)
        assert call.plan.expected_write_tokens == pytest.approx(
            record.cache_write_tokens, rel=0.1, abs=50
        )
