"""`CacheUsageCallbackHandler`: calls that fail, streams that end early, retries."""

import pytest
from langchain_core.runnables import RunnableLambda
from recorded_calls import NOVA, SONNET, billed, nothing_open, plain_chat, ticking_handler

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator


@pytest.fixture
def handler() -> CacheUsageCallbackHandler:
    """A handler whose clock moves on by a second each time it is read."""
    return ticking_handler()


def test_a_failed_call_is_a_record_without_usage(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A refused call is recorded with the type of its error and without usage or cost."""
    emulator.fail_next("ThrottlingException")
    with pytest.raises(Exception, match="Too many requests"):
        plain_chat(emulator).invoke("hi", {"callbacks": [handler]})
    (record,) = handler.records
    assert (record.error, record.usage, record.cost) == ("ThrottlingException", None, None)
    assert record.latency_seconds == 1.0
    assert handler.totals.failed_calls == handler.totals.calls == 1
    assert nothing_open(handler)


def test_a_stream_that_breaks_is_a_failed_call(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A stream that fails in the middle has its time to first token, and an error."""
    emulator.fail_next("ModelStreamErrorException", after_events=2)
    with pytest.raises(Exception, match="streaming the response"):
        list(plain_chat(emulator).stream("hi", {"callbacks": [handler]}))
    (record,) = handler.records
    assert record.error is not None
    assert record.usage is None
    assert record.time_to_first_token_seconds == 1.0


def test_a_stream_that_is_not_read_to_the_end(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A reader that stops early leaves a failed call: its usage never came."""
    stream = plain_chat(emulator).stream("hi", {"callbacks": [handler]})
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    (record,) = handler.records
    assert (record.error, record.usage) == ("GeneratorExit", None)
    assert nothing_open(handler)


def test_a_stream_that_is_closed_after_its_usage_came(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """What a broken-off stream still reported was billed, so it counts."""
    stream = plain_chat(emulator).stream("hi", {"callbacks": [handler]})
    for chunk in stream:
        if chunk.usage_metadata:
            break
    stream.close()  # type: ignore[attr-defined]
    (record,) = handler.records
    assert record.error == "GeneratorExit"
    assert [record.usage] == billed(emulator)
    assert handler.totals.failed_calls == handler.totals.priced_calls == 1


def test_retries_and_fallbacks_are_calls_of_their_own(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Two failed attempts and the fallback that answers are three calls of one run."""
    emulator.fail_next("ThrottlingException", times=2)
    stubborn = plain_chat(emulator).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    # In a chain, since langchain-core gives fallbacks that are called directly no parent run.
    chain = RunnableLambda(str) | stubborn.with_fallbacks([plain_chat(emulator, NOVA)])
    chain.invoke("hi", {"callbacks": [handler]})
    assert [(record.model_id, record.error) for record in handler.records] == [
        (SONNET, "ThrottlingException"),
        (SONNET, "ThrottlingException"),
        (NOVA, None),
    ]
    (run,) = handler.by_root_run().values()
    assert (run.calls, run.failed_calls, run.priced_calls) == (3, 2, 1)
    assert [run.usage] == billed(emulator)
