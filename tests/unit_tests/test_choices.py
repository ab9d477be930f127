"""What of a request is written, and for how long."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.choices import (
    NEVER,
    Choice,
    Segment,
    affordable_choice,
    best_choice,
    premium_of,
    stakes_of,
)
from langchain_bedrock_cache.returns import PositionClass
from langchain_bedrock_cache.sighting import SeenCut
from langchain_bedrock_cache.value import OptionCosts, Prices

PRICES = Prices(0.1, 1.25, 2.0)
COSTS = st.floats(0.5, 30.0) | st.just(NEVER)


def segment(position: int, tokens: float, costs: tuple[float, float, float]) -> Segment:
    """Return a segment that ends at a position."""
    cut = SeenCut(position, PositionClass("turn", 1), ((0.5, 0.5),), None)
    return Segment(cut, position, tokens, OptionCosts(*costs))


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """Up to five segments of any size; not writing is never ruled out."""
    return [
        segment(
            position,
            draw(st.floats(0.0, 1e5)),
            (draw(st.floats(1.0, 20.0)), draw(COSTS), draw(COSTS)),
        )
        for position in range(1, draw(st.integers(1, 5)) + 1)
    ]


def cost(parts: list[Segment], choice: Choice) -> float:
    """Return what a choice is expected to cost, segment by segment."""
    total = 0.0
    for i, part in enumerate(parts):
        none, five, hour = part.costs
        price = hour if i < choice.hour else five if i < choice.end else none
        total += part.tokens * price
    return total


@given(segments())
def test_the_best_choice_is_the_cheapest_of_all(parts: list[Segment]) -> None:
    """No other way to cut the request into 1h, 5m and nothing is expected to cost less."""
    best = best_choice(parts)
    for hour, end in product(range(len(parts) + 1), repeat=2):
        if hour <= end:
            assert cost(parts, best) <= cost(parts, Choice(hour, end)) * (1 + 1e-9)


@given(segments(), st.floats(-1e5, 1e5), st.booleans())
def test_what_is_affordable_keeps_to_the_limit(
    parts: list[Segment],
    limit: float,
    keeps_lifetimes: bool,  # noqa: FBT001 # drawn by hypothesis
) -> None:
    """Its premium is within the limit, and no affordable choice is expected to cost less."""
    best = best_choice(parts)
    found = affordable_choice(parts, best, PRICES, limit=limit, keeps_lifetimes=keeps_lifetimes)
    assert found.end == 0 or premium_of(parts, found, PRICES) <= limit
    assert not keeps_lifetimes or found.hour >= min(best.hour, found.end)
    if found != best:
        assert found.reason == "loss_limit"
        assert premium_of(parts, best, PRICES) > limit
    for hour, end in product(range(len(parts) + 1), repeat=2):
        if hour <= end and premium_of(parts, Choice(hour, end), PRICES) <= limit:
            worse = cost(parts, found) <= cost(parts, Choice(hour, end)) * (1 + 1e-9)
            assert worse or (keeps_lifetimes and hour < min(best.hour, end))


def test_an_hour_that_is_too_dear_may_be_made_five_minutes_or_not() -> None:
    """Where lifetimes are kept, what is too dear for an hour is not written at all."""
    parts = [segment(1, 1000.0, (3.0, 2.9, 2.5))]
    best = best_choice(parts)
    assert (best.hour, best.end) == (1, 1)
    for keeps_lifetimes, end in ((False, 1), (True, 0)):
        less = affordable_choice(parts, best, PRICES, limit=500.0, keeps_lifetimes=keeps_lifetimes)
        assert (less.hour, less.end) == (0, end)


def test_what_is_not_worth_it_says_so() -> None:
    """A choice of nothing has its reason."""
    assert best_choice([segment(1, 10.0, (1.0, 1.25, 2.0))]) == (0, 0, "not_worth_it")
    assert best_choice([]) == (0, 0, "not_worth_it")


def test_stakes_are_premiums_by_candidate() -> None:
    """Each candidate has the premium of what is written up to it, with its lifetime."""
    parts = [segment(3, 100.0, (9.0, 8.0, 1.0)), segment(5, 10.0, (9.0, 1.0, 8.0))]
    stakes = stakes_of(parts, best_choice(parts), PRICES)
    assert {p: stake.ttl for p, stake in stakes.items()} == {3: "1h", 5: "5m"}
    assert [stake.premium for stake in stakes.values()] == pytest.approx([100.0, 2.5])
