"""Why calls read less than they could: broken chains on the emulator, and what is said of them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from broken_situations import SITUATIONS
from healthy_situations import HEALTHY
from langchain_aws import ChatBedrockConverse
from situation_stage import ANSWER, RULES, Stage, as_json, ask, run_situation, turns
from wire import CLAUDE, words

from langchain_bedrock_cache import CacheUsageCallbackHandler, cached_client
from langchain_bedrock_cache.calls import PreparedCall
from langchain_bedrock_cache.diagnosis import Diagnoser, default_diagnoser, diagnose
from langchain_bedrock_cache.diagnosis.facts import CallFacts
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.plan import CachePlan
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.usage import CacheUsage

# Offsets are known to within a piece of this many characters, up to each limit.
PIECES = {4_096: 8, 32_768: 64}


def test_there_are_enough_situations() -> None:
    """At least 25 of the situations are broken, each in a way of its own."""
    broken = [s for s in SITUATIONS.values() if s.verdict not in ("hit", "first_write")]
    assert len(broken) >= 25
    assert len({s.verdict for s in broken}) >= 10


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(name: str) -> None:
    """A chain that goes wrong in a known way gets the right verdict, place and cause."""
    expected = SITUATIONS[name]
    diagnosis, _ = run_situation(expected)
    assert diagnosis is not None
    assert diagnosis.verdict == expected.verdict
    assert diagnosis.place == expected.place
    assert (diagnosis.change.kind if diagnosis.change else None) == expected.kind
    if expected.offset is not None:
        assert diagnosis.change is not None
        assert diagnosis.change.offset_chars is not None
        size = next(size for limit, size in PIECES.items() if expected.offset < limit)
        assert 0 <= expected.offset - diagnosis.change.offset_chars < size


# The first call of a second model, Region, API or set of tools: its prompt cache is another one.
# And of a second day: only then can the planner know what stays.
_FIRST_CALLS = ("model", "region", "api", "tool_added", "date")


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong(name: str) -> None:
    """Of a healthy application no call is a miss, but a first one of its kind."""
    _, stage = run_situation(SITUATIONS[name])
    found = [record.diagnosis for record in stage.handler.records]
    missed = [one for one in found if one is not None and one.is_waste]
    assert all(one.change and one.change.kind in _FIRST_CALLS for one in missed)
    assert len(missed) <= 1
    assert all(found)


@pytest.mark.parametrize("name", SITUATIONS)
def test_waste_is_what_the_yardstick_says(name: str) -> None:
    """Expected tokens are what was read plus what was wasted, unless it is a hit."""
    diagnosis, stage = run_situation(SITUATIONS[name])
    assert diagnosis is not None
    usage = stage.handler.records[-1].usage
    if usage is not None and diagnosis.wasted_tokens:
        total = usage.cache_read_tokens + diagnosis.wasted_tokens
        assert total == diagnosis.expected_read_tokens
    assert not (diagnosis.verdict in ("hit", "first_write") and diagnosis.is_waste)


@pytest.mark.parametrize("name", SITUATIONS)
def test_no_prompt_text_is_kept(name: str) -> None:
    """Neither the diagnosis nor anything behind it holds a word of prompt or answer."""
    diagnosis, _ = run_situation(SITUATIONS[name])
    state = _state(sent_requests()) + _state(default_diagnoser())
    for text in ("patience", "question ", ANSWER, "alpha", "Bernard", "answer of the model"):
        assert text not in f"{as_json(diagnosis)} {diagnosis} {state}"


def test_a_call_counts_what_the_call_before_had_read_and_written(stage: Stage) -> None:
    """The yardstick of a turn is read + written of the turn before, and reading it is a hit."""
    for count in (2, 3, 4):
        stage.call(turns(count))
    _, before, last = stage.handler.records
    assert before.usage is not None
    assert last.diagnosis is not None
    assert last.diagnosis.verdict == "hit"
    assert last.diagnosis.expected_read_tokens == (
        before.usage.cache_read_tokens + before.usage.cache_write_tokens
    )


def test_a_read_above_zero_is_not_yet_a_hit(stage: Stage) -> None:
    """Reading the system prompt is waste where the conversation was there to be read."""
    stage.call(turns(5))
    stage.call([turns(6)[0], *turns(6)[5:]])
    record = stage.handler.records[-1]
    assert record.usage is not None
    assert record.usage.cache_read_tokens > 2_000
    assert record.diagnosis is not None
    assert record.diagnosis.verdict == "prefix_changed"
    # What was kept of the conversation, and not what was dropped: nobody could read that.
    assert 500 < record.diagnosis.wasted_tokens < 1_000


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream", "batch"])
def test_every_way_of_calling_is_diagnosed(way: str, stage: Stage) -> None:
    """Streams, coroutines and batches carry the same diagnosis as a plain call."""
    model, config = stage.model(), {"callbacks": [stage.handler]}
    for day in ("2026-11-16", "2026-11-17"):
        messages = ask(rules=f"Today is {day}.\n{RULES}")
        stage.clock.advance(1)
        if way == "invoke":
            model.invoke(messages, config)
        elif way == "stream":
            list(model.stream(messages, config))
        elif way == "ainvoke":
            asyncio.run(model.ainvoke(messages, config))
        elif way == "astream":
            asyncio.run(_drain(model.astream(messages, config)))
        else:
            model.batch([messages], config)
    assert len(stage.handler.records) == 2
    assert stage.last is not None
    assert (stage.last.verdict, stage.last.place) == ("prefix_changed", "system[0]")


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


def test_handlers_agree(stage: Stage) -> None:
    """Two handlers of one call say the same, and one made later knows the earlier calls."""
    stage.call(ask())
    second, third = (CacheUsageCallbackHandler(clock=stage.clock) for _ in range(2))
    stage.clock.advance(1)
    stage.model().invoke(ask(), {"callbacks": [second, third]})
    assert [h.records[0].diagnosis for h in (second, third)] == [second.records[0].diagnosis] * 2
    assert second.records[0].diagnosis is not None
    assert second.records[0].diagnosis.verdict == "hit"


def test_a_wrapped_client_is_diagnosed(stage: Stage) -> None:
    """langchain-aws's own model on `cached_client` is diagnosed as well; without it, it is not."""
    client = stage.emulator.client()
    plain = ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)
    wrapped = cached_client(client, memory=stage.memory)
    cached = ChatBedrockConverse(model_id=CLAUDE, client=wrapped, bedrock_client=client)
    stage.call(ask(), model=plain)
    assert stage.last is None
    stage.call(ask(), model=cached)
    stage.call(ask(), model=cached)
    assert stage.last is not None
    assert stage.last.verdict == "hit"


def test_renewed_entries_do_not_expire(stage: Stage) -> None:
    """An entry that is read every 4 minutes is a hit for ever; a pause after it is counted anew."""
    stage.call(ask())
    for _ in range(4):
        stage.call(ask(), after=240)
        assert stage.last is not None
        assert stage.last.verdict == "hit"
    stage.call(ask(), after=301)
    assert stage.last is not None
    assert (stage.last.verdict, stage.last.ttl) == ("expired", "5m")
    assert stage.last.age_seconds == pytest.approx(301)
    stage.call(ask())
    assert stage.last.verdict == "hit"


def test_nothing_is_noted_without_a_listener() -> None:
    """Calls of applications without a handler cost no fingerprint."""
    sent_requests.cache_clear()
    default_diagnoser.cache_clear()
    gc.collect()
    call = PreparedCall(request={"messages": []}, original={}, plan=CachePlan())
    assert call.report()["request"] is None
    assert len(sent_requests()) == 0


def test_a_request_that_cannot_be_read_costs_no_call(stage: Stage) -> None:
    """A request of an unknown shape goes without a diagnosis, and is logged."""
    call = PreparedCall(request={"messages": [3]}, original={}, plan=CachePlan())
    assert call.report()["request"] is None
    assert stage.handler.records == ()


def test_memory_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old requests are forgotten, with all that leads to them."""
    monkeypatch.setattr("langchain_bedrock_cache.sent_requests.recent._MAX_REQUESTS", 5)
    monkeypatch.setattr("langchain_bedrock_cache.diagnosis.diagnoser._MAX_CALLS", 5)
    monkeypatch.setattr("langchain_bedrock_cache.diagnosis.entries._MAX_ENTRIES", 6)
    for n in range(20):
        stage.call(ask(f"What about rule number {n}?"))
    requests, diagnoser = sent_requests(), default_diagnoser()
    assert len(requests) == 5
    assert requests._blocks == 10
    assert set().union(*requests._beginnings.values()) <= set(requests._requests)
    assert len(diagnoser._judged) == len(diagnoser._cached) == 5
    assert len(diagnoser._entries) == 6


def test_without_usage_nothing_is_said() -> None:
    """A failed call says what failed; one that was not seen on the wire gets no diagnosis."""
    failed = diagnose(CallFacts(error="ThrottlingException"))
    assert failed is not None
    assert str(failed) == "failed: ThrottlingException"
    assert diagnose(CallFacts(usage=CacheUsage(cache_read_tokens=5))) is None


def test_an_unknown_request_has_no_diagnosis() -> None:
    """A number nobody knows, as of a request forgotten long ago, is no error."""
    diagnoser = Diagnoser(sent_requests())
    said = diagnoser.call_ended(
        99_999, usage=CacheUsage(), plan=None, started_at=0.0, readable_at=0.0
    )
    assert said is None


def test_a_request_is_noted_once(emulator: BedrockEmulator, stage: Stage) -> None:
    """The two reports of a streamed call are one request."""
    list(stage.model().stream(ask(words(50)), {"callbacks": [stage.handler]}))
    assert len(sent_requests()) == 1


def _state(value: object, depth: int = 7) -> str:
    """Return everything an object holds, as text."""
    if depth == 0 or isinstance(value, int | float | bytes | type(None)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return " ".join(_state(v, depth - 1) for pair in value.items() for v in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return " ".join(_state(v, depth - 1) for v in value)
    names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
    return " ".join(_state(getattr(value, name, None), depth - 1) for name in names)
