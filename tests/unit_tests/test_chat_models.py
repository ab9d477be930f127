"""`ChatBedrockCached` is `ChatBedrockConverse` in all it does, with cache points on the wire."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from langchain_aws import ChatBedrockConverse
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel, SecretStr
from wire import LLAMA, NOVA, POINT, PROFILE_ARN, places, points, text, user, words

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory, cached_client
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted
from langchain_bedrock_cache.exceptions import CacheSkippedWarning
from langchain_bedrock_cache.usage import CacheUsage

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SYSTEM = SystemMessage(words(2000, "system"))
PROMPT: list[BaseMessage] = [SYSTEM, HumanMessage("Hello")]
WRITTEN = 2_001  # tokens of the system prompt and the question


@langchain_tool
def look_up(n: int) -> str:
    """Look something up."""
    return words(500, f"found{n}")


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def cached(emulator: BedrockEmulator, **settings: Any) -> ChatBedrockCached:
    """Return a cached model on the emulator, with a memory of its own."""
    client = emulator.client()
    settings = {"model": SONNET, "client": client, "bedrock_client": client} | settings
    return ChatBedrockCached(**{"prefix_memory": PrefixMemory(clock=lambda: 0.0), **settings})


def plain(emulator: BedrockEmulator, **settings: Any) -> ChatBedrockConverse:
    """Return langchain-aws's own model on the emulator."""
    client = emulator.client()
    return ChatBedrockConverse(
        **{"model": SONNET, "client": client, "bedrock_client": client} | settings
    )


async def _collected(stream: Any) -> AIMessageChunk:
    chunks = [chunk async for chunk in stream]
    return _joined(chunks)


def _joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    first, *rest = chunks
    return sum(rest, start=first)


Ask = Callable[..., AIMessage]
ASKS: dict[str, Ask] = {
    "invoke": lambda model, prompt, **kw: model.invoke(prompt, **kw),
    "stream": lambda model, prompt, **kw: _joined(list(model.stream(prompt, **kw))),
    "batch": lambda model, prompt, **kw: model.batch([prompt], **kw)[0],
    "ainvoke": lambda model, prompt, **kw: asyncio.run(model.ainvoke(prompt, **kw)),
    "astream": lambda model, prompt, **kw: asyncio.run(_collected(model.astream(prompt, **kw))),
    "abatch": lambda model, prompt, **kw: asyncio.run(model.abatch([prompt], **kw))[0],
}
EVERY_WAY = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)


@EVERY_WAY
def test_the_system_prompt_is_written_once_and_read_again(
    emulator: BedrockEmulator, ask: Ask
) -> None:
    """However the model is called, points are sent, and usage and plan are reported."""
    model = cached(emulator)
    first, second = ask(model, PROMPT), ask(model, PROMPT)
    assert places(emulator.requests[0])[0] == "system[0]"
    assert first.text == second.text == ask(plain(emulator), PROMPT).text
    usages = [CacheUsage.from_usage_metadata(m.usage_metadata) for m in (first, second)]
    assert usages[0].cache_write_tokens == usages[1].cache_read_tokens >= 2_000
    metadata = second.response_metadata["ResponseMetadata"]
    assert metadata["CachePlan"]["points"]
    assert CacheUsage.from_converse(metadata["ConverseUsage"]) == usages[1]


HISTORY: list[BaseMessage] = [
    SYSTEM,
    HumanMessage("Look up 1 and 2."),
    AIMessage(
        [{"type": "text", "text": "I will."}],
        tool_calls=[{"name": "look_up", "args": {"n": n}, "id": f"c{n}"} for n in (1, 2)],
    ),
    ToolMessage(words(900, "one"), tool_call_id="c1"),
    ToolMessage(words(900, "two"), tool_call_id="c2"),
]
GUARDRAIL = {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}
PNG = "iVBORw0KGgo="
# Settings of the model, of the call, and the prompt.
DROP_IN: dict[str, tuple[dict[str, Any], dict[str, Any], list[BaseMessage]]] = {
    "a prompt": ({}, {}, PROMPT),
    "sampling": ({"temperature": 0.5, "max_tokens": 9, "top_p": 0.9}, {}, PROMPT),
    "stop": ({"stop_sequences": ["a"]}, {"stop": ["b"]}, PROMPT),
    "a system prompt of the model": ({"system": [words(2000)]}, {}, PROMPT),
    "another model for a call": ({}, {"model_id": NOVA}, PROMPT),
    "thinking": (
        {"additional_model_request_fields": {"thinking": {"type": "enabled"}}},
        {},
        PROMPT,
    ),
    "fields of a call": ({}, {"additional_model_request_fields": {"top_k": 5}}, PROMPT),
    "guardrails": ({"guardrail_config": GUARDRAIL}, {}, HISTORY[:1] + HISTORY[1:2]),
    "guarded last turn": (
        {"guardrail_config": GUARDRAIL, "guard_last_turn_only": True},
        {},
        [SYSTEM, HumanMessage(words(900)), AIMessage("Yes."), HumanMessage("Hello")],
    ),
    "service tier": ({"service_tier": "flex"}, {}, PROMPT),
    "metadata": ({"request_metadata": {"team": "a"}}, {}, PROMPT),
    "raw blocks": ({"raw_blocks": [user(text(2000), "?")]}, {}, PROMPT),
    "an image": (
        {},
        {},
        [
            HumanMessage(
                [
                    {"type": "text", "text": words(2000)},
                    {"type": "image", "base64": PNG, "mime_type": "image/png"},
                    {"type": "text", "text": "What is it?"},
                ]
            )
        ],
    ),
    "reasoning in the history": (
        {},
        {},
        [
            SYSTEM,
            HumanMessage("Hello"),
            AIMessage(
                [
                    {
                        "type": "reasoning_content",
                        "reasoning_content": {"text": "Hm.", "signature": "c2ln"},
                    },
                    {"type": "text", "text": "Hello."},
                ],
                response_metadata={"model_provider": "bedrock_converse", "model_name": SONNET},
            ),
            HumanMessage("And?"),
        ],
    ),
    "points in the messages": (
        {},
        {},
        [SYSTEM, HumanMessage([{"type": "text", "text": words(2000)}, POINT, "?"])],
    ),
    "points in the system prompt": (
        {},
        {},
        [SystemMessage([{"type": "text", "text": words(2000)}, POINT]), HumanMessage("?")],
    ),
}


@pytest.mark.parametrize("ask", [ASKS["invoke"], ASKS["stream"]], ids=["invoke", "stream"])
@pytest.mark.parametrize("case", DROP_IN)
def test_what_reaches_bedrock_is_langchain_awss_request_with_points(
    emulator: BedrockEmulator, case: str, ask: Ask
) -> None:
    """Every setting does what it does in `ChatBedrockConverse`; only cache points are added."""
    settings, call, prompt = DROP_IN[case]
    ask(cached(emulator, **copy.deepcopy(settings)), prompt, **call)
    ask(plain(emulator, **copy.deepcopy(settings)), prompt, **call)
    ours, theirs = emulator.requests
    assert points(ours)
    assert set(points(theirs)) <= set(points(ours))
    assert strip_points(ours) == strip_points(theirs)
    assert emulator.ledger[0].model_id == emulator.ledger[1].model_id


@EVERY_WAY
def test_tools(clock: SimulatedClock, ask: Ask) -> None:
    """Bound tools are cached with the rest, and calls come back as from the plain model."""
    call = ToolUse(name="look_up", input={"n": 1})
    emulator = BedrockEmulator(
        clock=clock, capture_requests=True, responder=lambda _request: Reply(tool_uses=[call])
    )
    ours, theirs = (
        ask(model.bind_tools([look_up]), HISTORY) for model in (cached(emulator), plain(emulator))
    )
    assert [(c["name"], c["args"]) for c in ours.tool_calls] == [("look_up", {"n": 1})]
    assert [(c["name"], c["args"]) for c in theirs.tool_calls] == [("look_up", {"n": 1})]
    assert points(emulator.requests[0])[-1] == "messages[2][1]"
    assert strip_points(emulator.requests[0]) == emulator.requests[1]


PERSON = {"name": "Ada", "age": 36}


def person(request: dict[str, Any]) -> Reply:
    """Answer with a person, in the form that was asked for."""
    if "toolConfig" in request:
        return Reply(tool_uses=[ToolUse(name="Person", input=PERSON)])
    return Reply(text=json.dumps(PERSON))


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "prompt_prefill"])
def test_structured_output(clock: SimulatedClock, method: Any) -> None:
    """All three methods give the object, cached from the second call on."""
    emulator = BedrockEmulator(clock=clock, capture_requests=True, responder=person)
    models = (cached(emulator), plain(emulator))
    ours, theirs = (m.with_structured_output(Person, method=method) for m in models)
    assert [ours.invoke(PROMPT) for _ in range(2)] == [Person(**PERSON)] * 2
    assert theirs.invoke(PROMPT) == Person(**PERSON)
    assert strip_points(emulator.requests[0]) == emulator.requests[2]
    assert emulator.ledger[1].cache_read_tokens >= 2_000


def test_raw_blocks_are_not_changed(emulator: BedrockEmulator) -> None:
    """The user's own blocks stay without points, with and without a hint."""
    blocks = [user(text(2000), "?")]
    before = copy.deepcopy(blocks)
    model = cached(emulator, raw_blocks=blocks)
    model.invoke("ignored")
    model.invoke("ignored", cache_control={"type": "ephemeral", "ttl": "1h"})
    assert model.raw_blocks == before == blocks
    assert all(points(request) for request in emulator.requests)


def test_messages_are_not_changed(emulator: BedrockEmulator) -> None:
    """No point finds its way into the caller's messages, and so into checkpoints."""
    prompt = [
        SYSTEM,
        HumanMessage([{"type": "text", "text": words(2000)}]),
        AIMessage("a"),
        *PROMPT,
    ]
    before = copy.deepcopy(prompt)
    cached(emulator, system=["Be good."]).invoke(prompt, cache_control={"type": "ephemeral"})
    assert prompt == before


def test_langchain_awss_own_caching_is_a_hint(emulator: BedrockEmulator) -> None:
    """`cache_control` adds nothing to what the planner places; an hour is taken as a wish."""
    model = cached(emulator).bind_tools([look_up])
    model.invoke(PROMPT)
    model.invoke(PROMPT, cache_control={"type": "ephemeral", "ttl": "5m"})
    model.invoke([SYSTEM, HumanMessage("Hi")], cache_control={"type": "ephemeral", "ttl": "1h"})
    first, second, third = map(points, emulator.requests)
    assert first == second
    assert third
    assert all(point.endswith(" 1h") for point in third)


def test_a_hint_on_a_short_prompt_places_what_it_asks_for(emulator: BedrockEmulator) -> None:
    """Where points cost nothing, they are where langchain-aws puts them, and not twice."""
    prompt: list[BaseMessage] = [SystemMessage("Be good."), HumanMessage("Hello")]
    for model in (cached(emulator), plain(emulator)):
        model.invoke(prompt, cache_control={"type": "ephemeral"})
    assert points(emulator.requests[0]) == points(emulator.requests[1])


@pytest.mark.parametrize("model_id", [SONNET, NOVA])
def test_langchain_awss_middleware_in_an_agent(clock: SimulatedClock, model_id: str) -> None:
    """An agent with the middleware is planned like one without, and its state holds no points."""
    agents = pytest.importorskip("langchain.agents")
    from langchain_aws.middleware import (  # noqa: PLC0415 - needs langchain
        BedrockPromptCachingMiddleware,
    )

    sent: list[list[list[str]]] = []
    for middleware in ([BedrockPromptCachingMiddleware()], []):
        turns = [Reply(tool_uses=[ToolUse(name="look_up", input={"n": n})]) for n in range(3)]
        emulator = BedrockEmulator(
            clock=clock, capture_requests=True, responder=scripted([*turns, "Done."])
        )
        model = cached(emulator, model=model_id)
        agent = agents.create_agent(
            model, [look_up], system_prompt=words(2000), middleware=middleware
        )
        state = agent.invoke({"messages": [HumanMessage("Look up.")]})
        assert not any("cachePoint" in str(message.content) for message in state["messages"])
        assert emulator.ledger[-1].cache_read_tokens >= 2_000
        sent.append(list(map(points, emulator.requests)))
    assert sent[0] == sent[1]
    assert all(len(set(found)) == len(found) <= 4 for found in sent[0])


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


def test_a_fallback_to_a_model_without_caching(emulator: BedrockEmulator) -> None:
    """Points in the history do not make the fallback fail: that model would answer 403."""
    prompt = [SYSTEM, HumanMessage([{"type": "text", "text": words(2000)}, POINT, "?"])]
    quiet = CachePolicy(unsupported_model_behavior="ignore")
    llama = cached(emulator, model=LLAMA, cache_policy=quiet)
    emulator.fail_next("ThrottlingException")
    answer = cached(emulator).with_fallbacks([llama]).invoke(prompt)
    assert answer.text
    assert [r.model_id for r in emulator.ledger] == [SONNET, LLAMA]
    assert [points(r) for r in emulator.requests][1] == []


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_warning_names_the_line_of_the_caller(emulator: BedrockEmulator, way: str) -> None:
    """Through all layers of LangChain, the warning points at the code that called the model."""
    model = cached(emulator, model=LLAMA)
    with pytest.warns(CacheSkippedWarning, match="No prompt-caching facts are known") as caught:
        answers = [ASKS[way](model, PROMPT) for _ in range(3)]
    assert len(answers) == 3
    assert len(caught) == 1
    assert Path(caught[0].filename).samefile(__file__)


ERRORS = ["ThrottlingException", "ValidationException", "AccessDeniedException"]


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("ask", [ASKS["invoke"], ASKS["stream"]], ids=["invoke", "stream"])
def test_errors_are_those_of_the_plain_model(
    emulator: BedrockEmulator, code: str, ask: Ask
) -> None:
    """An error that is not about caching is boto3's own, raised once."""
    caught = []
    for model in (cached(emulator), plain(emulator)):
        emulator.fail_next(code)
        with pytest.raises(ClientError) as error:
            ask(model, PROMPT)
        caught.append((type(error.value).__name__, str(error.value)))
    assert caught[0] == caught[1]
    assert len(emulator.requests) == 2


def test_a_context_overflow_is_langchains_own_error(emulator: BedrockEmulator) -> None:
    """langchain-aws's error for a prompt that is too long is raised through our client too."""
    from langchain_core.exceptions import ContextOverflowError  # noqa: PLC0415 - newer versions

    emulator.fail_next("ValidationException", "Input is too long for requested model.")
    with pytest.raises(ContextOverflowError):
        cached(emulator).invoke(PROMPT)


def test_a_refused_point_is_left_out(emulator: BedrockEmulator) -> None:
    """An account without prompt caching gets its answer, and one warning."""
    emulator.refuse_cache_points()
    model = cached(emulator)
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point") as caught:
        answers = [model.invoke(PROMPT) for _ in range(3)]
    assert all(answer.text for answer in answers)
    assert len(caught) == 1
    assert [bool(points(r)) for r in emulator.requests] == [True, False, False, False]


def test_langchains_response_cache_is_another_thing(emulator: BedrockEmulator) -> None:
    """An answer that LangChain remembers is not asked for again."""
    model = cached(emulator, cache=InMemoryCache())
    assert model.invoke(PROMPT).text == model.invoke(PROMPT).text
    assert len(emulator.requests) == 1


def test_counting_tokens(emulator: BedrockEmulator) -> None:
    """Tokens are counted by Bedrock, as with the plain model."""
    ours, theirs = (
        m.get_num_tokens_from_messages(PROMPT) for m in (cached(emulator), plain(emulator))
    )
    assert ours == theirs >= 2_000


@pytest.mark.parametrize(
    "base", ["anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-pro-v1:0"]
)
def test_an_application_inference_profile(clock: SimulatedClock, base: str) -> None:
    """`base_model_id` says which model an ARN stands for."""
    emulator = BedrockEmulator(clock=clock, capture_requests=True, model_arns={PROFILE_ARN: base})
    model = cached(emulator, model=PROFILE_ARN, base_model_id=base, provider=base.partition(".")[0])
    for _ in range(2):
        model.invoke(PROMPT)
    assert emulator.ledger[-1].cache_read_tokens >= 2_000


def test_parallel_calls_share_the_memory(emulator: BedrockEmulator) -> None:
    """A batch is answered in full, in order, each prompt planned."""
    model = cached(emulator)
    model.invoke(PROMPT)
    answers = model.batch([[SYSTEM, HumanMessage(f"{n}?")] for n in range(12)])
    assert len(answers) == 12
    assert all(record.cache_read_tokens >= 2_000 for record in emulator.ledger[1:])
