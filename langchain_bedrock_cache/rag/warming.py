"""Whether a call that only fills the prompt cache pays, and why one filled nothing. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.profiles import CacheTTL, find_profile
from langchain_bedrock_cache.usage import CacheUsage


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


def why_nothing(
    usage: CacheUsage, model_id: str, *, base_model: str | None, is_refused: bool
) -> str:
    """Return why a warm-up neither read nor wrote anything.

    Args:
        usage: What it used.
        model_id: Which model.
        base_model: The model behind an ARN that does not name it.
        is_refused: Whether Bedrock refused cache points lately.
    """
    profile = find_profile(model_id, base_model=base_model)
    if profile is None or not profile.supports_caching:
        return f"{model_id} takes no cache points here."
    if is_refused:
        return f"Bedrock refused a cache point for {model_id} lately."
    return (
        f"{usage.input_tokens} tokens were sent, and {model_id} caches from "
        f"{profile.min_tokens_per_cache_point} on. Ask about several documents together, or do "
        "without warming."
    )


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
