"""The rules of the planner, for any request, judged by the emulator, which shares no logic."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from converse_strategies import marked, requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.profiles import find_profile

POLICIES = (
    CachePolicy(unsupported_model_behavior="ignore"),
    CachePolicy(mode="fixed", unsupported_model_behavior="ignore"),
    CachePolicy(mode="fixed", ttl="1h", unsupported_model_behavior="ignore"),
    CachePolicy.fixed(system="1h", messages="5m", unsupported_model_behavior="ignore"),
    CachePolicy(sections=("system",), unsupported_model_behavior="ignore"),
)
slow_ok = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def point_ttls(request: dict[str, Any]) -> list[str]:
    """Return the lifetimes of all cache points of a request, in prefix order."""
    lists = [(request.get("toolConfig") or {}).get("tools", []), request.get("system", [])]
    lists += [m["content"] for m in request["messages"]]
    return [b["cachePoint"].get("ttl", "5m") for bl in lists for b in bl if "cachePoint" in b]


def refused(client: Any, request: dict[str, Any]) -> bool:
    """Whether Bedrock's emulator answers a request with an error."""
    try:
        client.converse(**request)
    except ClientError:
        return True
    return False


@slow_ok
@given(data=st.data(), policy=st.sampled_from(POLICIES))
def test_no_request_is_refused_because_of_caching(data: st.DataObject, policy: CachePolicy) -> None:
    """What Bedrock accepts without points it accepts with ours, also beside the application's."""
    clock = Clock()
    client = BedrockEmulator(clock=clock).client()
    planner = CallPlanner(policy=policy, memory=PrefixMemory(clock=clock))
    history: list[dict[str, Any]] = []
    for _ in range(3):  # the same prefixes come back, longer or shorter, sooner or later
        request = data.draw(requests()) if not history else data.draw(continued(history[-1]))
        history.append(request)
        request = data.draw(marked(request))
        before = copy.deepcopy(request)
        try:
            call = planner.prepare(request, CallOptions())
        except BedrockCacheError:
            assert point_ttls(request), "only points of the application are a reason to raise"
            assert request == before
            continue
        assert request == before, "planning must not touch what it was given"
        assert strip_points(call.request) == strip_points(request)
        assert refused(client, strip_points(request)) or not refused(client, call.request)
        check_rules(call.request)
        clock.now += data.draw(st.sampled_from([0.0, 10.0, 400.0, 4000.0]))


def check_rules(request: dict[str, Any]) -> None:
    """Assert the limits that hold for every request sent."""
    ttls = point_ttls(request)
    profile = find_profile(request["modelId"])
    if profile is None:
        assert not ttls
        return
    assert len(ttls) <= profile.max_cache_points
    assert ttls == sorted(ttls), "longer lifetimes first: '1h' sorts before '5m'"
    assert set(ttls) <= set(profile.ttls)


@st.composite
def continued(draw: st.DrawFn, request: dict[str, Any]) -> dict[str, Any]:
    """Return the next request of a conversation, the same one again, or one with another end."""
    way = draw(st.sampled_from(["again", "longer", "other question"]))
    if way == "again":
        return request
    messages = list(request["messages"])
    if way == "longer":
        messages += [
            {"role": "assistant", "content": [{"text": "Yes."}]},
            {"role": "user", "content": [{"text": "And then? " * 50}]},
        ]
    else:
        last = messages[-1]
        messages[-1] = {**last, "content": [*last["content"][:-1], {"text": "Why? " * 20}]}
        if "toolResult" in last["content"][-1]:
            return request
    return {**request, "messages": messages}


@slow_ok
@given(request=requests(), policy=st.sampled_from(POLICIES))
def test_planning_again_changes_nothing(request: dict[str, Any], policy: CachePolicy) -> None:
    """A planned request that is planned again keeps its points and gets no further illegal ones."""
    planner = CallPlanner(policy=policy, memory=PrefixMemory(clock=Clock()))
    once = planner.prepare(request, CallOptions()).request
    other = CallPlanner(policy=CachePolicy.off(), memory=PrefixMemory(clock=Clock()))
    assert other.prepare(once, CallOptions()).request == once
    twice = CallPlanner(policy=policy, memory=PrefixMemory(clock=Clock())).prepare(
        once, CallOptions()
    )
    assert strip_points(twice.request) == strip_points(request)
    check_rules(twice.request)


@pytest.mark.parametrize("seconds", [60.0, 290.0])
def test_the_same_request_again_is_read_from_the_cache(seconds: float) -> None:
    """What auto wrote for a document is found when the document comes back in time."""
    clock = Clock()
    client = BedrockEmulator(clock=clock).client()
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=clock))
    document = {"text": "A long document. " * 400}
    usages = []
    for question in ("Who?", "When?"):
        request = {
            "modelId": "us.anthropic.claude-opus-4-8",
            "messages": [{"role": "user", "content": [document, {"text": question}]}],
        }
        usages.append(client.converse(**planner.prepare(request, CallOptions()).request)["usage"])
        clock.now += seconds
    assert usages[0]["cacheReadInputTokens"] == 0
    assert usages[1]["cacheReadInputTokens"] == usages[0]["cacheWriteInputTokens"] > 2000
    assert usages[1]["cacheWriteInputTokens"] == 0


@slow_ok
@given(request=requests(), policy=st.sampled_from(POLICIES))
def test_added_points_are_as_short_and_as_late_as_can_be(
    request: dict[str, Any], policy: CachePolicy
) -> None:
    """No point is below the model's minimum, beside another one, or spells out 5 minutes."""
    profile = find_profile(request["modelId"])
    planner = CallPlanner(policy=policy, memory=PrefixMemory(clock=Clock()))
    for _ in range(2):  # the second time, the prefix is known
        call = planner.prepare(request, CallOptions())
        if profile is None:
            assert call.request == request
            continue
        chars = read_converse(request, profile).chars
        for point in call.plan.points:
            assert chars[point.position - 1] >= 3 * profile.min_tokens_per_cache_point
        for blocks in lists_of(call.request):
            is_point = ["cachePoint" in block for block in blocks]
            assert not any(a and b for a, b in pairwise(is_point))
            assert is_point[:1] != [True]
            assert {"type": "default", "ttl": "5m"} not in [b.get("cachePoint") for b in blocks]


def lists_of(request: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the lists of blocks of a request."""
    tools = (request.get("toolConfig") or {}).get("tools", [])
    return [tools, request.get("system", []), *(m["content"] for m in request["messages"])]


block_sizes = st.lists(st.integers(20, 900), min_size=1, max_size=45)


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(block_sizes, min_size=2, max_size=6), with_system=st.booleans())
def test_what_was_written_stays_reachable(turns: list[list[int]], *, with_system: bool) -> None:
    """A conversation that goes on reads all that was read and written for it so far.

    However many blocks a turn has: Bedrock looks back over 21 of them only.
    """
    clock = Clock()
    emulator = BedrockEmulator(clock=clock)
    client = emulator.client()
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory(clock=clock))
    request: dict[str, Any] = {"modelId": "us.anthropic.claude-opus-4-8", "messages": []}
    if with_system:
        request["system"] = [{"text": "Be good. " * 500}]
    reachable = 0
    for n, sizes in enumerate(turns):
        answer = [{"role": "assistant", "content": [{"text": "Yes."}]}] if n else []
        blocks = [{"text": f"{n}/{i} " + "word " * size} for i, size in enumerate(sizes)]
        turn = {"role": "user", "content": blocks}
        request = {**request, "messages": [*request["messages"], *answer, turn]}
        call = planner.prepare(request, CallOptions())
        planner.succeeded(call, client.converse(**call.request)["usage"])
        record = emulator.ledger[-1]
        assert record.cache_read_tokens >= reachable
        reachable = record.cache_read_tokens + record.cache_write_tokens
        clock.now += 10.0
