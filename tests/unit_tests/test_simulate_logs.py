"""Model invocation logs: what is read, what is left out, and why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from invocation_logs import CLAUDE_BODY, as_base64, body_of, log, read
from wire import CLAUDE, HOUR, LLAMA, NOVA, POINT, PROFILE_ARN, ask, document, text, tool, user

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.emulator import BedrockEmulator, Point
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.logs import SKIP_REASONS, read_record


def test_a_logged_converse_call_is_the_call_that_was_made(emulator: BedrockEmulator) -> None:
    """What a real client sent, logged and read again, is the prefix of the request."""
    request = ask(user(text(50), document("pdf")), system=[text(2000)], tools=[tool()])
    answer = emulator.client().converse(**request)
    [sent] = emulator.requests
    call = read(
        log(json.loads(json.dumps(sent, default=as_base64)), output={"outputBodyJson": answer})
    )
    assert call.prefix == read_converse(request, find_profile(CLAUDE))
    assert call.input_tokens == answer["usage"]["inputTokens"]
    assert (call.session, call.scope) == ("request-1", "123456789012 us-east-1")
    assert call.at_seconds == 1793534400.0


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
