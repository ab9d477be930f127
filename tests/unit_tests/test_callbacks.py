"""`CacheUsageCallbackHandler`: what is recorded of a call, however it is made, checked at the wire.

The emulator's ledger is the independent count that records are compared with.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from recorded_calls import (
    CALLS,
    SECRET,
    SONNET,
    Call,
    billed,
    marked_question,
    nothing_open,
    plain_chat,
    ticking_handler,
)

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.usage import CacheUsage

EVERY_CALL: dict[str, Call] = {
    **CALLS,
    "generate": lambda model, question, config: model.generate([question], **config),
}


@pytest.fixture
def handler() -> CacheUsageCallbackHandler:
    """A handler whose clock moves on by a second each time it is read."""
    return ticking_handler()


@pytest.mark.parametrize("how", EVERY_CALL)
def test_every_way_to_call_is_recorded_as_billed(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A write and a read, made in any way, have the counts that were billed, and a cost."""
    for text in ("first", "second"):
        EVERY_CALL[how](plain_chat(emulator), marked_question(text), {"callbacks": [handler]})
    write, read = handler.records
    assert [write.usage, read.usage] == billed(emulator)
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
    assert nothing_open(handler)


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_one_hour_writes_are_recorded_as_such(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A 1-hour point and a 5-minute point in one request are told apart."""
    messages = marked_question("first", ttl="1h")
    messages[1].content = [
        {"type": "text", "text": "A long question. " * 400},
        {"cachePoint": {"type": "default"}},
    ]
    CALLS[how](plain_chat(emulator), messages, {"callbacks": [handler]})
    assert [handler.total] == billed(emulator)
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
        CALLS[how](model, marked_question(text), {"callbacks": [handler]})
    assert [record.usage for record in handler.records] == billed(emulator)
    for record, entry in zip(handler.records, emulator.ledger, strict=True):
        assert record.plan is not None
        assert set(record.plan) == {"points", "skipped", "refused"}
        planned = [(point["section"], point["ttl"]) for point in record.plan["points"]]
        assert planned == [(point.section, point.ttl) for point in entry.cache_points] != []
        assert record.model_id == SONNET


def test_answers_from_the_response_cache_are_not_calls(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """LangChain's response cache repeats the usage of the first call; it is not counted again."""
    model = plain_chat(emulator, cache=InMemoryCache())
    first = model.invoke("hi", {"callbacks": [handler]})
    again = model.invoke("hi", {"callbacks": [handler]})
    assert again.content == first.content
    assert len(handler.records) == len(emulator.ledger) == 1
    assert nothing_open(handler)


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
    assert nothing_open(handler)


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
        CALLS[how](plain_chat(emulator), marked_question("What is it?"), config)
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
