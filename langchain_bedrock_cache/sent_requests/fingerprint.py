"""A request as hashes: enough to say later where another one differs, without its text.

Hashes are keyed by a number drawn once per process: what is kept cannot be compared with guesses
by somebody who only finds it in a dump.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from xxhash import xxh3_64_intdigest as _digest

from langchain_bedrock_cache.prefix import BlockKind, Place, Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile

_SEED = secrets.randbits(64)
_BYTES_PER_CHAR = 4
# Up to this offset, in characters, a text is hashed in pieces of that many: fine where prompts
# begin, coarser in long documents, and never depending on the length of the text.
_PIECES = ((4_096, 8), (32_768, 64), (1 << 62, 512))
# Ends of this many characters are hashed, to know a text again whose beginning has changed.
_ENDS = tuple(32 << n for n in range(16))


class Block(NamedTuple):
    """One content block or tool, as hashes.

    Attributes:
        content: Of everything in it.
        kind: What it is.
        chars: Length of its text, or of its JSON.
        pieces: Of short pieces of its text, from the beginning; empty for media.
        ends: Of its last 32, 64, 128 and so on characters, as far as it has as many.
        loose: Of the text without whitespace, or of the JSON with sorted keys.
        name: Of a tool's name; 0 for other blocks.
    """

    content: int
    kind: BlockKind
    chars: int
    pieces: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    loose: int = 0
    name: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fingerprint:
    """One request, as hashes.

    Attributes:
        model_id: As sent.
        profile: What the model allows; `None` if it is not known.
        prefix: Running digests, sizes and places of the blocks.
        blocks: The blocks, cache points left out; same length as `prefix`.
        settings: Hashes of what changes the prompt besides the blocks, by name.
        tool_choice: Of `toolChoice`, where it forces a tool; 0 where it does not.
        points: Positions and lifetimes of the cache points, as sent.
        is_planned: Whether the planner read it: only then the digests know the Region.
    """

    model_id: str
    profile: ModelProfile | None
    prefix: Prefix
    blocks: tuple[Block, ...]
    settings: Mapping[str, int]
    tool_choice: int
    points: tuple[tuple[int, CacheTTL], ...]
    is_planned: bool = False

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
    config = request.get("toolConfig") or {}
    choice = config.get("toolChoice") or {}
    forced = next(iter(choice), "auto") not in ("auto", "none")
    return Fingerprint(
        model_id=str(request.get("modelId") or ""),
        profile=profile,
        prefix=prefix,
        blocks=(*known, *(_block(block, kind, seen) for block, kind in fresh)),
        settings=_settings(request),
        tool_choice=_hash(_json(choice)) if forced else 0,
        points=tuple(points),
        is_planned=is_planned,
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
    messages = request["messages"][place.message :]
    blocks = [block for m in messages for block in _without_points(m.get("content"))]
    return blocks[place.block :]


def text_of(block: Mapping[str, Any]) -> str:
    """Return what a block is hashed as, and what offsets are counted in: its text, or its JSON."""
    text = block.get("text")
    return text if isinstance(text, str) else _json(block).decode()


def piece_bounds(index: int) -> tuple[int, int]:
    """Return where a piece begins and ends, in characters."""
    start = 0
    for limit, size in _PIECES:
        count = (limit - start) // size
        if index < count:
            return start + index * size, start + (index + 1) * size
        index -= count
        start = limit
    raise IndexError(index)  # pragma: no cover - the last limit is beyond any text


def common_pieces(old: Block, new: Block) -> int:
    """Count the pieces that two texts have in common at the beginning."""
    pairs = zip(old.pieces, new.pieces, strict=False)
    equal = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    return min(len(old.pieces), len(new.pieces)) if equal is None else equal


def common_chars(old: Block, new: Block) -> int:
    """Return how many characters two texts are known to share at both ends, at least."""
    start = min(piece_bounds(common_pieces(old, new))[0], old.chars, new.chars)
    shared = [n for n, a, b in zip(_ENDS, old.ends, new.ends, strict=False) if a == b]
    return min(start + max(shared, default=0), old.chars, new.chars)


def _without_points(blocks: Sequence[Any] | None) -> list[Any]:
    return [block for block in blocks or () if "cachePoint" not in block]


def _block(block: Mapping[str, Any], kind: BlockKind, seen: MutableMapping[int, Block]) -> Block:
    text = block.get("text")
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else _json(block)
    content = _digest(data, _SEED)
    known = seen.get(content)
    if known is None or known.kind != kind:
        known = seen[content] = _hashed(block, kind, content, data)
    return known


def _hashed(block: Mapping[str, Any], kind: BlockKind, content: int, data: bytes) -> Block:
    if kind in ("image", "document", "pdf", "video", "audio"):
        return Block(content, kind, len(data))
    text, spec = text_of(block), block.get("toolSpec")
    if isinstance(block.get("text"), str):
        loose = "".join(text.split()).encode("utf-8", "surrogatepass")
    else:
        loose = _json(block, sort=True)
    return Block(
        content,
        kind,
        len(text),
        *_pieces_and_ends(text),
        _hash(loose),
        _hash(str(spec["name"]).encode()) if kind == "tool" and spec else 0,
    )


def _pieces_and_ends(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    data = text.encode("utf-32-le", "surrogatepass")
    size = len(data)
    pieces: list[int] = []
    start = 0
    for limit, chars in _PIECES:
        end, step = min(size, limit * _BYTES_PER_CHAR), chars * _BYTES_PER_CHAR
        pieces += [_digest(data[i : i + step], _SEED) for i in range(start, end, step)]
        start = end
        if end == size:
            break
    ends = [_hash(data[-n * _BYTES_PER_CHAR :]) for n in _ENDS if n <= len(text)]
    return tuple(pieces), tuple(ends)


def _settings(request: Mapping[str, Any]) -> dict[str, int]:
    settings: dict[str, int] = {}
    for part in ("additionalModelRequestFields", "outputConfig"):
        fields = request.get(part)
        if fields and isinstance(fields, Mapping):
            settings.update((str(name), _hash(_json(value))) for name, value in fields.items())
    return settings


def _json(value: Any, *, sort: bool = False) -> bytes:
    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_SORT_KEYS if sort else 0)
    try:
        return orjson.dumps(value, default=_jsonable, option=options)
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits
        return repr(value).encode("utf-8", "backslashreplace")


def _jsonable(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{_digest(value, _SEED):x}"
    return repr(value)


def _hash(data: bytes) -> int:
    return _digest(data, _SEED)
