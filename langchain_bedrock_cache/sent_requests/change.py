"""A difference between two requests: what it is, where, and what it looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from langchain_bedrock_cache.guesses import guess
from langchain_bedrock_cache.profiles import Section
from langchain_bedrock_cache.sent_requests.alike import MEDIA, is_version_of
from langchain_bedrock_cache.sent_requests.change_kinds import WORDS, ChangeKind
from langchain_bedrock_cache.sent_requests.fingerprint import (
    BYTES,
    Block,
    Fingerprint,
    blocks_of,
    text_of,
)
from langchain_bedrock_cache.sent_requests.text_hashes import common_pieces, piece_bounds

# An image inside a tool's result: its bytes stand in the JSON as a hash.
_BYTES = re.compile(rf'"{BYTES}[0-9a-f]+')
_BYTES_CHARS = len(BYTES) + 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The first difference between a request and an earlier one.

    Attributes:
        kind: What changed; a guess where it says "perhaps" in `WORDS`.
        section: Where; `None` for model, Region, API and settings, which come before everything.
        message: Index in `messages`; -1 elsewhere.
        block: Index in its list, cache points not counted; -1 without a section.
        offset_chars: Characters of the block before the difference, to within 8 (64 beyond 4,096,
            512 beyond 32,768); `None` if the whole block is another. In blocks
            other than text, counted in their JSON.
        detail: Names of models, Regions, APIs or settings; never prompt text.
    """

    kind: ChangeKind
    section: Section | None = None
    message: int = -1
    block: int = -1
    offset_chars: int | None = None
    detail: str = ""

    @property
    def place(self) -> str:
        """Where, such as `system[0]`, `tools[3]`, `messages[4][0]` or `thinking`."""
        if self.section is None:
            return self.detail if self.kind == "setting" else self.kind
        if self.section == "messages":
            return f"messages[{self.message}][{self.block}]"
        return f"{self.section}[{self.block}]"

    def __str__(self) -> str:
        """Say where and what, in a line."""
        where = self.place
        if self.offset_chars is not None:
            where += f", character {self.offset_chars:,}"
        detail = f": {self.detail}" if self.detail else ""
        return f"{where} ({WORDS[self.kind]}{detail})"


def change_at(
    new: Fingerprint,
    start: int,
    kind: ChangeKind,
    old: Fingerprint,
    request: Mapping[str, Any],
    section: Section | None = None,
) -> Change:
    """Return a change at a block, with offset and a better guess where the text shows them."""
    place = new.place(start)
    if section is not None and place.section != section:  # what was there is missing
        block = start - (0 if section == "tools" else new.prefix.tools)
        return Change(kind=kind, section=section, block=block)
    same_place = start < len(old) and old.place(start) == place
    offset = None
    if same_place and kind in ("text", "whitespace", "key_order", "tool_definition"):
        offset, kind = _inside(old.blocks[start], new.blocks[start], kind, request, start)
    return Change(
        kind=kind,
        section=place.section,
        message=place.message,
        block=place.block,
        offset_chars=offset,
    )


def text_kind(old: Block, new: Block) -> ChangeKind:
    """Say what kind of change made one version of a block of the other."""
    if new.kind in MEDIA:
        return "media_name" if old.loose == new.loose else "media"
    if old.loose and old.loose == new.loose:
        return "key_order" if new.kind not in ("text", "blank") else "whitespace"
    return "text"


def _inside(
    old: Block, new: Block, kind: ChangeKind, request: Mapping[str, Any], index: int
) -> tuple[int | None, ChangeKind]:
    """Return where in a block the difference begins, and what it looks like."""
    equal = common_pieces(old.text.pieces, new.text.pieces)
    start, end = piece_bounds(equal)
    if not new.text.pieces or (kind == "text" and not is_version_of(old, new)):
        return None, kind
    start = min(start, old.chars, new.chars)
    if kind == "text":
        text = text_of(next(islice(blocks_of(request), index, None)))
        if new.kind == "tool_result" and _BYTES.search(text, max(0, start - _BYTES_CHARS), end):
            return None, "media"
        looks, start = guess(text, start=start, end=end)
        return start, looks
    return start, kind
