"""`Commitment`: a request that was sent, as far as its answer may correct what was assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from langchain_bedrock_cache.memory.record import PrefixRecord
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile
from langchain_bedrock_cache.spending import Account
from langchain_bedrock_cache.waiting import Waiting

# Parts of a prompt differ in characters per token, but entries around a cap are further apart.
_CAP_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request that was sent: what to correct when its answer arrives, or does not.

    Attributes:
        prefix: The request.
        profile: Its model.
        waiting: Its candidate positions.
        entries: What its points wrote or renewed, until when that was live before, and how long
            that is, in characters.
        account: What it was charged to,
        prompt: with this price,
        saving: and this saving, in tokens at the input price.
    """

    prefix: Prefix
    profile: ModelProfile
    waiting: tuple[Waiting, ...]
    entries: tuple[tuple[PrefixRecord, float, int], ...]
    account: Account
    prompt: float
    saving: float

    def lapsed(self) -> Iterator[tuple[int, CacheTTL, float]]:
        """Yield what was cached of the request once and is no more, as far as the memory knows.

        Yields:
            Length in characters, lifetime, and seconds from its last use to this request.
        """
        now = self.waiting[0].since if self.waiting else -math.inf
        for record, live_until, size in self.entries:
            if -math.inf < live_until <= now:
                yield size, record.ttl, now - live_until + TTL_SECONDS[record.ttl]

    def not_cached(self, *, input_tokens: int, cached_tokens: int) -> Iterator[PrefixRecord]:
        """Yield the entries that are not in the cache after all: too short, or past a cap.

        Args:
            input_tokens: All input tokens that Bedrock counted, cached ones included.
            cached_tokens: Those of them that were read or written.
        """
        chars = self.prefix.chars[-1] if self.prefix.chars else 0
        has_cap = self.profile.max_cacheable_tokens > 0 and chars > 0
        for record, _, size in self.entries:
            is_beyond = has_cap and size * input_tokens / chars > cached_tokens * _CAP_MARGIN
            if not cached_tokens or is_beyond:
                yield record
