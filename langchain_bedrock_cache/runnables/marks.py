"""How applications mark stable content in LangChain messages.

Three spellings: a cache point block (`ChatBedrockConverse.create_cache_point()`), the same wrapped
by LangChain as `non_standard`, and Anthropic's `cache_control` on a block. All become one kind of
mark: a number of blocks and a lifetime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import CacheTTL

Block = str | dict[str, Any]
Content = str | Sequence[Block]

_POINT = "cachePoint"
_TYPES: Mapping[str, str] = {_POINT: "default", "cache_control": "ephemeral"}
# Members of a block that may hold more blocks, or marks, of their own.
_HOLDERS = ("content", "toolResult", "extras")


class TakenMarks(NamedTuple):
    """The content of a message, and the marks that were in it.

    Attributes:
        blocks: The blocks without marks; unmarked ones are shared, not copied.
        marks: For each mark the number of blocks before it, and its lifetime.
        changed: Whether anything was taken out of the content.
    """

    blocks: list[Block]
    marks: list[tuple[int, CacheTTL]]
    changed: bool


def new_point(ttl: CacheTTL = "5m") -> dict[str, Any]:
    """Return a cache point as a content block of a LangChain message, or as a tool.

    Args:
        ttl: Its lifetime; five minutes are left out, since old models refuse the field.

    Raises:
        CachePolicyError: If the ttl is unknown.
    """
    if ttl not in get_args(CacheTTL):
        msg = f"ttl is {ttl!r}, but Bedrock knows only '5m' and '1h'."
        raise CachePolicyError(msg)
    return {_POINT: {"type": "default"} if ttl == "5m" else {"type": "default", "ttl": ttl}}


def new_control(ttl: CacheTTL = "5m") -> dict[str, Any]:
    """Return Anthropic's `cache_control` for a block or tool.

    Args:
        ttl: Its lifetime; five minutes are left out, since old models refuse the field.
    """
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def is_point(block: object) -> bool:
    """Whether a block (or tool) is a cache point and nothing else, wrapped by LangChain or not."""
    if not isinstance(block, Mapping):
        return False
    keys = _unwrapped(block).keys()
    return _POINT in keys and keys <= {_POINT, "type"}


def new_probe(number: int) -> dict[str, Any]:
    """Return a numbered cache point, to see what becomes of it; not to be sent."""
    return {_POINT: {"type": "default", "probe": number}}


def probe_number(block: Mapping[str, Any]) -> int | None:
    """Return the number of a probe, `None` for any other block."""
    point = block.get(_POINT)
    return point.get("probe") if point else None


def take_marks(content: Content) -> TakenMarks:
    """Return the blocks of a message without its marks, and the marks.

    Marks inside a tool result come out behind it: Bedrock takes none inside.

    Args:
        content: Content of a message; neither the list nor a block is modified. Text alone, or no
            content at all, becomes one block that langchain-aws sends like the text.

    Raises:
        CachePolicyError: If a mark has an unknown type or ttl.
    """
    if not content or isinstance(content, str):
        text = content if isinstance(content, str) else ""
        return TakenMarks([bare_text(text)], [], changed=False)
    blocks: list[Block] = []
    marks: list[tuple[int, CacheTTL]] = []
    changed = False
    for block in content:
        bare, ttls = _bare(block) if isinstance(block, dict) else (block, [])
        changed = changed or bare is not block
        blocks += [bare] if bare is not None else []
        marks += [(len(blocks), ttl) for ttl in ttls]
    return TakenMarks(blocks, marks, changed)


def text_of(block: Block) -> str:
    """Return the text of a text block; an empty string for any other block."""
    if isinstance(block, str):
        return block
    text = block.get("text")
    return text if isinstance(text, str) and block.get("type", "text") == "text" else ""


def bare_text(text: str) -> Block:
    """Return text as the block that langchain-aws sends like a message of that text alone.

    It replaces blank text and trims the last assistant message, but only in typed blocks; all
    other text it takes without a type, a hundred times faster.
    """
    plain = text and not text[-1].isspace()
    return text if plain else {"type": "text", "text": text}


def _unwrapped(block: Mapping[str, Any]) -> Mapping[str, Any]:
    value = block.get("value") if block.get("type") == "non_standard" else None
    return value if isinstance(value, Mapping) else block


def _bare(block: dict[str, Any]) -> tuple[dict[str, Any] | None, list[CacheTTL]]:
    """Return a block without the marks on it and in it, `None` if it was one; and lifetimes."""
    if is_point(block):
        return None, [_ttl_of(_POINT, _unwrapped(block)[_POINT])]
    ttls: list[CacheTTL] = []
    for holder in _HOLDERS:
        inner = block.get(holder)
        if isinstance(inner, list) and inner:
            bare, marks, changed = take_marks(inner)
            if changed:
                block = {**block, holder: bare}
            ttls += [ttl for _, ttl in marks]
        elif isinstance(inner, dict):
            bare_inner, found = _bare(inner)
            if bare_inner is not inner:
                block = {**block, holder: bare_inner or {}}
            ttls += found
    for name in _TYPES.keys() & block.keys():
        mark = block[name]
        block = {key: value for key, value in block.items() if key != name}
        if mark is not None:
            ttls.append(_ttl_of(name, mark))
    return block, ttls


def _ttl_of(name: str, mark: Any) -> CacheTTL:
    kind = mark.get("type") if isinstance(mark, Mapping) else mark
    if kind != _TYPES[name]:
        msg = (
            f"{name} in a message has type {kind!r}, but Bedrock knows only {_TYPES[name]!r}. "
            f"Write {{'{name}': {{'type': '{_TYPES[name]}'}}}}."
        )
        raise CachePolicyError(msg)
    ttl: Any = mark.get("ttl") or "5m"
    if ttl not in get_args(CacheTTL):
        msg = f"{name} in a message has ttl {ttl!r}, but Bedrock knows only '5m' and '1h'."
        raise CachePolicyError(msg)
    return ttl  # type: ignore[no-any-return]
