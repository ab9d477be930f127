"""Small Converse requests to test with, and what is read off the wire afterwards.

Texts are measured in tokens of the emulator: 3.0 characters each, which is also what the memory
assumes of a model before its first answer.
"""

from __future__ import annotations

from typing import Any

CLAUDE = "us.anthropic.claude-opus-4-8"  # caches from 1,024 tokens
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"  # from 4,096
LEGACY = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"  # from 1,024, 5m only
NOVA = "us.amazon.nova-pro-v1:0"  # from 1,024, no lookback, points after text only
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"  # takes no cache points
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"

POINT: dict[str, Any] = {"cachePoint": {"type": "default"}}
HOUR: dict[str, Any] = {"cachePoint": {"type": "default", "ttl": "1h"}}


def words(tokens: int, name: str = "alpha") -> str:
    """Return a text of so many tokens; other names, other texts."""
    return ((name + " ") * tokens)[: 3 * tokens]


def text(tokens: int, name: str = "alpha") -> dict[str, Any]:
    """Return a text block of so many tokens."""
    return {"text": words(tokens, name)}


def document(kind: str = "txt", tokens: int = 2000) -> dict[str, Any]:
    """Return a document block, `"pdf"` or a text format."""
    return {
        "document": {"name": "report", "format": kind, "source": {"bytes": b"abc" * tokens}},
    }


IMAGE: dict[str, Any] = {"image": {"format": "png", "source": {"bytes": b"\x89PNG" + bytes(32)}}}
REASONING: dict[str, Any] = {
    "reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "c2ln"}}
}


def tool_use(n: int = 0) -> dict[str, Any]:
    """Return a call of the tool `look_up`."""
    return {"toolUse": {"toolUseId": f"call-{n}", "name": "look_up", "input": {"n": n}}}


def tool_result(n: int = 0, tokens: int = 50) -> dict[str, Any]:
    """Return the result of a call."""
    return {"toolResult": {"toolUseId": f"call-{n}", "content": [text(tokens, f"result{n}")]}}


def user(*blocks: Any) -> dict[str, Any]:
    """Return a user message; strings become text blocks."""
    return {"role": "user", "content": _blocks(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    """Return an assistant message; strings become text blocks."""
    return {"role": "assistant", "content": _blocks(blocks)}


def tool(tokens: int = 1500, name: str = "look_up") -> dict[str, Any]:
    """Return a tool whose description has so many tokens."""
    schema = {"json": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    return {"toolSpec": {"name": name, "description": words(tokens), "inputSchema": schema}}


def ask(
    *messages: dict[str, Any],
    model: str = CLAUDE,
    system: list[dict[str, Any]] | None = None,
    tools: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return Converse keyword arguments."""
    request: dict[str, Any] = {"modelId": model, "messages": list(messages), **more}
    if system:
        request["system"] = system
    if tools:
        request["toolConfig"] = {"tools": tools, **more.get("toolConfig", {})}
    return request


def points(request: dict[str, Any]) -> list[str]:
    """Return where the cache points of a request stand: the blocks they follow, and their ttl.

    `"system[0] 1h"` is a point for an hour after the first system block, `"messages[2][1]"` one
    for 5 minutes after the second block of the third message. Points are not counted as blocks.
    """
    lists = [("tools", (request.get("toolConfig") or {}).get("tools") or [])]
    lists.append(("system", request.get("system") or []))
    lists += [(f"messages[{i}]", m["content"]) for i, m in enumerate(request["messages"])]
    found = []
    for name, blocks in lists:
        index = -1
        for block in blocks:
            if "cachePoint" not in block:
                index += 1
                continue
            ttl = block["cachePoint"].get("ttl")
            found.append(f"{name}[{index}]" + (f" {ttl}" if ttl else ""))
    return found


def places(request: dict[str, Any]) -> list[str]:
    """Return where the cache points of a request stand, however long they live."""
    return [point.partition(" ")[0] for point in points(request)]


def _blocks(blocks: tuple[Any, ...]) -> list[Any]:
    return [{"text": b} if isinstance(b, str) else b for b in blocks]
