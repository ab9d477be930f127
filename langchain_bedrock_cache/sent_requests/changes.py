"""Where a request differs from an earlier one of the same conversation, and what changed there.

Pure: two fingerprints and the new request go in, a value comes out. The text of the new request
is looked at for a guess, and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from langchain_bedrock_cache.guesses import guess
from langchain_bedrock_cache.profiles import Section
from langchain_bedrock_cache.sent_requests.change_kinds import WORDS, ChangeKind
from langchain_bedrock_cache.sent_requests.fingerprint import (
    Block,
    Fingerprint,
    blocks_of,
    common_chars,
    text_of,
)
from langchain_bedrock_cache.sent_requests.text_hashes import common_pieces, piece_bounds

# Two texts are versions of one if about half of the longer one is at both ends of the other; what
# is known to be common at the end may be half of what is.
_COMMON_SHARE = 0.25
# Short questions may look alike and be different questions: from here on it is no accident.
_LONG_TEXT_CHARS = 1_000
# Blocks shorter than this ("yes", "ok") say nothing about whose conversation it is.
_TELLING_CHARS = 12
_MEDIA = ("image", "document", "pdf", "video", "audio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The first difference between a request and an earlier one.

    Attributes:
        kind: What changed; a guess where it says "perhaps" in `WORDS`.
        section: Where; `None` for model, Region, API and settings, which come before everything.
        message: Index in `messages`; -1 elsewhere.
        block: Index in its list, cache points not counted; -1 without a section.
        offset_chars: Characters of the block before the difference, to within 8 (16 beyond 1,024,
            64 beyond 4,096, 512 beyond 32,768); `None` if the whole block is another. In blocks
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


def find_change(old: Fingerprint, new: Fingerprint, request: Mapping[str, Any]) -> Change | None:
    """Return the first difference between a request and an earlier one that it is a version of.

    Args:
        old: The earlier request.
        new: The request.
        request: The same, as sent; not modified.

    Returns:
        What changed; `None` if the request goes on where the earlier one ended, or has nothing to
        do with it beyond what they share.
    """
    if not _same_settings(old, new):
        return _setting_change(old, new) if _same_opening(old, new) else None
    start = common_blocks(old, new)
    if start in (len(old), len(new)):
        return None
    if start < max(old.prefix.head, new.prefix.head):
        return _head_change(old, new, start, request)
    return _message_change(old, new, start, request)


def common_blocks(old: Fingerprint, new: Fingerprint) -> int:
    """Count the blocks that two requests share as a prefix."""
    if not _same_settings(old, new):
        return 0
    a, b = old.prefix, new.prefix
    if a.seed != b.seed:
        pairs = enumerate(zip(old.blocks, new.blocks, strict=False))
        end = min(len(old), len(new))
        return next((i for i, (x, y) in pairs if x.content != y.content), end)
    low, high = 0, min(len(a), len(b))
    while low < high:  # running digests: equal up to some block, different from there on
        middle = (low + high + 1) // 2
        if a.digests[middle - 1] == b.digests[middle - 1]:
            low = middle
        else:
            high = middle - 1
    return low


def is_version_of(old: Block, new: Block, *, min_chars: int = 0) -> bool:
    """Whether two texts are versions of one: most of the longer one is in both."""
    size = max(old.chars, new.chars)
    if size < min_chars or old.kind != new.kind:
        return False
    if old.content == new.content or (old.loose and old.loose == new.loose):
        return True
    return common_chars(old, new) >= _COMMON_SHARE * size


def _same_settings(old: Fingerprint, new: Fingerprint) -> bool:
    """Whether two requests agree in all that comes before their blocks, as far as that is known."""
    if old.prefix.seed == new.prefix.seed:
        return True
    return old.is_planned != new.is_planned and _setting_change(old, new).kind == "region"


def _same_opening(old: Fingerprint, new: Fingerprint) -> bool:
    """Whether two requests to different models, or with different settings, begin alike."""
    pairs = list(zip(old.blocks, new.blocks, strict=False))[: max(1, new.prefix.head)]
    alike = sum(b.chars for a, b in pairs if a.content == b.content)
    return bool(pairs) and 2 * alike >= sum(b.chars for _, b in pairs)


def _setting_change(old: Fingerprint, new: Fingerprint) -> Change:
    if _model(old) != _model(new):
        names = [old.model_id, new.model_id]
        if names[0] == names[1]:  # a prompt router chose another one
            names = [_model(old), _model(new)]
        return Change(kind="model", detail=f"{names[0]} before, {names[1]} now")
    names = [*old.settings, *(name for name in new.settings if name not in old.settings)]
    other = [name for name in names if old.settings.get(name) != new.settings.get(name)]
    if "thinking" in other or "reasoningConfig" in other:
        return Change(kind="thinking")
    if "effort" in other or "output_config" in other:
        return Change(kind="effort")
    if other:
        return Change(kind="setting", detail=", ".join(other))
    if old.tool_choice != new.tool_choice:
        return Change(kind="tool_choice")
    return Change(kind="region")


def _model(print_: Fingerprint) -> str:
    return print_.profile.id if print_.profile else print_.model_id


def _head_change(
    old: Fingerprint, new: Fingerprint, start: int, request: Mapping[str, Any]
) -> Change | None:
    tools_before, tools_now = old.blocks[: old.prefix.tools], new.blocks[: new.prefix.tools]
    if start < max(len(tools_before), len(tools_now)):
        kind = _tools_change(tools_before, tools_now, start)
        if kind is None and not (tools_before and tools_now and _same_system(old, new)):
            return None
        return _at(new, start, kind or "tool_definition", old, request, section="tools")
    if start >= old.prefix.head or start >= new.prefix.head:
        added = start >= old.prefix.head
        kind = "block_added" if added else "block_removed"
        return _at(new, start, kind, old, request, section="system") if start else None
    before, now = old.blocks[start], new.blocks[start]
    rest_before = {b.content for b in old.blocks[start + 1 : old.prefix.head]}
    rest_now = {b.content for b in new.blocks[start + 1 : new.prefix.head]}
    if before.content in rest_now:
        return _at(new, start, "block_added", old, request)
    if now.content in rest_before:
        return _at(new, start, "block_removed", old, request)
    versions = is_version_of(before, now) or rest_before & rest_now
    related = versions or (start and start == old.prefix.tools == new.prefix.tools)
    return _at(new, start, _text_kind(before, now), old, request) if related else None


def _same_system(old: Fingerprint, new: Fingerprint) -> bool:
    before = [b.content for b in old.blocks[old.prefix.tools : old.prefix.head]]
    now = [b.content for b in new.blocks[new.prefix.tools : new.prefix.head]]
    return bool(before) and before == now


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


def _message_change(
    old: Fingerprint, new: Fingerprint, start: int, request: Mapping[str, Any]
) -> Change | None:
    before, now = old.blocks[start], new.blocks[start]
    if before.content == now.content:
        kind: ChangeKind = "structure"
        if old.tool_choice != new.tool_choice:
            kind = "tool_choice"
        elif old.place(start) == new.place(start):
            return None  # another role: nobody's conversation goes on like that
        place = new.place(start)
        return Change(kind=kind, section="messages", message=place.message, block=place.block)
    shared = _shared(old.blocks[start:], new.blocks[start:])
    if not shared:
        if is_version_of(before, now, min_chars=_LONG_TEXT_CHARS):
            return _at(new, start, _text_kind(before, now), old, request)
        return None
    kind = _history_kind(old.blocks[start:], new.blocks[start:], shared)
    return _at(new, start, kind, old, request)


def _shared(old: tuple[Block, ...], new: tuple[Block, ...]) -> set[int]:
    """Return the contents that two histories share, if they are much of one: it is one, then.

    The same question about another document is another conversation.
    """
    sizes = [{b.content: b.chars for b in blocks if _is_telling(b)} for blocks in (old, new)]
    shared = sizes[0].keys() & sizes[1].keys()
    weight = sum(sizes[1][content] for content in shared)
    least = min(sum(size.values()) for size in sizes)
    return set(shared) if weight >= _COMMON_SHARE * least else set()


def _history_kind(old: tuple[Block, ...], new: tuple[Block, ...], shared: set[int]) -> ChangeKind:
    """Say what happened to a history, by what is in front of the first block that stayed."""
    before = next(i for i, b in enumerate(old) if b.content in shared)
    now = next(i for i, b in enumerate(new) if b.content in shared)
    if now == 0:
        return "history_trimmed" if before else "block_order"
    if before == 0:
        return "media" if new[0].kind in _MEDIA else "block_added"
    if new[0].kind in _MEDIA or old[0].kind in _MEDIA:
        return "media"
    if before > now and not is_version_of(old[0], new[0]):
        return "history_summarized"
    return _text_kind(old[0], new[0])


def _is_telling(block: Block) -> bool:
    return block.chars >= _TELLING_CHARS or block.kind in _MEDIA


def _text_kind(old: Block, new: Block) -> ChangeKind:
    if old.loose and old.loose == new.loose:
        return "key_order" if new.kind not in ("text", "blank") else "whitespace"
    return "media" if new.kind in _MEDIA else "text"


def _at(
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
        looks, start = guess(text, start=start, end=end)
        return start, looks
    return start, kind
