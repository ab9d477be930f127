"""One decision: what the memory knows of a request, and the plan that comes of it.

The same for a call that is sent and for one that is only simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from langchain_bedrock_cache.memory import Commitment, PrefixMemory
from langchain_bedrock_cache.plan import CachePlan
from langchain_bedrock_cache.planner import plan
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.profiles import ModelProfile, Section
from langchain_bedrock_cache.sighting import Sighting
from langchain_bedrock_cache.value import Prices

_NOTHING: Mapping[Section, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A plan, and what it was made from.

    Attributes:
        prefix: The request.
        profile: What its model allows, with a cap that what is in the cache fits under.
        sighting: What the memory knew of the request.
        plan: Where the cache points go.
    """

    prefix: Prefix
    profile: ModelProfile
    sighting: Sighting
    plan: CachePlan

    def commit(self, memory: PrefixMemory) -> Commitment:
        """Remember the request, which is about to be sent as planned.

        Args:
            memory: That of `decide`.

        Returns:
            A handle for the memory's `learn` or `cancel`.
        """
        return memory.commit(
            self.prefix,
            self.profile,
            self.sighting,
            points=[(point.position, point.ttl) for point in self.plan.points],
            stakes=self.plan.stakes,
            missed=self.plan.missed,
            saving=self.plan.saving,
        )


def decide(
    memory: PrefixMemory,
    prefix: Prefix,
    *,
    profile: ModelProfile,
    policy: CachePolicy,
    multipliers: PriceMultipliers,
    refused: Mapping[Section, str] = _NOTHING,
) -> Decision:
    """Take in a request, and decide where its cache points go.

    Args:
        memory: What was seen so far; `Decision.commit` tells it what is sent.
        prefix: The request.
        profile: What its model allows.
        policy: What the user wants.
        multipliers: The model's price ratios.
        refused: Sections in which no point is tried now, and why; none of them is in the policy.
    """
    sighting = memory.observe(prefix, profile)
    profile = _with_room_for_live(profile, prefix, sighting)
    prices = Prices(multipliers.read, multipliers.write_5m, multipliers.write_1h)
    planned = plan(
        prefix, profile=profile, policy=policy, sighting=sighting, prices=prices, refused=refused
    )
    return Decision(prefix=prefix, profile=profile, sighting=sighting, plan=planned)


def _with_room_for_live(profile: ModelProfile, prefix: Prefix, sighting: Sighting) -> ModelProfile:
    """Return the profile with a cap that what is in the cache fits under.

    Tokens are estimated, and better with every answer: what was written just below the cap may seem
    to be beyond it now, and would not be read where the point has to stand in the same place.
    """
    live = prefix.chars_before(max(sighting.live, default=0)) / sighting.chars_per_token
    if not 0 < profile.max_cacheable_tokens < live:
        return profile
    return replace(profile, max_cacheable_tokens=math.ceil(live))
