"""The ledger: numbers of every request, and no text of any."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord, PlacedPoint
from langchain_bedrock_cache.emulator.ledger import Ledger

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BARE = CLAUDE.removeprefix("us.")
REQUEST: dict[str, Any] = {
    "modelId": CLAUDE,
    "system": [{"text": "secret " * 900}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"text": "private"}, {"cachePoint": {"type": "default"}}]}
    ],
}


def test_record_has_all_numbers_of_a_request() -> None:
    """A record says where, when, with which points, and what it read, wrote and cost."""
    emulator = BedrockEmulator(clock=lambda: 42.0, account="111122223333", chars_per_token=1.0)
    response = emulator.client(region="eu-west-1").converse(**REQUEST)
    [record] = emulator.ledger
    assert record == LedgerRecord(
        request_id=response["ResponseMetadata"]["RequestId"],
        operation="Converse",
        model_id=CLAUDE,
        base_model_id=BARE,
        account="111122223333",
        region="eu-west-1",
        at=42.0,
        cache_points=(
            PlacedPoint(section="system", position=1, ttl="1h"),
            PlacedPoint(section="messages", position=2, ttl="5m"),
        ),
        uncached_input_tokens=2,
        cache_write_1h_tokens=6_300,
        cache_write_5m_tokens=7,
        output_tokens=32,
    )
    assert record.cache_write_tokens == 6_307
    assert record.input_tokens == 6_309


def test_record_agrees_with_the_usage_of_every_operation() -> None:
    """Converse and ConverseStream enter the same numbers that they report."""
    emulator = BedrockEmulator()
    client = emulator.client()
    converse = client.converse(**REQUEST)["usage"]
    stream = list(client.converse_stream(**REQUEST)["stream"])[-1]["metadata"]["usage"]
    for usage, record in zip((converse, stream), emulator.ledger, strict=True):
        assert record.uncached_input_tokens == usage["inputTokens"]
        assert record.cache_read_tokens == usage["cacheReadInputTokens"]
        assert record.cache_write_tokens == usage["cacheWriteInputTokens"]
        assert record.output_tokens == usage["outputTokens"]
        assert record.input_tokens + record.output_tokens == usage["totalTokens"]


def test_refused_and_free_calls_are_entered_too() -> None:
    """A refusal has its code and no tokens; CountTokens uses none."""
    emulator = BedrockEmulator()
    client = emulator.client()
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(modelId="nothing", messages=REQUEST["messages"])
    client.count_tokens(modelId=BARE, input={"converse": {"messages": REQUEST["messages"]}})
    refused, counted = emulator.ledger
    assert (refused.status, refused.error_code) == (400, "ValidationException")
    assert (refused.model_id, refused.base_model_id) == ("nothing", None)
    assert (counted.operation, counted.input_tokens) == ("CountTokens", 0)


def test_nothing_that_is_kept_has_text() -> None:
    """Neither the ledger nor the caches contain a word of a prompt or a reply."""
    emulator = BedrockEmulator(responder=lambda _request: "confidential")
    emulator.client().converse(**REQUEST)
    state = pickle.dumps((emulator.ledger, dict(emulator._runtime._caches)))
    assert b"anthropic" in state
    for word in (b"secret", b"private", b"confidential"):
        assert word not in state


def test_records_can_be_followed() -> None:
    """A callback gets each record as it is entered, refusals included."""
    seen: list[LedgerRecord] = []
    emulator = BedrockEmulator(on_record=seen.append)
    client = emulator.client()
    emulator.fail_next()
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse(**REQUEST)
    client.converse(**REQUEST)
    assert tuple(seen) == emulator.ledger
    assert [record.error_code for record in seen] == ["ThrottlingException", None]


def test_ledger_is_bounded() -> None:
    """Beyond its length a ledger drops the oldest records."""
    ledger = Ledger(length=3)
    for number in range(5):
        record = LedgerRecord(
            request_id=str(number), operation="", model_id="", account="", region="", at=0.0
        )
        ledger.add(record)
    assert [record.request_id for record in ledger.records] == ["2", "3", "4"]
