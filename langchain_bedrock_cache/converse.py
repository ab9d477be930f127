"""Converse requests: read one into prefix form, write points into a new one, strip them again.

The wire spelling of a cache point lives here (and in the emulator) and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import orjson
import xxhash
from xxhash import xxh3_128_digest as _digest

from langchain_bedrock_cache.exceptions import CachePointPositionError, CachePolicyError
from langchain_bedrock_cache.prefix import BlockKind, Mark, Place, Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, Section

Request = Mapping[str, Any]

_POINT = "cachePoint"
_KINDS: Mapping[str, BlockKind] = {
    "text": "text",
    "toolUse": "tool_use",
    "toolResult": "tool_result",
    "image": "image",
    "document": "document",
    "video": "video",
    "audio": "audio",
    "reasoningContent": "reasoning",
    "guardContent": "guard",
}
_ROLE_TAGS = {role: f"{role}|".encode() for role in ("user", "assistant", "system")}
# Request members outside the blocks that change the prompt: measured on Bedrock, a change of
# thinking or effort misses the whole prefix (CacheCanary 0.4.0, 2026-10); sampling does not.
_PROMPT_FIELDS = ("additionalModelRequestFields", "outputConfig")
# Rough sizes in characters, for content without characters. An image costs Claude about
# width x height / 750 tokens, at most some 1,600 (platform.claude.com, vision); PDFs are counted as
# text and page images. Only used to compare a prefix with the model's minimum.
_IMAGE_CHARS = 3 * 1_200
_VIDEO_CHARS = 3 * 3_000
_PDF_BYTES_PER_CHAR = 4


def has_points(request: Request) -> bool:
    """Whether the request holds a cache point anywhere."""
    lists = [request.get("system") or (), _tools(request)]
    lists += [m.get("content") or () for m in request.get("messages") or ()]
    return any(_is_sound(b) for blocks in lists for b in blocks)


def read_converse(
    request: Request, profile: ModelProfile | None = None, *, locality: str = ""
) -> Prefix:
    """Read a Converse or ConverseStream request into prefix form.

    Args:
        request: Keyword arguments of `client.converse`, or the decoded JSON body; not modified.
        profile: Decides where `toolChoice` enters the prefix; `None` reads it as Claude does.
        locality: Where the prompt cache is, a Region say; another place makes another prefix.

    Returns:
        The prefix, with the application's own cache points as `marks`.

    Raises:
        CachePolicyError: If a cache point has an unknown type or ttl.
        CachePointPositionError: If a cache point is the first item of its list.
    """
    choice = _tool_choice(request)
    choice_first = profile is not None and profile.tool_choice_scope == "tools"
    prefix = Prefix(_seed(request, profile, choice if choice_first else "", locality))
    _read_list(prefix, _tools(request), "tools", -1, "", b"tools|")
    prefix.tools = len(prefix)
    _read_list(prefix, request.get("system") or (), "system", -1, "", b"system|")
    prefix.head = len(prefix)
    opening = b"" if choice_first else choice.encode()
    for i, message in enumerate(request.get("messages") or ()):
        role = message.get("role")
        tag = _ROLE_TAGS.get(role) or f"{role}|".encode()
        _read_list(prefix, message.get("content") or (), "messages", i, role, opening + tag)
        opening = b""
    return prefix


def write_points(request: Request, points: Sequence[tuple[Place, CacheTTL]]) -> dict[str, Any]:
    """Return the request with cache points inserted after the given blocks.

    Args:
        request: Converse keyword arguments; neither it nor anything inside is modified.
        points: Block to follow, and ttl. Blocks that already have a point are left alone.

    Returns:
        A new request that shares every block with the old one.
    """
    out = dict(request)
    by_list: dict[tuple[Section, int], dict[int, CacheTTL]] = {}
    for place, ttl in points:
        by_list.setdefault((place.section, place.message), {})[place.block] = ttl
    for (section, message), after in by_list.items():
        if section == "system":
            out["system"] = _insert(out["system"], after)
        elif section == "tools":
            config = out["toolConfig"]
            out["toolConfig"] = {**config, "tools": _insert(config["tools"], after)}
        else:
            if out["messages"] is request["messages"]:
                out["messages"] = list(out["messages"])
            old = out["messages"][message]
            out["messages"][message] = {**old, "content": _insert(old["content"], after)}
    return out


def strip_points(request: Request) -> dict[str, Any]:
    """Return the request without any cache point; lists without points are shared, not copied.

    Points that botocore would not send stay, so that it says so.
    """
    return _map_lists(request, lambda blocks: [b for b in blocks if not _is_sound(b)])


def without_tool_points(request: Request) -> tuple[dict[str, Any], bool]:
    """Return the request without cache points in tools, and whether there were any."""
    out = dict(request)
    tools = _tools(out)
    if not any(map(_is_point, tools)):
        return out, False
    out["toolConfig"] = {**out["toolConfig"], "tools": [t for t in tools if not _is_point(t)]}
    return out, True


def without_stated_ttls(request: Request) -> dict[str, Any]:
    """Return the request with the default lifetime left out of its cache points.

    For models that know one lifetime only: some refuse the field itself.
    """
    return _map_lists(request, lambda blocks: [_point("5m") if _is_point(b) else b for b in blocks])


def _map_lists(request: Request, change: Callable[[Sequence[Any]], list[Any]]) -> dict[str, Any]:
    """Return the request with every list that holds a cache point changed, the others shared."""
    out = dict(request)
    if any(map(_is_point, out.get("system") or ())):
        out["system"] = change(out["system"])
    if any(map(_is_point, _tools(out))):
        out["toolConfig"] = {**out["toolConfig"], "tools": change(_tools(out))}
    if messages := out.get("messages"):
        out["messages"] = [
            {**m, "content": change(m["content"])}
            if any(map(_is_point, m.get("content") or ()))
            else m
            for m in messages
        ]
    return out


def _tools(request: Request) -> Sequence[Any]:
    return (request.get("toolConfig") or {}).get("tools") or ()


def _tool_choice(request: Request) -> str:
    """Return what of `toolChoice` changes the prefix: auto and none are the same prompt."""
    choice = (request.get("toolConfig") or {}).get("toolChoice") or {}
    kind = next(iter(choice), "auto")
    return "" if kind in ("auto", "none") else f"{json.dumps(choice, sort_keys=True)}|"


def _seed(request: Request, profile: ModelProfile | None, choice: str, locality: str) -> bytes:
    model = profile.id if profile else str(request.get("modelId"))
    model += f"@{locality}" if locality else ""
    fields = {k: request[k] for k in _PROMPT_FIELDS if request.get(k)}
    extra = json.dumps(fields, sort_keys=True, default=str) if fields else ""
    return _digest(f"{model}|{choice}|{extra}".encode())


def _is_point(block: Any) -> bool:
    return isinstance(block, Mapping) and _POINT in block and len(block) == 1


def _is_sound(block: Any) -> bool:
    """Whether a block is a cache point that botocore would send."""
    if not _is_point(block):
        return False
    point = block[_POINT]
    return (
        isinstance(point, Mapping)
        and isinstance(point.get("type"), str)
        and isinstance(point.get("ttl", ""), str)
        and point.keys() <= {"type", "ttl"}
    )


def _read_list(
    prefix: Prefix,
    blocks: Sequence[Any],
    section: Section,
    message: int,
    role: str,
    tag: bytes,
) -> None:
    """Add the blocks of one list; its first block also carries the tag (role, tool choice).

    The hot loop of planning: plain text blocks are read in place, everything else in `_describe`.
    """
    if not blocks:
        return
    digests, chars, kinds = prefix.digests, prefix.chars, prefix.kinds
    start = len(digests)
    prefix.lists.append((section, message))
    prefix.list_starts.append(start)
    prefix.roles.append(role)
    previous = digests[-1] if start else prefix.seed
    size = chars[-1] if start else 0
    kind: BlockKind
    for block in blocks:
        text = block.get("text")
        if type(text) is str:
            kind = "blank" if not text or text.isspace() else "text"
            content = _encode(text)
            size += len(text)
        elif _is_point(block):
            if len(digests) == start:
                raise CachePointPositionError(_nothing_before(section, message))
            ttl = _ttl_of(block[_POINT], section)
            prefix.marks.append(Mark(len(digests), ttl, prefix.place(len(digests))))
            continue
        else:
            kind, content, more = _describe(block, section)
            size += more
        previous = _digest(previous + tag + content)
        tag = b""
        digests.append(previous)
        chars.append(size)
        kinds.append(kind)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates: botocore will have its say, not the digest
        return text.encode("utf-8", "surrogatepass")


def _nothing_before(section: Section, message: int) -> str:
    where = "" if message < 0 else f"[{message}].content"
    return (
        f"The cache point at {section}{where}[0] has nothing before it in its list, and Bedrock "
        "refuses that. Place it after the block that ends the stable part."
    )


def _describe(block: Mapping[str, Any], section: Section) -> tuple[BlockKind, bytes, int]:
    """Return kind, identifying bytes and size in characters of a block that is not plain text."""
    content = _canonical(block)
    if section == "tools":
        return "tool", content, len(content)
    name = next(iter(block), "")
    kind = _KINDS.get(name, "other")
    size = _SIZES[name](block[name], len(content)) if name in _SIZES else len(content)
    if kind == "document" and block[name].get("format") == "pdf":
        return "pdf", content, size
    return kind, content, size


def _canonical(block: Any) -> bytes:
    """Serialize a block; key order counts, as it does for the cache. Bytes become their digest."""
    try:
        return orjson.dumps(block, default=_jsonable)
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits, keys not strings
        return json.dumps(block, default=_jsonable).encode()


def _jsonable(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return xxhash.xxh3_128_hexdigest(value)
    return repr(value)


def _document_size(document: Mapping[str, Any], _serialized: int = 0) -> int:
    source = document.get("source") or {}
    raw = source.get("bytes")
    if isinstance(raw, bytes | bytearray):
        return len(raw) // (_PDF_BYTES_PER_CHAR if document.get("format") == "pdf" else 1)
    return len(str(source))


def _tool_result_size(result: Mapping[str, Any], serialized: int) -> int:
    """Add what images and documents inside a tool result weigh beyond their serialized digest."""
    for item in result.get("content") or ():
        if "image" in item:
            serialized += _IMAGE_CHARS
        elif "document" in item:
            serialized += _document_size(item["document"])
    return serialized


_SIZES: Mapping[str, Callable[[Any, int], int]] = {
    "document": _document_size,
    "image": lambda _image, _serialized: _IMAGE_CHARS,
    "video": lambda _video, _serialized: _VIDEO_CHARS,
    "toolResult": _tool_result_size,
}


def _ttl_of(point: Any, section: Section) -> CacheTTL:
    kind = point.get("type") if isinstance(point, Mapping) else point
    if kind != "default":
        msg = (
            f"Cache point in {section} has type {kind!r}, but Converse knows only 'default'. "
            "Write {'cachePoint': {'type': 'default'}}."
        )
        raise CachePolicyError(msg)
    ttl = point.get("ttl", "5m")
    if ttl not in get_args(CacheTTL):
        msg = f"Cache point in {section} has ttl {ttl!r}, but Bedrock knows only '5m' and '1h'."
        raise CachePolicyError(msg)
    return ttl  # type: ignore[no-any-return]


def _insert(blocks: Sequence[Any], after: Mapping[int, CacheTTL]) -> list[Any]:
    out: list[Any] = []
    index = -1
    for n, block in enumerate(blocks):
        out.append(block)
        if _is_point(block):
            continue
        index += 1
        if index in after and not (n + 1 < len(blocks) and _is_point(blocks[n + 1])):
            out.append(_point(after[index]))
    return out


def _point(ttl: CacheTTL) -> dict[str, Any]:
    return {_POINT: {"type": "default"} if ttl == "5m" else {"type": "default", "ttl": ttl}}
