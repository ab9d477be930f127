"""langchain-aws's `cache_control` argument, taken as a hint to the planner.

It says "cache this, for so long"; where the points go is decided in one place only. Its default
lifetime of 5 minutes says nothing (deepagents sends it with every call), one hour is a wish.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.plan import CachePlan, PlannedPoint
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.positions import last_in_section, legal_at_or_before
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import SECTIONS, CacheTTL, ModelProfile
from langchain_bedrock_cache.sighting import Sighting


def hinted_policy(policy: CachePolicy, hint: Mapping[str, Any] | None) -> CachePolicy:
    """Return the policy with the hint's lifetime, where the policy leaves it open.

    Args:
        policy: The policy of the call.
        hint: `cache_control`, such as `{"type": "ephemeral", "ttl": "1h"}`.

    Raises:
        CachePolicyError: If the ttl is unknown.
    """
    ttl = hint.get("ttl") if hint else None
    if ttl is not None and ttl not in get_args(CacheTTL):
        msg = f"cache_control has ttl {ttl!r}, but Bedrock knows only '5m' and '1h'."
        raise CachePolicyError(msg)
    if ttl == "1h" and policy.ttl == "auto" and not policy.section_ttls:
        return replace(policy, ttl="1h")
    return policy


def place_hinted_points(
    plan: CachePlan,
    prefix: Prefix,
    profile: ModelProfile,
    policy: CachePolicy,
    sighting: Sighting,
) -> CachePlan:
    """Honor a hint on a prompt too short to be cached, at the places langchain-aws uses.

    Bedrock ignores points below the model's minimum and charges nothing for them, so the caller
    sees what was asked for, at no price. Longer prompts are the planner's alone.
    """
    minimum = profile.min_tokens_per_cache_point * sighting.chars_per_token
    if plan.points or not len(prefix) or prefix.chars[-1] >= minimum:
        return plan
    ttl: CacheTTL = "1h" if policy.ttl == "1h" and "1h" in profile.ttls else "5m"
    points = []
    for section in SECTIONS:
        end = last_in_section(prefix, section)
        if end and section in policy.sections and legal_at_or_before(prefix, end, end - 1, profile):
            points.append(PlannedPoint(end, prefix.place(end), ttl, "planner"))
    return replace(plan, points=tuple(points))
