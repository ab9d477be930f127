"""Claude's own message format, as the bodies of InvokeModel are written in it.

A cache point is `cache_control` on the block that ends the prefix. Source of the format:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, get_args

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.invoke_model.view import (
    Block,
    Blocks,
    Body,
    Dialect,
    InvokeView,
    conversation_of,
)
from langchain_bedrock_cache.profiles import CacheTTL

_CONTROL = "cache_control"
# Neither part of the prompt nor, like `messages`, read block by block.
_NOT_PROMPT = frozenset(
    {
        "anthropic_version",
        "cache_control",
        "max_tokens",
        "messages",
        "metadata",
        "stop_sequences",
        "system",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
_TEXT_SOURCE_FORMAT = "txt"


def is_claude_body(body: Body) -> bool:
    """Whether a decoded body is in Claude's format; Bedrock wants the version in every one."""
    return "anthropic_version" in body and isinstance(body.get("messages"), list)


def claude_view(body: Body) -> InvokeView:
    """Return the view of a body.

    Args:
        body: Decoded JSON; not modified.

    Raises:
        CachePolicyError: If a `cache_control` in it has an unknown type or ttl.
        AttributeError, KeyError, TypeError: If the body is not in the format after all.
    """
    blocks = Blocks()
    request = conversation_of(body, partial(_listed, blocks=blocks))
    if body.get("tools"):
        tools = blocks.listed([(_tool(t), (t,), _points(t)) for t in body["tools"]])
        request["toolConfig"] = {"tools": tools, **_tool_choice(body.get("tool_choice"))}
    fields = {name: value for name, value in body.items() if name not in _NOT_PROMPT and value}
    if fields:
        request["additionalModelRequestFields"] = fields
    hint = body.get(_CONTROL)
    return InvokeView(
        body=body,
        request=request,
        dialect=CLAUDE,
        origins=blocks.origins,
        hint=hint if isinstance(hint, Mapping) else None,
    )


def _listed(content: str | Sequence[Body], blocks: Blocks) -> list[Any]:
    """Return system or the content of a message; text alone is one block."""
    if isinstance(content, str):
        block = {"type": "text", "text": content}
        return blocks.listed([({"text": content}, (block,), ())] if content else [])
    return blocks.listed([(_block(block), (block,), _points(block)) for block in content])


def _points(block: Body) -> list[Block]:
    """Return the points on a block, and those inside a tool result, which come first."""
    inner = block.get("content")
    points = [p for b in inner for p in _points(b)] if isinstance(inner, list) else []
    control = block.get(_CONTROL)
    return points if control is None else [*points, {"cachePoint": _point(control)}]


def _point(control: Any) -> Block:
    """Return what Converse has in a cache point.

    Raises:
        CachePolicyError: If type or ttl is unknown.
    """
    if not isinstance(control, Mapping) or control.get("type") != "ephemeral":
        msg = (
            f"cache_control in a body is {control!r}, but Bedrock knows only type 'ephemeral'. "
            "Write {'cache_control': {'type': 'ephemeral'}}."
        )
        raise CachePolicyError(msg)
    ttl = control.get("ttl")
    if ttl not in (None, *get_args(CacheTTL)):
        msg = f"cache_control in a body has ttl {ttl!r}, but Bedrock knows only '5m' and '1h'."
        raise CachePolicyError(msg)
    return {"type": "default"} if ttl is None else {"type": "default", "ttl": ttl}


def _block(block: Body) -> Block:
    kind = block["type"]
    if kind == "text":
        return {"text": block["text"]}
    known, build = _BUILDERS.get(kind, (frozenset(), None))
    if build is None:
        return {"other": _bare(block)}
    more = {k: v for k, v in block.items() if k not in known and k not in ("type", _CONTROL)}
    return build(block, more)


def _bare(block: Body) -> Block:
    return {name: value for name, value in block.items() if name != _CONTROL}


def _tool_use(block: Body, more: Block) -> Block:
    use = {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}
    return {"toolUse": {**use, **more}}


def _tool_result(block: Body, more: Block) -> Block:
    content = block.get("content")
    items: Iterable[Any] = content if isinstance(content, list) else ()
    result = {
        "toolUseId": block["tool_use_id"],
        "content": [{"text": content}] if isinstance(content, str) else [_block(b) for b in items],
    }
    if block.get("is_error"):
        result["status"] = "error"
    return {"toolResult": {**result, **more}}


def _image(block: Body, more: Block) -> Block:
    image = {"format": _format(block["source"]), "source": _source(block["source"], decode=False)}
    return {"image": {**image, **more}}


def _document(block: Body, more: Block) -> Block:
    document: Block = {"format": _format(block["source"])}
    if block.get("title"):
        document["name"] = block["title"]
    document["source"] = _source(block["source"], decode=True)
    return {"document": {**document, **more}}


def _thinking(block: Body, more: Block) -> Block:
    text = {"text": block.get("thinking", ""), "signature": block.get("signature", "")}
    return {"reasoningContent": {"reasoningText": text, **more}}


def _redacted(block: Body, more: Block) -> Block:
    return {"reasoningContent": {"redactedContent": str(block.get("data")).encode(), **more}}


_BUILDERS = {
    "tool_use": (frozenset({"id", "name", "input"}), _tool_use),
    "tool_result": (frozenset({"tool_use_id", "content", "is_error"}), _tool_result),
    "image": (frozenset({"source"}), _image),
    "document": (frozenset({"source", "title"}), _document),
    "thinking": (frozenset({"thinking", "signature"}), _thinking),
    "redacted_thinking": (frozenset({"data"}), _redacted),
}


def _format(source: Body) -> str:
    """Return `pdf`, `png` and the like; `txt` for documents given as text or as blocks."""
    media_type = str(source.get("media_type") or "")
    if source.get("type") != "base64":
        return _TEXT_SOURCE_FORMAT
    return media_type.rpartition("/")[2]


def _source(source: Body, *, decode: bool) -> Block:
    """Return where content comes from, as bytes; of images these only have to differ."""
    if source.get("type") == "text":
        return {"bytes": source["data"].encode("utf-8", "surrogatepass")}
    if source.get("type") != "base64":
        return _bare(source)
    data = source["data"]
    if decode:
        with suppress(binascii.Error, ValueError):  # Bedrock will say so
            return {"bytes": base64.b64decode(data)}
    return {"bytes": data.encode("utf-8", "surrogatepass")}


def _tool(tool: Body) -> Block:
    if "input_schema" not in tool:  # Anthropic's own tools have a type instead
        return {"systemTool": _bare(tool)}
    spec: Block = {"name": tool["name"]}
    if "description" in tool:
        spec["description"] = tool["description"]
    spec["inputSchema"] = {"json": tool["input_schema"]}
    known = ("name", "description", "input_schema", "type", _CONTROL)
    return {"toolSpec": {**spec, **{k: v for k, v in tool.items() if k not in known}}}


def _tool_choice(choice: Any) -> Block:
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind == "tool":
        return {"toolChoice": {"tool": {"name": choice["name"]}}}
    return {"toolChoice": {kind: {}}} if kind in ("any", "auto", "none") else {}


def _mark(block: Any, ttl: CacheTTL, states_ttl: bool) -> Any:  # noqa: FBT001 # see `Dialect`
    stated = {"ttl": ttl} if states_ttl or ttl != "5m" else {}
    return {**block, _CONTROL: {"type": "ephemeral", **stated}}


def _unmark(block: Any) -> Any:
    if not _points(block):
        return block
    bare = _bare(block)
    if isinstance(bare.get("content"), list):
        bare["content"] = [_unmark(inner) for inner in bare["content"]]
    return bare


CLAUDE = Dialect(
    tools_in=("tools",),
    mark=_mark,
    unmark=_unmark,
    new_text=lambda text: {"type": "text", "text": text},
)
