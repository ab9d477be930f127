"""Bad, hostile and huge input: nothing breaks, nothing leaks, nothing takes long."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from wire import CLAUDE, NOVA, ask, assistant, text, tool, tool_use, user, words

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory, cached_client
from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import BedrockCacheError, CachePolicyError

HOSTILE = "\u202e'; DROP TABLE prompts; -- {0} %s ${jndi:ldap://x} \x00 \ufeff </system> \U0001f4a3"

junk: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
block = st.one_of(
    junk,
    st.builds(lambda name, value: {name: value}, st.sampled_from(["text", "cachePoint"]), junk),
    st.sampled_from(["toolUse", "toolResult", "document", "image"]).flatmap(
        lambda name: st.builds(lambda value: {name: value}, junk)
    ),
)
listed = st.one_of(junk, st.lists(block, max_size=4))
message = st.one_of(
    junk, st.fixed_dictionaries({"role": st.sampled_from(["user", "x"]) | junk, "content": listed})
)
request = st.fixed_dictionaries(
    {"modelId": st.sampled_from([CLAUDE, NOVA, ""]) | junk},
    optional={
        "messages": st.one_of(junk, st.lists(message, max_size=3)),
        "system": listed,
        "toolConfig": st.one_of(junk, st.fixed_dictionaries({"tools": listed})),
        "additionalModelRequestFields": junk,
    },
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None)
@given(
    request,
    st.sampled_from(
        [
            CachePolicy(),
            CachePolicy(tenant="acme"),
            CachePolicy(rollout=0.5),
            CachePolicy(single_flight_seconds=1),
            CachePolicy.off(),
        ]
    ),
)
def test_planning_survives_anything(given_request: Any, policy: CachePolicy) -> None:
    """Whatever is passed, planning returns a call, or an error about the caller's own points."""
    logging.disable(logging.CRITICAL)
    planner = CallPlanner(policy=policy, memory=PrefixMemory())
    try:
        call = planner.prepare(given_request, CallOptions())
    except BedrockCacheError:
        return
    finally:
        logging.disable(logging.NOTSET)
    planner.succeeded(call, {"inputTokens": "many"})
    planner.failed(call)
    assert not len(planner.flights)
    json.dumps(call.report())


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None)
@given(request)
def test_errors_of_bad_requests_are_botocores_own(given_request: dict[str, Any]) -> None:
    """A request that nobody could send fails as it does without us: same error, same text."""
    logging.disable(logging.CRITICAL)
    errors = []
    bare = BedrockEmulator().client()
    for client in (bare, cached_client(BedrockEmulator().client(), memory=PrefixMemory())):
        try:
            client.converse(**given_request)
        except BedrockCacheError:
            return
        except Exception as error:  # noqa: BLE001 # compared below
            errors.append((type(error).__name__, str(error)))
        else:
            errors.append(("", ""))
    logging.disable(logging.NOTSET)
    assert errors[0] == errors[1]


def deep(levels: int) -> dict[str, Any]:
    """Return an object nested so deep."""
    nested: dict[str, Any] = {}
    for _ in range(levels):
        nested = {"a": nested}
    return nested


HUGE: dict[str, dict[str, Any]] = {
    "5 MB of text": ask(user("x" * 5_000_000)),
    "5 MB in a document": ask(
        user({"document": {"name": "a", "format": "pdf", "source": {"bytes": b"x" * 5_000_000}}})
    ),
    "10,000 messages": ask(*(m for n in range(5_000) for m in (user(f"{n}"), assistant("a")))),
    "10,000 blocks": ask(user(*(f"{n}" for n in range(10_000)))),
    "1,000 tools": ask(user("?"), tools=[tool(20, f"tool_{n}") for n in range(1_000)]),
    "nested 200 deep": ask(
        user("?"),
        assistant({"toolUse": {"toolUseId": "1", "name": "n", "input": deep(200)}}),
        user({"toolResult": {"toolUseId": "1", "content": [{"json": deep(200)}]}}),
        tools=[tool(1500)],
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_huge_requests_are_planned_in_time(case: str) -> None:
    """Huge prompts cost milliseconds, and are sent as they came but for the points."""
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory())
    started = time.perf_counter()
    call = planner.prepare(HUGE[case], CallOptions())
    planner.succeeded(call, {"inputTokens": 5, "outputTokens": 1})
    assert time.perf_counter() - started < 2.0
    assert strip_points(call.request) == HUGE[case]


def test_nesting_beyond_all_bounds() -> None:
    """What cannot even be read is sent as it is; the error is not ours."""
    planner = CallPlanner(policy=CachePolicy(), memory=PrefixMemory())
    logging.disable(logging.CRITICAL)
    given_request = ask(
        user(text(2000), {"toolUse": {"toolUseId": "1", "name": "n", "input": deep(100_000)}})
    )
    call = planner.prepare(given_request, CallOptions())
    logging.disable(logging.NOTSET)
    assert call.request["messages"] is given_request["messages"]


def test_hostile_names_and_metadata(caplog: pytest.LogCaptureFixture) -> None:
    """Names, IDs and metadata are data: they change nothing, and no prompt text is logged."""
    emulator = BedrockEmulator(capture_requests=True)
    policy = CachePolicy(rollout=0.99, tenant=HOSTILE, single_flight_seconds=1)
    model = ChatBedrockCached(
        model_id=CLAUDE,
        client=emulator.client(),
        cache_policy=policy,
        prefix_memory=PrefixMemory(),
    )
    config: Any = {
        "metadata": {"thread_id": HOSTILE, HOSTILE: HOSTILE},
        "tags": [HOSTILE],
        "run_name": HOSTILE,
    }
    with caplog.at_level(logging.DEBUG, logger="langchain_bedrock_cache"):
        prompt = [SystemMessage(words(5_000)), HumanMessage(HOSTILE)]
        assert model.invoke(prompt, config).text
        assert model.batch([prompt, prompt], config)
    assert HOSTILE not in caplog.text
    assert "DROP TABLE" not in json.dumps(emulator.requests[-1]["system"])
    assert json.dumps(HOSTILE) in json.dumps(emulator.requests[-1]["messages"])


def test_errors_carry_no_prompt() -> None:
    """A mistake in a cache point is explained without quoting the prompt."""
    client = cached_client(BedrockEmulator().client(), memory=PrefixMemory())
    with pytest.raises(CachePolicyError) as caught:
        client.converse(**ask(user("my secret", {"cachePoint": {"type": "ephemeral"}})))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"rollout": 1.5}, "rollout is 1.5, but must be a number, 0 to 1"),
        ({"rollout": float("nan")}, "rollout is nan"),
        ({"rollout": True}, "rollout is True"),
        ({"rollout": "10%"}, "rollout is '10%'"),
        ({"single_flight_seconds": -1}, "single_flight_seconds is -1, but must be a number, 0 or"),
        ({"single_flight_seconds": None}, "single_flight_seconds is None"),
        ({"tenant": ""}, "tenant is ''; give a string that is not empty"),
        ({"tenant": 7}, "tenant is 7; give a string"),
    ],
)
def test_bad_settings(settings_: dict[str, Any], message: str) -> None:
    """Each bad value is named, with what to give instead."""
    with pytest.raises(CachePolicyError, match=message):
        CachePolicy(**settings_)


def test_bad_clients_and_inputs() -> None:
    """What is no client is refused; input that is no prompt fails as it does without us."""
    with pytest.raises(TypeError, match="client is an object, but must be a boto3"):
        cached_client(object())
    client = cached_client(BedrockEmulator().client(), memory=PrefixMemory())
    with pytest.raises(ParamValidationError, match="modelId"):
        client.converse(messages=[])
    model = ChatBedrockCached(model_id=CLAUDE, client=client)
    for bad in (7, None, [object()]):
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            model.batch([bad, bad])


def test_the_application_keeps_its_own_mistakes() -> None:
    """A tool call without its result is Bedrock's to refuse, once, with its own words."""
    emulator = BedrockEmulator()
    client = cached_client(emulator.client(), memory=PrefixMemory())
    dangling = ask(user(text(2000)), assistant(tool_use()), user("?"), tools=[tool()])
    with pytest.raises(ClientError, match="tool"):
        client.converse(**dangling)
    assert len(emulator.ledger) == 1


def test_long_conversations_of_messages() -> None:
    """A thousand turns through the chat model: four points at most, never an error."""
    emulator = BedrockEmulator()
    model = ChatBedrockCached(
        model_id=CLAUDE, client=emulator.client(), prefix_memory=PrefixMemory()
    )
    history: list[Any] = [
        m for n in range(500) for m in (HumanMessage(f"{n} " * 20), AIMessage("yes"))
    ]
    for n in range(3):
        history += [model.invoke([*history, HumanMessage(f"and {n}?")])]
        history.insert(-1, HumanMessage(f"and {n}?"))
    assert emulator.ledger[-1].cache_read_tokens > 5_000
    assert all(len(record.cache_points) <= 4 for record in emulator.ledger)
