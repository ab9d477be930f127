"""Sinks of the usage callback: every finished call reaches them, and they can break nothing."""

import logging
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from recorded_calls import CALLS, SECRET, Call
from sinks.sink_calls import ask, chat

from langchain_bedrock_cache import CacheUsageCallbackHandler, get_cache_usage_callback
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.records import CallRecord


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_each_call_reaches_each_sink_once(call: Call, emulator: BedrockEmulator) -> None:
    """However a call is made, sinks get the very records that the handler keeps, in order."""
    first: list[CallRecord] = []
    second: list[CallRecord] = []
    handler = CacheUsageCallbackHandler(sinks=[first.append, second.append])
    model = chat(emulator)

    for question in ("One?", "Two?"):
        call(model, ask(question), {"callbacks": [handler]})

    assert len(first) == 2
    assert first == second == list(handler.records)
    assert sum(record.usage.input_tokens for record in first if record.usage) == (
        handler.total.input_tokens
    )
    assert SECRET not in repr(first)


def test_a_call_is_counted_before_sinks_hear_of_it(emulator: BedrockEmulator) -> None:
    """A sink may look at the handler's totals: the call is among them, and nothing is locked."""
    seen: list[int] = []
    handler = CacheUsageCallbackHandler(sinks=[lambda _: seen.append(handler.totals.calls)])

    chat(emulator).invoke("One?", {"callbacks": [handler]})

    assert seen == [1]


def test_failed_calls_reach_sinks(emulator: BedrockEmulator) -> None:
    """A call that Bedrock refused is a finished call, with the type of the error."""
    kept: list[CallRecord] = []
    emulator.fail_next("AccessDeniedException")
    handler = CacheUsageCallbackHandler(sinks=[kept.append])

    with pytest.raises(Exception, match="AccessDenied"):
        chat(emulator).invoke("One?", {"callbacks": [handler]})

    assert [record.error for record in kept] == ["AccessDeniedException"]


def test_the_context_manager_takes_sinks(emulator: BedrockEmulator) -> None:
    """`get_cache_usage_callback(sinks=...)` hands calls on like a handler of one's own."""
    kept: list[CallRecord] = []

    with get_cache_usage_callback(sinks=[kept.append]) as usage:
        chat(emulator).invoke("One?")

    assert kept == list(usage.records)
    assert len(kept) == 1


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_sink_that_fails_breaks_nothing(
    call: Call, emulator: BedrockEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls succeed, records are kept, the other sinks are served, and one warning is logged."""
    kept: list[CallRecord] = []

    def out_of_order(record: CallRecord) -> None:
        message = "no space left"
        raise OSError(message)

    handler = CacheUsageCallbackHandler(sinks=[out_of_order, kept.append])
    model = chat(emulator)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            call(model, ask("One?"), {"callbacks": [handler]})

    assert len(kept) == handler.totals.calls == 3
    warnings = [r for r in caplog.records if r.name == "langchain_bedrock_cache.sinks"]
    assert len(warnings) == 1
    assert "out_of_order failed" in warnings[0].getMessage()
    assert SECRET not in caplog.text


def test_each_sink_has_its_own_first_failure(
    emulator: BedrockEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """That one sink failed does not hide that another one does."""

    class Broken:
        def __call__(self, record: CallRecord) -> None:
            raise ValueError

    handler = CacheUsageCallbackHandler(sinks=[Broken(), Broken()])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            chat(emulator).invoke("One?", {"callbacks": [handler]})

    assert sum("The sink Broken failed" in r.getMessage() for r in caplog.records) == 2


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (print, r"Write sinks=\[...\]"),
        (["calls.jsonl"], r"sinks\[0\] is of type str"),
        ([print, None], r"sinks\[1\] is of type NoneType"),
    ],
)
def test_what_is_no_sink_is_refused(sinks: Any, message: str) -> None:
    """A mistake shows when the handler is made, not in a log at the first call."""
    with pytest.raises(TypeError, match=message):
        CacheUsageCallbackHandler(sinks=sinks)


def test_threads_lose_no_record(emulator: BedrockEmulator) -> None:
    """Sinks hear of as many calls as were made when many threads share a handler."""
    kept: list[CallRecord] = []
    handler = CacheUsageCallbackHandler(sinks=[kept.append])
    model = chat(emulator)
    answers: list[AIMessage] = []

    def work() -> None:
        answers.extend(model.invoke(ask("?"), {"callbacks": [handler]}) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == len(kept) == 40
    assert {record.run_id for record in kept} == {record.run_id for record in handler.records}
