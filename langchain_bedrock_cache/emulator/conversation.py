"""Bedrock's rules for the conversation itself, apart from cache points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.emulator.errors import (
    ALTERNATE,
    TOOL_CONFIG_MISSING,
    USER_FIRST,
    blank_text,
    empty_content,
    extra_tool_results,
    invalid,
    missing_tool_results,
)

_Message = Mapping[str, Any]


def check_conversation(request: Mapping[str, Any], *, alternate: bool) -> None:
    """Refuse a conversation that Bedrock refuses.

    Args:
        request: Decoded parameters of Converse.
        alternate: Whether two turns of the same role in a row are refused.

    Raises:
        ServiceError: With the first broken rule, in Bedrock's words.
    """
    messages = request.get("messages", [])
    # System-role messages may stand anywhere and do not take a turn.
    turns = [(i, message) for i, message in enumerate(messages) if message["role"] != "system"]
    if not turns or turns[0][1]["role"] != "user":
        raise invalid(USER_FIRST)
    for index, message in enumerate(messages):
        _check_content(index, message)
    if "toolConfig" not in request and any(
        _tool_ids(message, "toolUse") or _tool_ids(message, "toolResult") for message in messages
    ):
        raise invalid(TOOL_CONFIG_MISSING)
    previous: _Message = {"role": "", "content": []}
    for index, message in turns:
        _check_tool_results(index, previous, message)
        if alternate and message["role"] == previous["role"]:
            raise invalid(ALTERNATE)
        previous = message


def _check_content(index: int, message: _Message) -> None:
    if not message["content"]:
        raise empty_content(index)
    for number, block in enumerate(message["content"]):
        # Recorded: a text of only white space is accepted next to other blocks.
        if block.get("text") == "":
            raise blank_text(index, number)


def _check_tool_results(index: int, previous: _Message, message: _Message) -> None:
    expected = _tool_ids(previous, "toolUse")
    given = _tool_ids(message, "toolResult")
    missing = [tool_id for tool_id in expected if tool_id not in given]
    if missing:
        raise missing_tool_results(index, missing)
    if len(given) > len(expected):
        raise extra_tool_results(index)


def _tool_ids(message: _Message, kind: str) -> list[str]:
    return [block[kind]["toolUseId"] for block in message["content"] if kind in block]
