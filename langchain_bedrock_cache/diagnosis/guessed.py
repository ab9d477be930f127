"""Entries of the prompt cache that nobody counted: guessed from sizes, for later verdicts.

A stream that is not read to its end tells no usage, and still has written its prefix; and what was
sent while nobody listened is known to the planner's memory alone. Both are good enough to say that
an entry has expired, or where a prefix changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from langchain_bedrock_cache.diagnosis.facts import Destination, Entry
from langchain_bedrock_cache.memory import Commitment
from langchain_bedrock_cache.profiles import TTL_SECONDS
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.usage import CacheUsage


def usage_of_unread(
    taken: Fingerprint, entry: Entry | None, *, started_at: float, chars_per_token: float
) -> CacheUsage:
    """Return about what a call used whose answer began and was not read to its end.

    Args:
        taken: The request.
        entry: The longest entry that earlier calls left in its prefix.
        started_at: When it was made, in seconds.
        chars_per_token: Of the model.
    """
    chars = taken.prefix.chars
    total = round(chars[-1] / chars_per_token)
    least = taken.profile.min_tokens_per_cache_point if taken.profile else 0
    sizes = [round(chars[position - 1] / chars_per_token) for position, _ in taken.points]
    cached = max((size for size in sizes if size >= least), default=0)
    is_live = entry is not None and started_at - entry.used_at < TTL_SECONDS[entry.ttl]
    read = min(cached, entry.tokens) if entry is not None and is_live else 0
    return CacheUsage(
        uncached_input_tokens=total - cached,
        cache_read_tokens=read,
        cache_write_5m_tokens=cached - read,
    )


def lapsed_entries(
    taken: Fingerprint,
    commitment: Commitment,
    usage: CacheUsage,
    *,
    started_at: float,
    sent_to: Destination,
) -> Iterator[tuple[bytes, Entry]]:
    """Yield what the planner's memory knows to have been cached of a request, and has expired.

    Args:
        taken: The request.
        commitment: The same, as the memory took it in.
        usage: What the call used.
        started_at: When it was made, in seconds.
        sent_to: Where it went; the memory keeps places apart.

    Yields:
        Digests, and the entries that ended there.
    """
    chars = taken.prefix.chars
    least = taken.profile.min_tokens_per_cache_point if taken.profile else 0
    for size, ttl, age_seconds in commitment.lapsed():
        position = bisect_left(chars, size) + 1
        tokens = round(usage.input_tokens * size / max(1, chars[-1]))
        if tokens < least:
            continue
        used_at = started_at - age_seconds
        yield (
            taken.prefix.digests[position - 1],
            Entry(
                tokens=tokens,
                is_exact=False,
                ttl=ttl,
                used_at=used_at,
                readable_at=used_at,
                written_at=sent_to,
                position=position,
            ),
        )


def weighed(entry: Entry, taken: Fingerprint, usage: CacheUsage) -> Entry:
    """Return a guessed entry with its length in the tokens of a call that begins with it."""
    chars = taken.prefix.chars
    share = chars[entry.position - 1] / max(1, chars[-1])
    return entry._replace(tokens=round(usage.input_tokens * share), is_guess=False)
