"""What `cached_client` does about errors: of caching, of the caller, and of everybody else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from client_calls import CALLS, LONG, Call, converse
from refusal_texts import OTHER_ERRORS, REFUSALS
from wire import (
    CLAUDE,
    HOUR,
    LEGACY,
    LLAMA,
    NOVA,
    POINT,
    REASONING,
    ask,
    assistant,
    document,
    points,
    text,
    tool,
    user,
)

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import (
    CachePointPositionError,
    CachePolicyError,
    CacheSkippedWarning,
    CacheTTLOrderError,
    TooManyCachePointsError,
    UnsupportedModelError,
)


@pytest.fixture
def client(emulator: BedrockEmulator, memory: PrefixMemory) -> Any:
    """A cached client on the emulator."""
    return cached_client(emulator.client(), memory=memory)


@CALLS
@pytest.mark.parametrize("case", REFUSALS)
def test_a_refused_point_is_left_out(
    emulator: BedrockEmulator, client: Any, call: Call, case: str
) -> None:
    """Whatever Bedrock says to refuse a point, the call goes out once more without it."""
    code, message, _ = REFUSALS[case]
    emulator.fail_next(code, message)
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point"):
        response = call(client, LONG)
    assert [bool(points(request)) for request in emulator.requests] == [True, False]
    assert response["usage"]["inputTokens"] > 4000
    assert response["ResponseMetadata"]["CachePlan"]["refused"] == message


@CALLS
def test_a_model_that_refuses_all_points(
    emulator: BedrockEmulator, client: Any, call: Call
) -> None:
    """An account without caching costs one refused request, then none for an hour."""
    emulator.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point"):
        call(client, LONG)
    for _ in range(3):
        call(client, LONG)
    assert [r.error_code for r in emulator.ledger] == [
        "AccessDeniedException",
        None,
        None,
        None,
        None,
    ]


def test_points_are_tried_again_after_an_hour(
    emulator: BedrockEmulator, client: Any, clock: SimulatedClock
) -> None:
    """When an account was granted caching meanwhile, it is used."""
    emulator.refuse_cache_points(times=1)
    with pytest.warns(CacheSkippedWarning):
        client.converse(**LONG)
    clock.advance(3600)
    client.converse(**LONG)
    assert emulator.ledger[-1].cache_write_tokens > 0


def test_a_mistake_of_the_application_closes_nothing(
    emulator: BedrockEmulator, client: Any
) -> None:
    """A request that is refused without our points too says nothing about our points."""
    code, message, _ = REFUSALS["nothing before it"]
    emulator.fail_next(code, message, times=2)
    with pytest.raises(ClientError, match="nothing available to cache"):
        converse_quietly(client, LONG)
    client.converse(**LONG)
    assert {p.split("[")[0] for p in points(emulator.requests[-1])} == {"system", "messages"}


def converse_quietly(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call Converse, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheSkippedWarning)
        return converse(client, request)


@CALLS
@pytest.mark.parametrize("case", OTHER_ERRORS)
def test_other_errors_pass_through(
    emulator: BedrockEmulator, client: Any, call: Call, case: str
) -> None:
    """An error about anything else is boto3's own, the first time, and nothing is sent again."""
    code, message = OTHER_ERRORS[case]
    emulator.fail_next(code, message)
    with pytest.raises(ClientError) as caught:
        call(client, LONG)
    assert type(caught.value) is getattr(client.exceptions, code)
    assert caught.value.response["Error"] == {"Message": message, "Code": code}
    assert len(emulator.requests) == 1
    assert "cachePoint" not in str(caught.value) or "cachePoint" in message


def test_a_stream_that_breaks_is_not_begun_again(emulator: BedrockEmulator, client: Any) -> None:
    """An error in the middle of a stream reaches the reader, who has read half an answer."""
    emulator.fail_next("ModelStreamErrorException", after_events=2)
    stream = client.converse_stream(**LONG)["stream"]
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(stream)
    assert len(emulator.requests) == 1


MALFORMED: dict[str, dict[str, Any]] = {
    "no model": {"messages": [user("?")]},
    "an unknown argument": ask(user("?"), temperature=1),
    "an unknown block": ask(user({"txet": "hello"})),
    "content that is text": {"modelId": CLAUDE, "messages": [{"role": "user", "content": "hi"}]},
    "a block with two keys": ask(user({"text": "hello", **POINT})),
    "a point in a tool result": ask(
        user({"toolResult": {"toolUseId": "1", "content": [text(5), POINT]}}, text(2000))
    ),
    "no messages and a typo": {"modelId": CLAUDE, "message": []},
    "a number": {"modelId": 3, "messages": [user("?")]},
}


def failure(call: Call, client: Any, request: dict[str, Any]) -> Exception | None:
    """Return the error that a call fails with."""
    try:
        call(client, request)
    except Exception as error:  # noqa: BLE001 - boto3 decides which
        return error
    return None


@CALLS
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_requests_fail_as_with_boto3(
    emulator: BedrockEmulator, client: Any, call: Call, case: str
) -> None:
    """The caller's mistake is reported by boto3, in its words, and nothing is sent."""
    request = MALFORMED[case]
    expected, got = (failure(call, one, request) for one in (client.wrapped, client))
    assert (type(got), str(got)) == (type(expected), str(expected))
    assert emulator.ledger == ()


CANNOT_BE_SENT: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unknown ttl": (
        ask(user("a", {"cachePoint": {"type": "default", "ttl": "2h"}})),
        CachePolicyError,
        "has ttl '2h', but Bedrock knows only '5m' and '1h'",
    ),
    "unknown type": (
        ask(user("a", {"cachePoint": {"type": "ephemeral"}})),
        CachePolicyError,
        "has type 'ephemeral', but Converse knows only 'default'",
    ),
    "a fifth point": (
        ask(user("a", POINT, "b", POINT), system=[text(1), POINT, text(1), POINT, text(1), POINT]),
        TooManyCachePointsError,
        r"5 cache points requested, but Bedrock allows 4 per request \(3 system, 2 messages\)",
    ),
    "first in messages": (
        ask(user(POINT, "a")),
        CachePointPositionError,
        r"at messages\[0\].content\[0\] has nothing before it",
    ),
    "first in system": (
        ask(user("a"), system=[POINT, text(1)]),
        CachePointPositionError,
        r"at system\[0\] has nothing before it",
    ),
    "first in tools": (
        ask(user("a"), tools=[POINT, tool(1)]),
        CachePointPositionError,
        r"at tools\[0\] has nothing before it",
    ),
    "1h after 5m": (
        ask(user("a", HOUR), system=[text(1), POINT]),
        CacheTTLOrderError,
        r"after messages\[0\].content\[0\] has ttl '1h' but comes after one with '5m'",
    ),
    "1h on a model without": (
        ask(user("a", HOUR), model=LEGACY),
        CacheTTLOrderError,
        "has ttl '1h', but anthropic.claude-3-7-sonnet takes only '5m'",
    ),
    "1h on Nova": (
        ask(user("a", HOUR), model=NOVA),
        CacheTTLOrderError,
        "has ttl '1h', but amazon.nova-pro takes only '5m'",
    ),
    "tools on Nova": (
        ask(user("a"), tools=[tool(1), POINT], model=NOVA),
        CachePointPositionError,
        r"after tools\[0\] .*amazon.nova-pro takes none in tools: remove it",
    ),
    "after a document": (
        ask(user("a", document("csv"), POINT)),
        CachePointPositionError,
        r"after messages\[0\].content\[1\] follows a document block.*Put a text block before it",
    ),
    "after reasoning": (
        ask(user("a"), assistant("b", REASONING, POINT), user("c")),
        CachePointPositionError,
        r"after messages\[1\].content\[1\] follows a reasoning block",
    ),
}


@CALLS
@pytest.mark.parametrize("case", CANNOT_BE_SENT)
def test_impossible_points_are_refused_before_anything_is_sent(
    emulator: BedrockEmulator, client: Any, call: Call, case: str
) -> None:
    """Points of the application that Bedrock would refuse are named, with the remedy."""
    request, error, message = CANNOT_BE_SENT[case]
    with pytest.raises(error, match=message):
        call(client, request)
    assert emulator.ledger == ()


def test_a_contradicting_policy_is_refused_before_anything_is_sent(
    emulator: BedrockEmulator, client: Any
) -> None:
    """A policy for one call is checked when it is made."""
    with pytest.raises(CachePolicyError, match="messages has ttl '1h' after system with '5m'"):
        client.converse(**LONG, cache_policy=CachePolicy.fixed(system="5m", messages="1h"))
    with pytest.raises(CachePolicyError, match="cache_control has ttl '2h'"):
        client.converse(**LONG, cache_control={"ttl": "2h"})
    assert emulator.ledger == ()


@CALLS
@pytest.mark.parametrize("model", [LLAMA, "zai.glm-5.3", "acme.unheard-of-v1:0"])
@pytest.mark.parametrize("behavior", ["ignore", "warn", "raise"])
def test_models_without_caching(
    emulator: BedrockEmulator, call: Call, model: str, behavior: Any
) -> None:
    """The call goes on without points, with no or one warning, or raises before it is sent."""
    policy = CachePolicy(unsupported_model_behavior=behavior)
    client = cached_client(emulator.client(), policy=policy, memory=PrefixMemory())
    request = {**LONG, "modelId": model}
    if behavior == "raise":
        with pytest.raises(UnsupportedModelError, match=model):
            call(client, request)
        assert emulator.ledger == ()
        return
    if behavior == "warn":
        with pytest.warns(CacheSkippedWarning, match=model) as caught:
            responses = [call(client, request) for _ in range(3)]
        assert len(caught) == 1
        assert Path(caught[0].filename).samefile(call.__code__.co_filename)
    else:
        responses = [call(client, request) for _ in range(3)]
    assert all(r["usage"]["cacheWriteInputTokens"] == 0 for r in responses)
    assert list(map(points, emulator.requests)) == [[], [], []]
