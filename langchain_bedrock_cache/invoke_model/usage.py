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
# Events with a piece of the answer, of Claude and of Nova.
_CONTENT = (b"content_block_delta", b"contentBlockDelta")


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
    usage = CacheUsage.from_invoke_model(body, headers=headers)
    return _as_converse(usage, with_lifetimes=_tells_lifetimes(body))


class StreamedUsage:
    """Reads the usage off the events of a response stream."""

    answer: Mapping[str, Any] = {}  # no event has a trace or a service tier

    def __init__(self) -> None:
        self._chunks: list[Mapping[str, Any]] = []

    def take(self, event: Any) -> bool:
        """Take in an event; return whether the usage is known now, or known better.

        The opening event of Claude has a first count of the output, which is not to be trusted.
        """
        raw = _bytes(event)
        if not any(name in raw for name in _TELLING):
            return False
        body = _decoded(raw)
        self._chunks.append(body)
        return body.get("type") != "message_start"

    def is_complete(self) -> bool:
        """Whether Bedrock's own counts have come: with the last event."""
        return bool(self._chunks) and _METRICS in self._chunks[-1]

    def is_counted(self) -> bool:
        """Whether the whole answer is counted: by Bedrock, by Nova, or by Claude at its end."""
        return any(map(_counts_all, self._chunks))

    def has_content(self, event: Any) -> bool:
        """Whether an event brings a piece of the answer."""
        raw = _bytes(event)
        return any(name in raw for name in _CONTENT)

    def usage(self) -> dict[str, Any] | None:
        """Return the usage so far as Converse reports usage; `None` if none was reported."""
        if not self._chunks:
            return None
        usage = CacheUsage.from_invoke_model_stream(self._chunks)
        holders = [chunk.get("message") or chunk for chunk in self._chunks]
        return _as_converse(usage, with_lifetimes=any(map(_tells_lifetimes, holders)))


def _counts_all(chunk: Mapping[str, Any]) -> bool:
    """Whether an event has the counts of a whole answer; Claude tells in between how far it is."""
    if _METRICS in chunk or "metadata" in chunk:
        return True
    delta = chunk.get("delta")
    return isinstance(delta, Mapping) and delta.get("stop_reason") is not None


def _as_converse(usage: CacheUsage, *, with_lifetimes: bool) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "inputTokens": usage.uncached_input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    if with_lifetimes:
        written = (("1h", usage.cache_write_1h_tokens), ("5m", usage.cache_write_5m_tokens))
        counts["cacheDetails"] = [{"ttl": ttl, "inputTokens": n} for ttl, n in written if n]
    return counts


def _tells_lifetimes(body: Any) -> bool:
    """Whether a body or a part of one says for how long tokens were written; only Claude's do."""
    usage = body.get("usage") if isinstance(body, Mapping) else None
    return isinstance(usage, Mapping) and isinstance(usage.get("cache_creation"), Mapping)


def _bytes(event: Any) -> bytes | bytearray:
    chunk = event.get("chunk") if isinstance(event, Mapping) else None
    raw = chunk.get("bytes") if isinstance(chunk, Mapping) else None
    return raw if isinstance(raw, bytes | bytearray) else b""


def _decoded(raw: bytes | bytearray) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reports(body: Mapping[str, Any]) -> bool:
    return isinstance(body.get("usage"), Mapping) or _METRICS in body
