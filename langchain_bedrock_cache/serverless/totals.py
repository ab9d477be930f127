"""The sum of a run: what every question came to, and what all of them used and cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from langchain_bedrock_cache.usage import CacheUsage

_LISTED_FAILURES = 50
NO_RESULT = "NoResult"
"""The error of a question that Step Functions lost sight of, such as in a run that was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What several calls used and cost together.

    Attributes:
        calls: Number of calls with usage.
        unpriced_calls: Those of them whose price is not known: in `usage`, but not in USD.
        usage: Tokens of all calls.
        total_usd: Cost of the calls with a known price.
        without_caching_usd: What those would have cost without caching.
    """

    calls: int = 0
    unpriced_calls: int = 0
    usage: CacheUsage = field(default_factory=CacheUsage)
    total_usd: Decimal = Decimal(0)
    without_caching_usd: Decimal = Decimal(0)

    def plus(self, result: Mapping[str, Any]) -> Sums:
        """Return the sums with one more call, from its `usage` and `cost` fields."""
        cost = result["cost"]
        return Sums(
            calls=self.calls + 1,
            unpriced_calls=self.unpriced_calls + (cost is None),
            usage=self.usage + CacheUsage(**result["usage"]),
            total_usd=self.total_usd + Decimal(cost["total_usd"] if cost else 0),
            without_caching_usd=self.without_caching_usd
            + Decimal(cost["without_caching_usd"] if cost else 0),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the sums as JSON; USD are `None` if no price is known at all."""
        priced = self.calls > self.unpriced_calls or not self.calls
        return {
            "calls": self.calls,
            "unpriced_calls": self.unpriced_calls,
            "usage": self.usage.as_dict(),
            "hit_ratio": round(self.usage.hit_ratio, 4),
            "total_usd": f"{self.total_usd:f}" if priced else None,
            "without_caching_usd": f"{self.without_caching_usd:f}" if priced else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults:
    """A run, with a result for every question that was planned.

    Attributes:
        questions: Results in the order of the plan, each with `id` and `status`: `"answered"` or
            `"failed"`, the latter with the name of the `error`.
        warm_ups: Results of the warm-up calls that were needed.
    """

    questions: Sequence[Mapping[str, Any]]
    warm_ups: Sequence[Mapping[str, Any]]

    def summary(self) -> dict[str, Any]:
        """Return the summary as JSON.

        Returns:
            Counts of `items`, `answered` and `failed`; the first 50 `failures`; sums of the
            `answers` and of the `warm_ups`; and `total`, which is both.
        """
        answers = [result for result in self.questions if "usage" in result]
        failed = [result for result in self.questions if result["status"] != "answered"]
        return {
            "items": len(self.questions),
            "answered": len(self.questions) - len(failed),
            "failed": len(failed),
            "failures": [
                {"id": result["id"], "error": result["error"]}
                for result in failed[:_LISTED_FAILURES]
            ],
            "answers": _sums(answers).as_dict(),
            "warm_ups": _sums(self.warm_ups).as_dict(),
            "total": _sums([*answers, *self.warm_ups]).as_dict(),
        }


def collect(
    documents: Iterable[Mapping[str, Any]],
    *,
    planned: Sequence[str],
    errors: Mapping[str, str] | None = None,
) -> RunResults:
    """Return a result for every planned question, whatever became of it.

    Args:
        documents: Results of each group, with `first`, `rest` and `warm_up`.
        planned: IDs of all questions, in order.
        errors: What went wrong with groups that have no results, by ID of their questions.
    """
    found: dict[str, Mapping[str, Any]] = {}
    warm_ups = []
    for document in documents:
        if document["warm_up"]:
            warm_ups.append(document["warm_up"])
        for result in (document["first"], *document["rest"]):
            found[result["id"]] = result
    lost = errors or {}
    return RunResults(
        questions=[
            found.get(name) or {"id": name, "status": "failed", "error": lost.get(name, NO_RESULT)}
            for name in planned
        ],
        warm_ups=warm_ups,
    )


def _sums(results: Iterable[Mapping[str, Any]]) -> Sums:
    sums = Sums()
    for result in results:
        sums = sums.plus(result)
    return sums
