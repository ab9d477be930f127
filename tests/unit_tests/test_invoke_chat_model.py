"""`ChatBedrock` on a cached client, and `ChatBedrockInvokeCached`, judged at the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from native_bodies import native_points
from pydantic import BaseModel
from wire import NOVA, points, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    ChatBedrockInvokeCached,
    PrefixMemory,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.client import CachedClient
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROMPT = [SystemMessage(words(2000, "system")), HumanMessage("Where do I begin?")]
Ask = Callable[[Any, Any], Any]


def added(chunks: list[Any]) -> Any:
    """Return the message that chunks add up to."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def by_stream(model: Any, config: Any) -> Any:
    """Ask by streaming."""
    return added(list(model.stream(PROMPT, config)))


async def by_astream(model: Any, config: Any) -> Any:
    """Ask by streaming, asynchronously."""
    return added([chunk async for chunk in model.astream(PROMPT, config)])


async def by_ainvoke(model: Any, config: Any) -> Any:
    """Ask asynchronously."""
    return await model.ainvoke(PROMPT, config)


async def by_abatch(model: Any, config: Any) -> Any:
    """Ask in a batch of one, asynchronously."""
    return (await model.abatch([PROMPT], config))[0]


ASKS: dict[str, Ask] = {
    "invoke": lambda model, config: model.invoke(PROMPT, config),
    "stream": by_stream,
    "batch": lambda model, config: model.batch([PROMPT], config)[0],
    "ainvoke": by_ainvoke,
    "astream": by_astream,
    "abatch": by_abatch,
}


def plain_chat(client: Any, memory: PrefixMemory, **more: Any) -> Any:
    """Return langchain-aws's model on a cached client."""
    return ChatBedrock(model_id=MODEL, client=cached_client(client, memory=memory), **more)


def cached_chat(client: Any, memory: PrefixMemory, **more: Any) -> Any:
    """Return this package's model."""
    return ChatBedrockInvokeCached(model_id=MODEL, client=client, prefix_memory=memory, **more)


MODELS = pytest.mark.parametrize("make", [plain_chat, cached_chat])


async def asked(ask: Ask, model: Any, handler: Any) -> Any:
    """Ask a model; return its message."""
    answer = ask(model, {"callbacks": [handler]})
    return await answer if hasattr(answer, "__await__") else answer


@MODELS
@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
async def test_every_way_of_asking_is_cached_and_recorded(
    emulator: BedrockEmulator, memory: PrefixMemory, make: Any, ask: Ask
) -> None:
    """Points reach the body, and the handler has the usage and the plan of every call."""
    model = make(emulator.client(), memory)
    handler = CacheUsageCallbackHandler()
    for _ in range(2):
        message = await asked(ask, model, handler)
        assert message.text
    assert native_points(emulator.requests[0]) == ["system[0]", "messages[0][0]"]
    first, second = handler.records
    assert first.usage is not None
    assert second.usage is not None
    assert first.usage.cache_write_tokens == second.usage.cache_read_tokens > 2000
    assert second.usage.output_tokens == emulator.ledger[1].output_tokens
    assert first.plan is not None
    assert [p["section"] for p in first.plan["points"]] == ["system", "messages"]


@MODELS
@pytest.mark.parametrize("ask", [ASKS["invoke"], ASKS["stream"]])
async def test_the_handler_has_what_it_has_on_converse(make: Any, ask: Ask) -> None:
    """Usage, lifetimes of writes, plan and diagnosis of a call are those of the Converse model."""
    policy = CachePolicy.fixed(system="1h", messages="5m")
    seen = []
    for model_of in (make, None):
        clock = SimulatedClock()
        emulator, memory = BedrockEmulator(clock=clock), PrefixMemory(clock=clock)
        handler = CacheUsageCallbackHandler(clock=clock)
        if model_of is None:
            model = ChatBedrockCached(
                model_id=MODEL,
                client=emulator.client(),
                prefix_memory=memory,
                cache_policy=policy,
            )
        else:
            client = cached_client(emulator.client(), policy=policy, memory=memory)
            model = make(client, memory)
        for _ in range(2):
            await asked(ask, model, handler)
            clock.advance(400)
        records = handler.records
        seen.append([(r.usage, r.plan, r.cost) for r in records])
        assert records[-1].diagnosis is not None
        assert records[-1].diagnosis.verdict == "expired"
    assert seen[0] == seen[1]
    usage = seen[0][0][0]
    assert usage is not None
    assert usage.cache_write_1h_tokens > 0


def test_the_message_says_what_the_cache_did(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """As from the Converse model, the plan is in the metadata of the message, streamed or not."""
    model = cached_chat(emulator.client(), memory)
    for message in (model.invoke(PROMPT), by_stream(model, None)):
        metadata = message.response_metadata["ResponseMetadata"]
        assert metadata["CachePlan"]["points"]
        assert metadata["ConverseUsage"]["totalTokens"] == message.usage_metadata["total_tokens"]


@tool
def look_up(word: str) -> str:
    """Look up a word."""
    return word


@MODELS
def test_bound_tools(emulator: BedrockEmulator, memory: PrefixMemory, make: Any) -> None:
    """Tools are part of the prefix, and may end with a point."""
    model = make(emulator.client(), memory)
    big = {"name": "big", "description": words(1500), "input_schema": {"type": "object"}}
    model.bind_tools([look_up, big]).invoke(PROMPT)
    places = [point.partition(" ")[0] for point in native_points(emulator.requests[0])]
    assert places == ["tools[1]", "system[0]", "messages[0][0]"]
    assert "cache_control" not in big


class Answer(BaseModel):
    """An answer."""

    text: str


@MODELS
def test_structured_output(emulator: BedrockEmulator, memory: PrefixMemory, make: Any) -> None:
    """A forced tool works as without caching."""
    model = make(emulator.client(), memory)
    assert model.with_structured_output(Answer).invoke(PROMPT) == Answer(text="")
    assert native_points(emulator.requests[0])


def test_a_policy_for_a_call_stays_out_of_the_body(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """`cache_policy` and `cache_control` are for the client; neither is sent as a parameter."""
    model = cached_chat(emulator.client(), memory)
    model.bind(cache_policy=CachePolicy.off()).invoke(PROMPT)
    list(model.stream(PROMPT, cache_control={"type": "ephemeral", "ttl": "1h"}))
    off, hour = emulator.requests
    assert native_points(off) == []
    assert native_points(hour) == ["system[0] 1h"]
    assert off.keys() == hour.keys() == {"anthropic_version", "messages", "system", "max_tokens"}


def test_a_policy_of_the_model(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """The model's policy counts, also one that is assigned later."""
    model = cached_chat(emulator.client(), memory, cache_policy=CachePolicy(sections=("system",)))
    model.invoke(PROMPT)
    model.cache_policy = CachePolicy.off()
    model.invoke(PROMPT)
    assert [native_points(r) for r in emulator.requests] == [["system[0]"], []]


def test_nova_goes_through_converse(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """Where `ChatBedrock` calls Converse, the model for Converse is called, tools and all."""
    model = ChatBedrockInvokeCached(model_id=NOVA, client=emulator.client(), prefix_memory=memory)
    model.invoke(PROMPT)
    model.bind_tools([look_up]).invoke(PROMPT, cache_policy=CachePolicy.off())
    assert list(model.stream(PROMPT))
    assert [points(r) for r in emulator.requests] == [
        ["system[0]", "messages[0][0]"],
        [],
        ["system[0]", "messages[0][0]"],
    ]
    assert isinstance(model._as_converse, ChatBedrockConverse)


def test_a_batch_writes_what_it_shares_once(clock: SimulatedClock) -> None:
    """Inputs with one beginning are sent one first, the rest when that can be read."""
    emulator = BedrockEmulator(clock=clock)
    model = cached_chat(emulator.client(), PrefixMemory(clock=clock))
    inputs = [[PROMPT[0], HumanMessage(f"Question {n}?")] for n in range(8)]
    answers = model.batch(inputs, {"max_concurrency": 4})
    assert len(answers) == 8
    assert sum(r.cache_write_tokens > 1900 for r in emulator.ledger) == 1
    assert sum(r.cache_read_tokens > 1900 for r in emulator.ledger) == 7


def test_streaming_models_stream(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """A model that always streams tells what the cache did as well."""
    model = cached_chat(emulator.client(), memory, streaming=True)
    message = model.invoke(PROMPT)
    assert emulator.ledger[0].operation == "InvokeModelWithResponseStream"
    assert message.response_metadata["ResponseMetadata"]["CachePlan"]["points"]


def test_calls_between_chunks_are_not_taken_for_the_models(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """What the caller does while a stream runs has its own policy and its own record."""
    model = cached_chat(emulator.client(), memory)
    other = cached_client(emulator.client(), memory=PrefixMemory())
    message = [{"role": "user", "content": [{"text": words(3000)}]}]
    stream = model.stream(PROMPT, cache_policy=CachePolicy.off())
    chunks = [next(stream)]
    other.converse(modelId=MODEL, messages=message)
    chunks += stream
    assert native_points(emulator.requests[0]) == []
    assert points(emulator.requests[1]) == ["messages[0][0]"]
    plan = added(chunks).response_metadata["ResponseMetadata"]["CachePlan"]
    assert plan["points"] == []


def test_several_prompts_in_one_call_are_told_apart(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """`generate` with two prompts makes two records; neither has what belongs to the other."""
    handler = CacheUsageCallbackHandler()
    model = plain_chat(emulator.client(), memory)
    model.generate([PROMPT, [HumanMessage("Hi")]], callbacks=[handler])
    usages = [record.usage for record in handler.records]
    counted = [(u.cache_write_tokens, u.uncached_input_tokens) for u in usages if u]
    assert counted == [(r.cache_write_tokens, r.uncached_input_tokens) for r in emulator.ledger]


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_the_model_survives_serialization(emulator: BedrockEmulator) -> None:
    """It can be saved and loaded like LangChain's own, policy included."""
    policy = CachePolicy(ttl="1h")
    model = ChatBedrockInvokeCached(
        model_id=MODEL,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        cache_policy=policy,
    )
    loaded = load(
        dumpd(model),
        valid_namespaces=["langchain_bedrock_cache"],
        allowed_objects=[ChatBedrockInvokeCached],
        secrets_map={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
    )
    assert isinstance(loaded, ChatBedrockInvokeCached)
    assert loaded.cache_policy == policy
    assert isinstance(loaded.client, CachedClient)


def test_answers_can_be_sent_back(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """A conversation goes on, and reads what it wrote."""
    model = cached_chat(emulator.client(), memory)
    answer = model.invoke(PROMPT)
    assert isinstance(answer, AIMessage)
    model.invoke([*PROMPT, answer, HumanMessage("And then?")])
    assert emulator.ledger[1].cache_read_tokens == emulator.ledger[0].cache_write_tokens


def test_a_call_that_fails_is_recorded_once(emulator: BedrockEmulator) -> None:
    """langchain-aws's class and LangChain both tell of the error; it is one call."""
    client = emulator.client()
    model = ChatBedrockInvokeCached(model_id=MODEL, client=client, bedrock_client=client)
    with get_cache_usage_callback() as usage:
        for _ in range(2):
            emulator.fail_next("ThrottlingException")
            with pytest.raises(Exception, match="Too many requests"):
                model.invoke("hi")
    assert [record.error for record in usage.records] == ["ThrottlingException"] * 2
