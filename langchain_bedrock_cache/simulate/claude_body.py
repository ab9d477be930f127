"""Claude's own request format, as InvokeModel takes it, in the shape of a Converse request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Body = Mapping[str, Any]

# What changes the prompt besides the blocks; sampling parameters do not.
_PROMPT_FIELDS = ("thinking", "output_config")


def is_claude_body(body: Body) -> bool:
    """Whether an InvokeModel body is in Claude's messages format."""
    return "anthropic_version" in body and isinstance(body.get("messages"), list)


def to_converse(body: Body) -> dict[str, Any]:
    """Return the Converse request that holds what a Claude body holds, in the same order.

    Made for measuring prompts, not for sending: what Converse has no block for is kept as it is.
    `cache_control` becomes a cache point after its block.

    Args:
        body: Decoded JSON; not modified.

    Returns:
        `system`, `messages`, `toolConfig` and `additionalModelRequestFields`, as far as present.

    Raises:
        AttributeError, KeyError, TypeError: If the body is not in that format.
    """
    request: dict[str, Any] = {
        "messages": [
            {"role": message["role"], "content": _blocks(message["content"])}
            for message in body["messages"]
        ]
    }
    if body.get("system"):
        request["system"] = _blocks(body["system"])
    if body.get("tools"):
        request["toolConfig"] = {"tools": _tools(body["tools"])}
        if choice := _tool_choice(body.get("tool_choice")):
            request["toolConfig"]["toolChoice"] = choice
    if fields := {name: body[name] for name in _PROMPT_FIELDS if body.get(name)}:
        request["additionalModelRequestFields"] = fields
    return request


def _blocks(content: str | Sequence[Body]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return _with_points((block, _block(block)) for block in content)


def _tools(tools: Sequence[Body]) -> list[dict[str, Any]]:
    return _with_points((tool, _tool(tool)) for tool in tools)


def _with_points(pairs: Iterable[tuple[Body, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the converted blocks, each followed by its cache point, if it had one."""
    out: list[dict[str, Any]] = []
    for original, block in pairs:
        out.append(block)
        control = original.get("cache_control")
        if control:
            ttl = {"ttl": control["ttl"]} if control.get("ttl") else {}
            out.append({"cachePoint": {"type": "default", **ttl}})
    return out


def _block(block: Body) -> dict[str, Any]:
    kind = block["type"]
    if kind == "text":
        return {"text": block["text"]}
    if kind == "tool_use":
        use = {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}
        return {"toolUse": use}
    if kind == "tool_result":
        result = {"toolUseId": block["tool_use_id"], "content": _result(block.get("content"))}
        return {"toolResult": result}
    if kind in ("image", "document"):
        return {kind: {"format": _format(block), "source": _source(block["source"])}}
    if kind in ("thinking", "redacted_thinking"):
        return {"reasoningContent": _without_control(block)}
    return {kind: _without_control(block)}


def _result(content: str | Sequence[Body] | None) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    return [_block(block) for block in content or ()]


def _format(block: Body) -> str:
    """Return `pdf`, `png` and the like; `txt` for documents given as text."""
    return str(block["source"].get("media_type", "text/txt")).rpartition("/")[2]


def _source(source: Body) -> dict[str, Any]:
    return {"bytes": source["data"]} if source.get("type") == "base64" else dict(source)


def _tool(tool: Body) -> dict[str, Any]:
    if "input_schema" not in tool:  # Anthropic's own tools have a type instead
        return {"systemTool": _without_control(tool)}
    spec = {"name": tool["name"], "inputSchema": {"json": tool["input_schema"]}}
    if tool.get("description"):
        spec["description"] = tool["description"]
    return {"toolSpec": spec}


def _tool_choice(choice: Body | None) -> dict[str, Any] | None:
    kind = choice["type"] if choice else None
    if choice and kind == "tool":
        return {"tool": {"name": choice["name"]}}
    return {kind: {}} if kind in ("any", "auto") else None


def _without_control(block: Body) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}
