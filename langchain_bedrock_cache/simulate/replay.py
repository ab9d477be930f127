"""Replay: one traffic, one policy, one prompt cache; what was read, written and left uncached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_bedrock_cache.emulator.prompt_cache import Point, PromptCache
from langchain_bedrock_cache.positions import is_legal
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import TTL_SECONDS, ModelProfile
from langchain_bedrock_cache.simulate.policies import Placer
from langchain_bedrock_cache.simulate.traffic import Traffic
from langchain_bedrock_cache.usage import CacheUsage

PROGRESS_STEP = 200
"""Calls between two reports of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the prompt cache did under one policy.

    Attributes:
        usage: Input tokens of all calls, by what became of them.
        refused_calls: Calls that Bedrock would have refused because of a cache point; counted as
            sent again without any.
    """

    usage: CacheUsage
    refused_calls: int = 0


def replay(
    traffic: Traffic,
    placer: Placer,
    *,
    may_refuse: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> Replay:
    """Send every call of a traffic, in time order, through an empty prompt cache.

    Args:
        traffic: The calls.
        placer: Places the points; used up by this.
        may_refuse: Whether points are checked as Bedrock does; not for points that it is known to
            have taken.
        on_progress: Called now and then with the number of calls since the last time.

    Returns:
        The sum over all calls.
    """
    cache = PromptCache()
    tokens: Counter[str] = Counter()
    refused = 0
    for n, call in enumerate(traffic.calls, 1):
        points = placer.place(call)
        if may_refuse and not is_accepted(call.prefix, points, traffic.profile):
            refused += 1
            points = ()
        outcome = cache.request(
            digests=call.prefix.digests,
            cumulative_tokens=call.tokens,
            points=points,
            profile=traffic.profile,
            now=call.at_seconds,
        )
        placer.learn(call, outcome)
        tokens["read"] += outcome.read_tokens
        tokens["write_5m"] += outcome.write_5m_tokens
        tokens["write_1h"] += outcome.write_1h_tokens
        tokens["uncached"] += outcome.uncached_tokens
        if on_progress and n % PROGRESS_STEP == 0:
            on_progress(PROGRESS_STEP)
    if on_progress:
        on_progress(len(traffic.calls) % PROGRESS_STEP)
    usage = CacheUsage(
        uncached_input_tokens=tokens["uncached"],
        cache_read_tokens=tokens["read"],
        cache_write_5m_tokens=tokens["write_5m"],
        cache_write_1h_tokens=tokens["write_1h"],
    )
    return Replay(usage=usage, refused_calls=refused)


def is_accepted(prefix: Prefix, points: Sequence[Point], profile: ModelProfile) -> bool:
    """Whether Bedrock accepts a request with these cache points, given in prefix order."""
    if len(points) > profile.max_cache_points:
        return False
    seconds = [TTL_SECONDS[point.ttl] for point in points]
    return seconds == sorted(seconds, reverse=True) and all(
        point.ttl in profile.ttls and is_legal(prefix, point.position, profile) for point in points
    )
