"""What of a request to write to the cache, and for how long: the cheapest way, if it is affordable.

What is written is always a prefix, and longer lifetimes come first, so two borders say it all:
segments up to the first are written for an hour, up to the second for 5 minutes, the rest not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from langchain_bedrock_cache.plan import SkipReason
from langchain_bedrock_cache.sighting import SeenCut
from langchain_bedrock_cache.value import OptionCosts, Prices
from langchain_bedrock_cache.waiting import Stake

NEVER = 1e9
"""Price of what is ruled out; not infinity, which is no number once multiplied by 0 tokens."""


class Segment(NamedTuple):
    """Blocks from the end of the previous segment to the legal place of a point, not cached yet.

    Attributes:
        cut: The candidate position that it ends at, or ends before.
        end: The place of the point.
        tokens: Estimated size.
        costs: Expected price of each token, written or not.
    """

    cut: SeenCut
    end: int
    tokens: float
    costs: OptionCosts


class Choice(NamedTuple):
    """What to write: segments before `hour` for an hour, from there before `end` for 5 minutes."""

    hour: int
    end: int
    reason: SkipReason | None = None


def best_choice(segments: Sequence[Segment]) -> Choice:
    """Return the choice that is expected to cost least."""
    best = min(_choices(len(segments)), key=lambda choice: _cost(segments, choice))
    return best if best.end else Choice(0, 0, "not_worth_it")


def affordable_choice(
    segments: Sequence[Segment],
    best: Choice,
    prices: Prices,
    *,
    limit: float,
    keeps_lifetimes: bool = False,
) -> Choice:
    """Return a choice, or the best one instead whose premium keeps to a limit.

    Args:
        segments: What can be written.
        best: What would be written without a limit.
        prices: The model's price ratios.
        limit: Highest premium, in tokens at the input price.
        keeps_lifetimes: Whether nothing may be written for a shorter time than in `best`.
    """
    if not best.end or premium_of(segments, best, prices) <= limit:
        return best
    within = [
        choice
        for choice in _choices(len(segments))
        if (not choice.end or premium_of(segments, choice, prices) <= limit)
        and (not keeps_lifetimes or choice.hour >= min(best.hour, choice.end))
    ]
    cheapest = min(within, key=lambda choice: _cost(segments, choice))
    return cheapest._replace(reason="loss_limit")


def stakes_of(segments: Sequence[Segment], choice: Choice, prices: Prices) -> dict[int, Stake]:
    """Return what is written up to each candidate position."""
    hour, five = segments[: choice.hour], segments[choice.hour : choice.end]
    return {
        **{s.cut.position: Stake("1h", s.tokens * (prices.write_1h - 1.0)) for s in hour},
        **{s.cut.position: Stake("5m", s.tokens * (prices.write_5m - 1.0)) for s in five},
    }


def premium_of(segments: Sequence[Segment], choice: Choice, prices: Prices) -> float:
    """Return what a choice costs above the input price, in tokens."""
    return sum(stake.premium for stake in stakes_of(segments, choice, prices).values())


def _choices(segments: int) -> list[Choice]:
    """Return all choices, shorter ones first."""
    ends = range(segments + 1)
    return [Choice(hour, end) for end in ends for hour in range(end + 1)]


def _cost(segments: Sequence[Segment], choice: Choice) -> float:
    """Return the expected price of all segments from now on, in tokens at the input price."""
    return (
        sum(s.tokens * s.costs.write_1h for s in segments[: choice.hour])
        + sum(s.tokens * s.costs.write_5m for s in segments[choice.hour : choice.end])
        + sum(s.tokens * s.costs.none for s in segments[choice.end :])
    )
