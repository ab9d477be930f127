"""Converse blocks: what each one is, the bytes that identify it, and its size."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import xxhash

from langchain_bedrock_cache.prefix import BlockKind
from langchain_bedrock_cache.profiles import Section

KINDS: Mapping[str, BlockKind] = {
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
# Rough sizes in characters, for content without characters. An image costs Claude about
# width x height / 750 tokens, at most some 1,600 (platform.claude.com, vision); PDFs are counted as
# text and page images. Only used to compare a prefix with the model's minimum.
_IMAGE_CHARS = 3 * 1_200
_VIDEO_CHARS = 3 * 3_000
_PDF_BYTES_PER_CHAR = 4


def describe(block: Mapping[str, Any], section: Section) -> tuple[BlockKind, bytes, int]:
    """Return kind, identifying bytes and size in characters of a block that is not plain text."""
    content = _canonical(block)
    if section == "tools":
        return "tool", content, len(content)
    name = next(iter(block), "")
    kind = KINDS.get(name, "other")
    size = _SIZES[name](block[name], len(content)) if name in _SIZES else len(content)
    if kind == "document" and block[name].get("format") == "pdf":
        return "pdf", content, size
    return kind, content, size


def _canonical(block: Any) -> bytes:
    """Serialize a block; key order counts, as it does for the cache. Bytes become their digest."""
    try:
        return orjson.dumps(block, default=jsonable)
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits, keys not strings
        return json.dumps(block, default=jsonable).encode()


def jsonable(value: Any) -> str:
    """Return what stands in JSON for a value that it cannot hold: of bytes, their digest."""
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
