"""A body with its cache points written as they should be, so that the rest can be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.wrong_forms.bodies import Api, kind_of
from langchain_bedrock_cache.wrong_forms.marks import (
    CONTROL,
    OPAQUE,
    POINT,
    is_mark_name,
    is_point_name,
    ttl_of,
)

_UNMARKED = ("empty", "reasoning")


def mended(body: Mapping[str, Any], *, api: Api) -> dict[str, Any]:
    """Return a body with every cache point written as its API wants it.

    Points inside blocks come out behind them; those without anything before them, repeated ones
    and those beside the lists of blocks are left out. What only the model minds (their number, the
    order of lifetimes, the block before) stays as it is.

    Args:
        body: As `find_wrong_forms` takes it; not modified.
        api: What the body is for.
    """
    out = _unmarked(body)
    mend = _claude_list if api == "claude" else _converse_list
    for name in ("system", "tools") if api == "claude" else ("system",):
        if isinstance(out.get(name), list | tuple):
            out[name] = mend(out[name])
    config = out.get("toolConfig")
    if api != "claude" and isinstance(config, Mapping):
        config = _unmarked(config)
        if isinstance(config.get("tools"), list | tuple):
            config["tools"] = mend(config["tools"])
        out["toolConfig"] = config
    if isinstance(out.get("messages"), list | tuple):
        out["messages"] = [_message(message, mend) for message in out["messages"]]
    return out


def _message(message: Any, mend: Callable[[Sequence[Any]], list[Any]]) -> Any:
    if not isinstance(message, Mapping):
        return message
    message = _unmarked(message)
    if isinstance(message.get("content"), list | tuple):
        message["content"] = mend(message["content"])
    return message


def _unmarked(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in holder.items() if not is_mark_name(name)}


def _converse_list(blocks: Sequence[Any]) -> list[Any]:
    """Return the blocks, each cache point a block of its own behind what it marks."""
    out: list[Any] = []
    for block in blocks:
        bare, ttls = _without_marks(block)
        if bare or not ttls:
            out.append(bare)
        if ttls and out and not (isinstance(out[-1], Mapping) and POINT in out[-1]):
            out.append({POINT: _value("default", ttls[0])})
    return out


def _claude_list(blocks: Sequence[Any]) -> list[Any]:
    """Return the blocks, each cache point a `cache_control` on the block that it follows."""
    out: list[Any] = []
    for block in blocks:
        if not isinstance(block, Mapping):
            out.append(block)
            continue
        marks = [value for name, value in block.items() if is_mark_name(name) and value is not None]
        bare, inner = _without_marks(_unmarked(block), is_point_name)
        ttls = [*map(ttl_of, marks), *inner]
        if set(bare) - {"type"} or not ttls:
            out.append(bare)
        if ttls and out and isinstance(out[-1], dict) and kind_of(out[-1]) not in _UNMARKED:
            out[-1] = {**out[-1], CONTROL: _value("ephemeral", ttls[0])}
    return out


def _without_marks(
    value: Any, is_mark: Callable[[object], bool] = is_mark_name
) -> tuple[Any, list[CacheTTL]]:
    """Return a value without cache points at any depth, and their lifetimes."""
    ttls: list[CacheTTL] = []
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            bare, found = _without_marks(item, is_mark)
            ttls += found
            if bare or not found:
                items.append(bare)
        return (items if ttls else value), ttls
    if not isinstance(value, Mapping):
        return value, ttls
    members = {}
    for name, held in value.items():
        if is_mark(name):
            ttls.append(ttl_of(held))
        elif name in OPAQUE:
            members[name] = held
        else:
            members[name], found = _without_marks(held, is_mark)
            ttls += found
    return (members if ttls else value), ttls


def _value(kind: str, ttl: CacheTTL) -> dict[str, str]:
    return {"type": kind} if ttl == "5m" else {"type": kind, "ttl": ttl}
