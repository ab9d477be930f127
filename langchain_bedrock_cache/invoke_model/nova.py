"""Nova's own message format: that of Converse, but for points, which are inside the block they end.

Source: https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from functools import partial
from typing import Any

from langchain_bedrock_cache.invoke_model.view import (
    Block,
    Blocks,
    Body,
    Dialect,
    InvokeView,
    conversation_of,
)
from langchain_bedrock_cache.profiles import CacheTTL

_POINT = "cachePoint"
_SCHEMA = "messages-v1"
# Not part of the prompt, or read block by block.
_NOT_PROMPT = frozenset({"inferenceConfig", "messages", "schemaVersion", "system", "toolConfig"})
_MEDIA = ("image", "document", "video", "audio")


def is_nova_body(body: Body, *, base_model: str | None) -> bool:
    """Whether a decoded body is in Nova's format.

    Args:
        body: Decoded JSON.
        base_model: Base model ID, if known; without it, the body has to name its schema.
    """
    named = body.get("schemaVersion") == _SCHEMA or (base_model or "").startswith("amazon.nova-")
    messages = body.get("messages")
    return named and isinstance(messages, list) and all(map(_is_message, messages))


def nova_view(body: Body) -> InvokeView:
    """Return the view of a body.

    Args:
        body: Decoded JSON; not modified.

    Raises:
        AttributeError, KeyError, TypeError: If the body is not in the format after all.
    """
    blocks = Blocks()
    request = conversation_of(body, partial(_listed, blocks=blocks))
    config = body.get("toolConfig") or {}
    if config.get("tools"):
        request["toolConfig"] = {**config, "tools": _listed(config["tools"], blocks)}
    fields = {name: value for name, value in body.items() if name not in _NOT_PROMPT and value}
    if fields:
        request["additionalModelRequestFields"] = fields.pop("additionalModelRequestFields", {})
        request["additionalModelRequestFields"] |= fields
    return InvokeView(body=body, request=request, dialect=NOVA, origins=blocks.origins)


def _is_message(message: Any) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and all(isinstance(b, dict) for b in content)


def _listed(content: Sequence[Block], blocks: Blocks) -> list[Any]:
    """Return a list of blocks without the points in them; a block may be nothing but a point."""
    entries: list[tuple[Block, tuple[Any, ...], list[Block]]] = []
    for block in content:
        points = [{_POINT: block[_POINT]}] if _POINT in block else []
        bare = _unmark(block)
        if bare or not entries:
            entries.append((_viewed(bare), (block,), points))
        else:
            before, stands_for, earlier = entries[-1]
            entries[-1] = (before, (*stands_for, block), [*earlier, *points])
    return blocks.listed(entries)


def _viewed(block: Block) -> Block:
    """Return a block of the view: a copy, with media as bytes, as Converse has them."""
    if result := block.get("toolResult"):
        content = [_viewed(item) for item in result.get("content") or ()]
        return {**block, "toolResult": {**result, "content": content}}
    for kind in _MEDIA:
        source = (block.get(kind) or {}).get("source") or {}
        if isinstance(source.get("bytes"), str):
            return {**block, kind: {**block[kind], "source": {**source, "bytes": _raw(source)}}}
    return {**block}


def _raw(source: Block) -> bytes:
    try:
        return base64.b64decode(source["bytes"])
    except (binascii.Error, ValueError):  # Bedrock will say so
        return str(source["bytes"]).encode("utf-8", "surrogatepass")


def _mark(block: Any, _ttl: CacheTTL, _states_ttl: bool) -> Any:  # noqa: FBT001 # see `Dialect`
    return {**block, _POINT: {"type": "default"}}  # Nova knows one lifetime only


def _unmark(block: Any) -> Any:
    return {k: v for k, v in block.items() if k != _POINT} if _POINT in block else block


NOVA = Dialect(
    tools_in=("toolConfig", "tools"),
    mark=_mark,
    unmark=_unmark,
    new_text=lambda text: {"text": text},
)
