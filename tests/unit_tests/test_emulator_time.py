"""Lifetimes and readability, on an injected clock; nothing sleeps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from langchain_bedrock_cache.emulator import BedrockEmulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


class Clock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def asker(emulator: BedrockEmulator, ttl: str | None = None) -> Callable[[], tuple[int, int]]:
    """Return a function that sends one request and returns tokens read and written."""
    client = emulator.client()
    point = {"type": "default"} | ({"ttl": ttl} if ttl else {})
    system = [{"text": "s" * 6_000}, {"cachePoint": point}]
    message = {"role": "user", "content": [{"text": "Hello"}]}

    def ask() -> tuple[int, int]:
        usage = client.converse(modelId=CLAUDE, system=system, messages=[message])["usage"]
        return usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]

    return ask


@pytest.mark.parametrize(("ttl", "seconds"), [(None, 300), ("5m", 300), ("1h", 3_600)])
def test_entry_expires_with_its_ttl(ttl: str | None, seconds: int) -> None:
    """Just before its end an entry is read and renewed; at its end it is gone."""
    clock = Clock()
    ask = asker(BedrockEmulator(clock=clock), ttl)
    assert ask() == (0, 2_000)
    clock.now += seconds - 1
    assert ask() == (2_000, 0)
    clock.now += seconds - 1
    assert ask() == (2_000, 0)
    clock.now += seconds
    assert ask() == (0, 2_000)


def test_entry_is_readable_when_the_first_response_begins() -> None:
    """Requests during the latency of the first one all miss, write and pay; then they read."""
    clock = Clock()
    ask = asker(BedrockEmulator(clock=clock, first_byte_latency_seconds=3.0))
    assert ask() == (0, 2_000)
    clock.now += 2.9
    assert ask() == (0, 2_000)
    clock.now += 0.1
    assert ask() == (2_000, 0)


def test_latency_is_reported_but_not_waited_for() -> None:
    """The response carries the latency in milliseconds and comes at once."""
    emulator = BedrockEmulator(clock=Clock(), first_byte_latency_seconds=86_400.0)
    message = {"role": "user", "content": [{"text": "Hello"}]}
    response = emulator.client().converse(modelId=CLAUDE, messages=[message])
    assert response["metrics"]["latencyMs"] == 86_400_000


def test_parallel_requests_are_all_accounted_for() -> None:
    """Threads lose no request: one of them writes, all others read, and the ledger has them all."""
    emulator = BedrockEmulator(clock=Clock())
    askers = [asker(emulator) for _ in range(4)]
    barrier = threading.Barrier(4)

    def work(ask: Callable[[], tuple[int, int]]) -> list[tuple[int, int]]:
        barrier.wait()
        return [ask() for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        results: list[Any] = [r for part in pool.map(work, askers) for r in part]
    assert sorted(results) == [(0, 2_000)] + [(2_000, 0)] * 39
    assert len({record.request_id for record in emulator.ledger}) == 40


def test_forget_empties_the_caches_and_the_ledger() -> None:
    """After forgetting, the emulator is as new."""
    emulator = BedrockEmulator(clock=Clock(), capture_requests=True)
    ask = asker(emulator)
    ask()
    emulator.forget()
    assert emulator.ledger == ()
    assert emulator.requests == ()
    assert ask() == (0, 2_000)
