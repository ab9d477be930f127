"""A gradual roll-out: whole conversations, the promised share, and a comparison at the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from wire import ask, assistant, text, user, words

from langchain_bedrock_cache import (
    CachePolicy,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.rollout import conversation_of, in_rollout
from langchain_bedrock_cache.rollout_report import rollout_report

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
RULES = SystemMessage(words(5_000))


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_who_is_in(conversation: str, one: float, other: float) -> None:
    """Raising the share moves nobody out, and the ends are nobody and everybody."""
    less, more = sorted([one, other])
    assert in_rollout(more, conversation) >= in_rollout(less, conversation)
    assert in_rollout(1.0, conversation)
    assert not in_rollout(0.0, conversation)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_is_kept(share: float) -> None:
    """Of many conversations, about the wanted share is in."""
    count = sum(in_rollout(share, f"thread {n}") for n in range(10_000))
    assert count / 10_000 == pytest.approx(share, abs=0.02)


def test_who_is_talking() -> None:
    """Thread, session and conversation IDs are found in this order; what is no ID is not one."""
    assert conversation_of({"session_id": "s"}, {"thread_id": 7}) == "thread_id=7"
    assert conversation_of(None, {"session_id": "s"}) == "session_id=s"
    assert conversation_of({"thread_id": ["x"]}, {}) is None
    assert conversation_of({"thread_id": ""}) is None


def ids(*, inside: bool) -> list[str]:
    """Return some thread IDs that are in at one half, or out."""
    every = (f"t{n}" for n in range(1000))
    return [t for t in every if in_rollout(0.5, f"thread_id={t}") is inside][:5]


def model() -> tuple[BedrockEmulator, ChatBedrockCached]:
    """Return a model that caches half of the conversations."""
    emulator = BedrockEmulator()
    memory = PrefixMemory()
    policy = CachePolicy(rollout=0.5)
    client = emulator.client()
    return emulator, ChatBedrockCached(
        model_id=MODEL, client=client, prefix_memory=memory, cache_policy=policy
    )


async def invoke(chat: Any, messages: Any, config: Any) -> None:
    """Call."""
    chat.invoke(messages, config)


async def ainvoke(chat: Any, messages: Any, config: Any) -> None:
    """Call without blocking."""
    await chat.ainvoke(messages, config)


async def stream(chat: Any, messages: Any, config: Any) -> None:
    """Stream."""
    assert list(chat.stream(messages, config))


async def astream(chat: Any, messages: Any, config: Any) -> None:
    """Stream without blocking."""
    assert [chunk async for chunk in chat.astream(messages, config)]


async def batch(chat: Any, messages: Any, config: Any) -> None:
    """Call in a batch."""
    chat.batch([messages] * 2, config)


async def in_a_chain(chat: Any, messages: Any, config: Any) -> None:
    """Call inside a step that hands no config on, as nodes of LangGraph do."""
    step: Any = RunnableLambda(lambda given: "".join(chunk.text for chunk in chat.stream(given)))
    step.invoke(messages, config)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("where", ["metadata", "configurable"])
@pytest.mark.parametrize("way", [invoke, ainvoke, stream, astream, batch, in_a_chain])
async def test_threads_are_cached_or_not(way: Any, where: str, *, inside: bool) -> None:
    """The thread of a LangGraph or LangChain config decides, whatever the way of calling."""
    emulator, chat = model()
    for thread in ids(inside=inside):
        await way(chat, [RULES, HumanMessage("?")], {where: {"thread_id": thread}})
    assert {bool(record.cache_points) for record in emulator.ledger} == {inside}


def test_the_response_cache_knows_no_conversations() -> None:
    """LangChain's response cache answers the same question whoever asks."""
    _, chat = model()
    assert chat._get_llm_string(conversation="a") == chat._get_llm_string()


def test_a_bare_client_goes_by_the_first_message() -> None:
    """Without an ID, a conversation stays on its side as it grows."""
    emulator = BedrockEmulator()
    policy = CachePolicy(rollout=0.5)
    client = cached_client(emulator.client(), policy=policy, memory=PrefixMemory())
    sides = set()
    for n in range(20):
        opening = user(f"hello, I am {n}")
        client.converse(**ask(opening, system=[text(5_000)]))
        client.converse(**ask(opening, assistant("yes"), user("and?"), system=[text(5_000)]))
        first, second = emulator.ledger[-2:]
        assert bool(first.cache_points) is bool(second.cache_points)
        sides.add(bool(first.cache_points))
    assert sides == {True, False}


def test_a_bare_client_takes_an_id() -> None:
    """`conversation_id` decides for code without LangChain."""
    emulator = BedrockEmulator()
    policy = CachePolicy(rollout=0.5)
    client = cached_client(emulator.client(), policy=policy, memory=PrefixMemory())
    conversation = next(str(n) for n in range(100) if not in_rollout(0.5, str(n)))
    for n in range(5):
        client.converse(**ask(user(f"{n}"), system=[text(5_000)]), conversation_id=conversation)
    assert not any(record.cache_points for record in emulator.ledger)


def test_the_groups_side_by_side() -> None:
    """The report has both groups, with what each used and cost."""
    _, chat = model()
    with get_cache_usage_callback() as usage:
        for thread in ids(inside=True) + ids(inside=False)[:3]:
            history: list[Any] = [RULES, HumanMessage("one"), AIMessage("yes"), HumanMessage("?")]
            chat.invoke(history, {"metadata": {"thread_id": thread}})
    report = rollout_report(usage.records)
    assert (report.cached.calls, report.control.calls, report.total.calls) == (5, 3, 8)
    assert report.cached.usage.cache_read_tokens > 0
    assert report.control.usage.cache_read_tokens == 0
    assert report.control.usage.cache_write_tokens == 0
    lines = str(report).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["cached", "control", "total"]


def test_nothing_to_compare() -> None:
    """No records, two empty groups."""
    report = rollout_report([])
    assert report.cached == report.control == report.total
    assert report.total.calls == 0
