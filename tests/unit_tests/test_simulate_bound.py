"""The bound: small cases by hand, exact where it can be, and never above any policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import CLAUDE, LEGACY, NOVA, ask, document, text, tool, tool_use, user

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.emulator import Point
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.policies import DEFAULT_POLICIES, FixedPlacer, make_placer
from langchain_bedrock_cache.simulate.replay import is_accepted, replay
from langchain_bedrock_cache.simulate.run import cost_tokens
from langchain_bedrock_cache.simulate.traffic import ReadCall, Traffic, to_traffics

A, B = text(2000, "aa"), text(1000, "bb")
SHORT = text(500, "ss")


def traffic_of(
    *timed: tuple[float, dict[str, Any]],
    model: str = CLAUDE,
    logged: Sequence[Sequence[Point]] = (),
) -> Traffic:
    """Return requests at the given seconds as a traffic."""
    profile = find_profile(model)
    assert profile is not None
    points = list(logged) or [()] * len(timed)
    calls = [
        ReadCall(
            at_seconds=at,
            session="s",
            model_id=model,
            profile=profile,
            prefix=read_converse(request, profile),
            logged_points=tuple(points[n]),
        )
        for n, (at, request) in enumerate(timed)
    ]
    [traffic] = to_traffics(calls, source="test", chars_per_token=3.0)
    return traffic


def blocks_at(*timed: tuple[float, list[Any]], model: str = CLAUDE) -> Traffic:
    """Return requests of one message, made of the given blocks, at the given seconds."""
    return traffic_of(*((at, ask(user(*blocks))) for at, blocks in timed), model=model)


def bound_of(traffic: Traffic, *, prolonging: bool = True) -> float:
    """Return the bound at list prices: Claude 0.1, 1.25 and 2.0, Nova 0.25, 1.0 and 1.0."""
    multipliers = price_multipliers(traffic.model_id)
    return lower_bound(traffic, multipliers, prolonging=prolonging)


def cost_of(traffic: Traffic, points: Sequence[Sequence[Point]]) -> float:
    """Return what it costs to send the calls with these points."""
    waiting = iter(points)
    done = replay(traffic, FixedPlacer(lambda _call: next(waiting)), may_refuse=False)
    return cost_tokens(done.usage, price_multipliers(traffic.model_id))


@pytest.mark.parametrize(
    ("timed", "expected"),
    [
        pytest.param([(0, [A])], 2000, id="once: not cached"),
        pytest.param([(0, [A]), (299, [A])], 2000 * (1.25 + 0.1), id="again in 5 minutes"),
        pytest.param([(0, [A]), (300, [A])], 2000 * 2, id="again later: 2.1 is more than 2"),
        pytest.param(
            [(0, [A]), (300, [A]), (3899, [A])], 2000 * (2.0 + 0.1 + 0.1), id="thrice in the hour"
        ),
        pytest.param(
            [(0, [A]), (3600, [A]), (7200, [A])], 2000 * 3, id="thrice, always an hour later"
        ),
        pytest.param(
            [(0, [A]), (100, [A]), (1000, [A]), (1100, [A])],
            2000 * (2.0 + 0.3),
            id="two pairs: an hour is cheaper than two writes",
        ),
        pytest.param(
            [(0, [A]), (100, [A]), (9000, [A]), (9100, [A])],
            2000 * 2 * (1.25 + 0.1),
            id="two pairs far apart: two writes",
        ),
        pytest.param(
            [(0, [A, B]), (9, [A, text(7, "qq")])],
            2000 * (1.25 + 0.1) + 1000 + 7,
            id="what is shared is cached, the rest is not",
        ),
        pytest.param(
            [(0, [SHORT]), (9, [SHORT])], 1000, id="below the minimum nothing can be cached"
        ),
        pytest.param(
            [(0, [SHORT, B]), (9, [SHORT, B]), (18, [SHORT])],
            1500 * (1.25 + 0.1) + 500,
            id="the first node to reach the minimum has what came before",
        ),
    ],
)
def test_the_bound_is_what_one_finds_by_hand(
    timed: list[tuple[float, list[Any]]], expected: float
) -> None:
    """Small cases, worked out with pencil and price list."""
    assert bound_of(blocks_at(*timed)) == pytest.approx(expected)


def test_a_later_write_prolongs_what_was_read() -> None:
    """A prefix written for 5 minutes lives for an hour once something behind it is written so.

    By hand: `A` costs 1.25, then is read twice at 0.1; `B` is best left uncached. Without
    prolonging, `A` has to be written for an hour at once.
    """
    traffic = blocks_at((0, [A]), (100, [A, B]), (1000, [A, B]))
    assert bound_of(traffic) == pytest.approx(2000 * (1.25 + 0.1 + 0.1) + 1000 * 2)
    assert bound_of(traffic, prolonging=False) == pytest.approx(2000 * (2.0 + 0.1 + 0.1) + 2000)


def test_prolonging_is_real_in_the_cache_model() -> None:
    """A policy that prolongs pays less than the bound without prolonging: that one is no bound."""
    traffic = blocks_at((0, [A]), (100, [A, B]), (1000, [A, B]))
    cost = cost_of(traffic, [[Point(1)], [Point(2, "1h")], [Point(2, "1h")]])
    assert cost == pytest.approx(2000 * 1.45 + 1000 * 2.1)
    assert bound_of(traffic) < cost < bound_of(traffic, prolonging=False)


def test_the_end_of_a_call_cannot_be_prolonged() -> None:
    """Where nothing is left to write behind it, a prefix keeps its lifetime."""
    traffic = blocks_at((0, [A]), (100, [A]), (1000, [A]))
    assert bound_of(traffic) == pytest.approx(2000 * (2.0 + 0.1 + 0.1))


def test_positions_are_those_the_model_takes() -> None:
    """On Nova only text is followed by a point, and the tools belong to what comes after them."""
    one = ask(user(A), user(tool_use()), tools=[tool(2000)])
    other = ask(user(A), user(tool_use(1)), tools=[tool(2000)])
    traffic = traffic_of((0, one), (9, other), model=NOVA)
    tokens = traffic.calls[0].tokens
    shared, rest = tokens[1], tokens[2] - tokens[1]
    assert bound_of(traffic) == pytest.approx(shared * 1.25 + rest * 2)


def test_what_follows_an_impossible_position_is_one_node_with_it() -> None:
    """After a text document no point is legal, so it is read together with the next block."""
    traffic = blocks_at((0, [document(), A]), (9, [document(), A]), (18, [document()]))
    document_tokens = traffic.calls[2].tokens[0]
    assert bound_of(traffic) == pytest.approx(
        (document_tokens + 2000) * (1.25 + 0.1) + document_tokens
    )


def test_beyond_the_documented_cap_nothing_is_cached() -> None:
    """Nova caches 20,000 tokens at most; what is behind costs the input price."""
    blocks = [text(19_000, "aa"), text(2_000, "bb")]
    traffic = blocks_at((0, blocks), (9, blocks), model=NOVA)
    assert bound_of(traffic) == pytest.approx(19_000 * (1.0 + 0.25) + 2_000 * 2)


def test_a_model_without_an_hour_has_none_in_its_bound() -> None:
    """Old Claude models take 5 minutes only."""
    timed = [(600.0 * n, [A]) for n in range(9)]
    assert bound_of(blocks_at(*timed, model=LEGACY)) == 2000 * 9
    assert bound_of(blocks_at(*timed)) == pytest.approx(2000 * (2.0 + 0.8))


def test_a_model_that_takes_no_points_costs_the_input_price() -> None:
    """Without caching there is nothing to gain."""
    traffic = blocks_at((0, [A]), (9, [A]))
    none = replace(traffic, profile=replace(traffic.profile, max_cache_points=0))
    assert bound_of(none) == 4000


def test_where_a_point_was_logged_a_point_is_legal() -> None:
    """Bedrock took it there, so the bound counts on it, whatever the profile says."""
    request = ask(user(document(), A))
    odd = traffic_of((0, request), (9, request), logged=[[Point(1)], [Point(1)]])
    assert bound_of(odd) <= cost_of(odd, [[Point(1)], [Point(1)]])
    only = ask(user(document()))
    lone = traffic_of((0, only), (9, only), logged=[[Point(1)], [Point(1)]])
    assert bound_of(lone) == pytest.approx(lone.calls[0].tokens[-1] * (1.25 + 0.1))


_GAPS = st.sampled_from([0.0, 100.0, 299.0, 300.0, 1000.0, 3599.0, 3600.0])


@given(gaps=st.lists(_GAPS, min_size=1, max_size=5), model=st.sampled_from([CLAUDE, NOVA]))
def test_for_one_block_the_bound_is_exact(gaps: list[float], model: str) -> None:
    """If one prompt comes again and again, the best of all placements costs just the bound."""
    times = [sum(gaps[:n]) for n in range(len(gaps))]
    traffic = blocks_at(*((at, [A]) for at in times), model=model)
    choices: list[list[Point]] = [[], [Point(1)]]
    if model == CLAUDE:
        choices.append([Point(1, "1h")])
    best = min(cost_of(traffic, points) for points in product(choices, repeat=len(times)))
    assert bound_of(traffic) == pytest.approx(best)


_TREE = [[A], [A, B], [A, text(1500, "cc")], [text(2500, "dd")]]
_CALL = st.tuples(_GAPS, st.sampled_from(_TREE))


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(_CALL, min_size=2, max_size=4))
def test_not_even_the_best_of_all_placements_beats_the_bound(
    calls: list[tuple[float, list[Any]]],
) -> None:
    """Where all combinations of points can be tried, the cheapest still pays the bound or more."""
    times = [sum(gap for gap, _ in calls[: n + 1]) for n in range(len(calls))]
    traffic = blocks_at(*((at, blocks) for at, (_, blocks) in zip(times, calls, strict=True)))
    end, hour = [Point(1)], [Point(1, "1h")]
    short = [[], end, hour]
    long = [*short, [Point(2)], [Point(2, "1h")], [*end, Point(2)], [*hour, Point(2)]]
    choices = [short if len(call.prefix) == 1 else long for call in traffic.calls]
    best = min(cost_of(traffic, points) for points in product(*choices))
    assert best >= bound_of(traffic) - 1e-6


_BLOCKS = st.sampled_from(
    [
        text(300, "aa"),
        text(2000, "aa"),
        text(1200, "bb"),
        text(9000, "cc"),
        {"text": "\n"},
        document("txt", 700),
        document("pdf", 9000),
        tool_use(),
    ]
)


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    """A few requests that share beginnings, with gaps around the two lifetimes."""
    at = 0.0
    timed = []
    for _ in range(draw(st.integers(1, 6))):
        head = draw(st.lists(_BLOCKS, max_size=1))
        blocks = draw(st.lists(_BLOCKS, min_size=1, max_size=4))
        request = ask(user(*blocks), system=[b for b in head if "text" in b])
        if draw(st.booleans()):
            request |= {"toolConfig": {"tools": [tool(1100)]}}
        timed.append((at, request))
        at += draw(_GAPS)
    return traffic_of(*timed, model=draw(st.sampled_from([CLAUDE, NOVA, LEGACY])))


@st.composite
def accepted_points(draw: st.DrawFn, traffic: Traffic) -> list[list[Point]]:
    """Any points that Bedrock takes, for every call of a traffic."""
    chosen = []
    for call in traffic.calls:
        positions = sorted(draw(st.sets(st.integers(1, len(call.prefix)), max_size=4)))
        hours = draw(st.integers(0, 4))
        points = [Point(p, "1h" if n < hours else "5m") for n, p in enumerate(positions)]
        legal = [p for p in points if is_accepted(call.prefix, [p], traffic.profile)]
        assert is_accepted(call.prefix, legal, traffic.profile)
        chosen.append(legal)
    return chosen


@settings(max_examples=150)
@given(data=st.data(), traffic=traffics())
def test_no_policy_beats_the_bound(data: st.DataObject, traffic: Traffic) -> None:
    """Whatever points a policy places, as long as Bedrock takes them, it pays the bound or more."""
    points = data.draw(accepted_points(traffic))
    assert cost_of(traffic, points) >= bound_of(traffic) - 1e-6


@settings(max_examples=100)
@given(data=st.data(), traffic=traffics())
def test_no_logged_points_beat_the_bound(data: st.DataObject, traffic: Traffic) -> None:
    """Logged points may stand anywhere, and the bound that knows them is still a bound."""
    logged = [
        tuple(
            Point(position)
            for position in sorted(data.draw(st.sets(st.integers(1, len(call.prefix)))))
        )
        for call in traffic.calls
    ]
    calls = [
        replace(call, logged_points=points)
        for call, points in zip(traffic.calls, logged, strict=True)
    ]
    traffic = replace(traffic, calls=tuple(calls))
    assert cost_of(traffic, logged) >= bound_of(traffic) - 1e-6


@settings(max_examples=100, deadline=None)
@given(traffic=traffics(), name=st.sampled_from(DEFAULT_POLICIES), workers=st.integers(1, 3))
def test_no_named_policy_beats_the_bound(traffic: Traffic, name: str, workers: int) -> None:
    """The planner and every fixed policy pay the bound or more, and no caching the full price."""
    multipliers = price_multipliers(traffic.model_id)
    placer = make_placer(name, traffic, multipliers=multipliers, workers=workers)
    if placer is None:
        return
    done = replay(traffic, placer)
    cost = cost_tokens(done.usage, multipliers)
    assert bound_of(traffic) - 1e-6 <= cost
    assert done.usage.input_tokens == traffic.prompt_tokens
    assert name != "none" or cost == traffic.prompt_tokens


@given(traffic=traffics())
def test_prolonging_only_lowers_the_bound(traffic: Traffic) -> None:
    """More ways through can not be dearer, and no bound is above the price of no caching."""
    kept = bound_of(traffic, prolonging=False)
    assert 0 < bound_of(traffic) <= kept + 1e-6 <= traffic.prompt_tokens + 2e-6
