"""Policies by name: who places which cache points in a simulation.

* `none`: no cache points.
* `langchain-aws`, `langchain-aws:1h`: what `ChatBedrockConverse` does with `cache_control`.
* `PART:TTL+PART:TTL`: a point at the end of each part in every request, such as
  `head:1h+tail:5m`. Parts are `tools`, `system`, `head` (both), `document` (all but the last block
  of the first message) and `tail` (the whole request). Where Bedrock would refuse a point, it
  goes to the last block of the part that takes one.
* `auto`: this package's planner, with an empty memory at the start.
* `as-logged`: the points that the logged requests were sent with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

from langchain_bedrock_cache.emulator.prompt_cache import CacheOutcome, Point
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.positions import cuts_of, last_in_section, legal_at_or_before
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile
from langchain_bedrock_cache.simulate.auto import AutoPlacer
from langchain_bedrock_cache.simulate.traffic import Call, Traffic

NONE = "none"
AUTO = "auto"
AS_LOGGED = "as-logged"
DEFAULT_POLICIES = (
    NONE,
    "langchain-aws",
    "langchain-aws:1h",
    "head:5m",
    "head:1h",
    "head:5m+tail:5m",
    "head:1h+tail:5m",
    "head:1h+tail:1h",
    "head:5m+document:5m",
    "head:1h+document:1h",
    "head:1h+document:5m+tail:5m",
    AS_LOGGED,
    AUTO,
)
"""What is simulated unless told otherwise, simplest first."""

Rule = Callable[[Call], Sequence[Point]]

_LANGCHAIN_AWS: Mapping[str, CacheTTL] = {"langchain-aws": "5m", "langchain-aws:1h": "1h"}
_PARTS = ("tools", "system", "document", "tail")  # in prefix order
_HEAD = ("tools", "system")


class Placer(Protocol):
    """Places the cache points of one policy, call by call, in time order."""

    def place(self, call: Call) -> Sequence[Point]:
        """Return the cache points of a call, in prefix order."""

    def learn(self, call: Call, outcome: CacheOutcome) -> None:
        """Take in what the cache did with the call that was placed last."""


@dataclass(frozen=True, slots=True)
class FixedPlacer:
    """Places points by a rule that learns nothing."""

    rule: Rule

    def place(self, call: Call) -> Sequence[Point]:
        """Return the cache points of a call, in prefix order."""
        return self.rule(call)

    def learn(self, call: Call, outcome: CacheOutcome) -> None:
        """Ignore what the cache did."""


def make_placer(
    name: str, traffic: Traffic, *, multipliers: PriceMultipliers, workers: int = 1
) -> Placer | None:
    """Return a fresh placer for a policy.

    Args:
        name: See the description of this module.
        traffic: What it will be asked about.
        multipliers: The model's price ratios; only `auto` looks at them.
        workers: Processes that the sessions are spread over, each with a memory of its own.

    Returns:
        The placer; `None` if the policy is not possible: the model does not take its lifetime, or
        there are no logged points.

    Raises:
        CachePolicyError: If no policy has this name.
    """
    if name == AUTO:
        return AutoPlacer(profile=traffic.profile, multipliers=multipliers, workers=workers)
    rule = _rule_of(name, traffic)
    return FixedPlacer(rule) if rule else None


def check_policy(name: str) -> None:
    """Raise if no policy has this name.

    Raises:
        CachePolicyError: Naming what there is.
    """
    if name not in DEFAULT_POLICIES:
        _parse(name)


def _rule_of(name: str, traffic: Traffic) -> Rule | None:
    """Return the rule of a policy that learns nothing; `None` if it is not possible."""
    profile = traffic.profile
    if name == NONE:
        return lambda _call: ()
    if name == AS_LOGGED:
        was_cached = any(call.logged_points for call in traffic.calls)
        return (lambda call: call.logged_points) if was_cached else None
    if ttl := _LANGCHAIN_AWS.get(name):
        possible = ttl in profile.ttls
        return (lambda call: _langchain_aws(call.prefix, profile, ttl)) if possible else None
    parts = _parse(name)
    if not set(parts.values()) <= set(profile.ttls):
        return None
    max_chars = profile.max_cacheable_tokens * traffic.chars_per_token
    return lambda call: _at_ends(call.prefix, profile, parts, max_chars)


def _parse(name: str) -> dict[str, CacheTTL]:
    """Return the lifetime of each part of a `PART:TTL+PART:TTL` name."""
    parts: dict[str, CacheTTL] = {}
    for item in name.split("+"):
        part, _, ttl = item.partition(":")
        known = part in (*_PARTS, "head") and ttl in get_args(CacheTTL)
        if not known:
            msg = (
                f"No policy is called {name!r}. Choose from {', '.join(DEFAULT_POLICIES)}, or "
                f"combine parts (head, {', '.join(_PARTS)}) with 5m or 1h: 'system:1h+tail:5m'."
            )
            raise CachePolicyError(msg)
        parts.update(dict.fromkeys(_HEAD if part == "head" else (part,), ttl))  # type: ignore[arg-type]
    seconds = [TTL_SECONDS[parts[part]] for part in _PARTS if part in parts]
    if seconds != sorted(seconds, reverse=True):
        msg = (
            f"Policy {name!r} has '1h' after '5m', but Bedrock wants longer lifetimes first, in "
            f"the order {', '.join(_PARTS)}."
        )
        raise CachePolicyError(msg)
    return parts


def _at_ends(
    prefix: Prefix, profile: ModelProfile, parts: Mapping[str, CacheTTL], max_chars: float
) -> list[Point]:
    starts = {"tools": 0, "system": prefix.tools}
    points: list[Point] = []
    for cut in cuts_of(prefix, 0, last_role="turn"):
        part = "system" if cut.role == "lone_system" else cut.role
        ttl = parts.get(part if part in _PARTS else "tail")
        above = max(starts.get(part, prefix.head), points[-1].position if points else 0)
        end = legal_at_or_before(prefix, cut.position, above, profile, max_chars=max_chars)
        if ttl and end:
            points.append(Point(end, ttl))
    return points


def _langchain_aws(prefix: Prefix, profile: ModelProfile, ttl: CacheTTL) -> list[Point]:
    """Place points as langchain-aws 1.9.1 does for requests that have none.

    Like it, this looks at no minimum and at no rule about what a point may follow.
    Guarded by test_langchain_aws_policy_is_what_langchain_aws_sends.
    """
    is_nova = profile.provider == "amazon"
    positions = {last_in_section(prefix, "system")}
    ends = [end for end in prefix.list_ends() if end > prefix.head]
    if is_nova:
        last_list = prefix.kinds[prefix.list_starts[-1] :]
        if not {"tool_use", "tool_result"} & set(last_list):
            positions.add(len(prefix))
    else:
        positions |= {last_in_section(prefix, "tools"), *ends[-1:]}
        if len(ends) > 1 and prefix.kinds[ends[-2] - 1] != "reasoning":
            positions.add(ends[-2])
    return [Point(position, ttl) for position in sorted(positions - {0})]
