"""Traffic and its replay: sizes, groups, what is read and written, and what would be refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import CLAUDE, HAIKU, NOVA, ask, assistant, document, text, tool, tool_result, user

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Point
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.policies import FixedPlacer
from langchain_bedrock_cache.simulate.replay import PROGRESS_STEP, is_accepted, replay
from langchain_bedrock_cache.simulate.traffic import ReadCall, Traffic, begin, to_traffics
from langchain_bedrock_cache.usage import CacheUsage


def read_call(request: dict[str, Any], at: float = 0.0, **more: Any) -> ReadCall:
    """Return a request as a reader would."""
    model = request["modelId"]
    profile = find_profile(model)
    assert profile is not None
    prefix = read_converse(request, profile)
    values = {"at_seconds": at, "session": "s", "model_id": model, "profile": profile}
    return ReadCall(prefix=prefix, **(values | more))


def traffic_of(*requests: dict[str, Any], seconds: float = 10.0) -> Traffic:
    """Return requests of one model as a traffic."""
    calls = [read_call(request, n * seconds) for n, request in enumerate(requests)]
    [traffic] = to_traffics(calls, source="test")
    return traffic


def test_calls_are_sorted_and_grouped_by_the_cache_they_share() -> None:
    """Model, account and Region each have a cache of their own; time decides the order."""
    calls = [
        read_call(ask(user("b")), 2.0, scope="1 us-east-1"),
        read_call(ask(user("c")), 3.0, scope="1 eu-west-1"),
        read_call(ask(user("a")), 1.0, scope="1 us-east-1"),
        read_call(ask(user("d"), model=HAIKU), 4.0, scope="1 us-east-1"),
        read_call(ask(user()), 5.0),
    ]
    traffics = to_traffics(calls, source="log")
    found = [(t.model_id, t.scope, [c.at_seconds for c in t.calls]) for t in traffics]
    assert found == [
        (CLAUDE, "1 us-east-1", [1.0, 2.0]),
        (CLAUDE, "1 eu-west-1", [3.0]),
        (HAIKU, "1 us-east-1", [4.0]),
    ]
    assert traffics[0].prompt_tokens == 2


@pytest.mark.parametrize(
    ("counts", "given_ratio", "expected"),
    [
        ((0, 0), None, (3.0, False)),
        ((1000, 2000), None, (1.5, True)),
        ((1000, 0), None, (1.5, True)),
        ((1000, 2000), 2.5, (2.5, False)),
    ],
)
def test_sizes_become_tokens_by_the_log_where_it_counts(
    counts: tuple[int, int], given_ratio: float | None, expected: tuple[float, bool]
) -> None:
    """Logged token counts set the ratio, the caller's word goes before them, 3.0 is the rest."""
    calls = [
        read_call(ask(user(text(500))), input_tokens=counts[0]),
        read_call(ask(user(text(1000))), input_tokens=counts[1]),
    ]
    [traffic] = to_traffics(calls, source="log", chars_per_token=given_ratio)
    assert (traffic.chars_per_token, traffic.is_calibrated) == expected
    assert traffic.prompt_tokens == sum(int(c.prefix.chars[-1] / expected[0]) for c in calls)


def test_a_log_with_counts_but_masked_words_has_a_ratio() -> None:
    """Nothing is divided by zero where all text was removed."""
    [traffic] = to_traffics([read_call(ask(user("")), input_tokens=100)], source="log")
    assert traffic.chars_per_token == 3.0
    assert traffic.prompt_tokens == 1


@given(messages=st.integers(1, 6), data=st.data())
def test_the_beginning_of_a_prefix_is_the_prefix_of_the_beginning(
    messages: int, data: st.DataObject
) -> None:
    """Cutting a conversation short gives what reading the shorter one gives."""
    conversation = [
        assistant(f"answer {n}") if n % 2 else user(f"question {n}", "more")
        for n in range(messages)
    ]
    n = data.draw(st.integers(0, messages))
    whole = read_converse(ask(*conversation, system=[text(5)], tools=[tool(5)]))
    start = read_converse(ask(*conversation[:n], system=[text(5)], tools=[tool(5)]))
    assert begin(whole, len(start)) == start


def test_the_replay_counts_as_the_emulator_does(
    emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """The same requests through a real client and the emulator are billed alike."""
    point = {"cachePoint": {"type": "default"}}
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    requests = [
        ask(user(text(1500, "doc"), point, text(30, "who")), system=[text(2100), hour]),
        ask(user(text(1500, "doc"), point, text(60, "when")), system=[text(2100), hour]),
        ask(user(text(1500, "new"), point, text(90, "why")), system=[text(2100), hour]),
    ]
    client = emulator.client()
    billed = []
    for request in requests:
        billed.append(CacheUsage.from_converse(client.converse(**request)["usage"]))
        clock.advance(200.0)
    calls = [
        replace(call, prefix=replace(call.prefix, marks=[]), logged_points=points)
        for n, request in enumerate(requests)
        for call in [read_call(request, n * 200.0)]
        for points in [tuple(Point(m.position, m.ttl) for m in call.prefix.marks)]
    ]
    [traffic] = to_traffics(calls, source="test")
    done = replay(traffic, FixedPlacer(lambda call: call.logged_points))
    total = sum(billed, CacheUsage())
    # Claude opens its own turn with two tokens that are in no block of the request.
    extra = 2 * len(requests) + total.output_tokens
    assert total.total_tokens == done.usage.input_tokens + extra
    assert total.cache_read_tokens == done.usage.cache_read_tokens == 2100 + 1500 + 2100
    assert total.cache_write_1h_tokens == done.usage.cache_write_1h_tokens == 2100
    assert total.cache_write_5m_tokens == done.usage.cache_write_5m_tokens == 3000


@pytest.mark.parametrize(
    ("points", "model", "accepted"),
    [
        pytest.param([], CLAUDE, True, id="none"),
        pytest.param([Point(1), Point(2), Point(3), Point(4)], CLAUDE, True, id="four"),
        pytest.param([Point(n) for n in range(1, 6)], CLAUDE, False, id="five"),
        pytest.param([Point(1, "1h"), Point(2)], CLAUDE, True, id="longer first"),
        pytest.param([Point(1), Point(2, "1h")], CLAUDE, False, id="longer last"),
        pytest.param([Point(6)], CLAUDE, False, id="behind a text document"),
        pytest.param([Point(1)], NOVA, False, id="Nova: tools"),
        pytest.param([Point(2, "1h")], NOVA, False, id="Nova: an hour"),
        pytest.param([Point(4)], NOVA, False, id="Nova: tool result"),
        pytest.param([Point(2), Point(3)], NOVA, True, id="Nova: text"),
    ],
)
def test_points_that_bedrock_refuses_are_told(
    points: list[Point], model: str, *, accepted: bool
) -> None:
    """Number, order, lifetime and place are checked as Bedrock does."""
    request = ask(
        user("Go."), user(tool_result(), "ok", document()), tools=[tool()], system=[text(9)],
        model=model,
    )  # fmt: skip
    [call] = traffic_of(request).calls
    profile = find_profile(model)
    assert profile is not None
    assert is_accepted(call.prefix, points, profile) is accepted


def test_a_refused_call_is_sent_again_without_points() -> None:
    """It counts as refused, costs the input price, and leaves nothing in the cache."""
    request = ask(user(text(2000), document()))
    traffic = traffic_of(request, request)
    done = replay(traffic, FixedPlacer(lambda _call: [Point(1), Point(2)]))
    assert done.refused_calls == 2
    assert done.usage == CacheUsage(uncached_input_tokens=traffic.prompt_tokens)
    known_to_work = replay(
        traffic, FixedPlacer(lambda _call: [Point(1), Point(2)]), may_refuse=False
    )
    assert known_to_work.refused_calls == 0
    assert known_to_work.usage.cache_read_tokens > 2000


@pytest.mark.parametrize("calls", [1, PROGRESS_STEP, PROGRESS_STEP + 1, 2 * PROGRESS_STEP + 7])
def test_progress_adds_up_to_the_number_of_calls(calls: int) -> None:
    """Every call is reported once, in steps."""
    seen: list[int] = []
    traffic = traffic_of(*[ask(user("Hi"))] * calls)
    replay(traffic, FixedPlacer(lambda _call: ()), on_progress=seen.append)
    assert sum(seen) == calls
