"""A deterministic token estimate: no tokenizer, only sizes.

A block counts the characters of every string in it (a signature aside), free-form JSON as it is
written, divided by the characters per token; media count the constants below. Not modelled: the
system prompt that Claude adds when a request has tools, and the real size of a picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.emulator.blocks import Block

# Claude's documented maximum for one picture of usual size (width * height / 750).
IMAGE_TOKENS = 1_600
VIDEO_TOKENS = 4_000
AUDIO_TOKENS = 1_000
# Recorded on Sonnet 4.5: a cache point behind the last block still left two tokens uncached (they
# open the turn of the model). Nova left none.
TURN_TOKENS = {"anthropic": 2}
# A document in S3 is never fetched.
REMOTE_DOCUMENT_TOKENS = 2_000
# About 50 KB and 2,000 tokens to a page of PDF; Office formats are treated alike.
BINARY_DOCUMENT_BYTES_PER_TOKEN = 25

_FLAT_TOKENS = {"image": IMAGE_TOKENS, "video": VIDEO_TOKENS, "audio": AUDIO_TOKENS}
_TEXT_FORMATS = frozenset({"txt", "md", "csv", "html"})
_FREE_FORM_JSON = frozenset({"input", "json"})


@dataclass(frozen=True, slots=True)
class _Size:
    chars: int = 0
    tokens: float = 0

    def __add__(self, other: _Size) -> _Size:
        return _Size(self.chars + other.chars, self.tokens + other.tokens)


def block_tokens(block: Block, *, chars_per_token: float) -> int:
    """Return the estimated tokens of one content block, at least 1.

    Args:
        block: Any block but a cache point, binary members as `bytes`.
        chars_per_token: Characters a token.
    """
    text = block.get("text")
    size = _Size(len(text)) if isinstance(text, str) else _sum(block)
    return max(1, math.ceil(size.chars / chars_per_token + size.tokens))


def to_json(value: Any) -> str:
    """Return a JSON value in compact form, in its own order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _sum(value: Any) -> _Size:
    if isinstance(value, str):
        return _Size(len(value))
    if isinstance(value, Mapping):
        return sum((_member(key, member) for key, member in value.items()), _Size())
    if isinstance(value, list):
        return sum(map(_sum, value), _Size())
    if isinstance(value, bytes):
        return _Size(len(value))
    return _Size()


def _member(key: str, value: Any) -> _Size:
    if key in _FLAT_TOKENS:
        return _Size(tokens=_FLAT_TOKENS[key])
    if key == "document":
        return _document(value)
    if key in _FREE_FORM_JSON:
        return _Size(len(to_json(value)))
    if key == "signature":
        return _Size()
    return _sum(value)


def _document(document: Mapping[str, Any]) -> _Size:
    source = document["source"]
    if "s3Location" in source:
        return _Size(tokens=REMOTE_DOCUMENT_TOKENS)
    content = source.get("bytes")
    if content is None:
        return _sum(source)
    if document.get("format") in _TEXT_FORMATS:
        return _Size(len(content.decode("utf-8", "replace")))
    return _Size(tokens=len(content) / BINARY_DOCUMENT_BYTES_PER_TOKEN)
