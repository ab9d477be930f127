"""What changed in a text, by its looks: identifiers, dates, times, numbers, and mere words."""

from __future__ import annotations

import re
import uuid
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from langchain_bedrock_cache.guesses import LOOKS, TextKind, guess

BEFORE = "You answer the callers of a harbor office, briefly. For "
BEHIND = ", be kind; listen first. Doors open at 09:30 on 2 May 2027, and there are 41 of them."
SMALL = "abcdefghijklmnopqrstuvwxyz"

IDENTIFIERS = {
    "UUID": st.uuids().map(str),
    "UUID in capitals": st.uuids().map(lambda made: str(made).upper()),
    "hexadecimal, 32": st.uuids().map(lambda made: made.hex),
    "hexadecimal, 8": st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    "ULID": st.from_regex(r"01[0-9A-HJKMNP-TV-Z]{24}", fullmatch=True),
    "session": st.from_regex(r"sess_[0-9A-Za-z]{12}", fullmatch=True),
    "tool use": st.from_regex(r"tooluse_[0-9A-Za-z]{22}", fullmatch=True),
    "order": st.from_regex(r"order-[1-9][0-9]{5}", fullmatch=True),
    "customer": st.from_regex(r"C-[0-9]{4}-[0-9]{2}", fullmatch=True),
    "customer, with a letter": st.from_regex(r"C-[0-9]{5}-[A-Z]", fullmatch=True),
    "account": st.from_regex(r"[2-9][0-9]{11}", fullmatch=True),
    "random token": st.from_regex(r"[A-Za-z0-9]{24}", fullmatch=True),
}
WORDS = st.text(SMALL, min_size=3, max_size=10)


def difference(before: str, now: str) -> int:
    """Return how many characters two texts have in common at the beginning."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(before), len(now)))


def guessed(before: str, now: str) -> TextKind:
    """Return the guess where one text became the other, known to the character."""
    at = difference(before, now)
    kind, place = guess(now, start=at, end=at + 1)
    assert place == at
    return kind


@pytest.mark.parametrize("kind", IDENTIFIERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_identifier_in_prose_is_one(kind: str, data: st.DataObject) -> None:
    """Whatever two identifiers of one kind are exchanged, the guess is an identifier."""
    before, now = (data.draw(IDENTIFIERS[kind]) for _ in range(2))
    assume(before != now)
    # Random characters may be all figures or all letters: that is what they then look like.
    assume(re.search(r"\d", now) and (kind in ("account", "order") or re.search(r"[A-Za-z]", now)))
    assume(kind != "random token" or all(re.search(p, now) for p in ("[a-z]", "[A-Z]")))
    found = guessed(f"{BEFORE}{before}{BEHIND}", f"{BEFORE}{now}{BEHIND}")
    assert found == "identifier", (before, now)


@given(before=WORDS, now=WORDS, near=st.sampled_from(["", " on 2027-05-04", " 41", " 09:30"]))
def test_a_word_is_a_word(before: str, now: str, near: str) -> None:
    """Another word is text, whatever date, time or number stands right before and behind it."""
    assume(before != now and not (before.endswith("day") or now.endswith("day")))
    texts = [f"{BEFORE}{near} {word}{near}{BEHIND}" for word in (before, now)]
    assume(texts[1][difference(*texts)].isalpha())  # the difference is in the word itself
    assert guessed(*texts) == "text"


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        ("on 2026-11-17 at", "on 2026-11-18 at", "date"),
        ("on 2027/05/04 at", "on 2027/05/05 at", "date"),
        ("build 20270504, fine", "build 20270505, fine", "date"),
        ("on 17.11.2026 at", "on 18.11.2026 at", "date"),
        ("on Nov 17, 2026", "on Nov 18, 2026", "date"),
        ("on 3rd November", "on 4th November", "date"),
        ("Tue, 04 May 2027 09:00", "Wed, 05 May 2027 09:00", "date"),
        ("Fiscal Q1 2027. Be", "Fiscal Q2 2027. Be", "date"),
        ("in 2027-W18, be", "in 2027-W19, be", "date"),
        ("on Tuesday we", "on Friday we", "date"),
        ("2027-05-04T09:00:01Z is now", "2027-05-04T09:00:07Z is now", "time"),
        ("at 10:15. Be", "at 10:17. Be", "time"),
        ("at 9 am. Be", "at 8 am. Be", "time"),
        ("at 1795432101, be", "at 1795432102, be", "time"),
        ("seen 41 times", "seen 52 times", "number"),
        ("Rules v1 of", "Rules v2 of", "number"),
        ("Prices in EUR. ", "Prices in USD. ", "text"),
        ("open at 10:15 for Ann", "open at 10:15 for Bob", "text"),
        ("Ann came on 2027-05-04", "Bob came on 2027-05-04", "text"),
        (
            '{"toolUse":{"toolUseId":"one","name"',
            '{"toolUse":{"toolUseId":"two","name"',
            "identifier",
        ),
        ('{"user_id":"ann"}', '{"user_id":"bob"}', "identifier"),
        ('{"valid":"ann"}', '{"valid":"bob"}', "text"),
        ("host 10.0.12.4 is", "host 10.0.12.5 is", "number"),
    ],
)
def test_looks(before: str, now: str, kind: TextKind) -> None:
    """Each kind is told by its looks, and only where the difference is in it."""
    assert guessed(before, now) == kind


def test_what_comes_later_is_not_what_changed() -> None:
    """Known to the piece only, the difference may be in the name: it is not called a number."""
    assert guess("You help Al. §1. Wherever", start=8, end=16) == ("text", 8)


def test_what_leads_the_piece_is_its_place() -> None:
    """Blanks and punctuation before a date are no part of what changed."""
    assert guess("Today is Friday. Be kind.", start=8, end=16) == ("date", 9)
    assert guess("So it is Friday. Be kind.", start=0, end=16) == ("date", 0)


def test_a_long_stretch_of_text_says_nothing() -> None:
    """Among hundreds of characters there is a date somewhere: what changed may be any word."""
    text = "word " * 50 + "on 2027-05-04 " + "word " * 50
    assert guess(text, start=0, end=512) == ("text", 0)
    assert guess(text, start=224, end=288)[0] == "date"
    digits = uuid.UUID(int=7 << 90).hex * 4
    assert guess(f"By {digits}", start=0, end=131) == ("identifier", 0)


@given(st.text(max_size=200), st.integers(0, 250), st.integers(0, 600))
def test_a_guess_is_in_its_bounds(text: str, start: int, length: int) -> None:
    """Whatever the text, a guess is made, and no place is before the piece or beyond it."""
    kind, place = guess(text, start=start, end=start + length)
    assert kind in get_args(TextKind)
    assert start <= place <= start + max(1, length)


def test_every_look_has_a_reason() -> None:
    """Each row of the table says why, and every kind but `text` has one."""
    assert all(look.reason for look in LOOKS)
    assert {look.kind for look in LOOKS} == set(get_args(TextKind)) - {"text"}
