"""The bound: cheaper than this, no policy can be, whatever it knows about the future.

A prompt is cut into nodes at every position where the model takes a cache point; equal prefixes of
different calls end in the same node. What comes before the model's minimum belongs to the first
node that reaches it, and what no point can cache (behind the last such position, or beyond a
documented cap) costs the input price. Of each node, all its uses are known. At a use, its tokens
are read, written with either lifetime, or left uncached; a small dynamic program over the states
"uncached", "cached for 5 minutes" and "cached for an hour" finds the cheapest way through them.

It is a relaxation. Nodes are decided one by one, where Bedrock writes whole prefixes, and there
are no limits of 4 points or 21 blocks, so real policies may have to pay more than the bound. None
can pay less (the argument, for one node): to be read, an entry must be live that ends at the node
or behind it; whatever call wrote or renewed that entry used the node as well, paid a write or a
read for it, and left it in one of the three states; reading while that is possible is never
dearer than not reading, and never leaves less. Guarded by test_no_policy_beats_the_bound.

One rule is easily missed. A call that reads a prefix cached for 5 minutes and writes a later part
for an hour makes an entry that holds *all* of it for an hour: the prefix is prolonged at the price
of reading it. So a node that is read can leave the use cached for an hour, unless it is the last
of its call, where nothing is left to write behind it. With `prolonging=False` this is left out.
That is no bound in the emulated cache, but what can be reached if Bedrock should keep the
lifetimes apart (its documentation does not say).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.profiles import TTL_SECONDS, ModelProfile
from langchain_bedrock_cache.simulate.traffic import Call, Traffic


@dataclass(slots=True)
class _Node:
    """Cheapest price per token so far, by the state the node is left in at its last use."""

    tokens: int
    last_use: float
    uncached: float = 0.0
    cached_5m: float = inf
    cached_1h: float = inf

    def use(self, at: float, prices: PriceMultipliers, *, hour: bool, prolong: bool) -> None:
        age = at - self.last_use
        if age >= TTL_SECONDS["1h"]:
            self.uncached, self.cached_1h = min(self.uncached, self.cached_1h), inf
        if age >= TTL_SECONDS["5m"]:
            self.uncached, self.cached_5m = min(self.uncached, self.cached_5m), inf
        # What is cached may be treated as if it were not.
        before = min(self.uncached, self.cached_5m, self.cached_1h)
        read_5m = self.cached_5m + prices.read
        read_1h = self.cached_1h + prices.read
        self.uncached = before + 1.0
        self.cached_5m = min(before + prices.write_5m, read_5m)
        if hour:
            prolonged = read_5m if prolong else inf
            self.cached_1h = min(before + prices.write_1h, read_1h, prolonged)
        self.last_use = at


def lower_bound(
    traffic: Traffic, multipliers: PriceMultipliers, *, prolonging: bool = True
) -> float:
    """Return the least that any policy could pay, in tokens at the input price.

    Args:
        traffic: The calls, in time order.
        multipliers: The model's price ratios.
        prolonging: Whether a later write for an hour prolongs what was read before it, as in the
            emulated cache.

    Returns:
        The bound; see the description of this module.
    """
    profile = traffic.profile
    hour = "1h" in profile.ttls
    logged = _logged_ends(traffic)
    nodes: dict[bytes, _Node] = {}
    never_cached = 0
    for call in traffic.calls:
        start = 0
        ends = list(_node_ends(call, profile, logged))
        for position in ends:
            tokens = call.tokens[position - 1]
            digest = call.prefix.digests[position - 1]
            node = nodes.get(digest)
            if node is None:
                node = nodes[digest] = _Node(tokens - start, call.at_seconds)
            node.use(
                call.at_seconds,
                multipliers,
                hour=hour,
                prolong=prolonging and position != ends[-1],
            )
            start = tokens
        never_cached += call.tokens[-1] - start
    cached = sum(n.tokens * min(n.uncached, n.cached_5m, n.cached_1h) for n in nodes.values())
    return never_cached + cached


def _logged_ends(traffic: Traffic) -> frozenset[bytes]:
    """Return where logged points stood: Bedrock took them there, whatever the profile says."""
    return frozenset(
        call.prefix.digests[point.position - 1]
        for call in traffic.calls
        for point in call.logged_points
    )


def _node_ends(call: Call, profile: ModelProfile, logged: frozenset[bytes]) -> Iterator[int]:
    """Yield the positions of a call where a cache point has an effect."""
    if not profile.supports_caching:
        return
    prefix = call.prefix
    cap = profile.max_cacheable_tokens or inf
    for i, (kind, tokens) in enumerate(zip(prefix.kinds, call.tokens, strict=True)):
        if not profile.min_tokens_per_cache_point <= tokens <= cap:
            continue
        # Blank text is no place for a point of ours, but Bedrock takes one there.
        takes_point = (
            kind in ("text", "blank")
            if profile.points_after == "text"
            else kind not in profile.never_after
        )
        if (takes_point and prefix.section(i + 1) in profile.sections) or (
            logged and prefix.digests[i] in logged
        ):
            yield i + 1
