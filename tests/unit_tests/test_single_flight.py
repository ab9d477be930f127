"""Independent calls at once: one writes, the others wait for it, and never for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from wire import CLAUDE, ask, text, user

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.single_flight import Flight, SingleFlight

PATIENT = CachePolicy(single_flight_seconds=30)
RULES = [text(20_000)]
SECONDS = 10  # nothing in these tests takes so long; a deadlock would


def question(n: int) -> dict[str, Any]:
    """Return a request with a long system prompt."""
    return ask(user(f"question {n}"), system=RULES)


@dataclass
class Gate:
    """Holds back the first response until it is opened; counts the calls that were sent."""

    opened: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    held: bool = False

    def __call__(self, _request: dict[str, Any]) -> str:
        """Answer; the first time only once the gate is open."""
        self.arrived.release()
        if not self.held:
            self.held = True
            assert self.opened.wait(SECONDS)
        return "yes"


def world(policy: CachePolicy = PATIENT, **settings: Any) -> tuple[Gate, BedrockEmulator, Any]:
    """Return a gate, the emulator behind it, and a cached client."""
    gate = Gate()
    emulator = BedrockEmulator(responder=gate, **settings)
    return gate, emulator, cached_client(emulator.client(), policy=policy, memory=PrefixMemory())


def in_threads(work: Callable[[int], Any], count: int, gate: Gate) -> list[Any]:
    """Return what the calls return; the gate opens once one call has been sent."""
    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(work, n) for n in range(count)]
        assert gate.arrived.acquire(timeout=SECONDS)
        gate.opened.set()
        return [future.result(SECONDS) for future in futures]


def test_others_wait_for_the_writer() -> None:
    """Of eight calls at once, one writes the system prompt and seven read it."""
    gate, emulator, client = world()
    in_threads(lambda n: client.converse(**question(n)), 8, gate)
    assert sum(r.cache_write_tokens >= 20_000 for r in emulator.ledger) == 1
    assert sum(r.cache_read_tokens >= 20_000 for r in emulator.ledger) == 7


def test_a_stream_has_begun_with_its_first_event() -> None:
    """Others go on when the writer's stream begins, long before it ends."""
    emulator = BedrockEmulator()
    client = cached_client(emulator.client(), policy=PATIENT, memory=PrefixMemory())
    events = iter(client.converse_stream(**question(0))["stream"])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.converse, **question(1))
        next(events)
        assert waiting.result(SECONDS)["usage"]["cacheReadInputTokens"] == 20_000
    assert list(events)


def close(response: dict[str, Any]) -> None:
    """Close a stream that nobody read."""
    response["stream"].close()


def abandon(response: dict[str, Any]) -> None:
    """Read one event, and no more."""
    events: Iterator[Any] = iter(response["stream"])
    next(events)
    del events


@pytest.mark.parametrize("end", [close, abandon])
def test_nobody_waits_for_an_abandoned_stream(end: Callable[[dict[str, Any]], None]) -> None:
    """A stream that is closed early lets the others go."""
    client = cached_client(BedrockEmulator().client(), policy=PATIENT, memory=PrefixMemory())
    response = client.converse_stream(**question(0))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.converse, **question(1))
        end(response)
        assert waiting.result(SECONDS)
    assert not len(client.planner.flights)


def test_a_thread_does_not_wait_for_itself() -> None:
    """A second call by the thread that has yet to read a stream goes out at once."""
    client = cached_client(BedrockEmulator().client(), policy=PATIENT, memory=PrefixMemory())
    unread = client.converse_stream(**question(0))
    assert client.converse(**question(1))["output"]
    unread["stream"].close()


def test_when_the_writer_fails_the_next_one_writes() -> None:
    """A failure is the writer's alone: the others have one writer again."""
    fail = threading.Event()
    arrived = threading.Semaphore(0)

    def hold(**_: Any) -> None:
        if not fail.is_set():
            arrived.release()
            assert fail.wait(SECONDS)

    emulator = BedrockEmulator(first_byte_latency_seconds=0.0)
    emulator.fail_next("ThrottlingException")
    inner = emulator.client()
    inner.meta.events.register_first("before-parameter-build.bedrock-runtime.*", hold)
    client = cached_client(inner, policy=PATIENT, memory=PrefixMemory())
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(client.converse, **question(0))
        assert arrived.acquire(timeout=SECONDS)
        others = [threads.submit(client.converse, **question(n)) for n in range(1, 5)]
        fail.set()
        assert first.exception(SECONDS) is not None
        assert all(other.result(SECONDS) for other in others)
    writes = [r for r in emulator.ledger if r.cache_write_tokens >= 20_000]
    assert len(writes) == 1


def test_waiting_is_bounded() -> None:
    """A writer that takes too long is not waited for: the call goes out and writes itself."""
    gate, emulator, client = world(CachePolicy(single_flight_seconds=0.01))
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(client.converse, **question(0))
        assert gate.arrived.acquire(timeout=SECONDS)
        assert client.converse(**question(1))["output"]
        gate.opened.set()
        assert slow.result(SECONDS)
    assert len(emulator.ledger) == 2


def test_other_prefixes_do_not_wait() -> None:
    """A call that shares nothing with the writer passes it."""
    gate, _, client = world()
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(client.converse, **question(0))
        assert gate.arrived.acquire(timeout=SECONDS)
        assert client.converse(**ask(user("?"), system=[text(20_000, "other")]))["output"]
        gate.opened.set()
        slow.result(SECONDS)


def test_off_by_default() -> None:
    """Without the setting, calls leave no flight behind and look for none."""
    client = cached_client(BedrockEmulator().client(), memory=PrefixMemory())
    client.converse(**question(0))
    call = client.planner.prepare({**question(1), "modelId": CLAUDE}, client._options(*[None] * 4))
    assert (call.flight, call.ahead) == (None, None)


def test_a_refused_point_ends_the_wait() -> None:
    """The writer's refused call lets others go; nobody hangs, and the refusal is remembered."""
    emulator = BedrockEmulator()
    emulator.refuse_cache_points()
    client = cached_client(emulator.client(), policy=PATIENT, memory=PrefixMemory())
    with pytest.warns(UserWarning, match="refused a cache point"):
        client.converse(**question(0))
    assert not len(client.planner.flights)
    assert client.converse(**question(1))["output"]


def test_flights() -> None:
    """Only prefixes that nobody writes yet make a flight; landing takes them off, once."""
    flights = SingleFlight()
    first = flights.board([b"a", b"b"])
    assert first is not None
    assert flights.board([b"b"]) is None
    second = flights.board([b"b", b"c"])
    assert second is not None
    assert second.digests == [b"c"]
    assert flights.ahead([b"a", b"b", b"x"]) is first
    assert flights.ahead([b"x"]) is None
    flights.land(first, failed=True)
    flights.land(first, failed=False)
    assert flights.ahead([b"a", b"b"]) is None
    assert len(flights) == 1
    assert first.wait(0) == "failed"


def test_the_outcome_of_waiting() -> None:
    """A flight tells others what became of it, and its own thread not to wait."""
    flight = Flight([b"a"])
    assert flight.wait(5) == "own thread"
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(flight.wait, 0.001).result(SECONDS) == "timeout"
    flight.land(failed=False)
    assert flight.wait(0) == "begun"
