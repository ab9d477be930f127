"""What a write is worth, against cases worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.value import Chances, Prices, option_costs

CLAUDE = Prices(read=0.1, write_5m=1.25, write_1h=2.0)
OPUS_55 = Prices(read=0.05, write_5m=1.25, write_1h=2.0)
FABLE_52 = Prices(read=0.025, write_5m=1.25, write_1h=2.0)
NOVA = Prices(read=0.25, write_5m=1.0, write_1h=1.0)
NEVER: Chances = (0.0, 0.0)
SOON: Chances = (1.0, 0.0)
LATE: Chances = (0.0, 1.0)

# Chances at this use and the following ones; then the price of a token for no write, 5m and 1h.
BY_HAND: dict[str, tuple[list[Chances], tuple[float, float, float]]] = {
    "never again": ([NEVER], (1.0, 1.25, 2.0)),
    # Not written now, it is not worth writing at the last use either: 1 + 1.
    "once more, soon": ([SOON, NEVER], (2.0, 1.35, 2.1)),
    # After 5 minutes a 5m entry is gone, and the last use pays the input price again.
    "once more, late": ([LATE, NEVER], (2.0, 2.25, 2.1)),
    # Not written now, it is written at the next use: 1 + 1.25 + 0.1.
    "twice more, soon": ([SOON, SOON, NEVER], (2.35, 1.45, 2.2)),
    # The second gap is long. Without a write now: 1 + min(1 + 1, 1.25 + 1, 2 + 0.1).
    "soon, then late": ([SOON, LATE, NEVER], (3.0, 2.35, 2.2)),
    "late, then soon": ([LATE, SOON, NEVER], (2.35, 2.6, 2.2)),
    # A toss-up for each use: half of what follows.
    "perhaps": ([(0.5, 0.0), NEVER], (1.5, 1.3, 2.05)),
    "perhaps late": ([(0.0, 0.5), NEVER], (1.5, 1.75, 2.05)),
    "soon or late": ([(0.5, 0.5), NEVER], (2.0, 1.8, 2.1)),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_small_cases(case: str) -> None:
    """Expected prices are those of the cases worked out by hand."""
    chances, expected = BY_HAND[case]
    assert tuple(option_costs(chances, CLAUDE)) == pytest.approx(expected)


# p* = (w - 1) / (w - r): the chance of each next use from which writing pays.
BREAK_EVENS = [
    (CLAUDE, "5m", 0.217),
    (CLAUDE, "1h", 0.526),
    (OPUS_55, "5m", 0.208),
    (OPUS_55, "1h", 0.513),
    (FABLE_52, "5m", 0.204),
    (FABLE_52, "1h", 0.506),
]


@pytest.mark.parametrize(("prices", "ttl", "break_even"), BREAK_EVENS)
def test_break_even(prices: Prices, ttl: str, break_even: float) -> None:
    """Just above the break-even hit rate a write costs less than none, just below it more."""

    def gain(chance: float) -> float:
        costs = option_costs([(chance, 0.0) if ttl == "5m" else (0.0, chance)], prices)
        return costs.none - (costs.write_5m if ttl == "5m" else costs.write_1h)

    assert gain(break_even + 0.001) > 0 > gain(break_even - 0.001)


def test_one_pause_makes_the_hour_worth_it() -> None:
    """A write for an hour costs 0.75 more than one for 5 minutes, a rewrite 1.15."""
    sure_pause = option_costs([LATE, SOON, SOON, NEVER], CLAUDE)
    no_pause = option_costs([SOON, SOON, SOON, NEVER], CLAUDE)
    assert sure_pause.write_1h < sure_pause.write_5m
    assert no_pause.write_5m < no_pause.write_1h


def test_writing_is_free_on_nova() -> None:
    """Where a write costs no more than the input, it never loses."""
    for chance in (0.0, 0.01, 0.5):
        costs = option_costs([(chance, 0.0)], NOVA)
        assert costs.write_5m <= costs.none


def test_a_conversation_that_pauses_may_pause_again() -> None:
    """After the first late use the other chances hold: here, none at all, so nothing is saved."""
    open_ended = option_costs([(0.0, 0.5), LATE], CLAUDE)
    ended = option_costs([(0.0, 0.5), LATE], CLAUDE, after_pause=NEVER)
    assert tuple(ended) == pytest.approx((1.5, 1.75, 2.05))
    assert open_ended.none > ended.none


def test_the_pause_is_charged_from_the_next_use_on() -> None:
    """By hand: soon, soon; after a pause (chance 0.5 now) one more use, soon, for good."""
    costs = option_costs([(0.0, 0.5), NEVER], CLAUDE, after_pause=(0.5, 0.0))
    # From the late use on: cached 0.1 + 0.5 * 0.1 + ... = 0.1 / 0.5 = 0.2, and uncached the
    # cheaper of 1 / 0.5 = 2 and a write, 1.25 + 0.5 * 0.2 = 1.35.
    assert tuple(costs) == pytest.approx((1.0 + 0.5 * 1.35, 1.25 + 0.5 * 1.35, 2.0 + 0.5 * 0.2))


@st.composite
def chances(draw: st.DrawFn) -> Chances:
    """Two chances that add up to at most 1."""
    soon = draw(st.floats(0.0, 1.0))
    return soon, draw(st.floats(0.0, 1.0 - soon))


@given(pairs=st.lists(chances(), min_size=1, max_size=4), pause=st.none() | chances())
def test_costs_are_within_their_bounds(pairs: list[Chances], pause: Chances | None) -> None:
    """No option costs less than its own price now, and the hour never more than 0.75 above 5m."""
    costs = option_costs(pairs, CLAUDE, after_pause=pause)
    assert costs.none >= 1.0
    assert costs.write_5m >= CLAUDE.write_5m
    assert costs.write_1h >= CLAUDE.write_1h
    # The hour does all that 5 minutes do, for 0.75 more.
    assert costs.write_1h <= costs.write_5m + 0.75 + 1e-9


@given(pairs=st.lists(chances(), min_size=1, max_size=3))
def test_cheaper_reads_make_writes_better(pairs: list[Chances]) -> None:
    """The gain of a write does not fall when reads get cheaper."""
    dear, cheap = (option_costs(pairs, prices) for prices in (CLAUDE, FABLE_52))
    assert cheap.write_5m <= dear.write_5m + 1e-9
    assert cheap.write_1h <= dear.write_1h + 1e-9
