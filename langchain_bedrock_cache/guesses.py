"""What changed in a text, by the look of it: a date, a time, an identifier, a number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

TextKind = Literal["identifier", "date", "time", "number", "text"]

# In a long piece of text there is a number somewhere: it says nothing about what changed.
_NUMBER_WITHIN_CHARS = 8
# What changes is often the end of something longer (the minutes of a time): look around it, as far
# as an identifier is long.
_AROUND_CHARS = 40

_LOOKS: Mapping[TextKind, re.Pattern[str]] = {
    "identifier": re.compile(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
        r"|\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{12,}\b",
        re.IGNORECASE,
    ),
    "date": re.compile(
        r"\b\d{4}-\d{1,2}-\d{1,2}|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
        r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
        r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,4}\b"
        r"|\b\d{1,2}\.? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b",
        re.IGNORECASE,
    ),
    "time": re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?"),
    "number": re.compile(r"\d+"),
}


def guess(text: str, *, start: int, end: int) -> tuple[TextKind, int]:
    """Guess what changed in a text.

    Args:
        text: The new text.
        start: Characters before the change begins, at the latest.
        end: Characters before which the first difference lies.

    Returns:
        What it looks like, and where it begins: not before `start`.
    """
    end = min(max(end, start + 1), len(text))
    first = max(0, start - _AROUND_CHARS)
    for kind, look in _LOOKS.items():
        if kind == "number" and end - start > _NUMBER_WITHIN_CHARS:
            continue
        for match in look.finditer(text, first, min(len(text), end + _AROUND_CHARS)):
            if match.end() > start and match.start() < end:
                return kind, max(start, match.start())
    return "text", start
