"""A request as one flat prefix: blocks in the order Bedrock caches them, with running digests.

The prefix is what the prompt cache keys on: tools, then system, then messages, block by block.
Position `p` (1-based) means "after the first p blocks"; `digests[p - 1]` identifies everything up
to there. Digests are xxh3-128: fast, stable across processes, and not reversible to text, but not
meant to keep short secrets from somebody who holds them (shared stores key them once more).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from langchain_bedrock_cache.profiles import CacheTTL, Section

BlockKind = Literal[
    "tool",
    "text",
    "blank",
    "image",
    "document",
    "pdf",
    "video",
    "audio",
    "tool_use",
    "tool_result",
    "reasoning",
    "guard",
    "other",
]
Origin = Literal["application", "planner"]


class Place(NamedTuple):
    """Where a block stands in its request.

    Attributes:
        section: `"tools"`, `"system"` or `"messages"`.
        message: Index in `messages`; -1 in the other sections.
        block: Index in its own list, cache points not counted.
    """

    section: Section
    message: int
    block: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A cache point the application placed: after `position` blocks of the whole prefix."""

    position: int
    ttl: CacheTTL
    place: Place


@dataclass(slots=True)
class Prefix:
    """The blocks of one request, as parallel lists in prefix order.

    Attributes:
        seed: Digest of everything outside the blocks that changes the prefix (model, thinking).
        digests: Digest of the prefix up to and including each block (16 bytes).
        chars: Cumulative size in characters, or their equivalent for images and documents.
        kinds: What each block is.
        list_starts: Number of blocks before each list of blocks that is not empty.
        list_messages: Index in `messages` of each of those lists; -1 for tools and system.
        roles: Role of the message behind each of those lists; empty for tools and system.
        marks: Cache points found in the request, in prefix order.
        tools: Number of blocks in tools.
        head: Number of blocks in tools and system together.
    """

    seed: bytes
    digests: list[bytes] = field(default_factory=list)
    chars: list[int] = field(default_factory=list)
    kinds: list[BlockKind] = field(default_factory=list)
    list_starts: list[int] = field(default_factory=list)
    list_messages: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    tools: int = 0
    head: int = 0

    def __len__(self) -> int:
        """Count the blocks."""
        return len(self.digests)

    def chars_before(self, position: int) -> int:
        """Return the size of the prefix up to a position (0 to `len`), in characters."""
        return self.chars[position - 1] if position else 0

    def place(self, position: int) -> Place:
        """Return where the block before a position (1 to `len`) stands in the request."""
        n = bisect_right(self.list_starts, position - 1) - 1
        block = position - 1 - self.list_starts[n]
        return Place(self.section(position), self.list_messages[n], block)

    def section(self, position: int) -> Section:
        """Return the section of the block before a position."""
        if position <= self.tools:
            return "tools"
        return "system" if position <= self.head else "messages"

    def sections(self) -> list[Section]:
        """Return the sections that have blocks, in prefix order."""
        blocks: dict[Section, int] = {
            "tools": self.tools,
            "system": self.head - self.tools,
            "messages": len(self) - self.head,
        }
        return [section for section, count in blocks.items() if count]

    def list_ends(self) -> list[int]:
        """Return the position after each list of blocks."""
        return [*self.list_starts[1:], len(self.digests)]

    def answers(self) -> int:
        """Count the assistant messages of the conversation."""
        return self.roles.count("assistant")

    def human_spoke_again(self) -> bool:
        """Whether a user message after the first answer is more than tool results."""
        answered = False
        for start, role in zip(self.list_starts, self.roles, strict=True):
            if role == "assistant":
                answered = True
            elif answered and role == "user" and self.kinds[start] != "tool_result":
                return True
        return False
