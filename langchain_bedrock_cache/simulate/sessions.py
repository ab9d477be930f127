"""Recorded sessions: files with one conversation, document or trace request a line.

Rows are told apart by their members:

* `messages` and `calls`: a conversation in OpenAI's chat form, with `system` and `tools` beside
  it. The call `{"n": 5, "t": 61.2}` sent the first 5 messages, 61.2 s after some start. Where
  messages are `[role, [[kind, size], ...]]`, only roles and block sizes were recorded.
* `document` and `questions`: each question is asked about the document, in a block of its own.
* `timestamp` and `hash_ids`: a request of a serving trace; equal ids are equal 512-token blocks.

Session k of a file begins at k x `gap_seconds`; inside it, recorded times are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.simulate.traffic import ReadCall, begin

Row = Mapping[str, Any]

_KINDS_OF_ROW = (
    {"messages", "calls"},
    {"document", "questions"},
    {"timestamp", "hash_ids"},
)
# Where no times were recorded: an agent's usual step, and time to read an answer.
_SECONDS_PER_CALL = 15.0
_SECONDS_PER_QUESTION = 20.0
_TRACE_BLOCK_CHARS = 1600  # 512 tokens of about 3.1 characters
_DOCUMENT_SYSTEM = "Answer the question from the document."
_UNRECORDED_TOOL = {
    "function": {
        "name": "tool",
        "description": "A tool.",
        "parameters": {"type": "object", "properties": {"input": {"type": "string"}}},
    }
}


def is_session_row(document: Any) -> bool:
    """Whether a JSON document is a row of a session file."""
    return isinstance(document, dict) and any(
        members <= document.keys() for members in _KINDS_OF_ROW
    )


def read_session(
    row: Row, *, name: str, start_seconds: float, model_id: str, profile: ModelProfile
) -> list[ReadCall]:
    """Read every call of one row.

    Args:
        row: See the description of this module; not modified.
        name: What to call the session.
        start_seconds: When the session begins; trace requests have times of their own.
        model_id: The model to simulate.
        profile: What that model allows.

    Returns:
        The calls, in time order.

    Raises:
        ValueError: If the row is not what its members promise.
    """
    try:
        if "hash_ids" in row:
            timed = [(_trace_seconds(row["timestamp"]), _trace_prefix(row["hash_ids"], profile))]
        elif "questions" in row:
            timed = list(_question_calls(row, profile, start_seconds))
        else:
            timed = list(_conversation_calls(row, profile, start_seconds))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"Session {name} cannot be read: a {type(error).__name__} inside."
        raise ValueError(msg) from error
    return [
        ReadCall(at_seconds=at, session=name, model_id=model_id, profile=profile, prefix=prefix)
        for at, prefix in timed
    ]


def _trace_seconds(timestamp: float | str) -> float:
    """Return seconds; the traces write milliseconds as numbers and nanoseconds as strings."""
    return int(timestamp) / 1e9 if isinstance(timestamp, str) else timestamp / 1e3


def _trace_prefix(hash_ids: Sequence[int], profile: ModelProfile) -> Prefix:
    content = [{"text": _filler(f"h{hash_id}", _TRACE_BLOCK_CHARS)} for hash_id in hash_ids]
    return read_converse({"messages": [{"role": "user", "content": content}]}, profile)


def _question_calls(
    row: Row, profile: ModelProfile, start_seconds: float
) -> Iterator[tuple[float, Prefix]]:
    document = {"text": f"<document>\n{row['document']}\n</document>"}
    for n, item in enumerate(row["questions"]):
        question = {"text": item if isinstance(item, str) else item["question"]}
        request = {
            "system": [{"text": _DOCUMENT_SYSTEM}],
            "messages": [{"role": "user", "content": [document, question]}],
        }
        yield start_seconds + n * _SECONDS_PER_QUESTION, read_converse(request, profile)


def _conversation_calls(
    row: Row, profile: ModelProfile, start_seconds: float
) -> Iterator[tuple[float, Prefix]]:
    """Yield the calls of a conversation; each sent a beginning of the whole."""
    messages, tools = row["messages"], row.get("tools") or []
    if messages and isinstance(messages[0], list):
        messages, tools = _with_filler(row), [_UNRECORDED_TOOL]
    # An agent's greeting before the first user turn was not sent to the model.
    lead = next((i for i, message in enumerate(messages) if message["role"] == "user"), 0)
    blocks = [_blocks_of(message) for message in messages[lead:]]
    whole = read_converse(_to_request(row.get("system"), tools, messages[lead:], blocks), profile)
    first: float | None = None
    elapsed = 0.0
    for call in row["calls"]:
        sent = call["n"] - lead
        if sent < 1 or messages[lead:][:sent][-1]["role"] == "assistant":
            continue
        recorded = call["t"] if call.get("t") is not None else call.get("t_done")
        if recorded is None:
            elapsed += _SECONDS_PER_CALL
        else:
            first = recorded if first is None else first
            elapsed = max(elapsed, recorded - first)
        position = whole.head + sum(map(len, blocks[:sent]))
        yield start_seconds + elapsed, begin(whole, position)


def _to_request(
    system: str | None,
    tools: Sequence[Row],
    messages: Sequence[Row],
    blocks: Sequence[list[dict[str, Any]]],
) -> dict[str, Any]:
    """Return the Converse request; messages of one role in a row become one."""
    merged: list[dict[str, Any]] = []
    for message, content in zip(messages, blocks, strict=True):
        role = "assistant" if message["role"] == "assistant" else "user"
        if not content:
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += content
        else:
            merged.append({"role": role, "content": list(content)})
    request: dict[str, Any] = {"messages": merged}
    if system:
        request["system"] = [{"text": system}]
    if tools:
        request["toolConfig"] = {"tools": [_tool_of(tool["function"]) for tool in tools]}
    return request


def _tool_of(function: Row) -> dict[str, Any]:
    return {
        "toolSpec": {
            "name": function["name"],
            "description": function.get("description") or function["name"],
            "inputSchema": {"json": function.get("parameters") or {}},
        }
    }


def _blocks_of(message: Row) -> list[dict[str, Any]]:
    """Return the Converse blocks of one OpenAI message."""
    texts = _texts_of(message.get("content"))
    if message["role"] == "tool":
        result = {
            "toolUseId": message.get("tool_call_id") or "unknown",
            "content": [{"text": "".join(texts) or "."}],
            "status": "success",
        }
        return [{"toolResult": result}]
    uses = [_tool_use_of(call) for call in message.get("tool_calls") or ()]
    return [{"text": text} for text in texts if text] + uses


def _texts_of(content: str | Sequence[Row] | None) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if part.get("text")]


def _tool_use_of(call: Row) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except json.JSONDecodeError:
            arguments = {"raw": arguments}
    if not isinstance(arguments, dict):
        arguments = {"raw": arguments}
    name = call["function"]["name"]
    return {"toolUse": {"toolUseId": call["id"], "name": name, "input": arguments}}


def _with_filler(row: Row) -> list[dict[str, Any]]:
    """Return the messages of a session without words, with filler of the recorded sizes."""
    messages: list[dict[str, Any]] = []
    open_calls: list[str] = []
    for i, (role, shapes) in enumerate(row["messages"]):
        parts = [(kind, f"{row['id']}/{i}/{n}", size) for n, (kind, size) in enumerate(shapes)]
        message: dict[str, Any] = {
            "role": role,
            "content": [
                {"text": _filler(key, size)} for kind, key, size in parts if kind != "tool_use"
            ],
        }
        uses = [(key, size) for kind, key, size in parts if kind == "tool_use"]
        if uses:
            message["tool_calls"] = [_unrecorded_use(key, size) for key, size in uses]
            open_calls = [key for key, _ in uses]
        if role == "tool" and open_calls:
            message["tool_call_id"] = open_calls.pop(0)
        elif role == "tool":
            message["role"] = "user"
        messages.append(message)
    return messages


def _unrecorded_use(key: str, size: int) -> dict[str, Any]:
    return {"id": key, "function": {"name": "tool", "arguments": {"input": _filler(key, size)}}}


def _filler(key: str, chars: int) -> str:
    """Return a text of `chars` characters (at least one) that starts with the key."""
    return f"{key}:".ljust(chars, ".")[: max(chars, 1)]
