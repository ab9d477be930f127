"""`CachePointTransformer` and `cached_tools` in chains, in every style of call."""

from __future__ import annotations

import asyncio
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, Runnable
from wire import CLAUDE, HOUR, NOVA, POINT, points, words

from langchain_bedrock_cache import (
    CachePointTransformer,
    CachePolicy,
    ChatBedrockCached,
    PrefixMemory,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.profiles import find_profile, shipped_profiles
from langchain_bedrock_cache.runnables.placing import ANY_CLAUDE
from langchain_bedrock_cache.runnables.transformer import _planner_of

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
FIXED = CachePolicy.fixed(system="5m", messages="5m")
LONG = words(2000).strip()
CONVERSATION = [SystemMessage(LONG), HumanMessage("Why?")]


@pytest.fixture(autouse=True)
def _fresh_planners() -> Iterator[None]:
    """Let no test see what another one left in the transformers' memory."""
    _planner_of.cache_clear()
    yield
    _planner_of.cache_clear()


CALLS: dict[str, Callable[[Runnable[Any, Any], Any], Any]] = {
    "invoke": lambda chain, given: chain.invoke(given),
    "stream": lambda chain, given: list(chain.stream(given)),
    "batch": lambda chain, given: chain.batch([given]),
    "ainvoke": lambda chain, given: asyncio.run(chain.ainvoke(given)),
    "astream": lambda chain, given: asyncio.run(_drained(chain.astream(given))),
    "abatch": lambda chain, given: asyncio.run(chain.abatch([given])),
}


async def _drained(stream: Any) -> list[Any]:
    return [chunk async for chunk in stream]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("model", ["plain_model", "cached_model"])
def test_chains_send_points_in_every_call_style(
    emulator: BedrockEmulator,
    request: pytest.FixtureRequest,
    model: str,
    call: Callable[[Runnable[Any, Any], Any], Any],
) -> None:
    """`prompt | transformer | model` sends the points, once, however it is called."""
    prompt = ChatPromptTemplate.from_messages([("system", "{rules}"), ("human", "{question}")])
    chain = prompt | CachePointTransformer(policy=FIXED) | request.getfixturevalue(model)

    call(chain, {"rules": LONG, "question": "Why?"})

    assert points(emulator.requests[-1]) == ["system[0]", "messages[0][0]"]
    assert emulator.ledger[-1].cache_write_tokens > 2000


INPUTS: dict[str, Any] = {
    "chat prompt value": ChatPromptValue(messages=CONVERSATION),
    "messages": CONVERSATION,
    "tuples": [("system", LONG), ("human", "Why?")],
    "a sequence that is no list": tuple(CONVERSATION),
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS.keys())
def test_takes_what_a_chat_model_takes(given: Any) -> None:
    """Every input of a chat model comes out as messages with points."""
    assert CachePointTransformer(policy=FIXED).invoke(given) == [
        SystemMessage([LONG, POINT]),
        HumanMessage(["Why?", POINT]),
    ]


@pytest.mark.parametrize("given", [LONG, StringPromptValue(text=LONG)])
def test_text_is_a_user_message(given: Any) -> None:
    """Text, in a prompt value or not, is one message of the user."""
    assert CachePointTransformer(policy=FIXED).invoke(given) == [HumanMessage([LONG, POINT])]


def test_other_input_is_an_error() -> None:
    """What a chat model would refuse is refused, with the types that are not."""
    with pytest.raises(TypeError, match="prompt value, messages or text"):
        CachePointTransformer().invoke(5)  # type: ignore[arg-type]


def test_nothing_in_nothing_out() -> None:
    """No messages come out as no messages."""
    assert CachePointTransformer().invoke([]) == []


def test_unchanged_messages_are_the_same_objects() -> None:
    """Messages that get no point are passed on, not copied."""
    messages = [SystemMessage("Be brief."), HumanMessage("Why?")]

    transformed = CachePointTransformer().invoke(messages)

    assert all(new is old for new, old in zip(transformed, messages, strict=True))


def test_two_transformers_count_one_request() -> None:
    """What one transformer returned, another one passes on as it is."""
    first = CachePointTransformer(memory=PrefixMemory())
    second = CachePointTransformer(memory=PrefixMemory())

    once = first.invoke(CONVERSATION)

    assert (first | second).invoke(CONVERSATION) == once
    assert second.memory is not None
    assert len(second.memory) == 0


def test_a_memory_of_its_own_is_used_even_if_it_is_empty(memory: PrefixMemory) -> None:
    """The memory that was given remembers the request."""
    CachePointTransformer(memory=memory).invoke(CONVERSATION)

    assert len(memory) > 0


def test_nothing_is_added_where_caching_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy, or the switch in the environment, turns points off."""
    off = CachePointTransformer(policy=CachePolicy.off()).invoke(CONVERSATION)
    monkeypatch.setenv("LANGCHAIN_BEDROCK_CACHE", "off")
    switched_off = CachePointTransformer(policy=FIXED).invoke(CONVERSATION)

    assert off == switched_off == CONVERSATION


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_is_serializable_like_other_runnables() -> None:
    """Policy and model survive LangChain's serialization and pickle; the memory stays behind."""
    transformer = CachePointTransformer(
        policy=CachePolicy.fixed(system="1h"), model=NOVA, memory=PrefixMemory()
    )

    loaded = loads(
        dumps(transformer),
        allowed_objects=[CachePointTransformer],
        valid_namespaces=["langchain_bedrock_cache"],
    )
    unpickled = pickle.loads(pickle.dumps(transformer))  # noqa: S301

    for copy in (loaded, unpickled):
        assert (copy.policy, copy.model, copy.memory) == (transformer.policy, NOVA, None)
        assert copy.invoke("Hello.") == [HumanMessage("Hello.")]


def test_is_configurable_like_other_runnables() -> None:
    """Fields can be left open and named per call, and input and output have schemas."""
    transformer = CachePointTransformer(policy=FIXED).configurable_fields(
        policy=ConfigurableField(id="policy")
    )

    on = transformer.invoke(CONVERSATION)
    off = transformer.with_config(configurable={"policy": CachePolicy.off()}).invoke(CONVERSATION)

    assert POINT in on[0].content
    assert off == CONVERSATION
    assert CachePointTransformer().get_input_jsonschema()
    assert CachePointTransformer().get_output_jsonschema()["type"] == "array"


def test_by_default_points_are_legal_for_every_claude_model(clock: SimulatedClock) -> None:
    """Unless told more, no lifetime is sent, which old models refuse, and at most 3 points are."""
    default = _found_in_pauses(clock)
    named = _found_in_pauses(clock, model=CLAUDE)

    assert all(HOUR not in found and len(found) <= 3 for found in default + named)


def test_the_default_minimum_is_the_lowest_of_all_claude_models() -> None:
    """No Claude model caches a prompt that the default rules would leave out."""
    default = find_profile(ANY_CLAUDE)
    claude = [p for p in shipped_profiles() if p.provider == "anthropic" and p.supports_caching]

    assert default in claude
    assert default.min_tokens_per_cache_point == min(p.min_tokens_per_cache_point for p in claude)
    assert all(set(default.never_after) >= set(p.never_after) for p in claude)


def test_an_hour_is_added_once_it_is_known_to_be_legal(clock: SimulatedClock) -> None:
    """After tools for an hour, or without any on a model that is known to take hours."""
    beside_tools = _found_in_pauses(clock, tools_ttl="1h")
    no_tools = _found_in_pauses(clock, tools_ttl=None, model=CLAUDE)
    no_model = _found_in_pauses(clock, tools_ttl=None)

    assert any(HOUR in found for found in beside_tools)
    assert any(HOUR in found for found in no_tools)
    assert not any(HOUR in found for found in no_model)


def _found_in_pauses(clock: SimulatedClock, **settings: Any) -> list[list[Any]]:
    """Return the points of a conversation with pauses of half an hour, where hours would pay."""
    transformer = CachePointTransformer(memory=PrefixMemory(clock=clock), **settings)
    found = []
    for turn in range(6):
        messages = [SystemMessage(LONG), *_turns(turn), HumanMessage(f"And {turn}?")]
        found.append(_points_in(transformer.invoke(messages)))
        clock.advance(1800)
    return found


def _turns(count: int) -> list[BaseMessage]:
    return [m for n in range(count) for m in (HumanMessage(f"And {n}?"), AIMessage(words(500)))]


def _points_in(messages: Sequence[BaseMessage]) -> list[Any]:
    return [
        block
        for message in messages
        if isinstance(message.content, list)
        for block in message.content
        if isinstance(block, dict) and "cachePoint" in block
    ]


def test_stated_lifetimes_are_kept() -> None:
    """A policy that says an hour gets an hour, whatever the model may be."""
    policy = CachePolicy.fixed(system="1h", messages="5m")

    system, human = CachePointTransformer(policy=policy).invoke(CONVERSATION)

    assert system.content == [LONG, HOUR]
    assert human.content == ["Why?", POINT]


def test_one_point_is_left_to_the_tools() -> None:
    """Of four points at most three are added, unless there are no tools to cache."""
    document = {"type": "text", "text": LONG}
    content: list[Any] = [document, HOUR, document, HOUR, document, HOUR, document]

    (beside,) = CachePointTransformer(policy=FIXED).invoke([HumanMessage(content)])
    (alone,) = CachePointTransformer(policy=FIXED, tools_ttl=None).invoke([HumanMessage(content)])

    assert beside.content == content
    assert alone.content == [*content, POINT]


def test_points_of_the_transformer_are_not_doubled(
    emulator: BedrockEmulator, cached_model: ChatBedrockCached
) -> None:
    """`ChatBedrockCached` takes them as the application's own: legal, and once."""
    chain = CachePointTransformer(policy=FIXED) | cached_model

    for _ in range(3):
        chain.invoke(CONVERSATION)

    assert [points(sent) for sent in emulator.requests] == [["system[0]", "messages[0][0]"]] * 3
    assert {record.status for record in emulator.ledger} == {200}


def test_transforming_is_silent() -> None:
    """A conversation in order causes no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CachePointTransformer().invoke(CONVERSATION)
