"""What a call could have read, had nothing changed and everything been cached from the start.

The yardstick of a verdict is what was in the cache. A prompt that changes all the time leaves
nothing there, the more so where the planner stops writing what nobody reads: what mending it is
worth is seen in the requests, by what they have in common at whatever place.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from langchain_bedrock_cache.diagnosis.diagnosis import Diagnosis, Verdict
from langchain_bedrock_cache.profiles import TTL_SECONDS
from langchain_bedrock_cache.sent_requests import SentRequest
from langchain_bedrock_cache.sent_requests.alike import LONG_TEXT_CHARS, is_version_of
from langchain_bedrock_cache.sent_requests.fingerprint import Block, Fingerprint, common_chars
from langchain_bedrock_cache.usage import CacheUsage

MENDABLE: frozenset[Verdict] = frozenset(("prefix_changed", "no_points", "too_short", "refused"))
"""Verdicts on calls whose cached part says nothing about what they could have read."""

_MAX_CALLS = 4_096
# An estimate from characters is not exact to the token.
_ALMOST = 0.98


class IfMended:
    """Complete diagnoses by what could have been read, had all been well from the start.

    Not thread-safe; bounded. The first call to need a part of the prompt would have had to write
    it: who that is has to be remembered, for each part to count once.
    """

    def __init__(self) -> None:
        self._cached: OrderedDict[int, int] = OrderedDict()

    def complete(
        self,
        diagnosis: Diagnosis,
        sent: SentRequest,
        before: SentRequest,
        *,
        usage: CacheUsage,
        cached_tokens: int,
        gap_seconds: float,
    ) -> Diagnosis:
        """Return a diagnosis with what the call could have read, and what had to be written first.

        Args:
            diagnosis: Of the call.
            sent: Its request.
            before: The nearest earlier one.
            usage: Tokens of the call.
            cached_tokens: What the earlier call had read and written.
            gap_seconds: Time between the two.
        """
        tokens = readable_tokens(
            before.print,
            sent.print,
            start=sent.shared,
            input_tokens=usage.input_tokens,
            gap_seconds=gap_seconds,
        )
        if tokens <= usage.cache_read_tokens:
            return diagnosis
        written = max(cached_tokens, self._cached.get(before.number, 0))
        for number in (before.number, sent.number):
            self._cached[number] = max(tokens, self._cached.pop(number, 0))
        while len(self._cached) > _MAX_CALLS:
            self._cached.popitem(last=False)
        if _ALMOST * tokens <= diagnosis.expected_read_tokens:
            return diagnosis  # counted beats estimated
        unwritten = max(0, tokens - max(written, usage.cache_read_tokens))
        return replace(diagnosis, readable_tokens=tokens, unwritten_tokens=unwritten)


def readable_tokens(
    earlier: Fingerprint,
    taken: Fingerprint,
    *,
    start: int,
    input_tokens: int,
    gap_seconds: float,
) -> int:
    """Estimate what a request could have read, had what changed stood behind all that stayed.

    Args:
        earlier: The nearest earlier request.
        taken: The request.
        start: Blocks at the beginning that both have.
        input_tokens: Of the request, cached ones included.
        gap_seconds: Time between the two: nothing is kept beyond the longest lifetime that either
            asks for, 5 minutes if neither has a cache point.

    Returns:
        Tokens; 0 if they are fewer than the model caches.
    """
    profile, chars = taken.profile, taken.prefix.chars
    if profile is None or not profile.supports_caching or not chars:
        return 0
    ttls = [TTL_SECONDS[ttl] for _, ttl in (*earlier.points, *taken.points)]
    if gap_seconds >= max(ttls, default=TTL_SECONDS["5m"]):
        return 0
    tokens = kept_tokens(earlier, taken, start=start, input_tokens=input_tokens)
    return min(tokens, profile.max_cacheable_tokens or tokens)


def kept_tokens(earlier: Fingerprint, taken: Fingerprint, *, start: int, input_tokens: int) -> int:
    """Estimate how many tokens of an earlier request are in a request still, at whatever place.

    Args:
        earlier: The nearest earlier request.
        taken: The request.
        start: Blocks at the beginning that both have.
        input_tokens: Of the request, cached ones included.

    Returns:
        Tokens; 0 if they are fewer than the model caches.
    """
    shared, chars = _shared_chars(earlier, taken, start), taken.prefix.chars
    tokens = round(input_tokens * shared / max(1, chars[-1] if chars else 0))
    least = taken.profile.min_tokens_per_cache_point if taken.profile else 0
    return tokens if tokens >= least else 0


def _shared_chars(earlier: Fingerprint, taken: Fingerprint, start: int) -> int:
    """Count the characters of blocks that stayed, wherever they stand, or are versions of others.

    What is new in a request, such as its question, is not among them.
    """
    prefix = taken.prefix
    shared = prefix.chars_before(start)
    # A conversation that went on has the same messages still; short texts of two may look alike.
    in_messages = 0 if len(taken) > len(earlier) else LONG_TEXT_CHARS
    stayed = {block.content for block in earlier.blocks[start:]}
    for index, new in enumerate(taken.blocks[start:], start):
        size = prefix.chars[index] - prefix.chars_before(index)
        least = 0 if index < prefix.head else in_messages
        if new.content in stayed:
            shared += size
        elif index < len(earlier) and is_version_of(earlier.blocks[index], new, min_chars=least):
            shared += round(size * _common_share(earlier.blocks[index], new))
    return shared


def _common_share(old: Block, new: Block) -> float:
    """Return how much of a block is that of another, of which it is a version: 0.0 to 1.0."""
    if old.loose == new.loose:
        return 1.0  # the same but for its layout or its name
    return common_chars(old, new, most=True) / max(1, new.chars)
