"""What a cache write is worth: expected price of a token over all its future uses.

A small Markov decision process. At each use a token is read from the cache, or it is not cached
and may be written with either TTL or not at all; then it is used again within 5 minutes, within
the hour, or never, with chances that depend on how often it was used before. All prices are in
units of the model's plain input price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Chances = tuple[float, float]
# Uses further ahead than this change no decision: the chance of each next use is below 1.
_HORIZON = 24


class Prices(NamedTuple):
    """Price of a token read or written, relative to the input price."""

    read: float
    write_5m: float
    write_1h: float


class OptionCosts(NamedTuple):
    """Expected price of a token that is not cached now, for each thing to do with it."""

    none: float
    write_5m: float
    write_1h: float


# Expected price of a token from its next use on, if it is then uncached, cached for 5 minutes, or
# for an hour. Plain tuples: one decision makes a hundred of them.
_Future = tuple[float, float, float]
_NO_FUTURE: _Future = (0.0, 0.0, 0.0)


def option_costs(
    chances: Sequence[Chances], prices: Prices, *, after_pause: Chances | None = None
) -> OptionCosts:
    """Compare not writing, writing for 5 minutes and writing for an hour.

    Args:
        chances: For this use and the following ones, the chance of another use within 5 minutes
            and of one after that but within the hour; the last pair holds for all uses after.
        prices: The model's price ratios.
        after_pause: The pair that holds for good once a use came later than 5 minutes after the
            one before (conversations that pause once pause again); `None`: no different.

    Returns:
        Expected price per token from now on, this use included.
    """
    paused = None
    if after_pause:
        paused = _NO_FUTURE
        for _ in range(_HORIZON):
            _, paused = _step(after_pause, prices, paused, paused)
    future = _NO_FUTURE
    costs = (1.0, prices.write_5m, prices.write_1h)
    for pair in reversed([*chances, *[chances[-1]] * _HORIZON]):
        costs, future = _step(pair, prices, future, paused or future)
    return OptionCosts(*costs)


def _step(
    pair: Chances, prices: Prices, if_soon: _Future, if_late: _Future
) -> tuple[tuple[float, float, float], _Future]:
    """Go one use back in time: from the future after a use to the costs at that use."""
    soon, late = pair
    read, write_5m, write_1h = prices
    late_uncached = late * if_late[0]
    none = 1.0 + soon * if_soon[0] + late_uncached
    next_5m = soon * if_soon[1] + late_uncached
    next_1h = soon * if_soon[2] + late * if_late[2]
    costs = none, write_5m + next_5m, write_1h + next_1h
    return costs, (min(costs), read + next_5m, read + next_1h)
