"""What the emulated model says: a fixed text, a script, or any function of the request."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from langchain_bedrock_cache.checks import check_number, check_text, check_type

DEFAULT_TEXT = "Hello from the Bedrock emulator."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool call of the model.

    Attributes:
        name: Name of the tool.
        input: Its arguments, a JSON object.
        id: `toolUseId`; `None` lets the emulator number it.

    Raises:
        CachePolicyError: If the name is blank.
        TypeError: If something is of another type.
    """

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None

    def __post_init__(self) -> None:
        check_text("name", self.name, what="the name of a tool")
        check_type("input", self.input, Mapping, what="a dict of arguments")
        check_type("id", self.id, (str, NoneType), what="a string, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of the model; blocks come in the order reasoning, text, tool uses.

    Attributes:
        text: Text block; none if empty.
        tool_uses: Tool calls.
        reasoning: Reasoning block; none if empty.
        stop_reason: `stopReason`; `None` derives it (`tool_use` or `end_turn`).
        output_tokens: Billed output; `None` estimates it from the characters.

    Raises:
        CachePolicyError: If the output is no count of tokens.
        TypeError: If something is of another type.
    """

    text: str = ""
    tool_uses: Sequence[ToolUse] = ()
    reasoning: str = ""
    stop_reason: str | None = None
    output_tokens: int | None = None

    def __post_init__(self) -> None:
        check_type("text", self.text, str, what="a string")
        check_type("tool_uses", self.tool_uses, (list, tuple), what="a list of ToolUse")
        for use in self.tool_uses:
            check_type("a tool use", use, ToolUse, what="a ToolUse")
        check_type("reasoning", self.reasoning, str, what="a string")
        check_type("stop_reason", self.stop_reason, (str, NoneType), what="a string, or None")
        if self.output_tokens is not None:
            check_number("output_tokens", self.output_tokens, least=0, is_whole=True)


Responder = Callable[[dict[str, Any]], str | Reply]
"""Gets the decoded request (`modelId` included, binary members as `bytes`), returns the answer."""


def scripted(replies: Sequence[str | Reply]) -> Responder:
    """Return a responder that gives these replies one after the other.

    A tool loop: `scripted([Reply(tool_uses=[ToolUse(name="add", input={"a": 1})]), "2"])`.

    Args:
        replies: In the order of the requests, whatever these ask.

    Returns:
        A responder, safe to share between threads. A request beyond the script raises
        `LookupError` in the caller: a loop that does not end should fail, not repeat.

    Raises:
        TypeError: If they are no list of replies: of a text, say, each letter would be one.
    """
    check_type("replies", replies, (list, tuple), what="a list of texts and Replies")
    for reply in replies:
        check_type("a reply", reply, (str, Reply), what="a text or a Reply")
    script = tuple(replies)
    numbers = itertools.count()
    lock = threading.Lock()

    def respond(_request: dict[str, Any]) -> str | Reply:
        with lock:
            number = next(numbers)
        if number >= len(script):
            msg = f"The script has {len(script)} replies, but this is request {number + 1}."
            raise LookupError(msg)
        return script[number]

    return respond


def default_responder(request: dict[str, Any]) -> Reply:
    """Return a fixed text, or the tool call that the request forces.

    Args:
        request: Decoded parameters of Converse.

    Returns:
        For a forced tool, the smallest input its schema allows, so that structured output works
        without a script.
    """
    tool_config = request.get("toolConfig", {})
    choice = tool_config.get("toolChoice", {})
    if "any" not in choice and "tool" not in choice:
        return Reply(text=DEFAULT_TEXT)
    specs = [tool["toolSpec"] for tool in tool_config["tools"] if "toolSpec" in tool]
    name = choice.get("tool", {}).get("name")
    for spec in specs:
        if name in (None, spec["name"]):
            smallest = _smallest(spec["inputSchema"].get("json", {}))
            return Reply(tool_uses=[ToolUse(name=spec["name"], input=smallest or {})])
    return Reply(text=DEFAULT_TEXT)


def _smallest(schema: Mapping[str, Any]) -> Any:
    """Return a small value that fits a JSON schema (references are not followed)."""
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("anyOf"):
        return _smallest(schema["anyOf"][0])
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _smallest(properties.get(name, {})) for name in schema.get("required", ())}
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}.get(kind)
