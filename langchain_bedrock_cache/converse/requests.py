"""Converse requests: read one into prefix form, write points into a new one, strip them again.

The wire spelling of a cache point lives here (and in the emulator) and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, get_args

from xxhash import xxh3_128_digest as _digest

from langchain_bedrock_cache.converse.blocks import describe
from langchain_bedrock_cache.exceptions import CachePointPositionError, CachePolicyError
from langchain_bedrock_cache.prefix import BlockKind, Mark, Place, Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, Section

Request = Mapping[str, Any]

_POINT = "cachePoint"
_ROLE_TAGS = {role: f"{role}|".encode() for role in ("user", "assistant", "system")}
# Request members outside the blocks that change the prompt: measured on Bedrock, a change of
# thinking or effort misses the whole prefix (CacheCanary 0.4.0, 2026-10); sampling does not.
_PROMPT_FIELDS = ("additionalModelRequestFields", "outputConfig")


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
    _add_lists(prefix, "tools", [("", _tools(request))])
    prefix.tools = len(prefix)
    _add_lists(prefix, "system", [("", request.get("system") or ())])
    prefix.head = len(prefix)
    opening = b"" if choice_first else choice.encode()
    add_messages(prefix, request.get("messages") or (), opening=opening)
    return prefix


def add_messages(
    prefix: Prefix, messages: Sequence[Mapping[str, Any]], *, start: int = 0, opening: bytes = b""
) -> None:
    """Add messages to the end of a prefix.

    Args:
        prefix: The request so far; modified.
        messages: What comes next, as in the request.
        start: Number of messages that the prefix has.
        opening: What the first message carries of the request (tool choice).
    """
    lists = [(m.get("role"), m.get("content") or ()) for m in messages]
    _add_lists(prefix, "messages", lists, start=start, opening=opening)


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


def _add_lists(
    prefix: Prefix,
    section: Section,
    lists: Sequence[tuple[Any, Sequence[Any]]],
    *,
    start: int = -1,
    opening: bytes = b"",
) -> None:
    """Add lists of blocks, each with its role; the first block of a list also carries that.

    The hot loop of planning: plain text is read in place, everything else in `describe`.
    """
    contents: list[bytes] = []
    sizes: list[int] = []
    add, add_size, add_kind = contents.append, sizes.append, prefix.kinds.append
    before = len(prefix)
    kind: BlockKind
    for message, (role, blocks) in enumerate(lists, start):
        if not blocks:
            continue
        first = len(contents)
        prefix.list_starts.append(before + first)
        prefix.list_messages.append(message)
        prefix.roles.append(role)
        tag = opening + (_ROLE_TAGS.get(role) or f"{role or section}|".encode())
        opening = b""
        for block in blocks:
            text = block.get("text")
            if type(text) is str:
                kind = "blank" if not text or text.isspace() else "text"
                size = len(text)
                try:
                    content = text.encode()
                except UnicodeEncodeError:  # lone surrogates: botocore will have its say
                    content = text.encode("utf-8", "surrogatepass")
            elif _is_point(block):
                place = Place(section, message, len(contents) - first - 1)
                prefix.marks.append(_mark(block[_POINT], place, before + len(contents)))
                continue
            else:
                kind, content, size = describe(block, section)
            add(tag + content)
            add_size(size)
            add_kind(kind)
            tag = b""
    previous = prefix.digests[-1] if before else prefix.seed
    prefix.digests += [previous := _digest(previous + content) for content in contents]
    prefix.chars += list(accumulate(sizes, initial=prefix.chars_before(before)))[1:]


def _mark(point: Any, place: Place, position: int) -> Mark:
    if place.block < 0:
        raise CachePointPositionError(_nothing_before(place.section, place.message))
    return Mark(position, _ttl_of(point, place.section), place)


def _nothing_before(section: Section, message: int) -> str:
    where = "" if message < 0 else f"[{message}].content"
    return (
        f"The cache point at {section}{where}[0] has nothing before it in its list, and Bedrock "
        "refuses that. Place it after the block that ends the stable part."
    )


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
