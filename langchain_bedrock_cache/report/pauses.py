"""Pauses that the prompt cache did not survive: what would have bridged them, where that pays.

A longer lifetime has to be asked for in advance, and makes all that a model writes dearer; pings
cost a read each. All in prices of plain input tokens: what pays does not depend on more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from langchain_bedrock_cache.pricing import PriceMultipliers, price_multipliers
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, find_profile
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.usage import CacheUsage

Bridge = Literal["1h", "keep_alive"]
"""What would have kept an entry: the longer lifetime, or pings."""

LONGEST_SECONDS = max(TTL_SECONDS.values())
"""No lifetime is longer."""

_Model = tuple[str | None, str | None]

# As KeepAlive does, and `roi` expects; test_pings_are_those_of_keep_alive guards it.
_PING_SHARE = 0.9
# When an entry was used is told by two clocks, one of calls and one of requests.
_SAME_SECONDS = 1.0


class Pauses:
    """What would have bridged the pauses between some calls.

    Args:
        records: All calls of a report: whether the longer lifetime pays depends on all that they
            wrote.
    """

    def __init__(self, records: Iterable[CallRecord]) -> None:
        self._seconds = _pauses(records := tuple(records))
        self._shares = _kept_shares(records, self._seconds)

    def seconds(self, record: CallRecord) -> float | None:
        """Return how long nobody had asked for the entry that a call did not find.

        Where calls stop writing what nobody reads, its age goes on from one to the next, and the
        pauses between them would have been shorter.

        Returns:
            Seconds; `None` if the verdict of the call is not `expired`.
        """
        return self._seconds.get(id(record))

    def bridge(self, record: CallRecord) -> Bridge | None:
        """Return what would have kept the entry that a call did not find; `None` if nothing pays.

        Args:
            record: One of the calls; there is nothing to bridge unless its verdict is `expired`.
        """
        usage, found, pause = record.usage, record.diagnosis, self.seconds(record)
        if usage is None or found is None or pause is None or not found.wasted_tokens:
            return None
        if _fits_an_hour(record, pause) and self.kept_share(record):
            return "1h"
        ratios = ratios_of(record)
        saved = _saved(found.wasted_tokens, usage, ratios)
        return "keep_alive" if saved > self.ping_tokens(record) * ratios.read else None

    def kept_share(self, record: CallRecord) -> float:
        """Return which part of what the longer lifetime saves is left after its dearer writes."""
        return self._shares.get((record.model_id, record.answered_by), 0.0)

    def ping_tokens(self, record: CallRecord) -> int:
        """Return how many tokens pings would have read to keep an entry until a call."""
        found, pause = record.diagnosis, self.seconds(record)
        if found is None or pause is None or found.ttl is None:
            return 0
        return ping_count(pause, found.ttl) * found.expected_read_tokens


def ratios_of(record: CallRecord) -> PriceMultipliers:
    """Return the price ratios of the model of a call."""
    return price_multipliers(record.model_id or "", base_model=record.answered_by)


def ping_count(pause_seconds: float, ttl: CacheTTL) -> int:
    """Return how many pings keep an entry alive for so long."""
    return int(pause_seconds // (TTL_SECONDS[ttl] * _PING_SHARE))


def rewritten_and_plain(tokens: int, usage: CacheUsage) -> tuple[int, int]:
    """Return of tokens that were not read how many were written again, and how many plain input."""
    rewritten = min(tokens, usage.cache_write_tokens)
    return rewritten, min(tokens - rewritten, usage.uncached_input_tokens)


def _pauses(records: Iterable[CallRecord]) -> Mapping[int, float]:
    """Return `Pauses.seconds` by the identity of records.

    That calls lack the same entry is told by its size, and by when it was used.
    """
    pauses: dict[int, float] = {}
    lacked: dict[tuple[str | None, str | None, int], tuple[float, float]] = {}
    for record in records:
        found = record.diagnosis
        if found is None or found.verdict != "expired" or found.age_seconds is None:
            continue
        pauses[id(record)] = age = found.age_seconds
        used_at = (record.started_at or 0.0) - age
        key = record.model_id, record.answered_by, found.expected_read_tokens
        before_used_at, before_age = lacked.get(key, (used_at, 0.0))
        if abs(before_used_at - used_at) <= _SAME_SECONDS and before_age <= age:
            pauses[id(record)] = age - before_age
        lacked[key] = used_at, age
    return pauses


def _kept_shares(
    records: Iterable[CallRecord], pauses: Mapping[int, float]
) -> Mapping[_Model, float]:
    """Return `Pauses.kept_share` by model, of those with any pause that the lifetime bridges."""
    calls: dict[_Model, list[CallRecord]] = {}
    for record in records:
        if record.usage is not None:
            calls.setdefault((record.model_id, record.answered_by), []).append(record)
    return {
        model: _kept_share(of_model, bridged)
        for model, of_model in calls.items()
        if (bridged := [call for call in of_model if _fits_an_hour(call, pauses.get(id(call)))])
        and _has_hour(*model)
    }


def _kept_share(calls: Iterable[CallRecord], bridged: Iterable[CallRecord]) -> float:
    ratios, saved, again = None, 0.0, 0
    for call in bridged:
        usage, found = call.usage or CacheUsage(), call.diagnosis
        tokens = found.wasted_tokens if found else 0
        ratios = ratios_of(call)
        saved += _saved(tokens, usage, ratios)
        again += rewritten_and_plain(tokens, usage)[0]
    if ratios is None or saved <= 0:
        return 0.0
    # What would still have been written, once.
    once = sum(call.usage.cache_write_5m_tokens for call in calls if call.usage) - again
    return max(0.0, 1 - max(0, once) * (ratios.write_1h - ratios.write_5m) / saved)


def _saved(tokens: int, usage: CacheUsage, ratios: PriceMultipliers) -> float:
    """Return what reading tokens would have saved."""
    rewritten, plain = rewritten_and_plain(tokens, usage)
    written_again = 0.0
    if rewritten:
        dear = usage.cache_write_1h_tokens * ratios.write_1h
        write = (usage.cache_write_5m_tokens * ratios.write_5m + dear) / usage.cache_write_tokens
        written_again = rewritten * (write - ratios.read)
    return written_again + plain * (1 - ratios.read)


def _fits_an_hour(record: CallRecord, pause: float | None) -> bool:
    found = record.diagnosis
    return bool(found and found.ttl == "5m" and pause is not None and pause < LONGEST_SECONDS)


def _has_hour(model_id: str | None, answered_by: str | None) -> bool:
    profile = find_profile(model_id or "", base_model=answered_by)
    return profile is not None and "1h" in profile.ttls
