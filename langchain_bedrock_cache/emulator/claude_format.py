"""Claude's own message format: bodies of InvokeModel read as Converse, and answers written back."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.emulator.blocks import CACHE_POINT
from langchain_bedrock_cache.emulator.errors import (
    cached_empty_text,
    extra_input,
    missing_key,
    unknown_cache_control,
    unknown_ttl,
)
from langchain_bedrock_cache.emulator.responses import SIGNATURE, Answer, pieces
from langchain_bedrock_cache.emulator.tokens import to_json
from langchain_bedrock_cache.profiles import CacheTTL

Body = Mapping[str, Any]

_CONTROL = "cache_control"
_REQUIRED = ("anthropic_version", "max_tokens", "messages")
_SETTINGS = ("thinking", "output_config", "anthropic_beta")
# What a streamed block begins with.
_EMPTY: Mapping[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
_LIFETIMES: tuple[CacheTTL, ...] = ("5m", "1h")


def read_claude(body: Body, *, complete: bool = True) -> dict[str, Any]:
    """Return the Converse parameters that say what a body says.

    A `cache_control` becomes a cache point after its block, one inside a tool result a point after
    that. Blocks that Converse has no word for become their JSON.

    Args:
        body: Decoded JSON.
        complete: Whether to insist on what InvokeModel wants beside the conversation.

    Raises:
        ServiceError: If Claude refuses the body for its form, or for where a `cache_control` is.
    """
    for name in _REQUIRED if complete else ("messages",):
        if name not in body:
            raise missing_key(name)
    if _CONTROL in body:
        raise extra_input(_CONTROL)
    request: dict[str, Any] = {
        "messages": [
            {
                "role": message["role"],
                "content": _blocks(message["content"], f"messages.{n}.content"),
            }
            for n, message in enumerate(body["messages"])
        ]
    }
    if body.get("system"):
        request["system"] = _blocks(body["system"], "system")
    if body.get("tools"):
        request["toolConfig"] = {"tools": _tools(body["tools"]), **_choice(body)}
    if settings := {name: body[name] for name in _SETTINGS if name in body}:
        request["additionalModelRequestFields"] = settings
    if "max_tokens" in body:
        request["inferenceConfig"] = {"maxTokens": body["max_tokens"]}
    return request


def claude_body(answer: Answer, *, message_id: str, model_id: str) -> dict[str, Any]:
    """Return the body of an InvokeModel response."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model_id,
        "content": [block for block, _ in _said(answer)],
        "stop_reason": answer.reply.stop_reason,
        "stop_sequence": None,
        "usage": {**_usage(answer), "output_tokens": answer.usage["outputTokens"]},
    }


def claude_events(
    answer: Answer, *, message_id: str, model_id: str, metrics: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the events of an InvokeModelWithResponseStream response.

    Args:
        answer: What to say.
        message_id: ID of the message.
        model_id: As called.
        metrics: `amazon-bedrock-invocationMetrics`, in the last event.
    """
    whole = claude_body(answer, message_id=message_id, model_id=model_id)
    opening = {**whole, "content": [], "stop_reason": None}
    yield {
        "type": "message_start",
        "message": {**opening, "usage": {**_usage(answer), "output_tokens": 1}},
    }
    for index, (block, deltas) in enumerate(_said(answer)):
        empty = {name: _EMPTY.get(name, value) for name, value in block.items()}
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": answer.reply.stop_reason, "stop_sequence": None},
        "usage": {"output_tokens": answer.usage["outputTokens"]},
    }
    yield {"type": "message_stop", "amazon-bedrock-invocationMetrics": dict(metrics)}


def _blocks(content: str | Sequence[Body], path: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    out: list[dict[str, Any]] = []
    for n, block in enumerate(content):
        out += [_block(block), *_points(block, f"{path}.{n}")]
    return out


def _points(block: Body, path: str) -> Iterator[dict[str, Any]]:
    inner = block.get("content")
    for n, item in enumerate(inner if isinstance(inner, list) else ()):
        yield from _points(item, f"{path}.content.{n}")
    control = block.get(_CONTROL)
    if control is None:
        return
    kind = block.get("type")
    where = f"{path}.{_CONTROL}"
    if kind in ("thinking", "redacted_thinking"):
        where = f"{path}.{kind}.{_CONTROL}"
        raise extra_input(where)
    if kind == "text" and not block["text"]:
        raise cached_empty_text(path)
    if control.get("type") != "ephemeral":
        raise unknown_cache_control(where, control.get("type"))
    ttl = control.get("ttl")
    if ttl not in (None, *_LIFETIMES):
        raise unknown_ttl(where)
    yield {CACHE_POINT: {"type": "default"} if ttl is None else {"type": "default", "ttl": ttl}}


def _block(block: Body) -> dict[str, Any]:
    said: dict[str, Any]
    match block:
        case {"type": "text", "text": str(text)}:
            said = {"text": text}
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
            thought = {"text": text, "signature": signature}
            said = {"reasoningContent": {"reasoningText": thought}}
        case {"type": "redacted_thinking", "data": str(data)}:
            said = {"reasoningContent": {"redactedContent": b64decode(data)}}
        case {"type": "tool_use", "id": str(use_id), "name": str(name), "input": dict(given)}:
            said = {"toolUse": {"toolUseId": use_id, "name": name, "input": given}}
        case {"type": "tool_result", "tool_use_id": str(use_id)}:
            result = _result(block.get("content") or ())
            said = {"toolResult": {"toolUseId": use_id, "content": result}}
        case {"type": "image" | "document" as kind, "source": dict(source)}:
            said = {kind: {"format": _format(source), "source": _source(source)}}
        case _:
            bare = {name: value for name, value in block.items() if name != _CONTROL}
            said = {"text": to_json(bare)}
    return said


def _result(content: str | Sequence[Body]) -> list[dict[str, Any]]:
    return [{"text": content}] if isinstance(content, str) else [_block(item) for item in content]


def _format(source: Body) -> str:
    return str(source["media_type"]).rpartition("/")[2] if source["type"] == "base64" else "txt"


def _source(source: Body) -> dict[str, Any]:
    if source["type"] == "base64":
        return {"bytes": b64decode(source["data"])}
    if source["type"] == "text":
        return {"bytes": source["data"].encode()}
    return {"content": [{"text": to_json(source)}]}


def _tools(tools: Sequence[Body]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for n, tool in enumerate(tools):
        spec = {name: tool[name] for name in ("name", "description") if name in tool}
        schema = tool.get("input_schema", {})
        out.append({"toolSpec": {**spec, "inputSchema": {"json": schema}}})
        out += _points({**tool, "content": None}, f"tools.{n}")
    return out


def _choice(body: Body) -> dict[str, Any]:
    choice = body.get("tool_choice") or {}
    kind = choice.get("type")
    if kind == "tool":
        return {"toolChoice": {"tool": {"name": choice["name"]}}}
    return {"toolChoice": {kind: {}}} if kind in ("auto", "any") else {}


def _usage(answer: Answer) -> dict[str, Any]:
    usage = answer.usage
    counts: dict[str, Any] = {
        "input_tokens": usage["inputTokens"],
        "cache_creation_input_tokens": usage["cacheWriteInputTokens"],
        "cache_read_input_tokens": usage["cacheReadInputTokens"],
    }
    if "cacheDetails" in usage:
        written = {entry["ttl"]: entry["inputTokens"] for entry in usage["cacheDetails"]}
        counts["cache_creation"] = {
            f"ephemeral_{ttl}_input_tokens": written.get(ttl, 0) for ttl in _LIFETIMES
        }
    return counts


def _said(answer: Answer) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield each block of a reply, and the deltas it is streamed in."""
    reply = answer.reply
    if reply.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": p} for p in pieces(reply.reasoning)]
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        yield (
            {"type": "thinking", "thinking": reply.reasoning, "signature": SIGNATURE},
            [*thoughts, signed],
        )
    if reply.text:
        yield (
            {"type": "text", "text": reply.text},
            [{"type": "text_delta", "text": piece} for piece in pieces(reply.text)],
        )
    for use in reply.tool_uses:
        yield (
            {"type": "tool_use", "id": use.id, "name": use.name, "input": dict(use.input)},
            [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in pieces(to_json(use.input))
            ],
        )
