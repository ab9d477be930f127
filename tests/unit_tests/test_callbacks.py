"""`CacheUsageCallbackHandler`: what is recorded of a call, however it is made, checked at the wire.

The emulator's ledger is the independent count that records are compared with.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import ChatGenerationChunk, LLMResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted
from langchain_bedrock_cache.pricing import Rates, price_of
from langchain_bedrock_cache.usage import CacheUsage

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
SECRET = "the-secret-ingredient"
INSTRUCTIONS = f"Answer briefly, and never name {SECRET}. " * 300

Call = Callable[[Any, Any, dict[str, Any]], object]


def _run(coroutine: Any) -> None:
    asyncio.run(coroutine)


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


CALLS: dict[str, Call] = {
    "invoke": lambda model, question, config: model.invoke(question, config),
    "ainvoke": lambda model, question, config: _run(model.ainvoke(question, config)),
    "stream": lambda model, question, config: list(model.stream(question, config)),
    "astream": lambda model, question, config: _run(_drain(model.astream(question, config))),
    "batch": lambda model, question, config: model.batch([question], config),
    "abatch": lambda model, question, config: _run(model.abatch([question], config)),
    "generate": lambda model, question, config: model.generate([question], **config),
}


@pytest.fixture
def emulator() -> BedrockEmulator:
    """A Bedrock of its own, whose time stands still, for each test."""
    return BedrockEmulator(clock=lambda: 0.0)


@pytest.fixture
def handler() -> CacheUsageCallbackHandler:
    """A handler whose clock moves on by a second each time it is read."""
    ticks = itertools.count()
    return CacheUsageCallbackHandler(clock=lambda: float(next(ticks)))


def _model(emulator: BedrockEmulator, model_id: str = SONNET, **kwargs: Any) -> ChatBedrockConverse:
    client = emulator.client()
    # Without a `bedrock_client`, which is never called, langchain-aws makes one.
    return ChatBedrockConverse(model_id=model_id, client=client, bedrock_client=client, **kwargs)


def _question(text: str, *, ttl: str | None = None) -> list[BaseMessage]:
    point = {"type": "default"} | ({"ttl": ttl} if ttl else {})
    system: Any = [{"type": "text", "text": INSTRUCTIONS}, {"cachePoint": point}]
    return [SystemMessage(content=system), *_human(text)]


def _human(text: str) -> list[BaseMessage]:
    return [HumanMessage(content=text)]


def _billed(emulator: BedrockEmulator) -> list[CacheUsage]:
    """Return what the emulator counted for each request that it answered."""
    return [
        CacheUsage(
            uncached_input_tokens=entry.uncached_input_tokens,
            cache_read_tokens=entry.cache_read_tokens,
            cache_write_5m_tokens=entry.cache_write_5m_tokens,
            cache_write_1h_tokens=entry.cache_write_1h_tokens,
            output_tokens=entry.output_tokens,
        )
        for entry in emulator.ledger
        if entry.status == 200
    ]


def _nothing_open(handler: CacheUsageCallbackHandler) -> bool:
    return not handler._calls and not len(handler._tree)


@pytest.mark.parametrize("how", CALLS)
def test_every_way_to_call_is_recorded_as_billed(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A write and a read, made in any way, have the counts that were billed, and a cost."""
    for text in ("first", "second"):
        CALLS[how](_model(emulator), _question(text), {"callbacks": [handler]})
    write, read = handler.records
    assert [write.usage, read.usage] == _billed(emulator)
    assert write.usage is not None
    assert read.usage is not None
    assert write.usage.cache_write_5m_tokens == read.usage.cache_read_tokens > 1000
    assert [record.cost for record in (write, read)] == [
        price_of(write.usage, SONNET),
        price_of(read.usage, SONNET),
    ]
    assert handler.total == write.usage + read.usage
    assert handler.total_cost == price_of(handler.total, SONNET)
    assert {(record.model_id, record.error, record.plan) for record in (write, read)} == {
        (SONNET, None, None)
    }
    assert _nothing_open(handler)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_one_hour_writes_are_recorded_as_such(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A 1-hour point and a 5-minute point in one request are told apart."""
    messages = _question("first", ttl="1h")
    messages[1].content = [
        {"type": "text", "text": "A long question. " * 400},
        {"cachePoint": {"type": "default"}},
    ]
    CALLS[how](_model(emulator), messages, {"callbacks": [handler]})
    assert [handler.total] == _billed(emulator)
    assert handler.total.cache_write_1h_tokens > 1000
    assert handler.total.cache_write_5m_tokens > 1000


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
def test_our_chat_model_tells_its_plan(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Of `ChatBedrockCached` the cache points are recorded too, and the usage is as billed."""
    client, memory = emulator.client(), PrefixMemory(clock=lambda: 0.0)
    model = ChatBedrockCached(
        model_id=SONNET, client=client, bedrock_client=client, prefix_memory=memory
    )
    for text in ("first", "second"):
        CALLS[how](model, _question(text), {"callbacks": [handler]})
    assert [record.usage for record in handler.records] == _billed(emulator)
    for record, entry in zip(handler.records, emulator.ledger, strict=True):
        assert record.plan is not None
        assert set(record.plan) == {"points", "skipped", "refused"}
        planned = [(point["section"], point["ttl"]) for point in record.plan["points"]]
        assert planned == [(point.section, point.ttl) for point in entry.cache_points] != []
        assert record.model_id == SONNET


def test_times_of_a_plain_call(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A call that is not streamed has a start and a latency, and no time to first token."""
    _model(emulator).invoke("hi", {"callbacks": [handler]})
    (record,) = handler.records
    assert (record.started_at, record.latency_seconds) == (0.0, 1.0)
    assert record.time_to_first_token_seconds is None


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_times_of_a_streamed_call(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """The clock is read at the start, at the first content and at the end, and only then."""
    CALLS[how](_model(emulator), "hi", {"callbacks": [handler]})
    (record,) = handler.records
    assert (record.started_at, record.latency_seconds) == (0.0, 2.0)
    assert record.time_to_first_token_seconds == 1.0


def test_the_opening_event_is_no_token(emulator: BedrockEmulator) -> None:
    """Bedrock's `messageStart` carries no content: the first token is the one after it."""
    events: list[str] = []
    handler = CacheUsageCallbackHandler(clock=lambda: float(len(events)))

    class _CountTokens(BaseCallbackHandler):
        run_inline = True

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            events.append(token)

    # Handlers are called in order: when ours sees an event, it is not yet in the list.
    list(_model(emulator).stream("hi", {"callbacks": [handler, _CountTokens()]}))
    first_content = next(number for number, token in enumerate(events) if token)
    assert first_content > 0
    assert handler.records[0].time_to_first_token_seconds == first_content


def test_a_tool_call_is_a_first_token() -> None:
    """A stream that begins with a tool call has a time to first token."""
    emulator = BedrockEmulator(responder=scripted([Reply(tool_uses=[ToolUse(name="look")])]))
    handler = CacheUsageCallbackHandler()

    @tool
    def look() -> str:
        """Look."""
        return "a view"

    list(_model(emulator).bind_tools([look]).stream("hi", {"callbacks": [handler]}))
    assert handler.records[0].time_to_first_token_seconds is not None


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_event_streams_are_recorded_once(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """`stream_events` of version 3, however often it is read, is one call."""
    events: Any = _model(emulator).stream_events(
        _question("hi"), version="v3", config={"callbacks": [handler]}
    )
    list(events)
    list(events)
    assert [record.usage for record in handler.records] == _billed(emulator)
    assert handler.records[0].time_to_first_token_seconds == 1.0


def test_native_event_streams_have_a_first_token(handler: CacheUsageCallbackHandler) -> None:
    """A model that sends protocol events instead of chunks has a time to first token, too."""
    run_id = uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    handler.on_stream_event({"event": "message-start"}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta"}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta"}, run_id=run_id)
    handler.on_stream_event({"event": "content-block-delta"}, run_id=uuid4())
    handler.on_llm_end(LLMResult(generations=[]), run_id=run_id)
    assert handler.records[0].time_to_first_token_seconds == 1.0
    assert handler.records[0].latency_seconds == 2.0


def test_an_application_inference_profile_is_priced_by_its_base_model(
    emulator: BedrockEmulator,
) -> None:
    """The record names the ARN that was sent; the price is that of `base_model`."""
    emulator = BedrockEmulator(model_arns={PROFILE_ARN: SONNET.removeprefix("us.")})
    handler = CacheUsageCallbackHandler()
    model = _model(
        emulator, PROFILE_ARN, base_model=SONNET.removeprefix("us."), provider="anthropic"
    )
    model.invoke("hi", {"callbacks": [handler]})
    assert handler.records[0].model_id == PROFILE_ARN == emulator.ledger[0].model_id
    assert handler.total_cost == price_of(handler.total, SONNET)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_the_model_id_that_was_sent_decides_the_price(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A `global.` model ID bound to the call is recorded and priced, not the constructor's."""
    sent = f"global.{SONNET.removeprefix('us.')}"
    CALLS[how](_model(emulator).bind(model_id=sent), "hi", {"callbacks": [handler]})
    assert emulator.ledger[0].model_id == handler.records[0].model_id == sent
    assert handler.total_cost == price_of(handler.total, sent)
    assert handler.total_cost != price_of(handler.total, SONNET)


RATES = Rates(**{name: Decimal(10) for name in Rates.__slots__})


@pytest.mark.parametrize(
    "rates", [RATES, {SONNET: RATES}, {SONNET.removeprefix("us."): RATES}], ids=type
)
def test_own_rates(rates: Any, emulator: BedrockEmulator) -> None:
    """Own rates, for all models or by sent or base model ID, replace the list price."""
    handler = CacheUsageCallbackHandler(rates=rates)
    _model(emulator).invoke("hi", {"callbacks": [handler]})
    assert handler.total_cost is not None
    assert handler.total_cost.total_usd == handler.total.total_tokens * Decimal("0.00001")


def test_own_rates_of_another_model_do_not_apply(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A model that is not among the own rates is priced from the list."""
    handler = CacheUsageCallbackHandler(rates={NOVA: RATES})
    _model(emulator).invoke("hi", {"callbacks": [handler]})
    assert handler.total_cost == price_of(handler.total, SONNET)


@pytest.mark.parametrize(
    "kwargs", [{"service_tier": "flex"}, {"performance_config": {"latency": "optimized"}}], ids=str
)
def test_other_tiers_have_no_list_price(kwargs: dict[str, Any], emulator: BedrockEmulator) -> None:
    """Flex tier and optimized latency have prices that no list has: unknown, but for own rates."""
    listed, own = CacheUsageCallbackHandler(), CacheUsageCallbackHandler(rates=RATES)
    _model(emulator, **kwargs).invoke("hi", {"callbacks": [listed, own]})
    assert listed.total == own.total != CacheUsage()
    assert listed.total_cost is None
    assert own.total_cost == price_of(own.total, SONNET, rates=RATES)


def test_an_unknown_price_prints_as_unknown(emulator: BedrockEmulator) -> None:
    """A model without a known price has usage and no cost, and the table says so."""
    handler = CacheUsageCallbackHandler()
    _model(emulator, "acme.new-model-v1:0", provider="acme").invoke("hi", {"callbacks": [handler]})
    assert handler.records[0].usage == _billed(emulator)[0]
    assert handler.records[0].cost is None
    assert handler.total_cost is None
    assert "unknown" in str(handler)
    assert "1 of the calls have no known price" in str(handler)


def test_a_failed_call_is_a_record_without_usage(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A refused call is recorded with the type of its error and without usage or cost."""
    emulator.fail_next("ThrottlingException")
    with pytest.raises(Exception, match="Too many requests"):
        _model(emulator).invoke("hi", {"callbacks": [handler]})
    (record,) = handler.records
    assert (record.error, record.usage, record.cost) == ("ThrottlingException", None, None)
    assert record.latency_seconds == 1.0
    assert handler.totals.failed_calls == handler.totals.calls == 1
    assert _nothing_open(handler)


def test_a_stream_that_breaks_is_a_failed_call(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A stream that fails in the middle has its time to first token, and an error."""
    emulator.fail_next("ModelStreamErrorException", after_events=2)
    with pytest.raises(Exception, match="streaming the response"):
        list(_model(emulator).stream("hi", {"callbacks": [handler]}))
    (record,) = handler.records
    assert record.error is not None
    assert record.usage is None
    assert record.time_to_first_token_seconds == 1.0


def test_a_stream_that_is_not_read_to_the_end(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A reader that stops early leaves a failed call: its usage never came."""
    stream = _model(emulator).stream("hi", {"callbacks": [handler]})
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    (record,) = handler.records
    assert (record.error, record.usage) == ("GeneratorExit", None)
    assert _nothing_open(handler)


def test_a_stream_that_is_closed_after_its_usage_came(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """What a broken-off stream still reported was billed, so it counts."""
    stream = _model(emulator).stream("hi", {"callbacks": [handler]})
    for chunk in stream:
        if chunk.usage_metadata:
            break
    stream.close()  # type: ignore[attr-defined]
    (record,) = handler.records
    assert record.error == "GeneratorExit"
    assert [record.usage] == _billed(emulator)
    assert handler.totals.failed_calls == handler.totals.priced_calls == 1


def test_retries_and_fallbacks_are_calls_of_their_own(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Two failed attempts and the fallback that answers are three calls of one run."""
    emulator.fail_next("ThrottlingException", times=2)
    stubborn = _model(emulator).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    # In a chain, since langchain-core gives fallbacks that are called directly no parent run.
    chain = RunnableLambda(str) | stubborn.with_fallbacks([_model(emulator, NOVA)])
    chain.invoke("hi", {"callbacks": [handler]})
    assert [(record.model_id, record.error) for record in handler.records] == [
        (SONNET, "ThrottlingException"),
        (SONNET, "ThrottlingException"),
        (NOVA, None),
    ]
    (run,) = handler.by_root_run().values()
    assert (run.calls, run.failed_calls, run.priced_calls) == (3, 2, 1)
    assert [run.usage] == _billed(emulator)


def test_answers_from_the_response_cache_are_not_calls(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """LangChain's response cache repeats the usage of the first call; it is not counted again."""
    model = _model(emulator, cache=InMemoryCache())
    first = model.invoke("hi", {"callbacks": [handler]})
    again = model.invoke("hi", {"callbacks": [handler]})
    assert again.content == first.content
    assert len(handler.records) == len(emulator.ledger) == 1
    assert _nothing_open(handler)


def test_other_chat_models_are_recorded(handler: CacheUsageCallbackHandler) -> None:
    """Any chat model that reports cache details is read, and its name is a model ID."""
    answer = AIMessage(
        content="hi",
        usage_metadata={
            "input_tokens": 100,
            "output_tokens": 5,
            "total_tokens": 105,
            "input_token_details": {"cache_read": 60, "cache_creation": 30},
        },
        response_metadata={"model_name": SONNET},
    )
    GenericFakeChatModel(messages=iter([answer])).invoke("hi", {"callbacks": [handler]})
    assert handler.records[0].model_id == SONNET
    assert handler.total == CacheUsage(
        uncached_input_tokens=10, cache_read_tokens=60, cache_write_5m_tokens=30, output_tokens=5
    )


def test_models_that_report_nothing_are_counted(handler: CacheUsageCallbackHandler) -> None:
    """Chat models and text models without usage are calls with unknown usage."""
    answers: Iterator[AIMessage | str] = iter([AIMessage(content="hi")])
    GenericFakeChatModel(messages=answers).invoke("hi", {"callbacks": [handler]})
    FakeListLLM(responses=["a", "b"]).batch(["hi", "ho"], {"callbacks": [handler]})
    assert [record.usage for record in handler.records] == [None, None, None]
    assert handler.totals.calls == handler.totals.unreported_calls == 3
    assert "3 of the calls reported no usage" in str(handler)
    assert _nothing_open(handler)


def test_no_prompt_text_is_kept(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Neither prompts nor answers can be found in what the handler keeps, open calls included."""
    kept: list[str] = []

    class _LookInside(BaseCallbackHandler):
        run_inline = True

        def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            kept.append(repr(handler._calls))

    for how in ("invoke", "stream"):
        config = {"callbacks": [_LookInside(), handler]}
        CALLS[how](_model(emulator), _question("What is it?"), config)
    everything = "".join([*kept, repr(handler.records), handler.summary(by="run")])
    assert "_OpenCall" in everything
    assert SECRET not in everything
    assert "What is it?" not in everything
    assert "Hello from" not in everything


def test_chunks_keep_the_raw_usage(handler: CacheUsageCallbackHandler) -> None:
    """The raw Converse usage wins over LangChain's, which loses incompletely detailed writes."""
    raw = {
        "inputTokens": 1,
        "outputTokens": 2,
        "cacheWriteInputTokens": 100,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 40}],
    }

    class _Streaming(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            yield ChatGenerationChunk(message=AIMessageChunk(content="hi"))
            yield ChatGenerationChunk(
                message=AIMessageChunk(
                    content="",
                    usage_metadata={
                        "input_tokens": 101,
                        "output_tokens": 2,
                        "total_tokens": 103,
                        "input_token_details": {
                            "cache_creation": 0,
                            "ephemeral_1h_input_tokens": 40,
                        },
                    },
                    response_metadata={"ResponseMetadata": {"ConverseUsage": raw}},
                )
            )

    list(_Streaming(messages=iter([])).stream("hi", {"callbacks": [handler]}))
    assert handler.total == CacheUsage(
        uncached_input_tokens=1,
        cache_write_5m_tokens=60,
        cache_write_1h_tokens=40,
        output_tokens=2,
    )
