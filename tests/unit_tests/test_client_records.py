"""Calls of a cached client with a recorder: records, verdicts and reports without LangChain."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from echoing_client import echo
from native_bodies import native
from situation_stage import ROUTER, SONNET, Stage
from wire import CLAUDE, LLAMA, NOVA, POINT, PROFILE_ARN, ask, text, user, words

from langchain_bedrock_cache import (
    CachePlanError,
    CacheUsage,
    CacheUsageCallbackHandler,
    cached_client,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.regions import Route

LONG = ask(user("What is rule 7 about?"), system=[text(2_000)])
OTHER = ask(user("What is rule 7 about?"), system=[{"text": "Monday. " + words(2_000)}])


def client_of(stage: Stage, **settings: Any) -> Any:
    """Return a client whose calls the handler of the stage records."""
    settings.setdefault("recorder", stage.handler)
    client = settings.pop("client", None) or stage.emulator.client()
    return cached_client(client, memory=stage.memory, **settings)


def _converse(client: Any, request: dict[str, Any]) -> None:
    client.converse(**request)


def _converse_stream(client: Any, request: dict[str, Any]) -> None:
    list(client.converse_stream(**request)["stream"])


def _invoke_model(client: Any, request: dict[str, Any]) -> None:
    client.invoke_model(**native(request))


def _invoke_stream(client: Any, request: dict[str, Any]) -> None:
    list(client.invoke_model_with_response_stream(**native(request))["body"])


OPERATIONS: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "converse": _converse,
    "converse_stream": _converse_stream,
    "invoke_model": _invoke_model,
    "invoke_model_with_response_stream": _invoke_stream,
}


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_recorded(operation: str, model: str, stage: Stage) -> None:
    """Usage, cost, plan, verdict and boto3's name of the method are in the record of a call."""
    client, call = client_of(stage), OPERATIONS[operation]
    for _ in range(2):
        call(client, {**LONG, "modelId": model})
    first, second = stage.handler.records
    assert first.step == second.step == operation
    assert first.model_id == model
    assert [_verdict(record) for record in (first, second)] == ["first_write", "hit"]
    for record, billed in zip((first, second), stage.emulator.ledger, strict=True):
        assert record.usage is not None
        assert record.usage.cache_write_tokens == billed.cache_write_5m_tokens
        assert record.usage.cache_read_tokens == billed.cache_read_tokens
        assert record.cost is not None
        assert record.plan is not None
        assert record.plan["points"]
    assert first.root_run_id == first.run_id != second.run_id
    assert stage.handler.totals.calls == 2
    assert "hit" in str(stage.handler.report())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_changed_prefix_is_named(operation: str, stage: Stage) -> None:
    """boto3 users are told where a prefix changed, and how long ago an entry was used."""
    client, call = client_of(stage), OPERATIONS[operation]
    call(client, LONG)
    stage.clock.advance(5)
    call(client, OTHER)
    stage.clock.advance(400)
    call(client, OTHER)
    _, changed, expired = stage.handler.records
    assert (_verdict(changed), _place(changed)) == ("prefix_changed", "system[0]")
    assert _verdict(expired) == "expired"
    assert expired.diagnosis is not None
    assert expired.diagnosis.age_seconds == pytest.approx(400)


@pytest.mark.parametrize("operation", ["converse_stream", "invoke_model_with_response_stream"])
def test_times_of_streams(operation: str) -> None:
    """A record has the start, the latency and the time to the first content of a stream."""
    stage = Stage(latency_seconds=2.0)
    stage.meeting = threading.Barrier(1)  # lets time pass where the model answers
    stage.clock.advance(10)
    started_at = stage.clock()
    OPERATIONS[operation](client_of(stage), LONG)
    (record,) = stage.handler.records
    assert record.started_at == started_at
    assert record.latency_seconds == record.time_to_first_token_seconds == 2.0


def test_a_stream_that_is_not_read_on_once_its_usage_is_known_went_well(stage: Stage) -> None:
    """The last event has the usage: who breaks off there has the whole answer."""
    for event in client_of(stage).converse_stream(**LONG)["stream"]:
        if "metadata" in event:
            break
    (record,) = stage.handler.records
    assert (record.error, _verdict(record)) == (None, "first_write")


def test_what_a_broken_off_stream_wrote_is_remembered(stage: Stage) -> None:
    """It failed, and its usage and cost are not known; the next call knows what it had written."""
    client = client_of(stage)
    for _ in client.converse_stream(**LONG)["stream"]:
        break
    stage.clock.advance(400)
    client.converse(**LONG)
    broken, last = stage.handler.records
    assert (broken.error, _verdict(broken), broken.cost) == ("GeneratorExit", "failed", None)
    assert _verdict(last) == "expired"
    assert last.usage is not None
    assert last.diagnosis is not None
    assert last.diagnosis.wasted_tokens == pytest.approx(last.usage.cache_write_tokens, rel=0.01)


def test_a_broken_off_stream_that_read_leaves_what_was_there(stage: Stage) -> None:
    """What it renewed is a hit for the next call, by the tokens that were counted before."""
    client = client_of(stage)
    client.converse(**LONG)
    stage.clock.advance(200)
    for _ in client.converse_stream(**LONG)["stream"]:
        break
    stage.clock.advance(200)
    client.converse(**LONG)
    assert [_verdict(r) for r in stage.handler.records] == ["first_write", "failed", "hit"]


def test_a_closed_stream_is_recorded_once(stage: Stage) -> None:
    """A stream that is closed before its answer has begun has failed, and left nothing to read."""
    client = client_of(stage)
    stream = client.converse_stream(**LONG)["stream"]
    stream.close()
    stream.close()
    stage.clock.advance(400)
    client.converse(**LONG)
    closed, last = stage.handler.records
    assert closed.error == "GeneratorExit"
    assert _verdict(last) == "first_write"


def test_errors_are_recorded(stage: Stage) -> None:
    """A call that fails, before its answer or in the middle of it, is recorded with its error."""
    client = client_of(stage)
    stage.emulator.fail_next("ThrottlingException")
    with pytest.raises(ClientError):
        client.converse(**LONG)
    stage.emulator.fail_next("ModelStreamErrorException", after_events=2)
    with pytest.raises(EventStreamError):
        list(client.converse_stream(**LONG)["stream"])
    with pytest.raises(CachePlanError):
        client.converse(**{**LONG, "system": [POINT]})
    errors = [record.error for record in stage.handler.records]
    assert errors == ["ThrottlingException", "EventStreamError", "CachePointPositionError"]
    assert {_verdict(record) for record in stage.handler.records} == {"failed"}
    assert stage.handler.totals.failed_calls == 3


def test_a_call_that_is_sent_again_is_one_call(stage: Stage) -> None:
    """What Bedrock refused and took without points is one record, with the refusal."""
    stage.emulator.refuse_cache_points()
    client_of(stage).converse(**LONG)
    (record,) = stage.handler.records
    assert _verdict(record) == "refused"
    assert record.plan is not None
    assert record.plan["refused"]


def test_a_call_that_goes_elsewhere_is_one_call(stage: Stage) -> None:
    """A fallback is part of the call, whose verdict knows the Region that answered."""
    elsewhere = stage.emulator.client(region="eu-west-1")
    client = client_of(stage, fallbacks=[Route(client=elsewhere)])
    client.converse(**LONG)
    stage.clock.advance(1)
    stage.emulator.fail_next("ThrottlingException")
    client.converse(**LONG)
    _, second = stage.handler.records
    assert second.error is None
    assert (_verdict(second), _place(second)) == ("prefix_changed", "region")
    assert "us-east-1 before, eu-west-1 now" in str(second.diagnosis)


def test_what_a_router_chose_is_recorded(stage: Stage) -> None:
    """The record names the model that answered, and the price is that model's."""
    client = client_of(stage)
    for question in ("An easy one?", "A hard one?"):
        request = {**LONG, "modelId": ROUTER, "messages": [user(question)]}
        client.converse(**request)
        list(client.converse_stream(**request)["stream"])
    assert [record.answered_by for record in stage.handler.records] == [
        *2 * [CLAUDE],
        *2 * [SONNET],
    ]
    assert all(record.cost is not None for record in stage.handler.records)


def test_bodies_that_nobody_reads_are_counted(stage: Stage) -> None:
    """Other models' bodies go through to the byte; their tokens are recorded, without a verdict."""
    counts = {f"x-amzn-bedrock-{kind}-token-count": "7" for kind in ("input", "output")}
    plain, _ = echo(b'{"generation": "Hello"}', **counts)
    client = client_of(stage, client=plain)
    response = client.invoke_model(modelId=LLAMA, body=json.dumps({"prompt": "Hi"}))
    assert response["body"].read() == b'{"generation": "Hello"}'
    (record,) = stage.handler.records
    assert (record.diagnosis, record.plan, record.error) == (None, None, None)
    assert record.usage == CacheUsage(uncached_input_tokens=7, output_tokens=7)
    assert record.cost is not None


def test_streams_that_nobody_reads_are_counted() -> None:
    """The last event of a stream has Bedrock's counts, whatever the body of the request was."""
    emulator, handler = BedrockEmulator(model_arns={PROFILE_ARN: NOVA}), CacheUsageCallbackHandler()
    client = cached_client(emulator.client(), recorder=handler)
    body = json.dumps({"messages": [user("Hi")]})  # of Nova, but neither it nor the ARN says so
    list(client.invoke_model_with_response_stream(modelId=PROFILE_ARN, body=body)["body"])
    (record,) = handler.records
    assert (record.diagnosis, record.plan, record.error) == (None, None, None)
    assert record.usage is not None
    assert record.usage.output_tokens == emulator.ledger[0].output_tokens


def _verdict(record: CallRecord) -> str | None:
    return record.diagnosis.verdict if record.diagnosis else None


def _place(record: CallRecord) -> str | None:
    return record.diagnosis.place if record.diagnosis else None
