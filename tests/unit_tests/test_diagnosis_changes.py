"""Where two requests differ: offsets and kinds, from hashes alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import ask, assistant, tool, user, words

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.guesses import guess
from langchain_bedrock_cache.sent_requests import SentRequests
from langchain_bedrock_cache.sent_requests.change_kinds import WORDS, ChangeKind
from langchain_bedrock_cache.sent_requests.changes import Change, find_change
from langchain_bedrock_cache.sent_requests.fingerprint import take_fingerprint

BASE = "".join(f"{n}. Be kind to caller {n}; listen first.\n" for n in range(60))


def change_between(before: dict[str, Any], now: dict[str, Any]) -> Change | None:
    """Return what changed between two requests."""
    requests = SentRequests()
    requests.add(before, None, None, [])
    return requests.add(now, None, None, []).change


@settings(max_examples=60, deadline=None)
@given(
    at=st.integers(0, len(BASE)),
    removed=st.integers(0, 40),
    added=st.text(min_size=0, max_size=40),
)
def test_the_first_difference_is_found(at: int, removed: int, added: str) -> None:
    """Whatever is edited in a system prompt, the first difference is found to within a piece."""
    edited = BASE[:at] + added + BASE[at + removed :]
    pairs = enumerate(zip(BASE, edited, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), min(len(BASE), len(edited)))
    change = change_between(
        ask(user("Hi"), system=[{"text": BASE}]), ask(user("Hi"), system=[{"text": edited or " "}])
    )
    if edited == BASE:
        assert change is None
    else:
        assert change is not None
        assert change.place == "system[0]"
        assert change.offset_chars is not None
        # A guess moves the place on, to the date or number that it is about.
        assert first - 8 < change.offset_chars <= first + 8


@settings(max_examples=30, deadline=None)
@given(turns=st.lists(st.integers(1, 300), min_size=1, max_size=6), data=st.data())
def test_going_on_is_no_change(turns: list[int], data: st.DataObject) -> None:
    """A conversation that only grows has no change, however long its turns are."""
    requests = SentRequests()
    messages: list[dict[str, Any]] = []
    for n, size in enumerate(turns):
        messages.append(user(words(size, f"question{n}")))
        sent = requests.add(ask(*messages, system=[{"text": BASE}]), None, None, [])
        assert sent.change is None
        assert sent.earlier == (n or None)
        messages.append(assistant(words(data.draw(st.integers(1, 50)), f"answer{n}")))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("on 2026-11-17 at", "date"),
        ("on 17.11.2026 at", "date"),
        ("on Nov 17, 2026", "date"),
        ("on 17 November", "date"),
        ("on Tuesday we", "date"),
        ("at 10:17:05 in", "time"),
        ("id 0d9ff0a6-1f7e-4d2b-9b1c-5f3a7c2e8d41", "identifier"),
        ("id 5f3a7c2e8d410d9ff", "identifier"),
        ("seen 41 times", "number"),
        ("may be a monster", "text"),
    ],
)
def test_guess(text: str, kind: str) -> None:
    """Dates, times, identifiers and numbers are told by their looks, and words are words."""
    assert guess(text, start=4, end=12)[0] == kind


def test_a_long_piece_is_not_called_a_number() -> None:
    """Where it is not known which of 64 characters changed, a number among them says nothing."""
    assert guess("x" * 30 + "7" + "y" * 40, start=0, end=64) == ("text", 0)


def test_every_kind_has_words() -> None:
    """Every kind of change can be said, and reads as a line."""
    assert set(WORDS) == set(ChangeKind.__args__)  # type: ignore[attr-defined]
    line = str(Change(kind="date", section="system", block=0, offset_chars=1_024))
    assert line == "system[0], character 1,024 (a date, perhaps)"


def test_unrelated_requests_have_no_change() -> None:
    """Another application, other tools and other words: nothing that has changed."""
    before = ask(user("Hi"), system=[{"text": BASE}], tools=[tool(name="look_up")])
    now = ask(user("Hello"), system=[{"text": words(500, "beta")}], tools=[tool(name="write")])
    assert change_between(before, now) is None


def test_an_earlier_version_is_preferred_to_a_shorter_beginning() -> None:
    """An edit in the history is found although the first turn alone is a prefix of the request."""
    requests = SentRequests()
    first, answer, second = user(words(50)), assistant(words(60, "a")), user(words(50, "b"))
    rest = [second, assistant(words(50, "c")), user(words(50, "d"))]
    for messages in ([first], [first, answer, second]):
        requests.add(ask(*messages), None, None, [])
    sent = requests.add(ask(first, assistant(words(61, "a")), *rest), None, None, [])
    assert sent.earlier == 2
    assert sent.change is not None
    assert sent.change.place == "messages[1][0]"


def test_find_change_leaves_the_request_alone() -> None:
    """Looking for the change modifies neither request."""
    before = ask(user("Hi"), system=[{"text": f"It is Monday. {BASE}"}])
    now = ask(user("Hi"), system=[{"text": f"It is Friday. {BASE}"}])
    copies = [repr(before), repr(now)]
    prints = [take_fingerprint(r, read_converse(r), profile=None, points=[]) for r in (before, now)]
    assert find_change(prints[0], prints[1], now) is not None
    assert [repr(before), repr(now)] == copies


def test_another_kind_of_call_is_no_change() -> None:
    """A chain with tools and one without share a system prompt; no version of each other."""
    without = ask(user("Hi"), system=[{"text": BASE}])
    with_tools = ask(user("Hi"), system=[{"text": BASE}], tools=[tool()])
    assert change_between(without, with_tools) is None
    assert change_between(with_tools, without) is None


def test_the_same_question_about_another_document_is_no_change() -> None:
    """Documents that follow each other, with the same questions, are conversations of their own."""
    question = {"text": "Write a summary of the story, please."}
    before, now = (ask(user({"text": words(2_000, name)}, question)) for name in ("one", "two"))
    assert change_between(before, now) is None
