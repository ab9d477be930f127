"""How calls of the client end, and who learns of it: verdicts for calls that no handler saw."""

from __future__ import annotations

import gc
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from situation_stage import RULES, Stage
from situation_stage import ask as messages
from wire import CLAUDE, ask, text, user

from langchain_bedrock_cache import (
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
    get_cache_usage_callback,
    warm,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.diagnosis import Diagnoser, default_diagnoser
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.settling import emulator_of
from langchain_bedrock_cache.testing import CacheHitBlock, assert_cache_hit, emulated_bedrock
from langchain_bedrock_cache.usage import CacheUsage

PROMPT = ChatPromptTemplate([("system", RULES), ("human", "{q}")])
LONG = ask(user("What is rule 7 about?"), system=[text(2_000)])
# Of a call: when it begins, and when it is sent.
_CLOCK_READINGS = 2
_SIGN = "emulated.bedrock-runtime"


@pytest.fixture
def alone() -> None:
    """Nothing is left of other tests, and nobody listens."""
    sent_requests.cache_clear()
    default_diagnoser.cache_clear()
    gc.collect()


def real_client(emulator: BedrockEmulator) -> Any:
    """Return a client that does not tell that an emulator answers it, as AWS's do not."""
    client = emulator.client()
    client.meta.events.unregister(_SIGN, unique_id=f"langchain-bedrock-cache-emulator/{_SIGN}")
    assert emulator_of(client) is None
    return client


@pytest.mark.usefixtures("alone")
def test_nothing_is_kept_while_nobody_listens(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """Calls, streams and errors of a plain client leave no hashes and no verdicts."""
    client = cached_client(real_client(emulator), memory=memory)
    response = client.converse(**LONG)
    list(client.converse_stream(**LONG)["stream"])
    assert response["ResponseMetadata"]["CachePlan"]["request"] is None
    assert len(sent_requests()) == 0
    assert default_diagnoser().said_of(1) is None


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("gap", "verdict"), [(200, "hit"), (400, "expired")])
def test_the_planner_remembers_what_nobody_listened_to(
    emulator: BedrockEmulator, clock: SimulatedClock, memory: PrefixMemory, gap: int, verdict: str
) -> None:
    """An entry of a call before the first handler is known to have expired, and when."""
    client = cached_client(real_client(emulator), memory=memory)
    client.converse(**LONG)
    clock.advance(gap)
    with get_cache_usage_callback(clock=clock) as usage:
        client.converse(**LONG)
    (record,) = usage.records
    assert record.diagnosis is not None
    assert record.diagnosis.verdict == verdict
    if verdict == "expired":
        assert record.usage is not None
        assert record.diagnosis.age_seconds == pytest.approx(gap)
        assert record.diagnosis.wasted_tokens == pytest.approx(
            record.usage.cache_write_tokens, rel=0.01
        )


@pytest.mark.usefixtures("alone")
def test_what_was_too_short_to_be_cached_has_not_expired(
    emulator: BedrockEmulator, clock: SimulatedClock, memory: PrefixMemory
) -> None:
    """A point of the application below the model's minimum left nothing, whatever was planned."""
    client = cached_client(real_client(emulator), memory=memory)
    point = {"cachePoint": {"type": "default"}}
    short = ask(user("Why?"), system=[text(300), point, text(2_000), point])
    changed = ask(user("Why?"), system=[text(300), point, text(2_000, "beta"), point])
    client.converse(**short)
    clock.advance(400)
    with get_cache_usage_callback(clock=clock) as usage:
        client.converse(**changed)
    assert str(usage.records[0].diagnosis) == "first write"


@pytest.mark.usefixtures("alone")
def test_a_warm_up_is_known_to_handlers_that_come_later(
    emulator: BedrockEmulator, clock: SimulatedClock, memory: PrefixMemory
) -> None:
    """What changed in the prompt since it was warmed up is found, though nobody listened then."""
    plain = real_client(emulator)
    model = ChatBedrockCached(
        model_id=CLAUDE, client=plain, bedrock_client=plain, prefix_memory=memory
    )
    warm(model, messages()[:1])
    clock.advance(10)
    with get_cache_usage_callback(clock=clock) as usage:
        model.invoke(messages())
        model.invoke(messages(rules=f"Today is Monday. {RULES}"))
    first, second = (record.diagnosis for record in usage.records)
    assert first is not None
    assert second is not None
    assert first.verdict == "hit"
    assert (second.verdict, second.place) == ("prefix_changed", "system[0]")


def test_blocks_of_a_process_that_goes_on(stage: Stage) -> None:
    """Calls between two blocks count: an entry that they renew is not called expired."""
    client = cached_client(stage.emulator.client(), memory=stage.memory)
    verdicts = []
    for n in range(5):
        stage.clock.advance(200)
        if n % 2:
            client.converse(**LONG)
        else:
            with get_cache_usage_callback(clock=stage.clock) as usage:
                client.converse(**LONG)
            verdicts.append(str(usage.records[0].diagnosis))
    assert verdicts == ["first write", "hit", "hit"]


def _judged() -> CacheHitBlock:
    return assert_cache_hit()


def test_the_kit_knows_of_calls_before_the_block() -> None:
    """The README's form of a test says expired, or what changed, of a model made long before."""
    model = ChatBedrockCached(model_id=CLAUDE, region_name="us-east-1")
    chain = PROMPT | model
    with emulated_bedrock() as bedrock:
        chain.invoke({"q": "A dog?"})
        bedrock.advance(400)
        with (
            pytest.raises(AssertionError, match=r"expired: last used 6 min 40 s ago"),
            assert_cache_hit(),
        ):
            chain.invoke({"q": "A cat?"})
    named = RunnableLambda(_with_identifier) | model
    with emulated_bedrock():
        named.invoke("A dog?")
        with (
            pytest.raises(AssertionError, match=r"prefix changed: system\[0\]"),
            assert_cache_hit(),
        ):
            named.invoke("A cat?")


def _with_identifier(question: str) -> list[tuple[str, str]]:
    return [("system", f"{RULES} {uuid4()}"), ("human", question)]


def test_nested_kits_keep_their_clocks() -> None:
    """A block inside another judges by its own clock, and the outer one goes on by its own."""
    model = ChatBedrockCached(model_id=CLAUDE, region_name="us-east-1")
    with emulated_bedrock() as outer:
        with emulated_bedrock() as inner:
            assert default_diagnoser().clock is inner.clock
        assert default_diagnoser().clock is outer.clock
        model.invoke(messages())
        outer.advance(400)
        with pytest.raises(AssertionError, match="expired"), assert_cache_hit():
            model.invoke(messages())
    assert default_diagnoser().clock is None


def test_a_handler_of_the_application_goes_on_through_blocks() -> None:
    """One that was made before has verdicts inside, and after, as if there had been no block."""
    handler = CacheUsageCallbackHandler()
    model = ChatBedrockCached(model_id=CLAUDE, region_name="us-east-1")
    for _ in range(2):
        with emulated_bedrock():
            model.invoke(messages(), {"callbacks": [handler]})
    emulator = BedrockEmulator()
    client = emulator.client()
    after = ChatBedrockCached(model_id=CLAUDE, client=client, bedrock_client=client)
    after.invoke(messages(), {"callbacks": [handler]})
    assert [str(record.diagnosis) for record in handler.records] == ["first write"] * 3


def test_usage_that_cannot_be_read_costs_no_call(emulator: BedrockEmulator) -> None:
    """An answer that reports nonsense is handed on, and recorded as one that reported nothing."""
    plain = emulator.client()
    plain.meta.events.register("after-call.bedrock-runtime.Converse", _spoil)
    client = cached_client(plain, memory=PrefixMemory())
    with get_cache_usage_callback() as usage:
        assert client.converse(**LONG)["usage"] == [1]
    assert str(usage.records[0].diagnosis).startswith("unreported")
    assert usage.records[0].usage is None


def test_a_verdict_that_fails_costs_no_call(
    emulator: BedrockEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in judging a call is logged, and the answer handed on."""

    def broken_clock() -> float:
        times.append(None)
        if len(times) > _CLOCK_READINGS:
            raise OSError
        return 1.0

    times: list[None] = []
    with emulated_bedrock() as bedrock:
        client = cached_client(bedrock.client(), memory=bedrock.memory())
        default_diagnoser().clock = broken_clock
        assert client.converse(**LONG)["usage"]
    assert "cannot be judged" in caplog.text


def _spoil(parsed: dict[str, Any], **_kwargs: Any) -> None:
    parsed["usage"] = [1]


def test_the_kit_judges_boto3() -> None:
    """Calls of a cached client in the block, and responses of boto3, are judged with verdicts."""
    with emulated_bedrock() as bedrock:
        client = cached_client(bedrock.client(), memory=bedrock.memory())
        client.converse(**LONG)
        with assert_cache_hit(min_read_tokens=2_000):
            client.converse(**LONG)
        bedrock.advance(400)
        response = client.converse(**LONG)
        with pytest.raises(AssertionError, match=r"written, \d+ uncached: expired"):
            assert_cache_hit(response)
        answer = ChatBedrockCached(model_id=CLAUDE, client=client).invoke(messages())
        with pytest.raises(AssertionError, match="first write"):
            assert_cache_hit(answer)


def test_a_call_is_judged_once() -> None:
    """Whoever asks about a request again, with whatever facts, gets the first verdict."""
    requests = sent_requests()
    diagnoser = Diagnoser(requests)
    sent = requests.add(LONG, None, None, [(1, "5m")])
    usage = CacheUsage(cache_write_5m_tokens=2_000, uncached_input_tokens=10)
    first = diagnoser.call_ended(
        sent.number, usage=usage, plan=None, started_at=1.0, readable_at=2.0
    )
    again = diagnoser.call_ended(
        sent.number, usage=None, plan=None, started_at=9.0, readable_at=9.0, error="ValueError"
    )
    assert first is again is diagnoser.said_of(sent.number)
    assert str(first) == "first write"
    assert diagnoser.said_of("1") is None


def test_clients_that_are_no_boto3_are_asked_nothing() -> None:
    """Whatever stands in for a client is not taken for an emulator's."""
    assert emulator_of(object()) is None
    assert emulator_of(None) is None


@pytest.mark.usefixtures("alone")
def test_each_emulator_has_a_prompt_cache_of_its_own() -> None:
    """What one emulator was sent says nothing of what another one should have in its cache."""
    first, second = BedrockEmulator(), BedrockEmulator()
    with get_cache_usage_callback() as usage:
        for emulator in (first, first, second, second):
            cached_client(emulator.client(), memory=PrefixMemory()).converse(**LONG)
    verdicts = [str(record.diagnosis) for record in usage.records]
    assert verdicts == ["first write", "hit", "first write", "hit"]
