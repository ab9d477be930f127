"""Where the tools and system prompts of two requests part, and what changed there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.sent_requests.alike import is_version_of, shared_contents
from langchain_bedrock_cache.sent_requests.change import Change, change_at, text_kind
from langchain_bedrock_cache.sent_requests.change_kinds import ChangeKind
from langchain_bedrock_cache.sent_requests.fingerprint import Block, Fingerprint

# About the shortest that any model caches: "You are a helpful assistant." is in many chains.
_LONG_SYSTEM_CHARS = 3_000


def head_change(
    old: Fingerprint, new: Fingerprint, start: int, request: Mapping[str, Any]
) -> Change | None:
    """Return how two requests differ in tools or system prompt; `None` if they are unrelated.

    Args:
        old: The earlier request.
        new: The request.
        start: Blocks that both share as a prefix.
        request: The same as `new`, as sent; not modified.
    """
    tools_before, tools_now = old.blocks[: old.prefix.tools], new.blocks[: new.prefix.tools]
    if start < max(len(tools_before), len(tools_now)):
        kind = _tools_change(tools_before, tools_now, start)
        if kind is None and not _same_besides_tools(old, new):
            return None
        if not tools_before or not tools_now:
            kind = "tool_added" if tools_now else "tool_removed"
        return change_at(new, start, kind or "tool_definition", old, request, section="tools")
    if start >= old.prefix.head or start >= new.prefix.head:
        added = start >= old.prefix.head
        kind = "block_added" if added else "block_removed"
        histories = old.blocks[old.prefix.head :], new.blocks[new.prefix.head :]
        related = start or shared_contents(*histories)
        return change_at(new, start, kind, old, request, section="system") if related else None
    before, now = old.blocks[start], new.blocks[start]
    rest_before = {b.content for b in old.blocks[start + 1 : old.prefix.head]}
    rest_now = {b.content for b in new.blocks[start + 1 : new.prefix.head]}
    if before.content in rest_now or now.content in rest_before:
        return change_at(new, start, _moved(before, now, rest_before, rest_now), old, request)
    versions = is_version_of(before, now) or rest_before & rest_now
    related = versions or (start and start == old.prefix.tools == new.prefix.tools)
    return change_at(new, start, text_kind(before, now), old, request) if related else None


def _moved(before: Block, now: Block, rest_before: set[int], rest_now: set[int]) -> ChangeKind:
    """Say how two lists of blocks differ that have the same blocks at other places."""
    if before.content not in rest_now:
        return "block_removed"
    return "block_order" if now.content in rest_before else "block_added"


def _same_besides_tools(old: Fingerprint, new: Fingerprint) -> bool:
    """Whether two requests have the same system prompt: of an application, or of a conversation.

    With tools on one side only, they are two chains of an application unless the system prompt is
    long, or they have messages in common, too: an agent's last step has no tools.
    """
    (system_before, before), (system_now, now) = (
        (blocks[prefix.tools : prefix.head], blocks[prefix.head :])
        for blocks, prefix in ((old.blocks, old.prefix), (new.blocks, new.prefix))
    )
    if [b.content for b in system_before] != [b.content for b in system_now]:
        return False
    if old.prefix.tools and new.prefix.tools:
        return bool(system_now)
    is_long = sum(block.chars for block in system_now) >= _LONG_SYSTEM_CHARS
    return is_long or bool(shared_contents(before, now))


def _tools_change(old: tuple[Block, ...], new: tuple[Block, ...], start: int) -> ChangeKind | None:
    """Say how two lists of tools differ; `None` if they have little to do with each other."""
    before, now = {b.name for b in old}, {b.name for b in new}
    if not before or not now or 2 * len(before & now) < min(len(before), len(now)):
        return None
    if sorted(b.content for b in old) == sorted(b.content for b in new):
        return "tool_order"
    if now - before and not before - now:
        return "tool_added"
    if before - now and not now - before:
        return "tool_removed"
    if start < min(len(old), len(new)) and old[start].loose == new[start].loose:
        return "key_order"
    return "tool_definition" if before == now else "tool_added"
