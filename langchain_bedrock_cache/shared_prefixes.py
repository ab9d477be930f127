"""Prefixes that several requests of one batch share: known to come back, so written once for all.

Pure: which positions are shared, who goes first, and where the points for them go. Everywhere else
the planner weighs what may come back; inside a batch that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from langchain_bedrock_cache.plan import CachePlan, PlannedPoint
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.positions import legal_at_or_before
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile
from langchain_bedrock_cache.sighting import Sighting

# Where to try, in shares of a cap that is known in tokens only: characters per token differ that
# much between the first guess and text of any kind (Claude's 2 to 4.5). A point beyond the cap is
# ignored, and costs nothing.
_AROUND_A_CAP = (1.5, 0.85, 0.65)


@dataclass(frozen=True, slots=True)
class SharedPrefixes:
    """The longest prefixes that groups of requests have in common.

    Attributes:
        ends: Digests of the prefixes after which the requests of a group differ.
    """

    ends: frozenset[bytes] = field(default_factory=frozenset)

    @classmethod
    def of(cls, prefixes: Sequence[Prefix]) -> SharedPrefixes:
        """Find what the requests share: at every fork, what came before it."""
        counts = Counter(digest for prefix in prefixes for digest in set(prefix.digests))
        ends = set()
        for prefix in prefixes:
            # A fork is where fewer requests go on together than came; past it, look no further
            # than the requests that are still together.
            for digest, after in zip(prefix.digests, [*prefix.digests[1:], b""], strict=True):
                if counts[digest] < 2:  # noqa: PLR2004 # one request shares with nobody
                    break
                if counts[after] < counts[digest]:
                    ends.add(digest)
        return cls(frozenset(ends))

    def positions(self, prefix: Prefix) -> list[int]:
        """Return the positions after which requests of a group differ, ascending."""
        if not self.ends:
            return []
        return [n for n, digest in enumerate(prefix.digests, 1) if digest in self.ends]


def leaders_first(prefixes: Sequence[Prefix | None], shared: SharedPrefixes) -> list[int]:
    """Return the order in which to send requests: one of each group, then all others.

    Args:
        prefixes: One per request, `None` where it cannot be read.
        shared: What they share.

    Returns:
        Indices; first those that lead the groups which share the shortest prefixes, since longer
        groups start from what those write.
    """
    led: set[bytes] = set()
    ranks: list[tuple[int, int]] = []
    for index, prefix in enumerate(prefixes):
        digests = [prefix.digests[n - 1] for n in shared.positions(prefix)] if prefix else []
        followed = sum(digest in led for digest in digests)
        leads = followed < len(digests)
        led.update(digests)
        ranks.append((followed if leads else len(prefixes), index))
    return [index for _, index in sorted(ranks)]


def place_shared_points(
    plan: CachePlan,
    prefix: Prefix,
    *,
    shared: SharedPrefixes,
    profile: ModelProfile,
    policy: CachePolicy,
    sighting: Sighting,
) -> CachePlan:
    """Return the plan with points where other requests of the batch will read.

    A write for two uses always pays. The application's points stay, then the longest shared
    prefixes come first, then the planner's own points, as many as fit. What little a request has
    of its own (less than the model's minimum) gets no entry. Where a model caches so many tokens at
    most, points that are left go around that cap: how many characters it has, only the answer says.
    """
    minimum = max(profile.min_tokens_per_cache_point, policy.min_tokens)
    min_chars = minimum * sighting.chars_per_token
    cap_chars = profile.max_cacheable_tokens * sighting.chars_per_token

    def ends_within(max_chars: float) -> set[int]:
        legal = (
            legal_at_or_before(prefix, fork, 0, profile, max_chars=max_chars)
            for fork in shared.positions(prefix)
        )
        return {
            end
            for end in legal
            if end and prefix.chars[end - 1] >= min_chars and prefix.section(end) in policy.sections
        }

    ends = sorted(ends_within(cap_chars))
    around = (max(ends_within(cap_chars * share), default=0) for share in _AROUND_A_CAP)
    spare = [end for end in dict.fromkeys(around) if cap_chars and end and end not in ends]
    if not ends and not spare:
        return plan
    last = max(ends, default=0) or min(spare)
    longest = prefix.chars[last - 1]
    kept = [p for p in plan.points if p.origin == "application"]
    own = [
        p
        for p in plan.points
        if p.origin == "planner"
        and (p.position <= last or prefix.chars[p.position - 1] - longest >= min_chars)
    ]
    placed = {p.position for p in [*kept, *own]}
    wanted = [end for end in ends if end not in placed]
    room = profile.max_cache_points - len(kept)
    wanted = wanted[max(0, len(wanted) - room) :]
    own = own[max(0, len(own) + len(wanted) - room) :]
    wanted += [end for end in spare if end not in placed][: max(0, room - len(own) - len(wanted))]
    points = [*kept, *own]
    for end in wanted:
        ttl = _ttl_at(prefix, end, points, policy, profile)
        points.append(PlannedPoint(end, prefix.place(end), ttl, "planner"))
    return replace(plan, points=tuple(sorted(points, key=lambda p: p.position)))


def _ttl_at(
    prefix: Prefix,
    position: int,
    points: Sequence[PlannedPoint],
    policy: CachePolicy,
    profile: ModelProfile,
) -> CacheTTL:
    """Return 5 minutes, a batch being quick, unless the policy or a later point wants an hour."""
    hour_after = any(p.position > position and p.ttl == "1h" for p in points)
    five_before = any(p.position < position and p.ttl == "5m" for p in points)
    wanted = policy.ttl_for(prefix.section(position)) == "1h" and not five_before
    return "1h" if (hour_after or wanted) and "1h" in profile.ttls else "5m"
