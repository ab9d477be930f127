"""Streams of a client that do not come to their end: failed, broken off, thrown away unread."""

from __future__ import annotations

import copy
import gc
import threading
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from botocore.exceptions import EventStreamError
from native_bodies import native
from situation_stage import Stage
from wire import CLAUDE, NOVA, ask, text, user

from langchain_bedrock_cache import (
    CachePolicy,
    CacheUsage,
    CacheUsageCallbackHandler,
    PrefixMemory,
    cached_client,
    observed,
)
from langchain_bedrock_cache.calls import CallOptions
from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.sent_requests import sent_requests

LONG = ask(user("What is rule 7 about?"), system=[text(2_000)])
_ANSWER = "word " * 2_000


@pytest.fixture
def stage() -> Stage:
    """An emulator with long answers, a clock and a handler, with nothing left of other tests."""
    return Stage(answer=_ANSWER)


def client_of(stage: Stage) -> Any:
    """Return a client whose calls the handler of the stage records."""
    return cached_client(stage.emulator.client(), memory=stage.memory, recorder=stage.handler)


def _converse_stream(client: Any, request: dict[str, Any]) -> Any:
    return client.converse_stream(**request)["stream"]


def _invoke_stream(client: Any, request: dict[str, Any]) -> Any:
    return client.invoke_model_with_response_stream(**native(request))["body"]


STREAMS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "converse_stream": _converse_stream,
    "invoke_model_with_response_stream": _invoke_stream,
}
EACH = pytest.mark.parametrize("operation", STREAMS)


@EACH
@pytest.mark.parametrize("model", [CLAUDE, NOVA])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_stream_that_is_broken_off_has_failed(
    operation: str, model: str, count: int, stage: Stage
) -> None:
    """Wherever its caller stops: what Bedrock bills is not known, and is not guessed."""
    client = client_of(stage)
    for _ in range(3):
        for _ in islice(STREAMS[operation](client, {**LONG, "modelId": model}), count):
            pass
        stage.clock.advance(1)
    for record in stage.handler.records:
        assert (record.error, _verdict(record)) == ("GeneratorExit", "failed")
        assert (record.usage, record.cost) == (None, None)
    assert stage.handler.totals.failed_calls == len(stage.emulator.ledger) == 3
    assert stage.handler.total_cost is None


@EACH
def test_a_stream_that_fails_on_the_way_has_failed(operation: str, stage: Stage) -> None:
    """Its record has the type of the error, whatever the stream had told before."""
    stage.emulator.fail_next("ModelStreamErrorException", after_events=4)
    with pytest.raises(EventStreamError):
        list(STREAMS[operation](client_of(stage), LONG))
    (record,) = stage.handler.records
    assert (record.error, _verdict(record)) == ("EventStreamError", "failed")
    assert (record.usage, record.cost) == (None, None)


@EACH
@pytest.mark.parametrize(("pause", "verdict"), [(200, "hit"), (400, "expired")])
def test_what_it_wrote_is_known_to_the_next_call(
    operation: str, pause: int, verdict: str, stage: Stage
) -> None:
    """Broken off or not, it has written its prefix; InvokeModel has even said how many tokens."""
    client = client_of(stage)
    for _ in islice(STREAMS[operation](client, LONG), 3):
        pass
    stage.clock.advance(pause)
    list(STREAMS[operation](client, LONG))
    last = stage.handler.records[-1]
    written = stage.emulator.ledger[0].cache_write_5m_tokens
    assert written
    assert _verdict(last) == verdict
    assert last.diagnosis is not None
    assert last.diagnosis.expected_read_tokens == pytest.approx(written, rel=0.01)


@pytest.mark.parametrize("size", [2_000, 8_000])
def test_the_planner_learns_from_the_beginning_of_an_answer(
    size: int, memory: PrefixMemory, emulator: BedrockEmulator
) -> None:
    """Claude tells its input first: how it counts is learned, though nobody reads on or listens."""
    client = cached_client(emulator.client(), memory=memory)
    other = PrefixMemory()
    request = ask(user("Why?"), system=[text(size)])
    for _ in islice(_invoke_stream(client, request), 2):
        pass
    list(_invoke_stream(cached_client(emulator.client(), memory=other), request))
    profile = client.planner.prepare(request, CallOptions()).profile
    assert memory.chars_per_token(profile) == other.chars_per_token(profile)
    assert memory.chars_per_token(profile) != PrefixMemory().chars_per_token(profile)


def test_what_was_not_cached_is_not_missed(stage: Stage) -> None:
    """A broken-off answer that says it has written nothing leaves nothing that could expire."""
    client = client_of(stage)
    point = {"cachePoint": {"type": "default"}}
    short = ask(user("Why?"), system=[text(300), point])
    for _ in islice(_invoke_stream(client, short), 3):
        pass
    stage.clock.advance(400)
    list(_invoke_stream(client, short))
    assert _verdict(stage.handler.records[-1]) == "too_short"


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_an_answer_that_is_told_in_full_went_well(model: str, stage: Stage) -> None:
    """Who breaks off once the counts of the whole answer have come loses nothing of it."""
    for event in _invoke_stream(client_of(stage), {**LONG, "modelId": model}):
        if b"stop_reason" in (raw := event["chunk"]["bytes"]) and b"delta" in raw:
            break
        if b'"metadata"' in raw:
            break
    (record,) = stage.handler.records
    assert (record.error, _verdict(record)) == (None, "first_write")
    assert record.usage is not None
    assert record.usage.output_tokens == stage.emulator.ledger[0].output_tokens


@EACH
def test_a_stream_that_is_thrown_away_is_recorded(operation: str, stage: Stage) -> None:
    """Bedrock bills it, read or not: it is recorded as soon as nobody can read it any more."""
    client = client_of(stage)
    stream = STREAMS[operation](client, LONG)
    assert not stage.handler.records
    del stream
    (record,) = stage.handler.records
    assert (record.error, _verdict(record), record.cost) == ("GeneratorExit", "failed", None)
    stream = STREAMS[operation](client, LONG)
    stream.close()
    del stream
    list(STREAMS[operation](client, LONG))
    assert len(stage.handler.records) == len(stage.emulator.ledger) == 3


@EACH
def test_nobody_waits_for_a_stream_that_is_thrown_away(operation: str, stage: Stage) -> None:
    """Calls that would read what it writes are let go, whether somebody listens or not."""
    for recorder in (stage.handler, None):
        policy = CachePolicy.fixed(system="5m", single_flight_seconds=60)
        client = cached_client(
            stage.emulator.client(), policy=policy, memory=PrefixMemory(), recorder=recorder
        )
        stream = STREAMS[operation](client, LONG)
        assert len(client.planner.flights)
        del stream
        assert not len(client.planner.flights)


@EACH
def test_a_stream_in_a_circle_is_recorded_by_the_garbage_collector(
    operation: str, stage: Stage
) -> None:
    """One that an error's traceback holds, say, is recorded when the circle is freed."""
    circle: list[Any] = [STREAMS[operation](client_of(stage), LONG)]
    circle.append(circle)
    del circle
    gc.collect()
    assert [record.error for record in stage.handler.records] == ["GeneratorExit"]


class _Collecting(dict[str, Any]):
    """A plan that has the garbage collector run when it is read."""

    def get(self, key: str, default: Any = None) -> Any:
        gc.collect()
        return super().get(key, default)


def _free_in_a_verdict(stream: Any) -> None:
    """Free a stream in the middle of our own work, which must not wait for itself."""
    circle: list[Any] = [stream]
    del stream
    circle.append(circle)
    sent = sent_requests().add(LONG, None, None, [(1, "5m")])
    judging = threading.Thread(
        target=default_diagnoser().call_ended,
        args=(sent.number,),
        kwargs={
            "usage": CacheUsage(cache_write_5m_tokens=2_000),
            "plan": _Collecting(skipped=()),
            "started_at": 1.0,
            "readable_at": 2.0,
        },
        daemon=True,
    )
    del circle
    judging.start()
    judging.join(timeout=10)
    assert not judging.is_alive()


def test_the_garbage_collector_may_run_anywhere(emulator: BedrockEmulator) -> None:
    """A stream that is freed in the middle of a verdict is recorded, and nobody waits for ever."""
    recorded = threading.Event()
    handler = CacheUsageCallbackHandler(sinks=[lambda _record: recorded.set()])
    client = cached_client(emulator.client(), memory=PrefixMemory(), recorder=handler)
    _free_in_a_verdict(_converse_stream(client, LONG))
    assert recorded.wait(timeout=10)
    assert [record.error for record in handler.records] == ["GeneratorExit"]


def test_a_stream_freed_at_the_exit_of_python_is_left_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no thread can be started any more, nothing is raised that nobody could catch."""

    def refuse(*_: object) -> None:
        message = "can't create new thread at interpreter shutdown"
        raise RuntimeError(message)

    monkeypatch.setattr(observed, "start_new_thread", refuse)
    with caplog.at_level("DEBUG", logger=observed.__name__):
        _free_in_a_verdict(_converse_stream(client_of(stage), LONG))
    assert "cannot be recorded" in caplog.text
    assert not stage.handler.records


@EACH
def test_a_copy_of_a_stream_is_no_other_call(operation: str, stage: Stage) -> None:
    """Whoever copies a stream can read either, and the call is recorded once."""
    stream = STREAMS[operation](client_of(stage), LONG)
    twin = copy.copy(stream)
    del stream
    assert [record.error for record in stage.handler.records] == ["GeneratorExit"]
    assert list(twin)
    del twin
    assert len(stage.handler.records) == 1


def _verdict(record: CallRecord) -> str | None:
    return record.diagnosis.verdict if record.diagnosis else None
