"""Faults of every kind: recovery once where points are refused, everything else untouched."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.stores import BaseStore, InMemoryByteStore
from refusal_texts import OTHER_ERRORS, REFUSALS
from wire import CLAUDE, ask, points, text, user, words

from langchain_bedrock_cache import (
    CachePolicy,
    ChatBedrockCached,
    PrefixMemory,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CacheSkippedWarning

REQUEST = ask(user("?"), system=[text(5_000)])
PROMPT = [SystemMessage(words(5_000)), HumanMessage("?")]

Way = Callable[[ChatBedrockCached], Any]


def invoke(model: ChatBedrockCached) -> str:
    """Call."""
    return str(model.invoke(PROMPT).text)


def stream(model: ChatBedrockCached) -> str:
    """Stream."""
    return "".join(chunk.text for chunk in model.stream(PROMPT))


def batch(model: ChatBedrockCached) -> str:
    """Call in a batch."""
    return str(model.batch([PROMPT, PROMPT])[0].text)


WAYS: list[Way] = [invoke, stream, batch]


@pytest.fixture
def model(emulator: BedrockEmulator, memory: PrefixMemory) -> ChatBedrockCached:
    """A model on the emulator."""
    return ChatBedrockCached(model_id=CLAUDE, client=emulator.client(), prefix_memory=memory)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", REFUSALS)
def test_a_refused_point_fails_nobody(
    emulator: BedrockEmulator, model: ChatBedrockCached, way: Way, case: str
) -> None:
    """The call is answered without points, the user warned once, the report says so."""
    code, message, _ = REFUSALS[case]
    emulator.refuse_cache_points(message, code=code)
    with warnings.catch_warnings(record=True) as caught, get_cache_usage_callback() as usage:
        warnings.simplefilter("always")
        for _ in range(3):
            assert way(model) == "Hello from the Bedrock emulator."
    about = [w for w in caught if issubclass(w.category, CacheSkippedWarning)]
    assert 1 <= len(about) <= 2  # twice, where the text does not name the section
    assert usage.totals.failed_calls == 0
    assert message in [record.plan["refused"] for record in usage.records if record.plan]
    served = [record for record in emulator.ledger if record.status == 200]
    assert not any(record.cache_points for record in served)


def test_a_refusal_is_tried_again_after_an_hour(
    emulator: BedrockEmulator, model: ChatBedrockCached, clock: SimulatedClock
) -> None:
    """What was refused is left out for an hour, then tried once more."""
    model.client = cached_client(model.client, policy=CachePolicy.fixed(system="1h"))
    emulator.refuse_cache_points(times=1)
    with pytest.warns(CacheSkippedWarning):
        invoke(model)
    invoke(model)
    assert [bool(points(r)) for r in emulator.requests] == [True, False, False]
    clock.advance(3601)
    invoke(model)
    assert points(emulator.requests[-1])


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize("case", OTHER_ERRORS)
def test_other_errors_pass_untouched(
    emulator: BedrockEmulator, memory: PrefixMemory, operation: str, case: str
) -> None:
    """An error about anything else is raised at first sight, with its own type and text."""
    code, message = OTHER_ERRORS[case]
    client = cached_client(emulator.client(), memory=memory)
    emulator.fail_next(code, message)
    with pytest.raises(getattr(client.exceptions, code)) as caught:
        getattr(client, operation)(**REQUEST)
    assert caught.value.response["Error"] == {"Code": code, "Message": message}
    assert len(emulator.requests) == 1


def test_an_error_after_the_recovery_is_raised(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """The second attempt is the last; its error is the caller's."""
    client = cached_client(emulator.client(), memory=memory)
    emulator.refuse_cache_points(times=1)
    taken = threading.Event()

    def then_throttle(**_: Any) -> None:
        if not taken.is_set():
            taken.set()
            emulator.fail_next("ThrottlingException", "slow down")

    client.meta.events.register("after-call.bedrock-runtime.*", then_throttle)
    with (
        pytest.warns(CacheSkippedWarning),
        pytest.raises(client.exceptions.ThrottlingException, match="slow down"),
    ):
        client.converse(**REQUEST)
    assert len(emulator.requests) == 2


@pytest.mark.parametrize("message", ["cache point refused", "slow down"])
def test_a_broken_stream_is_never_restarted(
    emulator: BedrockEmulator, memory: PrefixMemory, message: str
) -> None:
    """An error inside a stream reaches the caller, whatever it says; what came before stays."""
    client = cached_client(emulator.client(), memory=memory)
    emulator.fail_next("ValidationException", message, after_events=2)
    events = []
    with pytest.raises(EventStreamError, match=message):
        events.extend(client.converse_stream(**REQUEST)["stream"])
    assert len(emulator.requests) == 1


def test_failed_calls_leave_no_trace(emulator: BedrockEmulator, model: ChatBedrockCached) -> None:
    """After failures the next call is planned as if it were the first: it writes, nothing less."""
    emulator.fail_next(times=5)
    for _ in range(5):
        with pytest.raises(ClientError):
            invoke(model)
    invoke(model)
    assert emulator.ledger[-1].cache_write_tokens >= 5_000
    invoke(model)
    assert emulator.ledger[-1].cache_read_tokens >= 5_000


ODD_USAGE: dict[str, Any] = {
    "none": None,
    "empty": {},
    "text": "a lot",
    "a list": [1, 2],
    "counts as text": {"inputTokens": "12", "cacheReadInputTokens": "many"},
    "nothing but nulls": dict.fromkeys(["inputTokens", "cacheReadInputTokens", "cacheDetails"]),
    "negative": {"inputTokens": -5, "cacheReadInputTokens": -1},
    "huge": {"inputTokens": 10**400},
    "not a number": {"inputTokens": float("nan")},
    "odd details": {"inputTokens": 5, "cacheDetails": [None, 3, {"ttl": 7}, {"inputTokens": "x"}]},
}


@pytest.mark.parametrize("case", ODD_USAGE)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_odd_usage_loses_no_answer(
    emulator: BedrockEmulator, memory: PrefixMemory, operation: str, case: str
) -> None:
    """An answer whose usage makes no sense is passed on, and the next call is made."""
    inner = emulator.client()

    class Odd:
        """A client that reports odd usage."""

        meta = inner.meta

        def converse(self, **request: Any) -> Any:
            return inner.converse(**request) | {"usage": ODD_USAGE[case]}

        def converse_stream(self, **request: Any) -> Any:
            events = [{"metadata": {"usage": ODD_USAGE[case]}}, {"metadata": None}]
            return inner.converse_stream(**request) | {"stream": events}

    client = cached_client(Odd(), memory=memory)
    for _ in range(2):
        response = getattr(client, operation)(**REQUEST)
        assert list(response["stream"]) if operation == "converse_stream" else response["output"]
    assert points(emulator.requests[0])
    assert len(emulator.requests) == 2


def test_clock_jumps(emulator: BedrockEmulator) -> None:
    """Time that runs backwards or leaps by years breaks nothing, and caching goes on after."""
    clock = SimulatedClock()
    memory = PrefixMemory(clock=clock)
    model = ChatBedrockCached(model_id=CLAUDE, client=emulator.client(), prefix_memory=memory)
    for jump in (0, -10_000, 1e9, -1e9, 3, 1e15, -1e15, 0, 0, 0):
        clock.advance(jump)
        assert invoke(model)
    assert emulator.ledger[-1].cache_read_tokens >= 5_000


class FullStore(InMemoryByteStore):
    """A store that takes nothing more."""

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Fail."""
        raise OSError(28, "No space left on device")


class DeadStore(BaseStore[str, bytes]):
    """A store that cannot be reached."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Fail."""
        raise ConnectionError

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Fail."""
        raise ConnectionError

    def mdelete(self, keys: Sequence[str]) -> None:
        """Fail."""
        raise ConnectionError

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Fail."""
        raise ConnectionError


class LyingStore(InMemoryByteStore):
    """A store that returns nonsense, too little of it."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return nonsense."""
        return [b"\x01" * 24, b"", None][: len(keys) - 1]


@pytest.mark.parametrize("store", [FullStore, DeadStore, LyingStore])
def test_a_store_that_fails(emulator: BedrockEmulator, store: Callable[[], Any]) -> None:
    """Sharing that does not work is done without."""
    memory = PrefixMemory(store=store(), store_key="k")
    policy = CachePolicy(single_flight_seconds=1)
    model = ChatBedrockCached(
        model_id=CLAUDE, client=emulator.client(), prefix_memory=memory, cache_policy=policy
    )
    for _ in range(3):
        assert invoke(model)
    assert memory.shared is not None
    memory.shared.flush()
    assert emulator.ledger[-1].cache_points


def test_nobody_is_interrupted_for_good(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """A call that is interrupted (Ctrl-C) takes its assumptions back."""
    inner = emulator.client()
    pressed = threading.Event()

    def interrupt(**_: Any) -> None:
        if not pressed.is_set():
            pressed.set()
            raise KeyboardInterrupt

    inner.meta.events.register_first("before-parameter-build.bedrock-runtime.*", interrupt)
    policy = CachePolicy(single_flight_seconds=5)
    client = cached_client(inner, policy=policy, memory=memory)
    with pytest.raises(KeyboardInterrupt):
        client.converse(**REQUEST)
    assert not len(client.planner.flights)
    client.converse(**REQUEST)
    assert emulator.ledger[-1].cache_write_tokens >= 5_000
