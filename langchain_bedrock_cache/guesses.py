"""What changed in a text, by the look of it: a date, a time, an identifier, a number.

A guess is about the first difference. Where that is known to the character, only what covers or
touches it is meant; where only a piece of text is known, what has a part in that piece may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Literal, NamedTuple

TextKind = Literal["identifier", "date", "time", "number", "text"]

# What changes is often the end of something longer (the minutes of a time): look around it, a word
# on each side (dates have several), but not farther than identifiers are long.
_AROUND_WORDS = 2
_AROUND_CHARS = 80
# How exactly the place has to be known for a guess. A number is everywhere; a date is not, but in
# a long stretch of text there is one somewhere, and it says nothing.
_NUMBER_WITHIN_CHARS = 16
_WITHIN_CHARS = 64

_HEX = "[0-9a-fA-F]"
_MONTH = r"(?i:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*"
_DAY = r"(?i:mon|tue|wed|thu|fri|sat|sun)"


class Look(NamedTuple):
    """How one kind of changing text looks.

    Attributes:
        kind: What it is.
        pattern: A regular expression.
        reason: Why it is taken for that.
    """

    kind: TextKind
    pattern: str
    reason: str


# In this order: what is more particular comes first.
LOOKS: tuple[Look, ...] = (
    Look(
        "identifier",
        rf"\b{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}\b",
        "a UUID",
    ),
    Look(
        "identifier",
        r'"(?:[a-zA-Z_]\w*_)?(?:id|ID|uuid|guid)": ?"[^"\\]*"|"[a-zA-Z_]\w*I[dD]": ?"[^"\\]*"',
        "a JSON member that is called an ID, as toolUseId is",
    ),
    Look(
        "date",
        r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
        "year, month and day without anything between them",
    ),
    Look(
        "time",
        r"(?<!\d)1[6-9]\d{8}(?:\d{3})?(?!\d)",
        "seconds or milliseconds since 1970, from 2020 to 2033",
    ),
    Look(
        "identifier",
        rf"(?<![a-zA-Z0-9])(?={_HEX}*\d)(?=\d*[a-fA-F]){_HEX}{{8,}}(?![a-zA-Z0-9])",
        "8 or more hexadecimal digits, letters and figures: hashes, traces, commits",
    ),
    Look(
        "identifier",
        r"(?<![A-Z0-9])(?=[A-Z]*\d)[0-7][0-9A-HJKMNP-TV-Z]{25}(?![A-Z0-9])",
        "a ULID: 26 characters of Crockford's alphabet",
    ),
    Look(
        "identifier",
        r"\b[a-zA-Z]{2,12}(?:[_-][a-zA-Z]{1,12})?[_-]"
        r"(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{6,}\b",
        "a word before a token of letters and figures: sess_4fK2..., toolu_01A..., req-8f2k...",
    ),
    Look(
        "identifier",
        r"\b[a-zA-Z]{2,12}[_-](?!(?:19|20)\d\d\b)\d{4,}\b",
        "a word before a record's number: order-10442; not a year",
    ),
    Look(
        "identifier",
        r"\b[A-Z]{1,5}(?:[-/#]\d{3,}|\d{5,})(?:[-/][0-9A-Z]+)*\b",
        "capitals before a record's number: C-4711-88, INV-2027-00017, AB123456",
    ),
    Look(
        "identifier",
        r"\b(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{10,}\b",
        "10 or more characters, capitals, small letters and figures mixed: random tokens",
    ),
    Look(
        "identifier",
        r"(?<!\d)(?<!\d[.,])\d{9,}(?![.,]?\d)",
        "9 or more figures: nobody counts so far",
    ),
    Look(
        "date", r"(?<!\d)\d{4}(?:-\d{1,2}-|/\d{1,2}/|\.\d{1,2}\.)\d{1,2}(?!\d)", "year, month, day"
    ),
    Look(
        "date",
        r"(?<![\d.])\d{1,2}(?:-\d{1,2}-|/\d{1,2}/|\.\d{1,2}\.)(?:\d{4}|\d{2})(?!\.?\d)",
        "day, month, year",
    ),
    Look("date", r"\b\d{4}-W\d{2}\b", "a week of ISO 8601"),
    Look(
        "date",
        r"\bQ[1-4][ /-]?(?:FY ?)?\d{2,4}\b|\b(?:FY ?)?\d{4}[ /-]?Q[1-4]\b",
        "a quarter of a year",
    ),
    Look(
        "date",
        rf"\b(?:{_MONTH}\.? \d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th)?\.? {_MONTH})\b",
        "a month beside a day or a year",
    ),
    Look(
        "date",
        rf"\b(?:(?i:mon|tues|wednes|thurs|fri|satur|sun)(?i:day)|{_DAY}(?=,| \d| {_MONTH} ))",
        "a day of the week, or its abbreviation before a date",
    ),
    Look("time", r"(?<!\d)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?!\d)", "hours and minutes"),
    Look("time", r"\b\d{1,2} ?[apAP]\.?[mM]\b", "an hour of the twelve-hour clock"),
    Look("number", r"\d+(?:[.,]\d+)*", "figures"),
)
"""What is taken for what, and why; the first that fits is the guess."""

# Without a figure, "day" or JSON nothing can fit: most prose is done with at once.
_MAY_FIT = re.compile(r'\d|(?i:day)|":')
# Rows of one kind that follow each other are searched for together, which is faster.
_SEARCHES: tuple[tuple[TextKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile("|".join(look.pattern for look in looks)))
    for kind, looks in groupby(LOOKS, key=lambda look: look.kind)
)


def guess(text: str, *, start: int, end: int) -> tuple[TextKind, int]:
    """Guess what changed in a text.

    Args:
        text: The new text.
        start: Characters before the first difference, at least.
        end: Characters before which the first difference lies; `start + 1` if `start` is exact.

    Returns:
        What covers the difference, or may, as far as it is known where that is; and where that
        begins, if nothing but blanks and punctuation are before it: `start` otherwise.
    """
    end = max(end, start + 1)
    is_exact = end == start + 1
    around = _around(text, start, end)
    if not _MAY_FIT.search(text, *around):
        return "text", start
    for kind, search in _SEARCHES:
        for first, last in _found(search, text, start, end, around):
            leads = not any(map(str.isalnum, text[start:first]))
            if is_exact:
                fits = last > start or not text[start : start + 1].isalnum()
            elif kind == "number":
                fits = leads and last > start and end - start <= _NUMBER_WITHIN_CHARS
            else:
                fits = last > start and _is_most_of(text, start, end, first, last)
            if fits:
                return kind, max(start, first) if leads else start
    return "text", start


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where to look, in characters."""
    low, high = max(0, start - _AROUND_CHARS), min(len(text), end + _AROUND_CHARS)
    first, last = start, end
    for _ in range(_AROUND_WORDS):
        first = max(low, text.rfind(" ", low, first))
        last = text.find(" ", last + 1, high) if last < high else high
        last = high if last < 0 else last
    return first, last


def _found(
    search: re.Pattern[str], text: str, start: int, end: int, around: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield where a look is found: such as end at the difference, or go beyond it."""
    for match in search.finditer(text, *around):
        if match.end() >= start and match.start() < end:
            yield match.span()


def _is_most_of(text: str, start: int, end: int, first: int, last: int) -> bool:
    """Whether half of the letters and figures among which the difference lies are of a match."""
    if end - start <= _WITHIN_CHARS:
        return True
    around = sum(map(str.isalnum, text[start:end]))
    inside = sum(map(str.isalnum, text[max(start, first) : min(end, last)]))
    return 2 * inside >= around
