"""Logged request bodies in the shape of Converse requests, ready to be measured."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.invoke_model.claude import claude_view, is_claude_body

Body = Mapping[str, Any]
Blocks = Sequence[Mapping[str, Any]]

_MEDIA = ("document", "image", "video", "audio")


def to_converse(body: Body) -> dict[str, Any] | None:
    """Return the Converse request in a logged body of Converse or InvokeModel.

    Args:
        body: Decoded JSON: a Converse body, or what InvokeModel takes for Claude or Nova; not
            modified.

    Returns:
        The request, cache points in blocks of their own, media as bytes; `None` if the body is
        no chat request of these forms.

    Raises:
        AttributeError, KeyError, TypeError: If the body is garbled.
        CachePolicyError: If a `cache_control` in it has an unknown type or ttl.
    """
    if is_claude_body(body):
        body = claude_view(body).request
    if not _has_converse_messages(body):
        return None
    request = dict(body)
    if request.get("system"):
        request["system"] = _clean(request["system"])
    request["messages"] = [{**m, "content": _clean(m["content"])} for m in request["messages"]]
    return request


def _has_converse_messages(body: Body) -> bool:
    messages = body.get("messages")
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(isinstance(m, dict) and isinstance(m.get("content"), list) for m in messages)
    )


def _clean(blocks: Blocks) -> list[dict[str, Any]]:
    """Return blocks with one member each: Nova's own format has points inside text blocks."""
    out: list[dict[str, Any]] = []
    for block in blocks:
        content = {name: value for name, value in block.items() if name != "cachePoint"}
        if content:
            out.append(_with_bytes(content))
        if "cachePoint" in block:
            out.append({"cachePoint": block["cachePoint"]})
    return out


def _with_bytes(block: dict[str, Any]) -> dict[str, Any]:
    """Decode the bytes of media, which JSON carries as base64."""
    if result := block.get("toolResult"):
        content = [_with_bytes(item) for item in result.get("content") or ()]
        return {"toolResult": {**result, "content": content}}
    for kind in _MEDIA:
        source = (block.get(kind) or {}).get("source") or {}
        if isinstance(source.get("bytes"), str):
            decoded = {**source, "bytes": _from_base64(source["bytes"])}
            return {kind: {**block[kind], "source": decoded}}
    return block


def _from_base64(text: str) -> bytes:
    """Return the bytes; a log that left them out has some other text there."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()
