"""What the placement of points then costs, in traffic of many kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from planned_session import SYSTEM, TOOLS, Request, Session, agent_turns, conversation
from wire import (
    CLAUDE,
    NOVA,
    ask,
    assistant,
    text,
    user,
)

from langchain_bedrock_cache.caching import CallOptions


def documents(n: int, questions: int, model: str = CLAUDE) -> Iterator[Request]:
    """Ask several questions about each of several documents."""
    for d in range(n):
        for q in range(questions):
            yield ask(user(text(3000, f"document{d}"), f"question {q}?"), model=model)


def test_documents_are_paid_for_once() -> None:
    """5 questions on each of 20 documents cost at most 0.36 of the price without caching."""
    session = Session()
    for request in documents(20, 5):
        session.send(request, after=20.0)
    assert session.cost_ratio() <= 0.36


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_conversation_pays_for_each_turn_once(model: str) -> None:
    """Each request reads what the one before it had sent, and writes only what is new."""
    session = Session()
    records = [session.send(r, after=20.0) for r in conversation(8, model=model, system=SYSTEM)]
    for before, after in pairwise(records[1:]):
        assert after.cache_read_tokens >= before.input_tokens - 250
        assert after.cache_write_tokens <= 650


def test_tools_and_system_are_kept_between_sessions() -> None:
    """Sessions ten minutes apart read tools and system, which the first one wrote for an hour."""
    session = Session()
    for n in range(6):
        request = ask(user(text(300, f"task{n}")), system=SYSTEM, tools=TOOLS)
        record = session.send(request, after=600.0)
        if n:
            assert record.cache_read_tokens >= 4000
        else:
            assert record.cache_write_1h_tokens >= 4000


def test_nova_keeps_its_positions() -> None:
    """An agent on Nova, which finds entries at exact points only, reads system in every turn."""
    session = Session()
    records = [session.send(r, after=10.0) for r in agent_turns(3, 8, model=NOVA)]
    assert all(record.status == 200 for record in records)
    assert all(record.cache_read_tokens >= 2000 for record in records[1:])
    assert session.cost_ratio(NOVA) < 0.6


def test_nova_reads_a_long_conversation_up_to_its_cap() -> None:
    """Beyond the documented cap of 20,000 tokens, what is below it is still read."""
    session = Session()
    for n in range(6):
        request = ask(user(text(15_000, "document"), text(9000, f"q{n}"), "?"), model=NOVA)
        record = session.send(request, after=10.0)
        if n:
            assert record.cache_read_tokens >= 15_000


def never_repeated(n: int) -> Request:
    """Return prompts of which none comes twice."""
    return ask(user(text(3000, f"prompt{n}")))


def repeated_once(n: int) -> Request:
    """Return prompts that come exactly twice."""
    return ask(user(text(3000, f"prompt{n // 2}")))


def dated_system(n: int) -> Request:
    """Return questions whose system prompt begins with the time."""
    return ask(user(f"question {n}"), system=[{"text": f"It is {n:08}. " + "alpha " * 1500}])


def many_blocks(n: int) -> Request:
    """Return lone prompts of many blocks."""
    return ask(user(*[text(100, f"part{n}x{i}") for i in range(40)]))


def one_document_each(n: int) -> Request:
    """Return documents that are asked about once."""
    return ask(user(text(3000, f"document{n}"), "?"))


ADVERSARIES: dict[str, tuple[Callable[[int], Request], float]] = {
    "never repeats": (never_repeated, 5.0),
    "repeats each once": (repeated_once, 5.0),
    "repeats each once, too late": (repeated_once, 301.0),
    "repeats each once, an hour late": (repeated_once, 3601.0),
    "dates the system prompt": (dated_system, 5.0),
    "sends lone prompts of many blocks": (many_blocks, 5.0),
    "asks once about each document": (one_document_each, 5.0),
    "asks rarely": (one_document_each, 4000.0),
    "asks all at once": (one_document_each, 0.0),
}


@pytest.mark.parametrize("case", ADVERSARIES)
def test_an_adversary_costs_at_most_one_percent(case: str) -> None:
    """Over 300 prompts that caching cannot help, it costs at most 1.01 of the price without."""
    make, gap = ADVERSARIES[case]
    session = Session()
    for n in range(300):
        session.send(make(n), after=gap)
    assert session.cost_ratio() <= 1.01


@pytest.mark.parametrize("gap", [301.0, 900.0])
def test_pauses_longer_than_five_minutes_are_learned(gap: float) -> None:
    """Conversations whose users think for longer than 5 minutes are soon kept for an hour."""
    session = Session()
    for n in range(6):
        records = [session.send(r, after=gap) for r in conversation(8, name=f"opening{n}")]
    assert all(record.cache_read_tokens > record.input_tokens / 2 for record in records[1:])
    assert session.cost_ratio() < 0.8


def test_what_pays_again_is_tried_again() -> None:
    """After traffic that never came back, documents that do are noticed and paid for once again."""
    session = Session()
    for n in range(60):
        session.send(one_document_each(n), after=10.0)
    for request in documents(60, 5):
        record = session.send(request, after=10.0)
    assert record.cache_read_tokens >= 2900


def test_what_was_never_read_again_is_not_worth_it() -> None:
    """After many lone documents the plan says that writing them does not pay."""
    session = Session()
    for n in range(40):
        session.send(one_document_each(n), after=10.0)
    plan = session.planner.prepare(one_document_each(99), CallOptions()).plan
    assert plan.points == ()
    assert {s.reason for s in plan.skipped} <= {"not_worth_it", "loss_limit"}


def test_passages_that_do_not_stay_in_the_history_do_not_cost_it() -> None:
    """With passages in the last message only, all before it is read, and they are not written."""
    session = Session()
    for n in range(6):
        history: list[Any] = []
        for turn in range(8):
            passages = [text(1000, f"passage{n}.{turn}.{i}") for i in range(2)]
            question, answer = text(400, f"question{n}.{turn}"), text(400, f"answer{n}.{turn}")
            record = session.send(ask(*history, user(*passages, question)), after=10.0)
            history += [user(question), assistant(answer)]
        assert record.cache_read_tokens >= 6 * 800
    assert record.cache_write_tokens == 800
