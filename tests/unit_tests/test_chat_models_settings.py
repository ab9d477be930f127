"""How a `ChatBedrockCached` is made, changed, copied and saved."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from emulated_models import (
    GUARDRAIL,
    PROMPT,
    SONNET,
    cached,
    look_up,
    person,
    plain,
)
from langchain_aws import ChatBedrockConverse
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.runnables import ConfigurableField
from pydantic import SecretStr
from wire import points, words

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory, cached_client
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator


def test_a_client_of_ones_own(emulator: BedrockEmulator) -> None:
    """A given client is wrapped for this model, not changed for others."""
    client = emulator.client()
    model = cached(emulator, client=client)
    assert model.client == client
    model.invoke(PROMPT)
    plain(emulator, client=client).invoke(PROMPT)
    assert [bool(points(request)) for request in emulator.requests] == [True, False]


def test_a_client_that_is_cached_already(emulator: BedrockEmulator) -> None:
    """A client the user wrapped keeps its policy and memory where the model names none."""
    memory = PrefixMemory(clock=lambda: 0.0)
    client = cached_client(emulator.client(), policy=CachePolicy.fixed(system="1h"), memory=memory)
    cached(emulator, client=client, prefix_memory=None).invoke(PROMPT)
    assert points(emulator.requests[-1]) == ["system[0] 1h"]
    policy = CachePolicy.fixed(system="5m")
    named = cached(emulator, client=client, prefix_memory=None, cache_policy=policy)
    named.invoke([SystemMessage(words(2000, "another")), HumanMessage("Hello")])
    assert points(emulator.requests[-1]) == ["system[0]"]
    assert named.client.planner.memory is memory


def test_a_client_assigned_later(emulator: BedrockEmulator) -> None:
    """Whatever becomes the client is cached, with the model's policy."""
    model = cached(BedrockEmulator(), cache_policy=CachePolicy.fixed(system="1h"))
    model.client = emulator.client()
    model.invoke(PROMPT)
    assert points(emulator.requests[-1]) == ["system[0] 1h"]


OFF = CachePolicy.off()
CHANGES: dict[str, Callable[[ChatBedrockCached], Any]] = {
    "bind": lambda model: model.bind(cache_policy=OFF),
    "bind on tools": lambda model: model.bind_tools([look_up]).bind(cache_policy=OFF),
    "bind tools with": lambda model: model.bind_tools([look_up], cache_policy=OFF),
    "a copy": lambda model: model.model_copy(update={"cache_policy": OFF}),
    "a setting": lambda model: _with_policy(model, OFF),
    "a configured field": lambda model: model.configurable_fields(
        cache_policy=ConfigurableField(id="cache_policy")
    ).with_config(configurable={"cache_policy": OFF}),
}


def _with_policy(model: ChatBedrockCached, policy: CachePolicy) -> ChatBedrockCached:
    model.cache_policy = policy
    return model


@pytest.mark.parametrize("case", CHANGES)
def test_the_policy_can_be_changed(clock: SimulatedClock, case: str) -> None:
    """However another policy is given to a model, it is the one that decides."""
    emulator = BedrockEmulator(clock=clock, capture_requests=True, responder=person)
    # Without its base model langchain-aws cannot be made anew, as for configured fields.
    CHANGES[case](cached(emulator, base_model_id=SONNET)).invoke(PROMPT)
    assert points(emulator.requests[-1]) == []


def test_configured_fields_do_not_disturb_each_other(emulator: BedrockEmulator) -> None:
    """A model made anew for a call keeps client, policy and memory of its original."""
    memory = PrefixMemory(clock=lambda: 0.0)
    policy = CachePolicy.fixed(system="1h")
    model = cached(emulator, prefix_memory=memory, cache_policy=policy, base_model_id=SONNET)
    configured = model.configurable_fields(max_tokens=ConfigurableField(id="max_tokens"))
    for n in (1, 2):
        configured.with_config(configurable={"max_tokens": n}).invoke(PROMPT)
    assert [r["inferenceConfig"]["maxTokens"] for r in emulator.requests] == [1, 2]
    assert [points(r) for r in emulator.requests] == [["system[0] 1h"]] * 2
    assert emulator.ledger[-1].cache_read_tokens >= 2_000


def test_a_copy_shares_the_memory(emulator: BedrockEmulator) -> None:
    """A copy with other settings knows what its original has sent."""
    model = cached(emulator)
    model.invoke(PROMPT)
    copied = model.model_copy(update={"max_tokens": 7})
    answer = copied.invoke(PROMPT)
    assert emulator.requests[-1]["inferenceConfig"]["maxTokens"] == 7
    assert answer.usage_metadata
    assert answer.response_metadata["ResponseMetadata"]["CachePlan"]["points"]
    assert copied.client.planner.memory is model.prefix_memory


SETTINGS: dict[str, Any] = {
    "temperature": 0.3,
    "max_tokens": 77,
    "top_p": 0.8,
    "stop_sequences": ["x"],
    "region_name": "eu-central-1",
    "endpoint_url": "https://example.com",
    "default_headers": {"X-Team": "a"},
    "timeout": 5,
    "max_retries": 1,
    "guardrail_config": GUARDRAIL,
    "guard_last_turn_only": True,
    "additional_model_request_fields": {"top_k": 5},
    "additional_model_response_field_paths": ["/stop_sequence"],
    "supports_tool_choice_values": ("auto",),
    "service_tier": "flex",
    "performance_config": {"latency": "optimized"},
    "request_metadata": {"team": "a"},
    "system": ["Be good."],
    "aws_access_key_id": SecretStr("id"),
    "aws_secret_access_key": SecretStr("key"),
    "base_model_id": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "disable_streaming": True,
    "tags": ["a"],
    "name": "the model",
}


def test_from_model_keeps_every_setting(emulator: BedrockEmulator) -> None:
    """A cached model made of another one has all its fields, its client, and sends the same."""
    model = plain(emulator, **SETTINGS)
    ours = ChatBedrockCached.from_model(model, prefix_memory=PrefixMemory())
    for name in ChatBedrockConverse.model_fields:
        assert getattr(ours, name) == getattr(model, name), name
    assert ours.model_fields_set >= model.model_fields_set
    assert ours.client == model.client
    assert type(model.client).__module__.startswith("botocore")
    for one in (ours, model):
        one.invoke(PROMPT)
    assert points(emulator.requests[0])
    assert strip_points(emulator.requests[0]) == emulator.requests[1]


def test_from_model_takes_what_init_chat_model_makes(emulator: BedrockEmulator) -> None:
    """A model named by a string, with made-up credentials, is cached on its own client."""
    chat_models = pytest.importorskip("langchain.chat_models")
    model = chat_models.init_chat_model(
        f"bedrock_converse:{SONNET}",
        temperature=0.2,
        region_name="us-east-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
    )
    emulator.attach(model.client)
    ours = ChatBedrockCached.from_model(model, prefix_memory=PrefixMemory())
    ours.invoke(PROMPT)
    assert points(emulator.requests[0])
    assert emulator.requests[0]["inferenceConfig"] == {"temperature": 0.2}


FROM: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "its own policy": ({"cache_policy": CachePolicy.fixed(system="1h")}, {}, ["system[0] 1h"]),
    "another policy": (
        {"cache_policy": OFF},
        {"cache_policy": CachePolicy.fixed(messages="5m")},
        ["messages[0][0]"],
    ),
}


@pytest.mark.parametrize("case", FROM)
def test_from_a_cached_model(emulator: BedrockEmulator, case: str) -> None:
    """A cached model made of a cached one keeps policy and memory, unless others are given."""
    settings, arguments, expected = FROM[case]
    model = cached(emulator, **settings)
    ours = ChatBedrockCached.from_model(model, **arguments)
    ours.invoke(PROMPT)
    assert points(emulator.requests[-1]) == expected
    assert ours.client.planner.memory is model.prefix_memory


def test_from_a_model_on_a_cached_client(emulator: BedrockEmulator) -> None:
    """A given policy counts more than that of the client the model came with."""
    model = plain(emulator, client=cached_client(emulator.client(), policy=OFF))
    ChatBedrockCached.from_model(model, cache_policy=CachePolicy.fixed(system="1h")).invoke(PROMPT)
    assert points(emulator.requests[-1]) == ["system[0] 1h"]


@pytest.mark.parametrize("other", ["a string", AIMessage("hello"), None])
def test_from_something_else(other: Any) -> None:
    """What is no `ChatBedrockConverse` is refused, with the alternative."""
    with pytest.raises(TypeError, match=r"takes a ChatBedrockConverse, not .*cached_client"):
        ChatBedrockCached.from_model(other)


@pytest.mark.filterwarnings("ignore:.*`load` is in beta")
@pytest.mark.parametrize(
    "policy", [CachePolicy(), OFF, CachePolicy.fixed(tools="1h", system="1h", messages="5m")]
)
def test_serialization(
    emulator: BedrockEmulator, monkeypatch: pytest.MonkeyPatch, policy: CachePolicy
) -> None:
    """A model that is dumped and loaded has its settings and its policy again."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    model = cached(emulator, cache_policy=policy, max_tokens=9, region_name="us-east-1")
    dumped = json.loads(json.dumps(dumpd(model)))
    # "all" means all that langchain-core itself knows of, so ours has to be named.
    loaded = load(
        dumped, valid_namespaces=["langchain_bedrock_cache"], allowed_objects=[ChatBedrockCached]
    )
    assert type(loaded) is ChatBedrockCached
    assert (loaded.cache_policy, loaded.max_tokens, loaded.model_id) == (policy, 9, SONNET)
    emulator.attach(loaded.client.wrapped)
    assert "prefix_memory" not in json.dumps(dumped)


@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_what_cannot_be_copied_cannot_be_copied_either(
    emulator: BedrockEmulator, way: Callable[[Any], Any]
) -> None:
    """boto3 clients can be neither pickled nor deeply copied, and so neither model can."""
    for model in (plain(emulator), cached(emulator)):
        with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
            way(model)


def test_equality_and_repr(emulator: BedrockEmulator) -> None:
    """A copy equals its original, and the repr shows the policy."""
    model = cached(emulator, cache_policy=OFF)
    assert model == model.model_copy()
    assert "mode='off'" in repr(model)
    assert model._llm_type == plain(emulator)._llm_type
