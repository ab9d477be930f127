"""Bodies in model invocation logs: Claude's, Nova's and Converse's forms of one conversation."""

from __future__ import annotations

from typing import Any

import pytest
from invocation_logs import CLAUDE_BODY, as_base64, body_of, log, read
from wire import HOUR, NOVA, POINT, ask, user

from langchain_bedrock_cache.emulator import Point


def test_every_way_of_writing_a_claude_body_is_the_same_prefix() -> None:
    """InvokeModel's format and Converse's are one conversation, block by block."""
    claude: dict[str, Any] = {
        "anthropic_version": "bedrock-2023-05-31",
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "tools": [
            {"name": "look", "description": "Look.", "input_schema": {"type": "object"}},
            {
                "name": "stop",
                "input_schema": {},
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            },
        ],
        "tool_choice": {"type": "tool", "name": "look"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [
            {"role": "user", "content": "Where?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "Here."},
                    {"type": "tool_result", "tool_use_id": "b"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c",
                        "content": [{"type": "text", "text": "There."}],
                        "cache_control": {"type": "ephemeral"},
                    },
                ],
            },
        ],
    }
    results = [
        {"toolResult": {"toolUseId": "a", "content": [{"text": "Here."}]}},
        {"toolResult": {"toolUseId": "b", "content": []}},
        {"toolResult": {"toolUseId": "c", "content": [{"text": "There."}]}},
    ]
    converse = {
        "system": [{"text": "Be brief."}, POINT],
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "description": "Look.",
                        "inputSchema": {"json": {"type": "object"}},
                    }
                },
                {"toolSpec": {"name": "stop", "inputSchema": {"json": {}}}},
                HOUR,
            ],
            "toolChoice": {"tool": {"name": "look"}},
        },
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        "messages": [
            user("Where?"),
            {
                "role": "assistant",
                "content": [
                    {"text": "I look."},
                    {"toolUse": {"toolUseId": "a", "name": "look", "input": {"x": 1}}},
                ],
            },
            user(*results, POINT),
        ],
    }
    from_claude = read(log(claude, operation="InvokeModel"))
    from_converse = read(log(converse))
    assert from_claude.prefix == from_converse.prefix
    assert from_claude.logged_points == from_converse.logged_points
    assert len(from_claude.logged_points) == 3


@pytest.mark.parametrize(
    ("block", "kind", "tokens"),
    [
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            },
            "pdf",
            0,
        ),
        ({"type": "document", "source": {"type": "text", "data": "a" * 3000}}, "document", 1000),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
            },
            "image",
            1000,
        ),
        ({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, "reasoning", 1),
        ({"type": "redacted_thinking", "data": "c2ln"}, "reasoning", 1),
        ({"type": "server_tool_use", "id": "a", "name": "search"}, "other", 1),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else None,
)
def test_other_claude_blocks_keep_their_kind(block: Any, kind: str, tokens: int) -> None:
    """What decides where points may stand survives, and so does the size."""
    body = {**CLAUDE_BODY, "messages": [{"role": "assistant", "content": [block]}]}
    prefix = read(log(body, operation="InvokeModel")).prefix
    assert prefix.kinds[-1] == kind
    assert prefix.chars[-1] >= 3 * tokens


def test_a_claude_body_needs_nothing_but_messages() -> None:
    """System prompt, tools and content may be missing or empty."""
    body = {"anthropic_version": "x", "messages": [{"role": "user", "content": "Hi"}]}
    assert read(log(body, operation="InvokeModel")).prefix.kinds == ["text"]
    empty = {**body, "messages": [{"role": "user", "content": ""}]}
    assert read(log(empty, operation="InvokeModel")).prefix.kinds == []


@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
def test_a_free_choice_of_tools_is_the_same_prompt(choice: Any) -> None:
    """Auto, none and no tool choice are one prefix; a forced tool is another."""
    tools = [{"type": "bash_20250124", "name": "bash"}]
    free = read(log({**CLAUDE_BODY, "tools": tools}, operation="InvokeModel"))
    same = read(
        log({**CLAUDE_BODY, "tools": tools, "tool_choice": choice}, operation="InvokeModel")
    )
    forced = {**CLAUDE_BODY, "tools": tools, "tool_choice": {"type": "any"}}
    other = read(log(forced, operation="InvokeModel"))
    assert free.prefix == same.prefix
    assert free.prefix.digests[-1] != other.prefix.digests[-1]


def test_points_inside_the_text_blocks_of_nova_are_found() -> None:
    """Nova's own format has the point in the same object as the text."""
    inside = {"text": "Be brief.", "cachePoint": {"type": "default"}}
    body = {"system": [inside], "messages": [{"role": "user", "content": [inside]}]}
    call = read(log(body, model=NOVA, operation="InvokeModel"))
    assert call.logged_points == (Point(1, "5m"), Point(2, "5m"))
    assert call.prefix.kinds == ["text", "text"]


def test_documents_inside_tool_results_have_their_size() -> None:
    """Bytes are decoded wherever they are, and what is no base64 counts as it stands."""

    def read_size(data: str) -> int:
        inner = {"document": {"name": "d", "format": "txt", "source": {"bytes": data}}}
        result = {"toolResult": {"toolUseId": "a", "content": [inner]}}
        return read(log(body_of(ask(user(result))))).prefix.chars[-1]

    small, large = read_size(as_base64(b"a" * 9)), read_size(as_base64(b"a" * 9000))
    assert 8900 < large - small < 9100
    assert read_size("<removed>" * 1000) > 9000
