"""Warm-up and keep-alive: minimal calls, and pings only while they are cheaper than a rewrite."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from wire import words

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.keep_alive import KeepAlive, most_pings
from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.warmup import awarm, warm

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"
RULES = [SystemMessage(words(5_000))]
DOCUMENT = [HumanMessage([{"type": "text", "text": words(5_000, "document")}])]


@tool
def look_up(name: str) -> str:
    """Look a name up."""
    return name


look_up.description = words(5_000, "tool")


def model(emulator: BedrockEmulator, clock: SimulatedClock, name: str = SONNET) -> Any:
    """Return a model with a memory of its own."""
    memory = PrefixMemory(clock=clock)
    return ChatBedrockCached(model_id=name, client=emulator.client(), prefix_memory=memory)


@pytest.mark.parametrize("name", [SONNET, NOVA])
@pytest.mark.parametrize("prompt", [RULES, DOCUMENT, RULES + DOCUMENT])
def test_the_first_user_reads(
    emulator: BedrockEmulator, clock: SimulatedClock, name: str, prompt: list[Any]
) -> None:
    """After a warm-up with one token of output, the first real call reads the prompt."""
    chat = model(emulator, clock, name)
    usage = warm(chat, prompt)
    assert usage.cache_write_tokens >= 5_000
    assert usage.output_tokens == 1
    chat.invoke([*prompt, HumanMessage("What is it about?")])
    assert emulator.ledger[-1].cache_read_tokens >= usage.cache_write_tokens - 5


def test_tools_are_warmed(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """Tools bound to the model need no prompt."""
    chat = model(emulator, clock).bind_tools([look_up])
    assert warm(chat).cache_write_tokens >= 5_000
    chat.invoke("hello")
    assert emulator.ledger[-1].cache_read_tokens >= 5_000


async def test_awarm(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """The same without blocking; a second warm-up renews and only reads."""
    chat = model(emulator, clock)
    assert (await awarm(chat, RULES)).cache_write_tokens >= 5_000
    again = await awarm(chat, RULES)
    assert again.cache_read_tokens >= 5_000
    assert again.cache_write_tokens < 10


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_the_lifetime(emulator: BedrockEmulator, clock: SimulatedClock, ttl: Any) -> None:
    """`ttl` decides how long the entry lives."""
    usage = warm(model(emulator, clock), RULES, ttl=ttl)
    by_ttl = {"5m": usage.cache_write_5m_tokens, "1h": usage.cache_write_1h_tokens}
    assert by_ttl.pop(ttl) >= 5_000
    assert not any(by_ttl.values())


def test_a_thinking_model_gets_the_tokens_it_needs(
    emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """Bedrock wants more output tokens than Claude may think."""
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    chat = model(emulator, clock).bind(additional_model_request_fields=thinking)
    assert warm(chat, RULES).cache_write_tokens >= 5_000
    assert emulator.requests[-1]["inferenceConfig"]["maxTokens"] == 1025


def test_a_short_prompt_writes_nothing(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """What cannot be cached shows in the result, not in an error."""
    assert warm(model(emulator, clock), "be kind").cache_write_tokens == 0


def test_bad_input(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """Other models, lifetimes and limits are refused with a word on what to give."""
    plain = ChatBedrockConverse(model_id=SONNET, client=emulator.client())
    with pytest.raises(TypeError, match="Only a ChatBedrockCached can be warmed up"):
        warm(plain)
    with pytest.raises(CachePolicyError, match="ttl is '2h'"):
        warm(model(emulator, clock), ttl="2h")  # type: ignore[arg-type] # that is the point
    for limit in ({"max_seconds": 0}, {"max_pings": -1}, {"max_usd": 0.0}):
        with pytest.raises(ValueError, match=r"must be a (whole )?number, more than 0"):
            KeepAlive(model(emulator, clock), RULES, **limit)


CLAUDE_PRICES = PriceMultipliers(read=0.1, write_5m=1.25, write_1h=2.0)


def test_the_break_even() -> None:
    """Without observed gaps, pings stop at the price of a rewrite: 11, 19 and 3 of them."""
    nova = PriceMultipliers(read=0.25, write_5m=1.0, write_1h=1.0)
    assert most_pings([], interval_seconds=270, multipliers=CLAUDE_PRICES) == 11
    assert most_pings([], interval_seconds=3240, multipliers=CLAUDE_PRICES, ttl="1h") == 19
    assert most_pings([], interval_seconds=270, multipliers=nova) == 3
    free = PriceMultipliers(read=0.0, write_5m=1.0, write_1h=1.0)
    assert most_pings([], interval_seconds=270, multipliers=free) > 100


@pytest.mark.parametrize(
    ("gaps", "limit"),
    [([60.0] * 10, 0), ([600.0] * 10, 2), ([90_000.0] * 10, 0), ([600.0] * 9 + [90_000.0], 2)],
)
def test_observed_gaps_decide(gaps: list[float], limit: int) -> None:
    """As many pings as the gaps need, and none where they are short or hopelessly long."""
    assert most_pings(gaps, interval_seconds=270, multipliers=CLAUDE_PRICES) == limit


@given(st.lists(st.floats(0, 100_000), max_size=50), st.floats(0.01, 1.0), st.floats(1.0, 2.0))
def test_pings_never_cost_more_than_rewrites(gaps: list[float], read: float, write: float) -> None:
    """For the gaps it was chosen for, the limit is never dearer than no pings at all."""
    prices = PriceMultipliers(read=read, write_5m=write, write_1h=write)
    limit = most_pings(gaps, interval_seconds=270, multipliers=prices)
    assert 0 <= limit * read <= write
    if len(gaps) >= 5:
        needed = [int(gap // 270) for gap in gaps]
        pinged = sum(min(n, limit) * read + (read if n <= limit else write) for n in needed)
        assert pinged <= sum(read if n == 0 else write for n in needed) + 1e-9


def test_pings_keep_the_prompt_alive(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """Each ping reads; after the break-even without a use the prompt is let go."""
    chat = model(emulator, clock)
    warm(chat, RULES, ttl="5m")
    keep = KeepAlive(chat, RULES, max_seconds=7200, clock=clock, sleep=clock.advance)
    report = keep.run()
    assert (report.pings, report.failed_pings, report.stopped) == (11, 0, "time")
    assert report.usage.cache_write_tokens == 0
    assert report.usage.cache_read_tokens >= 11 * 5_000
    assert report.usd > 0
    assert clock.now == 7200


@pytest.mark.parametrize(
    ("limits", "stopped", "pings"),
    [
        ({"max_pings": 3}, "pings", 3),
        ({"max_seconds": 600}, "time", 2),
        ({"max_usd": 0.004}, "budget", 2),
    ],
)
def test_limits(
    emulator: BedrockEmulator,
    clock: SimulatedClock,
    limits: dict[str, Any],
    stopped: str,
    pings: int,
) -> None:
    """Time, pings and money are never exceeded."""
    chat = model(emulator, clock)
    warm(chat, RULES, ttl="5m")
    report = KeepAlive(chat, RULES, clock=clock, sleep=clock.advance, **limits).run()
    assert (report.stopped, report.pings) == (stopped, pings)
    assert report.usd <= Decimal(str(limits.get("max_usd", 1)))


async def test_in_a_task(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """`arun` does the same with an awaitable sleep, and ends at once when its task is cancelled."""

    async def asleep(seconds: float) -> None:
        clock.advance(seconds)

    chat = model(emulator, clock)
    await awarm(chat, RULES, ttl="5m")
    report = await KeepAlive(chat, RULES, max_pings=2, clock=clock, asleep=asleep).arun()
    assert report.pings == 2
    task = asyncio.create_task(KeepAlive(chat, RULES, clock=clock).arun())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_uses_postpone_pings(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """Real calls renew the prompt themselves, so that none is pinged for nothing."""
    chat = model(emulator, clock)

    def busy(seconds: float) -> None:
        clock.advance(min(seconds, 60))
        chat.invoke([*RULES, HumanMessage("?")], {"callbacks": [keep]})

    keep = KeepAlive(chat, RULES, max_seconds=1800, clock=clock, sleep=busy)
    assert keep.run().pings == 0
    assert len(emulator.ledger) == 30


def test_a_ping_that_finds_nothing_is_the_last(
    emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """A prompt that is not in the cache, or a call that fails, is not pinged again until used."""
    chat = model(emulator, clock)
    emulator.fail_next()
    keep = KeepAlive(chat, RULES, max_seconds=3600, clock=clock, sleep=clock.advance)
    report = keep.run()
    assert (report.pings, report.failed_pings, report.usage.input_tokens) == (1, 1, 0)


def test_in_the_background(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """As a context manager it runs in a thread, which ends with the block."""
    chat = model(emulator, clock)
    pinged = threading.Event()
    warm(chat, RULES, ttl="5m")
    real_send = threading.Event()

    def sleep(seconds: float) -> None:
        if emulator.ledger[1:]:
            pinged.set()
            real_send.wait(5)
        clock.advance(seconds)

    with KeepAlive(chat, RULES, clock=clock, sleep=sleep) as keep:
        assert pinged.wait(5)
        keep.cancel()
        real_send.set()
    assert keep.report.stopped == "cancelled"
    assert keep.report.pings >= 1


def test_the_default_sleep_ends_when_cancelled(
    emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """`cancel` wakes the thread up instead of waiting for the next ping."""
    chat = model(emulator, clock)
    with KeepAlive(chat, RULES, clock=clock) as keep:
        keep.used()
    assert keep.report.stopped == "cancelled"


def test_an_off_policy_is_not_warmed(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """The emergency switch holds for warm-ups as well."""
    chat = model(emulator, clock).bind(cache_policy=CachePolicy.off())
    assert warm(chat, RULES).cache_write_tokens == 0
