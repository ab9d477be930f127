"""`OpenTelemetrySink` and spans: what calls add to the current one, or to spans of their own."""

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from recorded_calls import CALLS, SECRET, SONNET, Call, drain
from sinks.otel_in_memory import Otel
from sinks.sink_calls import ask, chat

from langchain_bedrock_cache import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.telemetry import names


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_current_span_is_described(call: Call, otel: Otel, emulator: BedrockEmulator) -> None:
    """The span around a call has its tokens, cost and verdict, in whatever thread or task."""
    handler = otel.handler()
    model = chat(emulator)
    for question in ("One?", "Two?"):
        with otel.tracer.start_as_current_span("step"):
            call(model, ask(question), {"callbacks": [handler]})

    first, second = otel.spans
    assert first.attributes is not None
    assert second.attributes is not None
    record = handler.records[1]
    assert record.usage is not None
    assert record.cost is not None
    assert dict(second.attributes) == {
        "langchain_bedrock_cache.calls": 1,
        "gen_ai.usage.input_tokens": record.usage.input_tokens,
        "gen_ai.usage.output_tokens": record.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": record.usage.cache_write_tokens,
        "langchain_bedrock_cache.uncached_input_tokens": record.usage.uncached_input_tokens,
        "langchain_bedrock_cache.cache_write_5m_tokens": record.usage.cache_write_5m_tokens,
        "langchain_bedrock_cache.cache_write_1h_tokens": record.usage.cache_write_1h_tokens,
        "langchain_bedrock_cache.hit_ratio": record.usage.hit_ratio,
        "langchain_bedrock_cache.cost_usd": float(record.cost.total_usd),
        "langchain_bedrock_cache.savings_usd": float(record.cost.savings_usd),
        "langchain_bedrock_cache.wasted_tokens": 0,
        "langchain_bedrock_cache.verdicts": ("hit",),
    }
    assert first.attributes["langchain_bedrock_cache.verdicts"] == ("first_write",)


def test_a_span_has_the_sum_of_its_calls(otel: Otel, emulator: BedrockEmulator) -> None:
    """Parallel calls of a batch inside a chain add up on the span around it."""
    handler = otel.handler()
    chain = RunnableLambda(ask) | chat(emulator)
    with otel.tracer.start_as_current_span("request"):
        chain.batch([f"{n}?" for n in range(8)], {"callbacks": [handler], "max_concurrency": 4})

    (span,) = otel.spans
    assert span.attributes is not None
    assert span.attributes[names.CALLS] == 8
    assert span.attributes[names.INPUT_TOKENS] == handler.total.input_tokens
    assert span.attributes[names.CACHE_READ_TOKENS] == handler.total.cache_read_tokens
    assert span.attributes[names.CACHE_WRITE_TOKENS] == handler.total.cache_write_tokens


async def test_tasks_keep_to_their_own_spans(otel: Otel, emulator: BedrockEmulator) -> None:
    """Calls that overlap in one event loop are told on the span of the task that made them."""
    handler = otel.handler()
    model = chat(emulator)

    async def step(calls: int) -> None:
        with otel.tracer.start_as_current_span(f"{calls}"):
            for _ in range(calls):
                await drain(model.astream("One?", {"callbacks": [handler]}))

    await asyncio.gather(step(1), step(2), step(3))

    assert {span.name: span.attributes and span.attributes[names.CALLS] for span in otel.spans} == {
        "1": 1,
        "2": 2,
        "3": 3,
    }


def test_an_ended_span_is_left_alone(otel: Otel, emulator: BedrockEmulator) -> None:
    """A stream read to its end after its span is over is in the metrics, and warns of nothing."""
    handler = otel.handler()
    span = otel.tracer.start_span("step")
    with trace.use_span(span):
        stream = chat(emulator).stream("One?", {"callbacks": [handler]})
        next(stream)
        span.end()
        list(stream)

    assert dict(otel.spans[0].attributes or {}) == {}
    assert otel.total(names.CALLS) == 1


def test_without_a_span_metrics_are_all(otel: Otel, emulator: BedrockEmulator) -> None:
    """No span is made unless asked for."""
    chat(emulator).invoke("One?", {"callbacks": [otel.handler()]})

    assert otel.spans == ()
    assert otel.total(names.CALLS) == 1


def test_spans_can_be_left_alone(otel: Otel, emulator: BedrockEmulator) -> None:
    """With `span="none"`, a current span is not touched."""
    with otel.tracer.start_as_current_span("step"):
        chat(emulator).invoke("One?", {"callbacks": [otel.handler(span="none")]})

    assert dict(otel.spans[0].attributes or {}) == {}


def test_a_span_of_its_own(otel: Otel, emulator: BedrockEmulator) -> None:
    """With `span="own"`, each call is a client span below the current one, as long as it took."""
    ticks = iter([100.0, 101.5])
    sink = otel.sink(span="own", attributes_of=lambda record: {"tenant": "acme"})
    handler = CacheUsageCallbackHandler(sinks=[sink], clock=lambda: next(ticks))
    with otel.tracer.start_as_current_span("step") as parent:
        chat(emulator).invoke("One?", {"callbacks": [handler]})

    own, step = otel.spans
    assert own.name == f"chat {SONNET}"
    assert own.kind is SpanKind.CLIENT
    assert own.parent == parent.get_span_context()
    assert (own.start_time, own.end_time) == (100_000_000_000, 101_500_000_000)
    assert own.attributes is not None
    assert own.attributes["gen_ai.operation.name"] == "chat"
    assert own.attributes["tenant"] == "acme"
    assert own.attributes[names.INPUT_TOKENS] == handler.total.input_tokens
    assert own.status.status_code is StatusCode.UNSET
    assert dict(step.attributes or {}) == {}


def test_an_abandoned_stream(otel: Otel, emulator: BedrockEmulator) -> None:
    """A stream that is not read to its end is a failed call."""
    handler = otel.handler()
    with otel.tracer.start_as_current_span("step"):
        stream: Any = chat(emulator).stream("One?", {"callbacks": [handler]})
        next(stream)
        stream.close()

    assert otel.values(names.CALLS, "error.type") == {"GeneratorExit": 1}
    assert dict(otel.spans[0].attributes or {})[names.FAILED_CALLS] == 1


def test_a_changed_prompt(otel: Otel, emulator: BedrockEmulator) -> None:
    """A prefix that changed is told with what it wasted, and where; never with its text."""
    handler = otel.handler()
    model = chat(emulator)
    for day in ("2026-01-01", "2026-01-02"):
        with otel.tracer.start_as_current_span("step"):
            prompt = ask("One?")
            prompt[0].content = f"Today is {day}. {prompt[0].content}"
            model.invoke(prompt, {"callbacks": [handler]})

    wasted = handler.records[1].diagnosis
    assert wasted is not None
    assert wasted.wasted_tokens > 0
    assert otel.values(names.WASTED_TOKENS, names.VERDICT) == {
        "prefix_changed": wasted.wasted_tokens
    }
    attributes = dict(otel.spans[1].attributes or {})
    assert attributes[names.VERDICTS] == ("prefix_changed",)
    assert attributes[names.PLACES] == ("system[0]",)
    assert attributes[names.WASTED_TOKENS] == wasted.wasted_tokens
    told = str([span.to_json() for span in otel.spans]) + str(otel.points(names.CALLS))
    assert SECRET not in told
    assert "2026-01-0" not in str(attributes)
