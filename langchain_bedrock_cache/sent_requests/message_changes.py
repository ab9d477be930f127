"""Where the messages of two requests part, and what became of the history there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.sent_requests.alike import (
    LONG_TEXT_CHARS,
    MEDIA,
    begins_with,
    ends_alike,
    is_telling,
    is_version_of,
    shared_contents,
)
from langchain_bedrock_cache.sent_requests.change import Change, change_at, text_kind
from langchain_bedrock_cache.sent_requests.change_kinds import ChangeKind
from langchain_bedrock_cache.sent_requests.fingerprint import Block, Fingerprint

_TOOL_CALLS = ("tool_use", "tool_result")
# A message of which less is left has lost something, such as the passages of its question.
_MOST = 0.5


def message_change(
    old: Fingerprint, new: Fingerprint, start: int, request: Mapping[str, Any]
) -> Change | None:
    """Return how two conversations differ in their messages; `None` if they are two.

    Args:
        old: The earlier request.
        new: The request.
        start: Blocks that both share as a prefix.
        request: The same as `new`, as sent; not modified.
    """
    before, now = old.blocks[start], new.blocks[start]
    if before.content == now.content:
        kind: ChangeKind = "structure"
        if old.tool_choice != new.tool_choice:
            kind = "tool_choice"
        elif old.place(start) == new.place(start):
            return None  # another role: nobody's conversation goes on like that
        place = new.place(start)
        return Change(kind=kind, section="messages", message=place.message, block=place.block)
    rests = old.blocks[start:], new.blocks[start:]
    shared = shared_contents(*rests)
    if shared:
        parts = _rest_of_message(old, start), _rest_of_message(new, start)
        if all(any(block.content in shared for block in blocks) for blocks in parts):
            kind = _kind_in_message(*parts, shared)
        else:
            kind = _history_kind(*rests, shared)
            if kind == "block_removed" and start == new.prefix.head:
                kind = "history_trimmed"
        is_missing = kind in ("media", "block_removed") and now.content in shared
        return change_at(old if is_missing else new, start, kind, old, request)
    known = _known_kind(old, new, start)
    return change_at(new, start, known, old, request) if known else None


def _kind_in_message(
    old: tuple[Block, ...], new: tuple[Block, ...], shared: set[int]
) -> ChangeKind:
    """Say what happened to a message of several blocks, such as passages and a question."""
    kind = _history_kind(old, new, shared)
    return "block_order" if kind in ("history_summarized", "text") else kind


def _known_kind(old: Fingerprint, new: Fingerprint, start: int) -> ChangeKind | None:
    """Say what became of a block if it is known again; `None` if it is just another one."""
    before, now = old.blocks[start], new.blocks[start]
    # What was sent last and is history now is still the same message, and not another question.
    goes_on = len(new) > len(old)
    is_sure = now.kind in MEDIA or max(before.chars, now.chars) >= LONG_TEXT_CHARS
    if is_version_of(before, now) and (is_sure or (goes_on and now.kind in _TOOL_CALLS)):
        return text_kind(before, now)
    if goes_on and _is_part_of(old, new, start):
        sizes = [sum(b.chars for b in _rest_of_message(one, start)) for one in (old, new)]
        return "not_kept" if sizes[1] >= _MOST * sizes[0] else "dropped"
    return None


def _is_part_of(old: Fingerprint, new: Fingerprint, start: int) -> bool:
    """Whether of a message that was sent only a part is left: its question, say."""
    before, now = (_rest_of_message(print_, start) for print_ in (old, new))
    contents = {block.content for block in before}
    if all(block.content in contents for block in now if is_telling(block)):
        return any(map(is_telling, now))
    return any(ends_alike(block, now[0]) or begins_with(block, now[0]) for block in before)


def _rest_of_message(print_: Fingerprint, start: int) -> tuple[Block, ...]:
    """Return the blocks from a place on, up to the end of their message."""
    end = next((end for end in print_.prefix.list_ends() if end > start), start)
    return print_.blocks[start:end]


def _history_kind(old: tuple[Block, ...], new: tuple[Block, ...], shared: set[int]) -> ChangeKind:
    """Say what happened to a history, by what is in front of the first block that stayed."""
    before = next(i for i, b in enumerate(old) if b.content in shared)
    now = next(i for i, b in enumerate(new) if b.content in shared)
    gone, come = old[:before], new[:now]
    if not gone and not come:
        return "block_order"
    if not come:
        return "media" if all(block.kind in MEDIA for block in gone) else "block_removed"
    if come[0].kind in MEDIA or (gone and gone[0].kind in MEDIA):
        return "media"
    if not gone:
        return "block_added"
    if before > now and not is_version_of(gone[0], come[0]):
        return "history_summarized"
    return text_kind(gone[0], come[0])
