"""`Sighting`: a request as the memory sees it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.returns import PositionClass, Scope
from langchain_bedrock_cache.spending import Account
from langchain_bedrock_cache.value import Chances


class SeenCut(NamedTuple):
    """A candidate position of a request, with what the traffic says about its return.

    Attributes:
        position: The position.
        cls: What it is.
        chances: Chances of this and the next uses, see `value.option_costs`.
        paused: The same once the conversation has paused, or `None`.
    """

    position: int
    cls: PositionClass
    chances: tuple[Chances, ...]
    paused: Chances | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A request as the memory sees it: all that the planner knows of the past.

    Attributes:
        now: Time of the request, in seconds of the memory's clock.
        seen: Longest position that an earlier request shared; 0 if none.
        live: Positions believed to be in the prompt cache now, with their TTL: the longest one,
            and every candidate position.
        would_live: Longest position that would be in the cache had no write been too risky.
        cuts: Candidate positions, ascending.
        chars_per_token: Learned for the model.
        account: What this family of requests has gained and risked so far.
        scope: Family and kind of the request.
        pace: Pace class of the conversation, this gap included.
    """

    now: float
    seen: int
    live: Mapping[int, CacheTTL]
    would_live: int
    cuts: tuple[SeenCut, ...]
    chars_per_token: float
    account: Account
    scope: Scope
    pace: int
