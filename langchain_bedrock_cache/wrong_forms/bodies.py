"""Request bodies as lists of blocks, whichever API they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from langchain_bedrock_cache.profiles import Section

Api = Literal["converse", "claude", "nova"]
"""What a body is for: Converse, or InvokeModel of Claude or of Nova."""


class BlockList(NamedTuple):
    """A list of blocks, and where it stands in the body."""

    section: Section
    place: str
    blocks: Sequence[Any]


def api_of(body: Mapping[str, Any], *, operation: str = "") -> Api:
    """Return what a body is for.

    Args:
        body: Decoded JSON, or boto3's arguments of `converse`.
        operation: Of the call, if a log says: Nova's own bodies look like those of Converse.
    """
    if "anthropic_version" in body:
        return "claude"
    return "nova" if "schemaVersion" in body or operation.startswith("InvokeModel") else "converse"


def block_lists(body: Mapping[str, Any], api: Api) -> Iterator[BlockList]:
    """Yield tools, system and the content of each message, in the order of the prefix."""
    tools = body.get("tools") if api == "claude" else _member(body.get("toolConfig"), "tools")
    yield BlockList("tools", "tools" if api == "claude" else "toolConfig.tools", _as_list(tools))
    yield BlockList("system", "system", _as_list(body.get("system")))
    for n, message in enumerate(_as_list(body.get("messages"))):
        content = _as_list(_member(message, "content"))
        yield BlockList("messages", f"messages[{n}].content", content)


def holders(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what holds the lists, in which no cache point can stand; each with its place."""
    yield "", body
    if isinstance(body.get("toolConfig"), Mapping):
        yield "toolConfig", body["toolConfig"]
    for n, message in enumerate(_as_list(body.get("messages"))):
        if isinstance(message, Mapping):
            yield f"messages[{n}]", message


def kind_of(block: Mapping[str, Any]) -> str:
    """Return the kind of a block, in the words of `ModelProfile.never_after`.

    Returns:
        `empty` for a text without a character, `reasoning`, `pdf`, or the name of its content.
    """
    name = str(block.get("type") or next(iter(block), ""))
    if name in ("reasoningContent", "thinking", "redacted_thinking"):
        return "reasoning"
    if name == "text" and block.get("text") == "":
        return "empty"
    if name == "document" and _member(block.get("document"), "format") == "pdf":
        return "pdf"
    return name


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
