"""Converse requests as bodies of InvokeModel, and where the cache points of such bodies stand."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from wire import NOVA

Call = Callable[[Any, dict[str, Any]], dict[str, Any]]


def native(request: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of InvokeModel that say what a Converse request says."""
    is_nova = "amazon.nova" in request["modelId"]
    body = nova_body(request) if is_nova else claude_body(request)
    return {"modelId": request["modelId"], "body": json.dumps(body)}


def claude_body(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as Claude's own format has it; a text alone is a plain string there."""
    body: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100}
    if system := request.get("system"):
        body["system"] = _text_or(_marked(system))
    config = request.get("toolConfig") or {}
    if tools := config.get("tools"):
        body["tools"] = _marked(tools)
    if choice := config.get("toolChoice"):
        ((kind, value),) = choice.items()
        body["tool_choice"] = {"type": kind, **value}
    body["messages"] = [
        {"role": m["role"], "content": _text_or(_marked(m["content"]))} for m in request["messages"]
    ]
    return {**body, **(request.get("additionalModelRequestFields") or {})}


def nova_body(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as Nova's own format has it."""
    body: dict[str, Any] = {"schemaVersion": "messages-v1", "inferenceConfig": {"maxTokens": 100}}
    if system := request.get("system"):
        body["system"] = _folded(system)
    if config := request.get("toolConfig"):
        body["toolConfig"] = {**config, "tools": _folded(config["tools"])}
    body["messages"] = [{**m, "content": _folded(m["content"])} for m in request["messages"]]
    return body


def native_points(body: dict[str, Any]) -> list[str]:
    """Return where the cache points of a body stand, in the words of `wire.points`."""
    tools = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or []
    lists = [("tools", tools), ("system", body.get("system") or [])]
    lists += [(f"messages[{n}]", m["content"]) for n, m in enumerate(body["messages"])]
    found = []
    for name, blocks in lists:
        for n, block in enumerate(blocks if isinstance(blocks, list) else []):
            point = block.get("cache_control") or block.get("cachePoint")
            if point:
                ttl = point.get("ttl")
                found.append(f"{name}[{n}]" + (f" {ttl}" if ttl else ""))
    return found


def invoke(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call InvokeModel for a Converse request; return its answer, and usage in Converse's words."""
    response = client.invoke_model(**native(request))
    answer = json.loads(response["body"].read())
    return {**response, "answer": answer, "usage": _usage(response)}


def invoke_stream(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call InvokeModelWithResponseStream for a Converse request and read it to its end."""
    response = client.invoke_model_with_response_stream(**native(request))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in response["body"]]
    return {**response, "chunks": chunks, "usage": _usage(response)}


INVOKES = pytest.mark.parametrize("call", [invoke, invoke_stream])
MODELS = pytest.mark.parametrize("model", ["us.anthropic.claude-opus-4-8", NOVA])


def _usage(response: dict[str, Any]) -> Any:
    return response["ResponseMetadata"].get("ConverseUsage")


def _marked(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for block in blocks:
        if point := block.get("cachePoint"):
            ttl = {"ttl": point["ttl"]} if "ttl" in point else {}
            out[-1] = {**out[-1], "cache_control": {"type": "ephemeral", **ttl}}
        else:
            out.append(_block(block))
    return out


def _text_or(blocks: list[dict[str, Any]]) -> Any:
    match blocks:
        case [{"type": "text", "text": text, **more}] if not more:
            return text
    return blocks


def _block(block: dict[str, Any]) -> dict[str, Any]:
    ((kind, value),) = block.items()
    if kind == "text":
        return {"type": "text", "text": value}
    if kind == "toolSpec":
        return {
            "name": value["name"],
            "description": value["description"],
            "input_schema": value["inputSchema"]["json"],
        }
    if kind == "toolUse":
        return {
            "type": "tool_use",
            "id": value["toolUseId"],
            "name": value["name"],
            "input": value["input"],
        }
    if kind == "toolResult":
        content = [_block(item) for item in value["content"]]
        return {"type": "tool_result", "tool_use_id": value["toolUseId"], "content": content}
    if kind == "reasoningContent":
        text = value["reasoningText"]
        return {"type": "thinking", "thinking": text["text"], "signature": text["signature"]}
    return {"type": kind, **dict(_media(kind, value))}


def _media(kind: str, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    raw = value["source"]["bytes"]
    if value["format"] in ("txt", "csv", "md"):
        yield "source", {"type": "text", "media_type": "text/plain", "data": raw.decode()}
    else:
        family = "image" if kind == "image" else "application"
        media_type = f"{family}/{value['format']}"
        data = b64encode(raw).decode()
        yield "source", {"type": "base64", "media_type": media_type, "data": data}
    if "name" in value:
        yield "title", value["name"]


def _folded(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for block in blocks:
        if "cachePoint" in block:
            out[-1] = {**out[-1], **block}
        else:
            out.append(_encoded(block))
    return out


def _encoded(block: dict[str, Any]) -> dict[str, Any]:
    ((kind, value),) = block.items()
    if kind == "toolResult":
        return {kind: {**value, "content": [_encoded(item) for item in value["content"]]}}
    if kind in ("image", "document"):
        data = b64encode(value["source"]["bytes"]).decode()
        return {kind: {**value, "source": {"bytes": data}}}
    return block
