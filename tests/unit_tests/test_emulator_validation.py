"""What Bedrock refuses apart from cache points, also from callers that bypass botocore."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from botocore.session import Session

from langchain_bedrock_cache.emulator import BedrockEmulator, HttpRequest

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

HELLO = {"role": "user", "content": [{"text": "Hello"}]}
ANSWER = {"role": "assistant", "content": [{"text": "Hi"}]}
TOOLS = {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]}


def tool_use(tool_use_id: str) -> dict[str, Any]:
    """Return a tool-use block."""
    return {"toolUse": {"toolUseId": tool_use_id, "name": "look", "input": {}}}


def tool_result(tool_use_id: str) -> dict[str, Any]:
    """Return a tool-result block."""
    return {"toolResult": {"toolUseId": tool_use_id, "content": [{"text": "seen"}]}}


def post(
    body: Mapping[str, Any] | bytes,
    *,
    model: str = CLAUDE,
    action: str = "converse",
    method: str = "POST",
    emulator: BedrockEmulator | None = None,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Send raw HTTP, past every check of a client."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = HttpRequest(method=method, path=f"/model/{model}/{action}", body=content)
    response = (emulator or BedrockEmulator()).handle(request)
    return response.status, dict(response.headers), json.loads(b"".join(response.body))


CONVERSATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({}, "A conversation must start with a user message."),
    "assistant first": (
        {"messages": [ANSWER, HELLO]},
        "A conversation must start with a user message.",
    ),
    "same role twice": (
        {"messages": [HELLO, HELLO]},
        "A conversation must alternate between user and assistant roles.",
    ),
    "empty message": (
        {"messages": [HELLO, {"role": "assistant", "content": []}, HELLO]},
        "The content field in the Message object at messages.1 is empty.",
    ),
    "empty text": (
        {"messages": [{"role": "user", "content": [{"text": "a"}, {"text": ""}]}]},
        "The text field in the ContentBlock object at messages.0.content.1 is blank.",
    ),
    "tool use without toolConfig": (
        {"messages": [HELLO, {"role": "assistant", "content": [tool_use("a")]}]},
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
    ),
    "missing results": (
        {
            "toolConfig": TOOLS,
            "messages": [
                HELLO,
                {"role": "assistant", "content": [tool_use("a"), tool_use("b"), tool_use("c")]},
                {"role": "user", "content": [tool_result("b")]},
            ],
        },
        "Expected toolResult blocks at messages.2.content for the following Ids: a, c",
    ),
    "results in two messages": (
        {
            "toolConfig": TOOLS,
            "messages": [
                HELLO,
                {"role": "assistant", "content": [tool_use("a"), tool_use("b")]},
                {"role": "user", "content": [tool_result("a")]},
                {"role": "user", "content": [tool_result("b")]},
            ],
        },
        "Expected toolResult blocks at messages.2.content for the following Ids: b",
    ),
    "results of nothing": (
        {"toolConfig": TOOLS, "messages": [{"role": "user", "content": [tool_result("a")]}]},
        "The number of toolResult blocks at messages.0.content exceeds the number of toolUse",
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation_is_refused(name: str) -> None:
    """A conversation that Bedrock refuses is refused with the same words."""
    body, words = CONVERSATIONS[name]
    client = BedrockEmulator().client()
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.converse(modelId=CLAUDE, **body)
    assert caught.value.response["Error"]["Message"].startswith(words)


def test_two_messages_of_one_role_can_be_allowed() -> None:
    """The alternation of roles is a setting, since not every model insists on it."""
    client = BedrockEmulator(require_alternating_roles=False).client()
    assert client.converse(modelId=CLAUDE, messages=[HELLO, HELLO])["stopReason"] == "end_turn"


def test_every_kind_of_content_block_is_accepted() -> None:
    """Whatever botocore's model allows in a message goes through and is counted."""
    blocks: list[dict[str, Any]] = [
        {"text": "text"},
        {"image": {"format": "png", "source": {"bytes": b"png"}}},
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": b"pdf"}}},
        {"document": {"name": "b", "source": {"text": "text"}}},
        {"document": {"format": "md", "name": "c", "source": {"s3Location": {"uri": "s3://a/b"}}}},
        {"video": {"format": "mp4", "source": {"bytes": b"mp4"}}},
        {"audio": {"format": "mp3", "source": {"bytes": b"mp3"}}},
        {"guardContent": {"text": {"text": "guarded"}}},
        {
            "searchResult": {
                "source": "s",
                "title": "t",
                "content": [{"text": "found"}],
                "citations": {"enabled": True},
            }
        },
    ]
    answers: list[dict[str, Any]] = [
        {"reasoningContent": {"reasoningText": {"text": "Hmm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": b"secret"}},
        {"citationsContent": {"content": [{"text": "quoted"}], "citations": []}},
        tool_use("a"),
    ]
    results = [{"json": {"a": 1}}, {"text": "t"}, blocks[1], blocks[2], blocks[5], blocks[8]]
    messages = [
        {"role": "user", "content": blocks},
        {"role": "assistant", "content": answers},
        {"role": "system", "content": [{"text": "Tools may change."}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": results}}]},
    ]
    client = BedrockEmulator().client()
    usage = client.converse(modelId=CLAUDE, messages=messages, toolConfig=TOOLS)["usage"]
    # Two images, two videos, one sound and one document in S3 alone count this many.
    assert usage["inputTokens"] > 2 * 1_600 + 2 * 4_000 + 1_000 + 2_000


IDENTIFIERS = [
    "us.does-not-exist-model-v1:0",  # recorded
    "does-not-exist",
    "anthropic.",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/unknown",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc",
    "arn:aws:s3:::bucket",
]


@pytest.mark.parametrize("model_id", IDENTIFIERS)
def test_unknown_model_identifier_is_refused(model_id: str) -> None:
    """An identifier behind which no model can be is answered as recorded."""
    client = BedrockEmulator().client()
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.converse(modelId=model_id, messages=[HELLO])
    message = caught.value.response["Error"]["Message"]
    assert message == "The provided model identifier is invalid."


def test_error_looks_like_bedrocks_on_the_wire() -> None:
    """SDKs read the code from a header and the message from the body."""
    status, headers, body = post({"messages": [HELLO]}, model="nothing")
    assert status == 400
    assert headers["x-amzn-ErrorType"].split(":")[0] == "ValidationException"
    assert headers["Content-Type"] == "application/json"
    assert body == {"message": "The provided model identifier is invalid."}


RAW: dict[str, tuple[Mapping[str, Any] | bytes, str, str]] = {
    "no JSON": (b"{", "SerializationException", "The request body is not a JSON object."),
    "no object": (b"[]", "SerializationException", "The request body is not a JSON object."),
    "bad base64": (
        {"messages": [{"role": "user", "content": [{"image": {"source": {"bytes": "?"}}}]}]},
        "SerializationException",
        "messages.1.content.1.image.source.bytes is not base64.",
    ),
    "wrong type": (
        {"messages": [{"role": "user", "content": "Hello"}]},
        "ValidationException",
        "Invalid type for parameter messages[0].content",
    ),
    "member missing": (
        {"messages": [{"content": [{"text": "Hello"}]}]},
        "ValidationException",
        'Missing required parameter in messages[0]: "role"',
    ),
    "two kinds in one block": (
        {"messages": [{"role": "user", "content": [{"text": "a", "toolResult": {}}]}]},
        "ValidationException",
        "Invalid number of parameters set for tagged union structure messages[0].content[0]",
    ),
    "cache point without type": (
        {"messages": [{"role": "user", "content": [{"text": "a"}, {"cachePoint": {}}]}]},
        "ValidationException",
        'Missing required parameter in messages[0].content[1].cachePoint: "type"',
    ),
    "empty block": (
        {"messages": [{"role": "user", "content": [{}]}]},
        "ValidationException",
        "Must set one of the following keys for tagged unionstructure messages[0].content[0]",
    ),
    "two unknown values": (
        {"messages": [{"role": "tool", "content": [{"cachePoint": {"type": "x"}}]}]},
        "ValidationException",
        "2 validation errors detected: Value 'tool' at 'messages.1.member.role' failed",
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_request_is_checked_against_the_service_model(name: str) -> None:
    """A caller without botocore gets the same checks, and an error instead of a surprise."""
    body, code, words = RAW[name]
    status, headers, answer = post(body)
    assert status == 400
    assert headers["x-amzn-ErrorType"].startswith(f"{code}:")
    assert answer["message"].startswith(words)


def test_unknown_members_are_ignored() -> None:
    """Raw HTTP: Bedrock drops members it does not know; a nested cache point caches nothing."""
    nested = [{"text": "b" * 9_000}, {"cachePoint": {"type": "default"}}]
    body = {
        "novelty": True,
        "toolConfig": {**TOOLS, "novelty": 1},
        "messages": [
            HELLO,
            {"role": "assistant", "content": [{**tool_use("a"), "novelty": None}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": nested}}]},
        ],
    }
    status, _, answer = post(body)
    assert status == 200
    assert answer["usage"]["cacheWriteInputTokens"] == 0
    assert answer["usage"]["inputTokens"] > 3_000


def test_nested_cache_point_does_not_pass_botocore() -> None:
    """A real client never sends a cache point inside a tool result."""
    client = BedrockEmulator().client()
    result = {"toolUseId": "a", "content": [{"cachePoint": {"type": "default"}}]}
    message = {"role": "user", "content": [{"toolResult": result}]}
    with pytest.raises(ParamValidationError, match=r"Unknown parameter in .*toolResult\.content"):
        client.converse(modelId=CLAUDE, messages=[message])


def test_free_form_settings_may_be_any_json() -> None:
    """Bedrock leaves additionalModelRequestFields to the model, whatever its type."""
    status, _, _ = post({"messages": [HELLO], "additionalModelRequestFields": ["odd"]})
    assert status == 200


def test_unreadable_body_is_not_captured() -> None:
    """Captured requests are always decoded JSON."""
    emulator = BedrockEmulator(capture_requests=True)
    post(b"{", emulator=emulator)
    post({"messages": [HELLO]}, emulator=emulator)
    assert emulator.requests == ({"messages": [HELLO]},)


def test_null_members_are_absent_members() -> None:
    """JSON null means the member was left out, as in other AWS services."""
    status, _, _ = post({"messages": [HELLO], "system": None, "toolConfig": None})
    assert status == 200


@pytest.mark.parametrize(
    ("action", "method"),
    [("apply-guardrail", "POST"), ("converse", "GET"), ("async-invoke", "POST")],
)
def test_other_operations_are_named_as_missing(action: str, method: str) -> None:
    """What the emulator does not do is answered with 404, not with something made up."""
    status, headers, _ = post({}, action=action, method=method)
    assert status == 404
    assert headers["x-amzn-ErrorType"].startswith("UnknownOperationException")


def test_other_operations_raise_in_boto3() -> None:
    """A call of an operation that is not emulated fails loudly, not with an empty answer."""
    client = BedrockEmulator().client()
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_async_invokes()


def test_validation_does_not_depend_on_the_client_side_checks() -> None:
    """A client told not to validate still gets the service's answer."""
    client = BedrockEmulator().client(config=Config(parameter_validation=False))
    with pytest.raises(client.exceptions.ValidationException, match="Missing required parameter"):
        client.converse(modelId=CLAUDE, messages=[{"content": [{"text": "a"}]}])


def test_names_on_the_wire_are_the_names_of_the_model() -> None:
    """Drift: decoding by member name is right as long as no member has another wire name."""
    operations: Any = Session().get_service_model("bedrock-runtime")
    pending = [operations.operation_model(n).input_shape for n in ("Converse", "CountTokens")]
    seen: set[str] = set()
    while pending:
        shape: Any = pending.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        for name, member in getattr(shape, "members", {}).items():
            assert member.serialization.get("name", name) == name
            pending.append(member)
        pending += [getattr(shape, part) for part in ("member", "value") if hasattr(shape, part)]
    assert {"CachePointBlock", "ToolResultContentBlock", "SystemContentBlock"} <= seen
