"""`cached_client` around a real boto3 client, judged by what reaches the emulator."""

from __future__ import annotations

import copy
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import OperationNotPageableError
from client_calls import CALLS, LONG, Call, converse, converse_stream
from wire import (
    CLAUDE,
    PROFILE_ARN,
    ask,
    places,
    points,
    text,
    tool,
    user,
)

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.caching import CallOptions
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse

COUNTING = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture
def client(emulator: BedrockEmulator, memory: PrefixMemory) -> Any:
    """A cached client on the emulator."""
    return cached_client(emulator.client(), memory=memory)


@CALLS
def test_points_reach_bedrock(emulator: BedrockEmulator, client: Any, call: Call) -> None:
    """A long prompt is sent with points, written once, and read by the next call."""
    first = call(client, LONG)["usage"]
    second = call(client, LONG)["usage"]
    assert places(emulator.requests[0]) == ["system[0]", "messages[0][0]"]
    assert first["cacheWriteInputTokens"] == second["cacheReadInputTokens"] == 4000


@CALLS
def test_arguments_are_not_changed(client: Any, call: Call) -> None:
    """The caller's request is the same after the call, to the identity of its blocks."""
    request = {**LONG, "toolConfig": {"tools": [tool()]}, "inferenceConfig": {"maxTokens": 9}}
    before = copy.deepcopy(request)
    blocks = list(map(id, request["messages"][0]["content"]))
    call(client, request)
    assert request == before
    assert list(map(id, request["messages"][0]["content"])) == blocks


def test_the_callers_client_is_not_changed(emulator: BedrockEmulator) -> None:
    """The wrapped client goes on sending requests as they are, with the attributes it had."""
    plain = emulator.client()
    before = dict(vars(plain))
    client = cached_client(plain, memory=PrefixMemory())
    client.converse(**LONG)
    plain.converse(**LONG)
    assert vars(plain) == before
    assert points(emulator.requests[0])
    assert points(emulator.requests[1]) == []


def test_everything_else_passes_through(client: Any) -> None:
    """The methods and attributes of the client are there, and are the client's own."""
    plain = client.wrapped
    assert client.meta is plain.meta
    assert client.exceptions is plain.exceptions
    assert client.can_paginate("converse") is False
    with pytest.raises(OperationNotPageableError):
        client.get_paginator("converse")
    with pytest.raises(AttributeError, match="no_such_method"):
        client.no_such_method()
    client.close()


def test_counting_tokens_sends_no_points(emulator: BedrockEmulator, client: Any) -> None:
    """Only Converse and ConverseStream are planned."""
    body = {"messages": LONG["messages"], "system": LONG["system"]}
    counted = client.count_tokens(modelId=COUNTING, input={"converse": body})
    assert counted["inputTokens"] > 4000
    assert emulator.requests[-1]["input"]["converse"] == body


@CALLS
def test_the_response_says_what_was_done(client: Any, call: Call) -> None:
    """Plan and raw usage are in the response metadata, where callbacks find them."""
    response = call(client, LONG)
    metadata = response["ResponseMetadata"]
    planned = [(p["section"], p["origin"]) for p in metadata["CachePlan"]["points"]]
    assert planned == [("system", "planner"), ("messages", "planner")]
    assert metadata["CachePlan"]["refused"] is None
    assert metadata["ConverseUsage"] == response["usage"]
    assert metadata["HTTPStatusCode"] == 200


def test_a_stream_is_watched_not_consumed(emulator: BedrockEmulator, client: Any) -> None:
    """Events come one by one as from boto3, the plan before them, the usage with the last one."""
    plain = [*client.wrapped.converse_stream(**LONG)["stream"]]
    response = client.converse_stream(**LONG)
    metadata = response["ResponseMetadata"]
    assert metadata["CachePlan"]["points"]
    assert "ConverseUsage" not in metadata
    events = iter(response["stream"])
    assert next(events) == plain[0]
    assert "ConverseUsage" not in metadata
    rest = list(events)
    assert [next(iter(e)) for e in rest] == [next(iter(e)) for e in plain[1:]]
    assert metadata["ConverseUsage"] == rest[-1]["metadata"]["usage"]


def test_a_stream_that_is_left_early_can_be_closed(client: Any) -> None:
    """A caller who stops reading closes the stream as with boto3, and the next call works."""
    response = client.converse_stream(**LONG)
    assert next(iter(response["stream"]))
    response["stream"].close()
    assert converse(client, LONG)["usage"]["cacheReadInputTokens"] == 4000


@CALLS
def test_the_answer_is_learned_from(client: Any, memory: PrefixMemory, call: Call) -> None:
    """The usage sets the length of a token for the planning of later calls."""
    emulator = BedrockEmulator(clock=lambda: 0.0, chars_per_token=2.0)
    emulator.attach(client.wrapped)
    call(client, LONG)
    profile = client.planner.prepare(LONG, CallOptions()).profile
    assert memory.chars_per_token(profile) == pytest.approx(2.0, rel=0.01)


@CALLS
def test_the_switch(
    emulator: BedrockEmulator, client: Any, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With LANGCHAIN_BEDROCK_CACHE=off requests are sent exactly as they are."""
    monkeypatch.setenv("LANGCHAIN_BEDROCK_CACHE", "off")
    call(client, LONG)
    call(client.wrapped, LONG)
    assert emulator.requests[0] == emulator.requests[1]


@CALLS
def test_settings_of_one_call(emulator: BedrockEmulator, client: Any, call: Call) -> None:
    """A call may bring a policy, langchain-aws's hint or the base model; boto3 sees none of it."""
    call(client, {**LONG, "cache_policy": CachePolicy.off()})
    call(client, {**LONG, "cache_policy": CachePolicy.fixed(system="1h")})
    call(client, {**ask(user("?")), "cache_control": {"type": "ephemeral"}})
    assert list(map(points, emulator.requests)) == [[], ["system[0] 1h"], ["messages[0][0]"]]


def test_the_base_model_of_an_arn(memory: PrefixMemory, clock: SimulatedClock) -> None:
    """An application inference profile is planned as the model it stands for."""
    emulator = BedrockEmulator(
        clock=clock,
        capture_requests=True,
        model_arns={PROFILE_ARN: "anthropic.claude-opus-4-8"},
    )
    request = {**LONG, "modelId": PROFILE_ARN}
    client = cached_client(emulator.client(), memory=memory, base_model_id=CLAUDE)
    client.converse(**request)
    assert list(emulator.control_requests) == []
    cached_client(emulator.client(), memory=memory).converse(**request)
    assert emulator.control_requests == ("GetInferenceProfile",)
    assert [bool(points(r)) for r in emulator.requests] == [True, True]


def test_threads_share_a_client(emulator: BedrockEmulator, client: Any) -> None:
    """Many threads at once: every call is answered, planned and accounted for."""

    def work(n: int) -> dict[str, Any]:
        call = converse if n % 2 else converse_stream
        request = ask(user(text(2000, f"document{n % 5}"), f"{n}?"), system=[text(2000)])
        return call(client, request)

    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(work, range(80)))
    assert len(emulator.ledger) == 80
    assert {r.error_code for r in emulator.ledger} == {None}
    assert all(len(points(r)) <= 4 for r in emulator.requests)
    assert all(r["ResponseMetadata"]["CachePlan"]["points"] for r in responses)
    read = sum(r["usage"]["cacheReadInputTokens"] for r in responses)
    assert read > 0.8 * sum(r.input_tokens for r in emulator.ledger)


def test_wrapping_twice(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """A wrapped client is itself unless something else is asked for, and is never wrapped twice."""
    plain = emulator.client()
    client = cached_client(plain, memory=memory)
    assert cached_client(client) is client
    again = cached_client(client, policy=CachePolicy.fixed(system="1h"))
    assert again.wrapped is plain
    again.converse(**LONG)
    assert points(emulator.requests[-1]) == ["system[0] 1h"]


def test_wrapping_again_keeps_what_is_not_said(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """New settings replace old ones one by one: memory, policy and base model stay otherwise."""
    client = cached_client(
        emulator.client(),
        policy=CachePolicy.fixed(system="1h"),
        memory=memory,
        base_model_id=CLAUDE,
    )
    other = PrefixMemory()
    assert cached_client(client, policy=CachePolicy.off()).planner.memory is memory
    assert cached_client(client, memory=other).planner.policy == client.planner.policy
    cached_client(client, memory=other).converse(**{**LONG, "modelId": CLAUDE})
    assert points(emulator.requests[-1]) == ["system[0] 1h"]
    assert cached_client(client, memory=other)._base_model_id == CLAUDE


def test_identity(emulator: BedrockEmulator) -> None:
    """Equal to the client it wraps, and says so in its repr; different clients differ."""
    plain = emulator.client()
    client = cached_client(plain)
    assert client == cached_client(plain, memory=PrefixMemory()) == plain
    assert client != emulator.client()
    assert len({client, cached_client(plain, memory=PrefixMemory())}) == 1
    assert repr(plain) in repr(client)


def test_a_copy_of_a_client(client: Any) -> None:
    """A shallow copy works like the original."""
    assert converse(copy.copy(client), LONG)["usage"]["cacheWriteInputTokens"] == 4000


def test_tool_calls_come_back_as_they_are(clock: SimulatedClock, memory: PrefixMemory) -> None:
    """Responses are boto3's, with the metadata as the only addition."""
    replies = itertools.cycle([Reply(text="a", tool_uses=[ToolUse(name="look_up", id="t1")])])
    emulator = BedrockEmulator(clock=clock, responder=lambda _request: next(replies))
    request = {**LONG, "toolConfig": {"tools": [tool()]}}
    plain = emulator.client().converse(**request)
    cached = cached_client(emulator.client(), memory=memory).converse(**request)
    assert cached["output"] == plain["output"]
    assert cached["stopReason"] == plain["stopReason"] == "tool_use"
    assert set(cached) == set(plain)
    assert set(cached["ResponseMetadata"]) - set(plain["ResponseMetadata"]) == {
        "CachePlan",
        "ConverseUsage",
    }


def test_any_client_can_be_wrapped(memory: PrefixMemory) -> None:
    """A client that is no boto3 client, as in somebody's test, gets the planned arguments."""

    class Recorder:
        """Keeps what it was called with, and answers something of its own."""

        def converse(self, **request: Any) -> str:
            """Answer with the number of cache points."""
            return f"{len(points(request))} points"

    assert cached_client(Recorder(), memory=memory).converse(**LONG) == "2 points"
