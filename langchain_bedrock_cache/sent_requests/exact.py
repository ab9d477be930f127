"""A change to the character, where both requests are at hand: from files, and in tests.

Hashes know it to within a piece of text, and count in the JSON of blocks other than text. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple, get_args

from langchain_bedrock_cache.guesses import TextKind, guess
from langchain_bedrock_cache.sent_requests.change import Change
from langchain_bedrock_cache.sent_requests.change_kinds import ChangeKind

_GUESSED = frozenset(get_args(TextKind))
_INSIDE = _GUESSED | {"whitespace", "key_order", "tool_definition", "media", "media_name"}
# Keys that are names are shown; others may be words of a prompt.
_NAME = re.compile(r"[A-Za-z_$][\w$-]{0,63}")
_ID = re.compile(r"(?:^|_)(?:id|ID|uuid|guid)$|I[dD]$")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactChange(Change):
    """A change, known to the character.

    Attributes:
        field: Path of what differs in a block that is not plain text, such as
            `toolSpec.inputSchema.json.properties.city.description`; empty in plain text.
            `offset_chars` counts in its text, and is `None` if it is not a text in both requests.
    """

    field: str = ""

    def __str__(self) -> str:
        """Say where and what, in a line."""
        where = f"{self.place} {self.field}".rstrip()
        return Change.__str__(self).replace(self.place, where, 1)


class Difference(NamedTuple):
    """The first difference between two values of JSON.

    Attributes:
        field: Its path; empty for the values themselves.
        before: What was there.
        now: What is there.
    """

    field: str
    before: Any
    now: Any

    @property
    def texts(self) -> tuple[str, str] | None:
        """Both texts; `None` if what differs is not a text in both."""
        both = isinstance(self.before, str) and isinstance(self.now, str)
        return (self.before, self.now) if both else None


def exact_change(change: Change, before: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    """Return a change with its place to the character.

    Args:
        change: As found by hashes.
        before: The block that is there in the earlier request; not modified.
        now: The block that is there now; not modified.

    Returns:
        The change with field, offset and a guess at that place; the same one if it is not about
        the inside of a block.
    """
    difference = block_difference(before, now) if change.kind in _INSIDE else None
    if difference is None or difference.field == "toolSpec.name":  # it is another tool
        return change
    offset = _offset(*difference.texts) if difference.texts else None
    return ExactChange(
        kind=_looks(difference, offset) if change.kind in _GUESSED else change.kind,
        section=change.section,
        message=change.message,
        block=change.block,
        offset_chars=offset,
        detail=change.detail,
        field=difference.field,
    )


def block_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> Difference | None:
    """Return where two blocks differ first, the order of keys included; `None` if they do not."""
    if isinstance(before.get("text"), str) and isinstance(now.get("text"), str):
        return _first("", before["text"], now["text"])
    return _first("", before, now)


def _first(field: str, before: Any, now: Any) -> Difference | None:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return _first_member(field, before, now)
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        pairs = enumerate(zip_longest(before, now, fillvalue=_MISSING))
        found = (_first(f"{field}[{n}]", a, b) for n, (a, b) in pairs)
        return next((difference for difference in found if difference), None)
    is_same = type(before) is type(now) and before == now
    return None if is_same else Difference(field, before, now)


def _first_member(
    field: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Difference | None:
    for n, (old, new) in enumerate(zip_longest(before, now, fillvalue=_MISSING)):
        if old == new:
            found = _first(_path(field, new, n), before[old], now[new])
            if found:
                return found
        elif new is _MISSING or (old is not _MISSING and old not in now):
            return Difference(_path(field, old, n), before[old], _MISSING)
        elif new not in before:
            return Difference(_path(field, new, n), _MISSING, now[new])
        else:  # the same keys in another order
            return Difference(field, before, now)
    return None


def _path(field: str, key: object, position: int) -> str:
    if not _NAME.fullmatch(str(key)):
        return f"{field}[{position}]"
    return f"{field}.{key}" if field else str(key)


def _offset(before: str, now: str) -> int:
    pairs = enumerate(zip(before, now, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(before), len(now)))


def _looks(difference: Difference, offset: int | None) -> ChangeKind:
    """Say what changed by the look of the new text, or else of the old one."""
    if _ID.search(difference.field):
        return "identifier"
    if difference.texts is None or offset is None:
        is_number = all(type(v) in (int, float) for v in (difference.before, difference.now))
        return "number" if is_number else "text"
    before, now = difference.texts
    kind = guess(now, start=offset, end=offset + 1)[0]
    return kind if kind != "text" else guess(before, start=offset, end=offset + 1)[0]
