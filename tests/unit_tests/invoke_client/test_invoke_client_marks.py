"""`cached_client` and the cache points that applications put into bodies of InvokeModel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from client_calls import LONG
from native_bodies import invoke, native, native_points
from wire import CLAUDE, HOUR, LEGACY, POINT, ask, document, text, user, words

from langchain_bedrock_cache import CachePolicy, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import (
    CachePolicyError,
    CacheTTLOrderError,
    TooManyCachePointsError,
)

BODY = native(LONG)["body"]


def test_the_applications_points_are_kept(emulator: BedrockEmulator, client: Any) -> None:
    """`cache_control` in a body is a mark: it stays, and counts."""
    request = ask(user(text(2000), POINT, "Who?"), system=[text(1500), HOUR], model=CLAUDE)
    response = invoke(client, request)
    assert native_points(emulator.requests[0]) == ["system[0] 1h", "messages[0][0]"]
    points = response["ResponseMetadata"]["CachePlan"]["points"]
    assert {p["origin"] for p in points} == {"application"}


def test_points_that_only_the_native_format_takes(emulator: BedrockEmulator, client: Any) -> None:
    """After a text document and inside a tool result Claude takes points that Converse refuses."""
    request = ask(user(text(2000), document("txt"), POINT, "Who?"))
    invoke(client, request)
    assert "messages[0][1]" in native_points(emulator.requests[0])
    body = json.loads(BODY)
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    marked = {"type": "text", "text": words(2000), "cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [marked]}
    body["messages"] += [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    body["tools"] = [{"name": "f", "input_schema": {"type": "object"}}]
    client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    sent = emulator.requests[1]
    assert sent["messages"][2]["content"] == [result]
    assert len(native_points(sent)) <= 3


def test_a_lifetime_that_the_model_does_not_know_is_left_out(
    emulator: BedrockEmulator, client: Any
) -> None:
    """Old Claude models refuse the field; five minutes are what they mean anyway."""
    stated = {"cachePoint": {"type": "default", "ttl": "5m"}}
    invoke(client, ask(user(text(2000), stated, "?"), model=LEGACY))
    block = emulator.requests[0]["messages"][0]["content"][0]
    assert block["cache_control"] == {"type": "ephemeral"}


def test_cache_control_beside_the_messages_is_a_hint(
    emulator: BedrockEmulator, client: Any
) -> None:
    """Anthropic's automatic caching, which Bedrock refuses, says how long and not where."""
    body = {**json.loads(BODY), "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    assert "cache_control" not in emulator.requests[0]
    assert native_points(emulator.requests[0])[0] == "system[0] 1h"
    off = cached_client(client, policy=CachePolicy.off())
    with pytest.raises(ClientError, match="Extra inputs"):
        off.invoke_model(modelId=CLAUDE, body=json.dumps(body))


ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "type": ({"type": "persistent"}, CachePolicyError, "knows only type 'ephemeral'"),
    "ttl": ({"type": "ephemeral", "ttl": "2h"}, CachePolicyError, "knows only '5m' and '1h'"),
    "text": ("ephemeral", CachePolicyError, "knows only type 'ephemeral'"),
}


@pytest.mark.parametrize(("control", "error", "match"), ERRORS.values(), ids=ERRORS)
def test_wrong_points_are_clear_errors(
    client: Any, control: Any, error: type[Exception], match: str
) -> None:
    """An unknown type or lifetime is named, unless caching is off: then Bedrock has its say."""
    body = json.loads(BODY)
    body["messages"][0]["content"][0]["cache_control"] = control
    with pytest.raises(error, match=match):
        client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    with pytest.raises(ClientError):
        client.invoke_model(modelId=CLAUDE, body=json.dumps(body), cache_policy=CachePolicy.off())


def test_impossible_sets_of_points_are_clear_errors(client: Any) -> None:
    """Too many, or a longer lifetime after a shorter one, as on Converse."""
    many = [part for n in range(5) for part in (text(300, f"t{n}"), POINT)]
    with pytest.raises(TooManyCachePointsError):
        invoke(client, ask(user(*many)))
    with pytest.raises(CacheTTLOrderError):
        invoke(client, ask(user(text(2000), HOUR, "?"), system=[text(1500), POINT]))
