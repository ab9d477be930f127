"""Token usage of InvokeModel in the words of Converse, whatever the model calls it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.usage import CacheUsage

_METRICS = "amazon-bedrock-invocationMetrics"
_HEADER = "x-amzn-bedrock-"
# Events of a stream without any of these say nothing about usage, and need not be decoded.
_TELLING = (b'"usage"', _METRICS.encode())


def usage_of_answer(raw: bytes, headers: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the usage of an InvokeModel response as Converse reports usage.

    Args:
        raw: The response body.
        headers: The response headers.

    Returns:
        A Converse `usage`; `None` if neither body nor headers report any.
    """
    body = _decoded(raw)
    if not _reports(body) and not any(str(name).lower().startswith(_HEADER) for name in headers):
        return None
    return as_converse(CacheUsage.from_invoke_model(body, headers=headers))


class StreamedUsage:
    """Reads the usage off the events of a response stream."""

    def __init__(self) -> None:
        self._chunks: list[Mapping[str, Any]] = []

    def take(self, event: Any) -> bool:
        """Take in an event; return whether the usage is known now, or known better.

        The opening event of Claude has a first count of the output, which is not to be trusted.
        """
        chunk = event.get("chunk") if isinstance(event, Mapping) else None
        raw = chunk.get("bytes") if isinstance(chunk, Mapping) else None
        if not isinstance(raw, bytes | bytearray) or not any(name in raw for name in _TELLING):
            return False
        body = _decoded(raw)
        self._chunks.append(body)
        return body.get("type") != "message_start"

    def usage(self) -> dict[str, Any] | None:
        """Return the usage so far as Converse reports usage; `None` if none was reported."""
        if not self._chunks:
            return None
        return as_converse(CacheUsage.from_invoke_model_stream(self._chunks))


def as_converse(usage: CacheUsage) -> dict[str, Any]:
    """Return usage in the form of Converse's `TokenUsage`, lifetimes of writes included."""
    written = (("1h", usage.cache_write_1h_tokens), ("5m", usage.cache_write_5m_tokens))
    return {
        "inputTokens": usage.uncached_input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
        "cacheDetails": [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written if tokens],
    }


def _decoded(raw: bytes | bytearray) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reports(body: Mapping[str, Any]) -> bool:
    return isinstance(body.get("usage"), Mapping) or _METRICS in body
