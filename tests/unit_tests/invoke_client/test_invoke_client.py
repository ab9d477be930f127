"""`cached_client` and InvokeModel: points are added and learned from; refusals and other errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from client_calls import LONG
from echoing_client import echo
from native_bodies import INVOKES, MODELS, Call, invoke, native, native_points
from refusal_texts import OTHER_ERRORS, REFUSALS
from wire import PROFILE_ARN, ask, text, tool, user

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CacheSkippedWarning

BODY = native(LONG)["body"]


@INVOKES
@MODELS
def test_points_reach_bedrock(
    emulator: BedrockEmulator, client: Any, call: Call, model: str
) -> None:
    """A long prompt is sent with points, written once, and read by the next call."""
    first = call(client, {**LONG, "modelId": model})["usage"]
    second = call(client, {**LONG, "modelId": model})["usage"]
    places = native_points(emulator.requests[0])
    assert places[:2] == ["system[0]", "messages[0][0]"]
    assert first["cacheWriteInputTokens"] >= 4000
    assert second["cacheReadInputTokens"] >= 4000


@INVOKES
@pytest.mark.parametrize(("code", "message", "section"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_point_costs_one_more_call(
    emulator: BedrockEmulator, client: Any, call: Call, code: str, message: str, section: Any
) -> None:
    """The same body is sent again without added points, and they are left out for a while."""
    emulator.refuse_cache_points(message, code=code, times=1)
    request = {**LONG, "toolConfig": {"tools": [tool()]}}
    with pytest.warns(CacheSkippedWarning, match="refused"):
        response = call(client, request)
    assert [bool(native_points(body)) for body in emulator.requests] == [True, False]
    assert json.loads(native(request)["body"]) == emulator.requests[1]
    assert response["ResponseMetadata"]["CachePlan"]["refused"] == message
    call(client, request)
    places = native_points(emulator.requests[2])
    assert not [p for p in places if section is None or p.startswith(section)]


@INVOKES
@pytest.mark.parametrize(("code", "message"), OTHER_ERRORS.values(), ids=OTHER_ERRORS)
def test_other_errors_pass_through(
    emulator: BedrockEmulator, client: Any, call: Call, code: str, message: str
) -> None:
    """Errors about anything else reach the caller at once, and as they are."""
    emulator.fail_next(code, message)
    with pytest.raises(ClientError) as caught:
        call(client, LONG)
    assert caught.value.response["Error"] == {"Code": code, "Message": message}
    assert len(emulator.ledger) == 1


def test_an_unknown_model_is_named_once() -> None:
    """A conversation for an ARN that does not name its model is sent as it is, with a warning."""
    plain, sent = echo()
    client = cached_client(plain, memory=PrefixMemory())
    with pytest.warns(CacheSkippedWarning, match="base_model_id"):
        client.invoke_model(modelId=PROFILE_ARN, body=BODY)
    client.invoke_model(modelId=PROFILE_ARN, body=BODY, base_model_id="anthropic.claude-opus-4-8")
    assert sent[0].body == BODY.encode()
    assert native_points(json.loads(sent[1].body))


@MODELS
def test_a_tenants_salt_comes_first(emulator: BedrockEmulator, client: Any, model: str) -> None:
    """The salt is a block in front of the system prompt, in the format of the model."""
    policy = CachePolicy(tenant="acme", tenant_key="k")
    client.invoke_model(**native({**LONG, "modelId": model}), cache_policy=policy)
    bare = ask(user(text(2000)), model=model)
    client.invoke_model(**native(bare), cache_policy=policy)
    first, second = (request["system"][0] for request in emulator.requests)
    assert first["text"] == second["text"]
    assert first["text"].startswith("[")


def test_the_two_apis_share_nothing(emulator: BedrockEmulator, client: Any) -> None:
    """What was written through one is not expected to be read through the other."""
    for _ in range(2):
        client.converse(**LONG)
    reads = [invoke(client, LONG)["usage"]["cacheReadInputTokens"] for _ in range(2)]
    assert reads[0] == 0
    assert reads[1] >= 4000
    assert len({tuple(points) for points in map(native_points, emulator.requests[2:])}) == 1
