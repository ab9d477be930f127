"""Model invocation logs: what is read, what is left out, and why."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from wire import CLAUDE, HOUR, LLAMA, NOVA, POINT, PROFILE_ARN, ask, document, text, tool, user

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.emulator import BedrockEmulator, Point
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.logs import SKIP_REASONS, read_record
from langchain_bedrock_cache.simulate.traffic import ReadCall

CLAUDE_BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Where is it?"}],
}


def log(body: Any, *, model: str = CLAUDE, operation: str = "Converse", **more: Any) -> Any:
    """Return a record as Bedrock logs it."""
    record = {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-11-01T12:00:00Z",
        "accountId": "123456789012",
        "region": "us-east-1",
        "requestId": "request-1",
        "operation": operation,
        "modelId": model,
        "input": {"inputContentType": "application/json", "inputBodyJson": body},
        "output": {},
    }
    return record | more


def body_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the body that Bedrock gets: the model is in the URL."""
    return {name: value for name, value in request.items() if name != "modelId"}


def read(record: Any, **options: Any) -> ReadCall:
    """Read a record that can be read."""
    call = read_record(record, name="n", **options)
    assert isinstance(call, ReadCall), call
    return call


def test_a_logged_converse_call_is_the_call_that_was_made(emulator: BedrockEmulator) -> None:
    """What a real client sent, logged and read again, is the prefix of the request."""
    request = ask(user(text(50), document("pdf")), system=[text(2000)], tools=[tool()])
    answer = emulator.client().converse(**request)
    [sent] = emulator.requests
    call = read(
        log(json.loads(json.dumps(sent, default=_base64)), output={"outputBodyJson": answer})
    )
    assert call.prefix == read_converse(request, find_profile(CLAUDE))
    assert call.input_tokens == answer["usage"]["inputTokens"]
    assert (call.session, call.scope) == ("request-1", "123456789012 us-east-1")
    assert call.at_seconds == 1793534400.0


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_logged_points_are_kept_beside_the_prefix(operation: str) -> None:
    """The prefix is that of the request without points; where they stood is known."""
    plain = ask(user(text(50), text(20)), system=[text(2000)])
    marked = ask(user(text(50), POINT, text(20)), system=[text(2000), HOUR])
    call = read(log(body_of(marked), operation=operation))
    assert call.prefix == read(log(body_of(plain))).prefix
    assert call.logged_points == (Point(1, "1h"), Point(2, "5m"))


def test_logged_points_are_dropped_with_the_logged_model() -> None:
    """Points meant for another model say nothing about this one."""
    call = read(log(body_of(ask(user(text(50), POINT)))), model=NOVA)
    assert call.model_id == NOVA
    assert call.logged_points == ()


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (CLAUDE, CLAUDE),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}", CLAUDE),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-4-8",
            "anthropic.claude-opus-4-8",
        ),
    ],
)
def test_the_model_is_found_in_ids_and_arns(logged: str, expected: str) -> None:
    """Converse logs IDs and InvokeModel ARNs of the same model: they are one."""
    call = read(log(CLAUDE_BODY, model=logged, operation="InvokeModel"))
    assert call.model_id == expected


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

    small, large = read_size(_base64(b"a" * 9)), read_size(_base64(b"a" * 9000))
    assert 8900 < large - small < 9100
    assert read_size("<removed>" * 1000) > 9000


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(None, "garbled", id="no JSON"),
        pytest.param({"modelId": CLAUDE}, "garbled", id="no input"),
        pytest.param(log(CLAUDE_BODY, timestamp="yesterday"), "garbled", id="bad time"),
        pytest.param(log(CLAUDE_BODY, timestamp=None), "garbled", id="no time"),
        pytest.param(
            log({"messages": [{"role": "user", "content": ["text"]}]}), "garbled", id="bad block"
        ),
        pytest.param(log({"messages": [{"role": "user", "content": [
            {"text": "a"}, {"cachePoint": {"type": "default", "ttl": "2h"}}]}]}),
            "garbled", id="bad ttl"),
        pytest.param(
            log(CLAUDE_BODY, errorCode="ThrottlingException"), "failed_call", id="failed"
        ),
        pytest.param(log(CLAUDE_BODY, operation="ApplyGuardrail"), "not_a_chat", id="operation"),
        pytest.param(log({"prompt": "Hi"}, operation="InvokeModel"), "not_a_chat", id="old format"),
        pytest.param(log([1]), "not_a_chat", id="list body"),
        pytest.param(
            log({"messages": [{"role": "user", "content": "Hi"}]}), "not_a_chat", id="other format"
        ),
        pytest.param(log({"messages": []}), "not_a_chat", id="no messages"),
        pytest.param(log(None), "no_body", id="not logged"),
        pytest.param(log("not JSON"), "no_body", id="not JSON"),
        pytest.param(log(0, input={"inputBodyS3Path": "s3://b/k"}), "body_in_s3", id="in S3"),
        pytest.param(log(CLAUDE_BODY, model=PROFILE_ARN), "unknown_model", id="opaque ARN"),
        pytest.param(log(CLAUDE_BODY, modelId=None), "unknown_model", id="no model"),
        pytest.param(log(CLAUDE_BODY, model=LLAMA), "unknown_model", id="model without a row"),
        pytest.param(
            log(CLAUDE_BODY, model="moonshotai.kimi-k3"),
            "no_caching",
            id="model without caching",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_says_why(record: Any, reason: str) -> None:
    """Nothing is dropped without a reason, and every reason has words for people."""
    assert read_record(record, name="n") == reason
    assert reason in SKIP_REASONS


def test_an_opaque_arn_is_read_as_the_model_the_user_names() -> None:
    """Who knows what is behind an application inference profile can say so."""
    assert read(log(CLAUDE_BODY, model=PROFILE_ARN), model=CLAUDE).model_id == CLAUDE


def test_a_body_in_s3_is_used_where_it_is_at_hand() -> None:
    """Long requests lie beside the log; reading them is the caller's, by their path."""
    bodies = {"s3://b/in": CLAUDE_BODY, "s3://b/out": {"usage": {"input_tokens": 77}}}
    record = log(
        None,
        operation="InvokeModel",
        input={"inputBodyS3Path": "s3://b/in"},
        output={"outputBodyS3Path": "s3://b/out"},
    )
    call = read(record, fetch=bodies.get)
    assert call.prefix == read(log(CLAUDE_BODY, operation="InvokeModel")).prefix
    assert call.input_tokens == 77


@pytest.mark.parametrize(
    ("output", "counts", "expected"),
    [
        pytest.param(
            {"outputBodyJson": {"usage": {"inputTokens": 5, "cacheReadInputTokens": 90,
                                          "cacheWriteInputTokens": 5, "outputTokens": 1}}},
            {}, 100, id="Converse"),
        pytest.param(
            {"outputBodyJson": [{"messageStop": {}}, {"metadata": {"usage": {"inputTokens": 60}}}]},
            {}, 60, id="ConverseStream events"),
        pytest.param(
            {"outputBodyJson": json.dumps({"usage": {"input_tokens": 5,
                                                     "cache_read_input_tokens": 15}})},
            {}, 20, id="InvokeModel, as a string"),
        pytest.param(
            {"outputBodyJson": [
                {"type": "message_start", "message": {"usage": {"input_tokens": 8}}},
                {"type": "message_delta", "usage": {"output_tokens": 5}}]},
            {}, 8, id="InvokeModelWithResponseStream"),
        pytest.param({}, {"inputTokenCount": 7, "cacheReadInputTokenCount": 3}, 10, id="counts"),
        pytest.param(None, {}, 0, id="nothing"),
    ],
)  # fmt: skip
def test_token_counts_are_found_wherever_they_are(
    output: Any, counts: dict[str, int], expected: int
) -> None:
    """The answer has them, or the record; all input counts, cached or not."""
    record = log(CLAUDE_BODY, operation="InvokeModel", output=output)
    record["input"] |= counts
    assert read(record).input_tokens == expected


def test_a_call_without_a_request_id_is_named_by_its_place() -> None:
    """Sessions are told apart even where the log lost the IDs, and scopes may be unknown."""
    record = log(CLAUDE_BODY)
    for name in ("requestId", "accountId", "region"):
        del record[name]
    call = read(record)
    assert (call.session, call.scope) == ("n", "")


def test_a_time_without_a_zone_is_utc() -> None:
    """Logs of all machines are on one clock."""
    assert (
        read(log(CLAUDE_BODY, timestamp="2026-11-01T12:00:00")).at_seconds
        == read(log(CLAUDE_BODY, timestamp="2026-11-01T13:00:00+01:00")).at_seconds
    )
