"""Nova's own message format: that of Converse, with cache points inside the blocks they end."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.emulator.blocks import CACHE_POINT
from langchain_bedrock_cache.emulator.errors import missing_key
from langchain_bedrock_cache.emulator.responses import Answer, converse_body, stream_events

Body = Mapping[str, Any]

_MESSAGES = "messages"
_MEDIA = ("image", "document", "video", "audio")


def read_nova(body: Body) -> dict[str, Any]:
    """Return the Converse parameters that say what a body says.

    Args:
        body: Decoded JSON.

    Raises:
        ServiceError: If there is no conversation in it.
    """
    if _MESSAGES not in body:
        raise missing_key(_MESSAGES)
    request: dict[str, Any] = {
        _MESSAGES: [{**m, "content": _blocks(m["content"])} for m in body[_MESSAGES]]
    }
    if body.get("system"):
        request["system"] = _blocks(body["system"])
    if config := body.get("toolConfig"):
        request["toolConfig"] = {**config, "tools": _blocks(config["tools"])}
    if "inferenceConfig" in body:
        request["inferenceConfig"] = body["inferenceConfig"]
    return request


def nova_body(answer: Answer) -> dict[str, Any]:
    """Return the body of an InvokeModel response."""
    body = converse_body(answer)
    return {name: body[name] for name in ("output", "stopReason")} | {"usage": _usage(answer)}


def nova_events(answer: Answer, *, metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of an InvokeModelWithResponseStream response.

    Args:
        answer: What to say.
        metrics: `amazon-bedrock-invocationMetrics`, in the last event.
    """
    for name, payload in stream_events(answer):
        if name == "metadata":
            metadata = {"usage": _usage(answer), "metrics": {}, "trace": {}}
            yield {name: metadata, "amazon-bedrock-invocationMetrics": dict(metrics)}
        else:
            yield {name: payload}


def _blocks(blocks: Sequence[Body]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for block in blocks:
        bare = {name: value for name, value in block.items() if name != CACHE_POINT}
        out += [_decoded(bare)] if bare else []
        out += [{CACHE_POINT: block[CACHE_POINT]}] if CACHE_POINT in block else []
    return out


def _decoded(block: dict[str, Any]) -> dict[str, Any]:
    if result := block.get("toolResult"):
        return {"toolResult": {**result, "content": [_decoded(b) for b in result["content"]]}}
    for kind in _MEDIA:
        source = block.get(kind, {}).get("source", {})
        if "bytes" in source:
            return {kind: {**block[kind], "source": {"bytes": b64decode(source["bytes"])}}}
    return block


def _usage(answer: Answer) -> dict[str, Any]:
    counts = ("inputTokens", "outputTokens", "totalTokens")
    cached = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    return {name: answer.usage[name] for name in (*counts, *cached)}
