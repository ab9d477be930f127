"""Sums over recorded calls: one row per model, tag, step, run, verdict or span of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from langchain_bedrock_cache.pricing import usd_text
from langchain_bedrock_cache.records import CallRecord, RunTotals
from langchain_bedrock_cache.report.worth import Mending
from langchain_bedrock_cache.usage import CacheUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """Several calls added up.

    Attributes:
        name: What they have in common.
        calls: How many, failed ones included.
        failed_calls: Those that ended in an exception or were cut off.
        unpriced_calls: Those with usage but no known price: in no sum of USD.
        unreported_calls: Those that reported no usage although they may have used tokens: in no
            sum. See `CallRecord.is_unreported`.
        misreported_calls: Those that reported more written tokens than add up.
        excess_write_tokens: What they reported beyond those in `usage`.
        usage: Their tokens.
        cost_usd: What they cost; `None`, not zero, if no price is known.
        without_caching_usd: What they would have cost without prompt caching.
        wasted_tokens: What they did not read although it was, or had just been, in the cache.
        wasted_usd: What reading that would have saved; `None` if no price is known, or no call was
            diagnosed.
        mendable_tokens: What they did not read and could have, had nothing changed and everything
            been cached from the start; what was in the cache is among it, unless it had expired and
            nothing would have kept it for less than that saves.
        mendable_usd: What reading that would have saved, less what it would have cost: to write
            what nobody had written, or to keep what had expired; `None` where `wasted_usd` is.
        is_estimate: Whether more could have been read than was in the cache: how much is an
            estimate.
    """

    name: str
    calls: int = 0
    failed_calls: int = 0
    unpriced_calls: int = 0
    unreported_calls: int = 0
    misreported_calls: int = 0
    excess_write_tokens: int = 0
    usage: CacheUsage
    cost_usd: Decimal | None = None
    without_caching_usd: Decimal | None = None
    wasted_tokens: int = 0
    wasted_usd: Decimal | None = None
    mendable_tokens: int = 0
    mendable_usd: Decimal | None = None
    is_estimate: bool = False

    @property
    def hit_ratio(self) -> float:
        """Part of the input that was read from the prompt cache, 0.0 to 1.0."""
        return self.usage.hit_ratio

    @property
    def savings_usd(self) -> Decimal | None:
        """What prompt caching saved; negative if writes cost more than reads saved."""
        if self.cost_usd is None or self.without_caching_usd is None:
            return None
        return self.without_caching_usd - self.cost_usd

    @property
    def savings_ratio(self) -> float | None:
        """Saved part of the cost without caching, output included."""
        if self.savings_usd is None or not self.without_caching_usd:
            return None
        return float(self.savings_usd / self.without_caching_usd)

    @property
    def bound_usd(self) -> Decimal | None:
        """What they would have cost had nothing changed and everything been cached.

        `None` if that is not known. Where nothing was written, what could have been read is
        estimated by what requests have in common: see `is_estimate`.
        """
        if self.cost_usd is None or self.mendable_usd is None:
            return None
        return self.cost_usd - self.mendable_usd

    def sums_usd(self) -> dict[str, Decimal | None]:
        """Return all sums of USD by name; `None` where unknown."""
        return {
            "cost_usd": self.cost_usd,
            "without_caching_usd": self.without_caching_usd,
            "savings_usd": self.savings_usd,
            "wasted_usd": self.wasted_usd,
            "mendable_usd": self.mendable_usd,
            "bound_usd": self.bound_usd,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain data; USD as strings (`usd_text`), `None` where unknown."""
        return {
            "name": self.name,
            "calls": self.calls,
            "failed_calls": self.failed_calls,
            "unpriced_calls": self.unpriced_calls,
            "unreported_calls": self.unreported_calls,
            "misreported_calls": self.misreported_calls,
            "excess_write_tokens": self.excess_write_tokens,
            **self.usage.as_dict(),
            "hit_ratio": self.hit_ratio,
            "wasted_tokens": self.wasted_tokens,
            "mendable_tokens": self.mendable_tokens,
            **{
                name: None if usd is None else usd_text(usd)
                for name, usd in self.sums_usd().items()
            },
            "savings_ratio": self.savings_ratio,
        }


def rows_by(
    records: Iterable[CallRecord],
    names_of: Callable[[CallRecord], Iterable[str]],
    mending: Mending,
) -> list[ReportRow]:
    """Add up records in groups.

    Args:
        records: The calls.
        names_of: Returns the groups of a call: none, one or several.
        mending: What mending them is worth.

    Returns:
        A row per group, in the order in which the groups first occur.
    """
    groups: dict[str, list[CallRecord]] = {}
    for record in records:
        for name in names_of(record):
            groups.setdefault(name, []).append(record)
    return [row_of(name, group, mending) for name, group in groups.items()]


def row_of(name: str, records: Sequence[CallRecord], mending: Mending) -> ReportRow:
    """Add up records in one row.

    Args:
        name: What they have in common.
        records: The calls.
        mending: What mending them is worth, seen from all calls of the report.
    """
    totals = RunTotals().plus(*records)
    cost = totals.cost
    found = [record for record in records if record.diagnosis is not None]
    worths = [mending.worth(record) for record in found]
    wasted = [worth.wasted_usd for worth in worths if worth.wasted_usd is not None]
    mendable = [worth.usd for worth in worths if worth.usd is not None]
    is_judged = cost is not None and bool(found)
    return ReportRow(
        name=name,
        calls=totals.calls,
        failed_calls=totals.failed_calls,
        unpriced_calls=totals.unpriced_calls,
        unreported_calls=totals.unreported_calls,
        misreported_calls=totals.misreported_calls,
        excess_write_tokens=totals.excess_write_tokens,
        usage=totals.usage,
        cost_usd=None if cost is None else cost.total_usd,
        without_caching_usd=None if cost is None else cost.without_caching_usd,
        wasted_tokens=sum(record.diagnosis.wasted_tokens for record in found if record.diagnosis),
        wasted_usd=sum(wasted, Decimal(0)) if is_judged else None,
        mendable_tokens=sum(worth.tokens for worth in worths),
        mendable_usd=sum(mendable, Decimal(0)) if is_judged else None,
        is_estimate=any(
            worth.tokens > record.diagnosis.wasted_tokens
            for worth, record in zip(worths, found, strict=True)
            if record.diagnosis
        ),
    )
