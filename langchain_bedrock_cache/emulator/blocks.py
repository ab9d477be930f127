"""The three places of a Converse request that hold content blocks, in prefix order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.profiles import Section

Block = Mapping[str, Any]

CACHE_POINT = "cachePoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """One list of content blocks.

    Attributes:
        section: Which part of the prefix it belongs to.
        role: Role of the message, or the section where there is none.
        path: Keys and indexes from the request to the list, such as `("messages", 2, "content")`.
        blocks: The list itself, cache points included.
    """

    section: Section
    role: str
    path: tuple[str | int, ...]
    blocks: Sequence[Block]


def block_lists(request: Mapping[str, Any]) -> Iterator[BlockList]:
    """Yield tools, system and the content of each message, as far as the request has them."""
    tools = request.get("toolConfig", {}).get("tools", ())
    yield BlockList(section="tools", role="tools", path=("toolConfig", "tools"), blocks=tools)
    system = request.get("system", ())
    yield BlockList(section="system", role="system", path=("system",), blocks=system)
    for index, message in enumerate(request.get("messages", ())):
        yield BlockList(
            section="messages",
            role=message["role"],
            path=("messages", index, "content"),
            blocks=message["content"],
        )


def block_kind(block: Block) -> str:
    """Return the kind of a block, in the words of `ModelProfile.never_after`.

    Returns:
        Its only key, except `reasoning` for reasoning content and `pdf` for a PDF document.
    """
    key = next(iter(block))
    if key == "reasoningContent":
        return "reasoning"
    if key == "document" and block["document"].get("format") == "pdf":
        return "pdf"
    return key
