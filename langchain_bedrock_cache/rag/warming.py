"""Whether a call that only fills the prompt cache pays. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.profiles import CacheTTL


def warming_pays(
    prices: PriceMultipliers, *, ttl: CacheTTL, is_cached: bool, expected_questions: float
) -> bool:
    """Return whether to warm a document, from the prices alone.

    While it is cached, the warm-up reads it at the price `read`, and the next question reads it
    too, where it would have written it again: worth it if `p * (write - read) > read`, with the
    chance `p` of a question in time. Once it has expired, the warm-up writes it, and every question
    saves `1 - read`: worth it if `n * (1 - read) > write`. (A first question that is asked alone
    would write it as well; what the warm-up adds then is speed.)

    Args:
        prices: The model's price ratios.
        ttl: Lifetime of the cache entry.
        is_cached: Whether it is still alive.
        expected_questions: How many are expected before the entry, warmed now, would expire; a
            number below 1 is the chance of one.
    """
    write = prices.write_1h if ttl == "1h" else prices.write_5m
    if is_cached:
        return min(1.0, expected_questions) * (write - prices.read) > prices.read
    return expected_questions * (1.0 - prices.read) > write


def waves(
    requests: Sequence[tuple[Hashable, ...]], cached: frozenset[tuple[Hashable, ...]]
) -> Iterator[list[int]]:
    """Yield which requests to send at once, so that none writes what another is just writing.

    Bedrock can read an entry only once the response that wrote it has begun. So of the requests
    that begin with the same document, one goes first.

    Args:
        requests: For each request the documents it begins with, in their order.
        cached: Beginnings that are cached already.
    """
    known = set(cached)
    waiting = [*range(len(requests))]
    while waiting:
        writing: set[Hashable] = set()
        wave: list[int] = []
        for i in waiting:
            documents = requests[i]
            if documents in known:
                wave.append(i)
            elif documents[:1] not in writing:
                writing.add(documents[:1])
                wave.append(i)
        yield wave
        known |= {requests[i] for i in wave}
        sent = {*wave}
        waiting = [i for i in waiting if i not in sent]
