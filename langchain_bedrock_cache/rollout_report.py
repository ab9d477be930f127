"""The two groups of a gradual roll-out, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from langchain_bedrock_cache.records import CallRecord, RunTotals, format_totals
from langchain_bedrock_cache.rollout import OUTSIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """Both groups and their sum; print it for a table.

    Attributes:
        cached: Calls of the conversations that are part of the roll-out.
        control: Calls of the others.
        total: All of them.
    """

    cached: RunTotals
    control: RunTotals
    total: RunTotals

    def __str__(self) -> str:
        return format_totals({"cached": self.cached, "control": self.control}, self.total)


def rollout_report(records: Iterable[CallRecord]) -> RolloutReport:
    """Compare the calls inside and outside the roll-out.

    Args:
        records: Of a `CacheUsageCallbackHandler`. Calls without a plan, failed ones among them,
            tell no group and are left out.
    """
    cached = control = total = RunTotals()
    for record in records:
        if record.plan is None:
            continue
        total = total.plus(record)
        if any(skipped.get("detail") == OUTSIDE for skipped in record.plan.get("skipped") or ()):
            control = control.plus(record)
        else:
            cached = cached.plus(record)
    return RolloutReport(cached=cached, control=control, total=total)
