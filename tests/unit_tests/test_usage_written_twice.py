"""Written tokens that are reported twice: what adds up counts, and both numbers are kept.

https://github.com/langchain-ai/langchain-aws/issues/983
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_aws import ChatBedrockConverse
from langchain_aws.chat_models.bedrock_converse import _extract_usage_metadata
from recorded_calls import billed, marked_question
from usage_strategies import usages
from wire import LEGACY

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.usage import CacheUsage, reported_write_tokens
from langchain_bedrock_cache.written_twice import tell_once, writes_that_add_up

THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
FIXED = CachePolicy.fixed(tools="5m", system="5m", messages="5m")


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """Forget what was said and seen in other tests."""
    caches = (tell_once, default_diagnoser, sent_requests)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def _converse(usage: CacheUsage, *, details: bool = True, **changed: Any) -> dict[str, Any]:
    """Return counts as Converse reports them, some of them changed."""
    written = (("1h", usage.cache_write_1h_tokens), ("5m", usage.cache_write_5m_tokens))
    return {
        "inputTokens": usage.uncached_input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
        **({"cacheDetails": [{"ttl": t, "inputTokens": n} for t, n in written]} if details else {}),
        **changed,
    }


def _doubled(usage: CacheUsage, *, details: bool = True) -> dict[str, Any]:
    twice = 2 * usage.cache_write_tokens
    return _converse(usage, details=details, cacheWriteInputTokens=twice)


@given(usage=usages(most=10**6), details=st.booleans())
def test_a_doubled_write_is_undone(*, usage: CacheUsage, details: bool) -> None:
    """Of Converse, with lifetimes or without, the counts are those that make up its total."""
    reported = _doubled(usage, details=details)
    counts = CacheUsage.from_converse(reported)
    assert counts.total_tokens == reported["totalTokens"]
    assert counts.cache_write_tokens == usage.cache_write_tokens
    assert counts == usage or not details
    twice = 2 * usage.cache_write_tokens
    assert reported_write_tokens(reported, counts) == (twice or None)


@given(usage=usages(most=10**6), details=st.booleans())
def test_a_doubled_write_is_undone_in_usage_metadata(*, usage: CacheUsage, details: bool) -> None:
    """The same of what langchain-aws makes of it, where only the total tells."""
    reported = _doubled(usage, details=details)
    metadata = dict(_extract_usage_metadata({"usage": reported}))
    counts = CacheUsage.from_usage_metadata(metadata)
    assert counts == CacheUsage.from_converse(reported)
    assert reported_write_tokens(metadata, counts) == (2 * usage.cache_write_tokens or None)


@given(usage=usages(most=10**6), details=st.booleans())
def test_what_adds_up_is_left_alone(*, usage: CacheUsage, details: bool) -> None:
    """Sound reports keep their counts, and no second number is noted."""
    reported = _converse(usage, details=details)
    metadata = dict(_extract_usage_metadata({"usage": dict(reported)}))
    for counts, report in (
        (CacheUsage.from_converse(reported), reported),
        (CacheUsage.from_usage_metadata(metadata), metadata),
    ):
        assert counts.total_tokens == usage.total_tokens
        assert counts.cache_write_tokens == usage.cache_write_tokens
        assert reported_write_tokens(report, counts) is None


def test_logs_and_bodies_with_a_total() -> None:
    """What an invocation log has of a Converse call is read the same; Claude's bodies as before."""
    usage = CacheUsage(cache_read_tokens=50, cache_write_5m_tokens=400, output_tokens=5)
    assert CacheUsage.from_invoke_model({"usage": _doubled(usage)}) == usage
    split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 400}
    body = {"usage": {"cache_creation_input_tokens": 800, "cache_creation": split}}
    assert CacheUsage.from_invoke_model(body).cache_write_tokens == 800


def test_lifetimes_that_are_doubled_as_well() -> None:
    """If every lifetime is reported twice, each is halved."""
    usage = CacheUsage(cache_write_5m_tokens=400, cache_write_1h_tokens=600, output_tokens=5)
    twice = CacheUsage(cache_write_5m_tokens=800, cache_write_1h_tokens=1200, output_tokens=5)
    reported = _converse(twice, totalTokens=usage.total_tokens)
    assert CacheUsage.from_converse(reported) == usage
    metadata = dict(_extract_usage_metadata({"usage": reported}))
    assert CacheUsage.from_usage_metadata(metadata) == usage


def test_lifetimes_beyond_the_sum_of_writes(caplog: pytest.LogCaptureFixture) -> None:
    """Where details make up the total and the writes do not, the details are what was written."""
    usage = CacheUsage(
        uncached_input_tokens=100,
        cache_write_5m_tokens=400,
        cache_write_1h_tokens=500,
        output_tokens=15,
    )
    reported = _converse(usage, cacheWriteInputTokens=700)
    assert reported["totalTokens"] == 1015
    counts = CacheUsage.from_converse(reported)
    assert (counts, reported_write_tokens(reported, counts)) == (usage, 700)
    metadata = dict(_extract_usage_metadata({"usage": reported}))
    assert CacheUsage.from_usage_metadata(metadata) == usage
    assert caplog.text.count("Said once") == 1


def test_without_a_total_the_details_tell() -> None:
    """Exactly twice what the lifetimes add up to was reported twice; else they are incomplete."""
    details = [{"ttl": "1h", "inputTokens": 500}]
    for written, expected in ((1000, (0, 500)), (999, (499, 500))):
        counts = CacheUsage.from_converse(
            {"cacheWriteInputTokens": written, "cacheDetails": details}
        )
        assert (counts.cache_write_5m_tokens, counts.cache_write_1h_tokens) == expected


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (165, 1000),  # leaves out all that was cached
        (465, 1000),  # leaves out what was written
        (1165, 1000),  # leaves out what was read
        (2000, 1000),  # has more tokens than there are
        (965, 500),  # has the writes once
        (1065, 600),  # has fewer than were reported
    ],
)
def test_totals_that_say_something_else(total: int, expected: int) -> None:
    """A total that leaves cached tokens out, or has others, says nothing about writes."""
    found = writes_that_add_up(1000, read=300, uncached_and_output=165, total=total)
    assert found == expected


def test_a_model_that_leaves_cached_tokens_out(caplog: pytest.LogCaptureFixture) -> None:
    """Input without cached tokens, and a total without them, is nothing that was doubled."""
    details = {"cache_read": 500, "ephemeral_5m_input_tokens": 100}
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 13}
    counts = CacheUsage.from_usage_metadata(usage | {"input_token_details": details})
    assert (counts.uncached_input_tokens, counts.cache_write_tokens) == (10, 100)
    assert reported_write_tokens(usage, counts) is None
    assert "Said once" not in caplog.text


class _Doubler:
    """An event stream of Converse as it was until May 2026."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Any]:
        for event in self._stream:
            if metadata := event.get("metadata"):
                usage = metadata["usage"]
                twice = 2 * usage["cacheWriteInputTokens"]
                usage = usage | {"cacheWriteInputTokens": twice}
                yield {"metadata": metadata | {"usage": usage}}
            else:
                yield event

    def close(self) -> None:
        self._stream.close()


def _double(parsed: dict[str, Any], **_: Any) -> None:
    parsed["stream"] = _Doubler(parsed["stream"])


def _cached(emulator: BedrockEmulator, client: Any) -> ChatBedrockConverse:
    return ChatBedrockCached(
        model=LEGACY,
        client=client,
        bedrock_client=emulator.control_client(),
        prefix_memory=PrefixMemory(),
        cache_policy=FIXED,
        additional_model_request_fields=THINKING,
        max_tokens=4096,
    )


def _plain(_emulator: BedrockEmulator, client: Any) -> ChatBedrockConverse:
    return ChatBedrockConverse(
        model_id=LEGACY,
        client=client,
        bedrock_client=client,
        additional_model_request_fields=THINKING,
        max_tokens=4096,
    )


@pytest.mark.parametrize("make", [_cached, _plain], ids=["ours", "langchain-aws"])
def test_on_the_wire(
    emulator: BedrockEmulator,
    make: Callable[[BedrockEmulator, Any], ChatBedrockConverse],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stream with doubled writes is recorded, priced and reported as it was billed; logged once.

    The emulator's own ledger says what was written, and the next call is a hit.
    """
    client = emulator.client()
    client.meta.events.register("after-call.bedrock-runtime.ConverseStream", _double)
    model, handler = make(emulator, client), CacheUsageCallbackHandler()
    with caplog.at_level(logging.WARNING, "langchain_bedrock_cache"):
        for question in ("first", "second"):
            list(model.stream(marked_question(question), {"callbacks": [handler]}))

    write, read = handler.records
    assert [write.usage, read.usage] == billed(emulator)
    assert write.usage is not None
    written = write.usage.cache_write_tokens
    assert written > 1024
    assert (write.reported_write_tokens, write.excess_write_tokens) == (2 * written, written)
    assert write.cost == price_of(write.usage, LEGACY)
    assert (handler.totals.misreported_calls, handler.totals.excess_write_tokens) == (
        1 + (read.excess_write_tokens > 0),
        written + read.excess_write_tokens,
    )
    assert "more written tokens than add up" in handler.summary()
    assert caplog.text.count("Said once") == 1
    if make is _cached:
        assert read.diagnosis is not None
        assert read.diagnosis.verdict == "hit"
