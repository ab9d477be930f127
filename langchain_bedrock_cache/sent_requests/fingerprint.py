"""A request as hashes: enough to say later where another one differs, without its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from langchain_bedrock_cache.prefix import BlockKind, Place, Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile
from langchain_bedrock_cache.sent_requests.text_hashes import (
    TextHashes,
    common_end,
    common_pieces,
    digest,
    hash_text,
    piece_bounds,
    without_spaces,
)
from langchain_bedrock_cache.tenants import salt_of

BYTES = "bytes:"
"""What the hash of an image's bytes begins with, where it stands in JSON."""


class Block(NamedTuple):
    """One content block or tool, as hashes.

    Attributes:
        content: Of everything in it.
        kind: What it is.
        chars: Length of its text, or of its JSON.
        text: Of its text, or of its JSON; empty for media.
        loose: Of the text without whitespace, of the JSON with sorted keys, or of what is in an
            image or document, whatever its name.
        name: Of a tool's name; 0 for other blocks.
    """

    content: int
    kind: BlockKind
    chars: int
    text: TextHashes = TextHashes()
    loose: int = 0
    name: int = 0


# Made for every call, as are the blocks: not frozen, which would take three times as long.
@dataclass(slots=True, kw_only=True, eq=False)
class Fingerprint:
    """One request, as hashes; not to be modified.

    Attributes:
        model_id: As sent.
        profile: What the model allows; `None` if it is not known.
        prefix: Running digests, sizes and places of the blocks.
        blocks: The blocks, cache points left out; same length as `prefix`.
        settings: Hashes of what changes the prompt besides the blocks, by name.
        tool_choice: Of `toolChoice`, where it forces a tool; 0 where it does not.
        points: Positions and lifetimes of the cache points, as sent.
        is_planned: Whether the planner read it: only then the digests know the Region.
        tenant: Of the salt that keeps the prompts of tenants apart; 0 without one.
    """

    model_id: str
    profile: ModelProfile | None
    prefix: Prefix
    blocks: tuple[Block, ...]
    settings: Mapping[str, int]
    tool_choice: int
    points: tuple[tuple[int, CacheTTL], ...]
    is_planned: bool = False
    tenant: int = 0

    def __len__(self) -> int:
        """Count the blocks."""
        return len(self.blocks)

    def place(self, index: int) -> Place:
        """Return where a block stands in the request."""
        return self.prefix.place(index + 1)


def take_fingerprint(
    request: Mapping[str, Any],
    prefix: Prefix,
    *,
    profile: ModelProfile | None,
    points: Sequence[tuple[int, CacheTTL]],
    known: Sequence[Block] = (),
    seen: MutableMapping[int, Block] | None = None,
    is_planned: bool = False,
) -> Fingerprint:
    """Take the fingerprint of a request.

    Args:
        request: Converse keyword arguments; not modified, and nothing of it is kept.
        prefix: The same request, read.
        profile: Its model.
        points: Positions and lifetimes of its cache points.
        known: Blocks at the beginning that are the same as in an earlier request.
        seen: Blocks of other requests, by their content; those of this one are added.
        is_planned: Whether the planner read it.

    Returns:
        Its hashes. Takes some 20 nanoseconds per character that is neither known nor seen.
    """
    fresh = zip(_blocks_after(len(known), request, prefix), prefix.kinds[len(known) :], strict=True)
    seen = {} if seen is None else seen
    choice = (request.get("toolConfig") or {}).get("toolChoice")
    salt = salt_of(request)
    return Fingerprint(
        model_id=str(request.get("modelId") or ""),
        profile=profile,
        prefix=prefix,
        blocks=(*known, *[_block(block, kind, seen) for block, kind in fresh]),
        settings=_settings(request),
        tool_choice=digest(_json(choice)) if choice and _is_forced(choice) else 0,
        points=tuple(points),
        is_planned=is_planned,
        tenant=digest(salt.encode()) if salt else 0,
    )


def blocks_of(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield tools, system and message blocks of a Converse request, cache points left out."""
    yield from _without_points((request.get("toolConfig") or {}).get("tools"))
    yield from _without_points(request.get("system"))
    for message in request.get("messages") or ():
        yield from _without_points(message.get("content"))


def _blocks_after(position: int, request: Mapping[str, Any], prefix: Prefix) -> list[Any]:
    """Return the blocks after the first `position`; a long conversation is not gone through."""
    if not prefix.head < position < len(prefix):
        return list(blocks_of(request))[position:]
    place = prefix.place(position + 1)
    blocks = []
    for message in request["messages"][place.message :]:
        blocks += _without_points(message.get("content"))
    return blocks[place.block :]


def text_of(block: Mapping[str, Any]) -> str:
    """Return what a block is hashed as, and what offsets are counted in: its text, or its JSON."""
    text = block.get("text")
    return text if isinstance(text, str) else _json(block).decode()


def common_chars(old: Block, new: Block, *, most: bool = False) -> int:
    """Return how many characters two texts are known to share at both ends.

    Args:
        old: A text.
        new: Another.
        most: Whether to return the most it may be, and not the least: of what is common at the
            end, about half may not be known.
    """
    pieces = common_pieces(old.text.pieces, new.text.pieces)
    end = common_end(old.text.ends, new.text.ends)
    return min(piece_bounds(pieces)[0] + (2 * end if most else end), old.chars, new.chars)


def _without_points(blocks: Sequence[Any] | None) -> list[Any]:
    return [block for block in blocks or () if "cachePoint" not in block]


def _block(block: Mapping[str, Any], kind: BlockKind, seen: MutableMapping[int, Block]) -> Block:
    text = block.get("text")
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else _json(block)
    content = digest(data)
    known = seen.get(content)
    if known is None or known.kind != kind:
        known = seen[content] = _hashed(block, kind, content, data)
    return known


def _hashed(block: Mapping[str, Any], kind: BlockKind, content: int, data: bytes) -> Block:
    if kind in ("image", "document", "pdf", "video", "audio"):
        return Block(content, kind, len(data), loose=digest(_json(_source_of(block))))
    text, spec = block.get("text"), block.get("toolSpec")
    if isinstance(text, str):
        return Block(content, kind, len(text), hash_text(text), digest(without_spaces(text)))
    text = data.decode()
    return Block(
        content,
        kind,
        len(text),
        hash_text(text),
        digest(_json(block, sort=True)),
        digest(str(spec["name"]).encode()) if kind == "tool" and spec else 0,
    )


def _is_forced(choice: Mapping[str, Any]) -> bool:
    return next(iter(choice)) not in ("auto", "none")


def _source_of(block: Mapping[str, Any]) -> Any:
    """Return what is in an image or document, without its name and settings."""
    inside = next(iter(block.values()), None)
    return inside.get("source") if isinstance(inside, Mapping) else block


def _settings(request: Mapping[str, Any]) -> dict[str, int]:
    settings: dict[str, int] = {}
    for part in ("additionalModelRequestFields", "outputConfig"):
        fields = request.get(part)
        if fields and isinstance(fields, Mapping):
            settings.update((str(name), digest(_json(value))) for name, value in fields.items())
    return settings


def _json(value: Any, *, sort: bool = False) -> bytes:
    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_SORT_KEYS if sort else 0)
    try:
        return orjson.dumps(value, default=_jsonable, option=options)
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits
        return repr(value).encode("utf-8", "backslashreplace")


def _jsonable(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{BYTES}{digest(value):016x}"
    return repr(value)
