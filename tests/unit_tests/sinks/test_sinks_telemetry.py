"""`OpenTelemetrySink`: metrics, and settings, read back through OpenTelemetry's own reader."""

import sys
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import StatusCode
from recorded_calls import CALLS, SONNET, Call
from sinks.otel_in_memory import Otel
from sinks.sink_calls import ask, chat, records

from langchain_bedrock_cache import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.records import CallRecord, RunTotals
from langchain_bedrock_cache.telemetry import OpenTelemetrySink, names

OURS = "langchain_bedrock_cache."


def _same_usd(told: float, total: Decimal) -> bool:
    return told == pytest.approx(float(total), rel=1e-9, abs=1e-12)


def _agrees(otel: Otel, totals: RunTotals) -> None:
    """Check that the metrics are the totals."""
    usage = totals.usage
    assert otel.total(names.CALLS) == totals.calls
    assert otel.total(names.UNPRICED_CALLS) == totals.unpriced_calls
    kinds = {
        "uncached_input": usage.uncached_input_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write_5m": usage.cache_write_5m_tokens,
        "cache_write_1h": usage.cache_write_1h_tokens,
        "output": usage.output_tokens,
    }
    assert otel.values(names.TOKENS, names.USAGE_KIND) == {k: n for k, n in kinds.items() if n}
    assert otel.values(names.USAGE, names.USAGE_TYPE) == {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
    }
    assert _same_usd(otel.total(names.COST_USD), totals.priced_cost.total_usd)
    assert _same_usd(otel.total(names.SAVINGS_USD), totals.priced_cost.savings_usd)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_metrics_equal_the_totals(call: Call, otel: Otel, emulator: BedrockEmulator) -> None:
    """However calls are made, what the metrics add up to is what the handler adds up to."""
    handler = otel.handler()
    model = chat(emulator)
    for question in ("One?", "Two?", "Three?"):
        call(model, ask(question), {"callbacks": [handler]})

    _agrees(otel, handler.totals)
    assert handler.total.cache_read_tokens > 0
    assert otel.values(names.HIT_RATIO, names.REQUEST_MODEL) == {SONNET: handler.total.hit_ratio}
    assert otel.values(names.CALLS, names.VERDICT) == {"first_write": 1, "hit": 2}


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(records.filter(lambda record: (record.latency_seconds or 0) >= 0), max_size=5))
def test_any_records_add_up(calls: list[CallRecord]) -> None:
    """Metrics equal totals for calls of every kind, unknown usage, prices and times included."""
    otel = Otel()
    sink = otel.sink(span="own")
    totals = RunTotals()
    for record in calls:
        sink(record)
        totals = totals.plus(record)

    assert otel.total(names.TOKENS) == totals.usage.total_tokens
    assert otel.total(names.USAGE) == totals.usage.total_tokens
    assert otel.total(names.UNPRICED_CALLS) == totals.unpriced_calls
    assert otel.total(names.CALLS) == len(otel.spans) == len(calls)
    assert _same_usd(otel.total(names.COST_USD), totals.priced_cost.total_usd)
    assert otel.total(names.SAVINGS_USD) == pytest.approx(
        float(totals.priced_cost.savings_usd), abs=1e-6 * float(totals.priced_cost.total_usd + 1)
    )
    otel.close()


def test_histograms_are_as_specified(otel: Otel, emulator: BedrockEmulator) -> None:
    """Both histograms of the conventions have the attributes and the buckets that they ask for."""
    ticks = iter([0.0, 1.5, 2.0])
    handler = CacheUsageCallbackHandler(sinks=[otel.sink()], clock=lambda: next(ticks))

    list(chat(emulator).stream("One?", {"callbacks": [handler]}))

    (duration,) = otel.points("gen_ai.client.operation.duration")
    assert duration.sum == 2.0
    assert duration.explicit_bounds == (
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92
    )  # fmt: skip
    assert dict(duration.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": SONNET,
    }
    (first,) = otel.points("gen_ai.client.operation.time_to_first_chunk")
    assert (first.sum, first.explicit_bounds) == (1.5, duration.explicit_bounds)
    used = otel.points("gen_ai.client.token.usage")
    assert {point.attributes["gen_ai.token.type"] for point in used} == {"input", "output"}
    assert used[0].explicit_bounds == (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864
    )  # fmt: skip


def test_names_are_those_of_the_conventions() -> None:
    """The table spells what the package of semantic conventions has."""
    package = {
        value
        for module in (gen_ai_attributes, gen_ai_metrics, error_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    ours = {
        value
        for name, value in vars(names).items()
        if name.isupper() and isinstance(value, str) and not value.startswith(OURS)
    }

    assert len(ours) == 13
    assert ours <= package


def test_a_failed_call(otel: Otel, emulator: BedrockEmulator) -> None:
    """The type of the error is on the duration, the count and the span; no tokens are told."""
    handler = otel.handler(span="own")
    emulator.fail_next("ThrottlingException")
    with pytest.raises(Exception, match="Throttling"):
        chat(emulator).invoke(ask("One?"), {"callbacks": [handler]})

    (duration,) = otel.points(names.DURATION)
    assert duration.attributes["error.type"] == "ThrottlingException"
    assert otel.values(names.CALLS, "error.type") == {"ThrottlingException": 1}
    assert otel.values(names.CALLS, names.VERDICT) == {"failed": 1}
    assert otel.points(names.USAGE) == otel.points(names.COST_USD) == []
    (span,) = otel.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ThrottlingException"
    assert names.INPUT_TOKENS not in span.attributes


def test_unknown_prices_are_not_zero(otel: Otel) -> None:
    """Calls of unknown price are counted as such, and neither metric nor span has USD for them."""
    answer = AIMessage(
        "Yes.", usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    )
    model = GenericFakeChatModel(messages=iter([answer]))
    with otel.tracer.start_as_current_span("step"):
        model.invoke("One?", {"callbacks": [otel.handler()]})

    assert otel.total(names.UNPRICED_CALLS) == 1
    assert otel.total(names.USAGE) == 7
    assert otel.points(names.COST_USD) == otel.points(names.SAVINGS_USD) == []
    attributes = dict(otel.spans[0].attributes or {})
    assert attributes[names.UNPRICED_CALLS] == 1
    assert {names.COST_USD, names.SAVINGS_USD}.isdisjoint(attributes)


def test_unreported_usage_is_not_zero(otel: Otel) -> None:
    """A call that did not say what it used is counted, and tells no tokens at all."""
    with otel.tracer.start_as_current_span("step"):
        FakeListChatModel(responses=["Yes."]).invoke("One?", {"callbacks": [otel.handler()]})

    assert otel.values(names.CALLS, names.VERDICT) == {"not_diagnosed": 1}
    assert otel.points(names.USAGE) == otel.points(names.TOKENS) == []
    assert otel.points(names.UNPRICED_CALLS) == []
    assert dict(otel.spans[0].attributes or {}) == {names.CALLS: 1}


def test_attributes_of_ones_own(otel: Otel, emulator: BedrockEmulator) -> None:
    """Metrics can be split by anything that a record knows, and the hit ratio with them."""
    handler = otel.handler(attributes_of=lambda record: {"step": record.step or ""})
    model = chat(emulator)
    for name in ("plan", "act"):
        model.invoke(ask("One?"), {"callbacks": [handler], "run_name": name})

    assert otel.values(names.CALLS, "step") == {"plan": 1, "act": 1}
    ratios = otel.values(names.HIT_RATIO, "step")
    assert ratios["plan"] == 0.0
    assert ratios["act"] > 0.9


def test_without_an_sdk_nothing_happens(emulator: BedrockEmulator) -> None:
    """An application that has not set OpenTelemetry up may keep the sink."""
    handler = CacheUsageCallbackHandler(sinks=[OpenTelemetrySink()])

    chat(emulator).invoke("One?", {"callbacks": [handler]})

    assert handler.totals.calls == 1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenTelemetry, the error says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ImportError, match=r"pip install 'langchain-bedrock-cache\[otel\]'"):
        OpenTelemetrySink()


def test_an_unknown_choice_is_an_error() -> None:
    """The error names what can be chosen."""
    with pytest.raises(ValueError, match='span is \'all\', but only "current", "own" and "none"'):
        OpenTelemetrySink(span="all")  # type: ignore[arg-type] # what the test is about
