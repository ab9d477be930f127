"""Whether two blocks, or two histories, are versions of one: told from hashes alone."""

from __future__ import annotations

from langchain_bedrock_cache.prefix import BlockKind
from langchain_bedrock_cache.sent_requests.fingerprint import Block, common_chars
from langchain_bedrock_cache.sent_requests.text_hashes import (
    common_end,
    common_pieces,
    piece_bounds,
)

MEDIA: tuple[BlockKind, ...] = ("image", "document", "pdf", "video", "audio")
"""Kinds of blocks that have no text."""

# Two texts are versions of one if about half of the longer one is at both ends of the other; what
# is known to be common at the end may be half of what is.
_COMMON_SHARE = 0.25
LONG_TEXT_CHARS = 1_000
"""Short questions may look alike and be different questions: from here on it is no accident."""

# Blocks shorter than this ("yes", "ok") say nothing about whose conversation it is.
_TELLING_CHARS = 12


def is_version_of(old: Block, new: Block, *, min_chars: int = 0) -> bool:
    """Whether two texts are versions of one: most of the longer one is in both."""
    if old.kind != new.kind:
        return False
    if old.content == new.content or (old.loose and old.loose == new.loose):
        return True
    size = max(old.chars, new.chars)
    return size >= min_chars and common_chars(old, new) >= _COMMON_SHARE * size


def ends_alike(old: Block, new: Block) -> bool:
    """Whether about half of the shorter text is at the end of both; questions begin alike."""
    return 2 * common_end(old.text.ends, new.text.ends) >= min(old.chars, new.chars) > 0


def begins_with(old: Block, new: Block) -> bool:
    """Whether a text begins with another, as far as whole pieces tell."""
    equal = common_pieces(old.text.pieces, new.text.pieces)
    return equal > 1 and piece_bounds(equal + 1)[0] >= new.chars


def is_telling(block: Block) -> bool:
    """Whether a block is enough to know a conversation by."""
    return block.chars >= _TELLING_CHARS or block.kind in MEDIA


def shared_contents(old: tuple[Block, ...], new: tuple[Block, ...]) -> set[int]:
    """Return the contents that two histories share, if they are much of one: it is one, then.

    The same question about another document is another conversation.
    """
    sizes = [{b.content: b.chars for b in blocks if is_telling(b)} for blocks in (old, new)]
    shared = sizes[0].keys() & sizes[1].keys()
    weight = sum(sizes[1][content] for content in shared)
    least = min(sum(size.values()) for size in sizes)
    return set(shared) if weight >= _COMMON_SHARE * least else set()
