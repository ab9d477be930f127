"""Return rates: what is estimated from traffic whose true rates are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.returns import (
    PositionClass,
    ReturnBook,
    ReturnCurve,
    after_pause,
    following,
    pace_of,
    prior,
)
from langchain_bedrock_cache.spending import Account
from langchain_bedrock_cache.waiting import Waiting, WaitingRoom

HOUR = 3600.0
DOCUMENT = PositionClass("document", 0)


def watched(
    starts: Sequence[float],
    ages: Sequence[float],
    *,
    look_every: float = math.inf,
    before: tuple[float, float] = (0.5, 0.5),
) -> tuple[float, float]:
    """Return the chances learned from prefixes that wait from `starts` and return after `ages`.

    Args:
        starts: Time of each first use, in seconds.
        ages: Seconds until each return; beyond the hour it is never noticed.
        look_every: How often time is looked at besides, in seconds.
        before: The chances assumed before anything was seen.
    """
    curve, room = ReturnCurve(prior(*before)), WaitingRoom()
    enters = [(start, False, n) for n, start in enumerate(starts)]
    returns = [(s + a, True, n) for n, (s, a) in enumerate(zip(starts, ages, strict=True))]
    waiting: dict[int, Waiting] = {}
    looked = 0.0
    for now, is_return, n in sorted(enters + [r for r in returns if ages[r[2]] < HOUR]):
        while looked + look_every < now:
            looked += look_every
            room.age(looked)
        room.age(now)
        if is_return:
            room.leave(waiting[n], now, returned=True)
        else:
            waiting[n] = Waiting(since=now, curves=[curve], account=Account())
            room.enter(waiting[n])
    return curve.chances()


def exponential(mean_seconds: float, n: int, seed: int = 1) -> list[float]:
    """Return n ages at a constant hazard: evenly spaced quantiles, shuffled."""
    ages = [-math.log(1 - (i + 0.5) / n) * mean_seconds for i in range(n)]
    Random(seed).shuffle(ages)
    return ages


def true_chances(mean_seconds: float) -> tuple[float, float]:
    """Return the chances of a return within 5 minutes, and then within the hour."""
    alone_5m, alone_1h = math.exp(-300 / mean_seconds), math.exp(-HOUR / mean_seconds)
    return 1 - alone_5m, alone_5m - alone_1h


MEANS = (100.0, 300.0, 1000.0, 3000.0)


@pytest.mark.parametrize("mean_seconds", MEANS)
@pytest.mark.parametrize("gap_seconds", [5.0, 60.0, 400.0])
def test_constant_hazard(mean_seconds: float, gap_seconds: float) -> None:
    """Prefixes that come one by one and return at a constant rate are judged by that rate."""
    starts = [n * gap_seconds for n in range(300)]
    learned = watched(starts, exponential(mean_seconds, 300))
    assert learned == pytest.approx(true_chances(mean_seconds), abs=0.12)


@pytest.mark.parametrize("mean_seconds", MEANS)
@pytest.mark.parametrize("size", [10, 40, 300])
def test_bursts(mean_seconds: float, size: int) -> None:
    """Prefixes that come all at once, in ten bursts, are judged by their rate all the same."""
    starts = [burst * 2 * HOUR for burst in range(10) for _ in range(size)]
    ages = [age for burst in range(10) for age in exponential(mean_seconds, size, seed=burst)]
    assert watched(starts, ages) == pytest.approx(true_chances(mean_seconds), abs=0.12)


def test_not_yet_is_not_never() -> None:
    """A minute without returns says less than hours without."""
    quiet = watched([n * 0.1 for n in range(50)] + [60.0], [2 * HOUR] * 51, before=(0.8, 0.8))
    silent = watched([n * 20.0 for n in range(500)], [2 * HOUR] * 500, before=(0.8, 0.8))
    assert quiet[0] > 2 * silent[0]
    assert quiet[1] > 2 * silent[1]
    assert sum(silent) < 0.05


@pytest.mark.parametrize("ages", [[2 * HOUR] * 60, exponential(500.0, 60)], ids=["never", "often"])
def test_how_often_time_is_looked_at_changes_nothing(ages: list[float]) -> None:
    """A process that is asked once an hour learns the same as one that is asked every second."""
    starts = [n * 7.0 for n in range(60)] + [3 * HOUR]
    rarely, often = (
        watched(starts, [*ages, 2 * HOUR], look_every=every) for every in (math.inf, 1.0)
    )
    assert rarely == pytest.approx(often, abs=0.02)


def test_old_times_fade() -> None:
    """A class that stops to return is seen to have stopped after some fifty prefixes."""
    starts = [n * 30.0 for n in range(400)]
    learned = watched(starts, [20.0] * 300 + [2 * HOUR] * 100)
    assert learned[0] < 0.25


@given(soon=st.floats(0.0, 0.99), late=st.floats(0.0, 0.99), ages=st.lists(st.floats(0.1, 9000.0)))
def test_chances_are_chances(soon: float, late: float, ages: list[float]) -> None:
    """Whatever was seen, the two chances are at least 0 and add up to at most 1."""
    learned = watched([n * 10.0 for n in range(len(ages))], ages, before=(soon, late))
    assert min(learned) >= 0.0
    assert sum(learned) <= 1.0 + 1e-9


@pytest.mark.parametrize("chances", [(0.0, 0.0), (0.7, 0.8), (0.1, 0.9), (0.99, 0.0)])
def test_a_prior_holds_until_something_is_seen(chances: tuple[float, float]) -> None:
    """Before anything was seen, the chances are those of the prior."""
    soon, late = ReturnCurve(prior(*chances)).chances()
    assert (soon, late) == pytest.approx((chances[0], (1 - chances[0]) * chances[1]))


@pytest.mark.parametrize(
    ("gap_seconds", "pace"), [(0.0, 0), (60.0, 0), (61.0, 1), (300.0, 1), (301.0, 2), (9e9, 2)]
)
def test_pace(gap_seconds: float, pace: int) -> None:
    """A gap is short, long, or longer than a 5-minute entry lives."""
    assert pace_of(gap_seconds) == pace


def test_a_conversation_goes_from_its_opening_to_its_turns() -> None:
    """After an opening come turns; a pause leads to the turns of a conversation that pauses."""
    opening = PositionClass("opening", 0)
    assert [c.role for c in following(opening)] == ["opening", "turn", "turn"]
    assert after_pause(opening) == PositionClass("turn", 2, 2, human=True)
    assert after_pause(DOCUMENT) is None


def test_uses_are_counted_on() -> None:
    """The next uses of a position are of the next levels, up to the last that is told apart."""
    assert following(DOCUMENT) == [DOCUMENT, PositionClass("document", 1)]
    assert following(PositionClass("document", 1)) == [PositionClass("document", 1)]


def learn(book: ReturnBook, scope: tuple[str, ...], *, returned: bool) -> None:
    """Let a document wait for ten seconds, a hundred times, in one scope."""
    room = WaitingRoom()
    for n in range(100):
        curves = book.lineage(scope, DOCUMENT, n * 20.0)
        waiting = Waiting(since=n * 20.0, curves=curves, account=Account())
        room.enter(waiting)
        room.leave(waiting, n * 20.0 + 10.0, returned=returned)


def test_a_kind_without_history_leans_on_its_family_and_on_all() -> None:
    """What one kind of request does is expected of its family, and less of all others."""
    book = ReturnBook()
    before = book.chances(("a", "new"), DOCUMENT, 0.0)[0]
    learn(book, ("a", "seen"), returned=True)
    for scope in [("a", "seen"), ("a", "new"), ("b", "new")]:
        assert book.chances(scope, DOCUMENT, 2000.0)[0] > before
    learn(book, ("b", "other"), returned=False)
    same, family, other = (
        book.chances(scope, DOCUMENT, 2000.0)[0]
        for scope in [("a", "seen"), ("a", "new"), ("b", "other")]
    )
    assert same > other
    assert family > other


def test_the_book_is_bounded() -> None:
    """However many kinds of requests there are, no more curves are kept than allowed."""
    book = ReturnBook(max_curves=10)
    for n in range(1000):
        book.chances((n, n), DOCUMENT, 0.0)
    assert len(book._curves) <= 10
