"""`ReportFacts`: what recorded calls add up to, in tokens, USD and findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any, Literal, get_args

from langchain_bedrock_cache.checks import check_choice, check_list, check_number, check_type
from langchain_bedrock_cache.diagnosis import Verdict
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.quota import QuotaEffect, is_provisioned, quota_effect
from langchain_bedrock_cache.report.rows import ReportRow, row_of, rows_by
from langchain_bedrock_cache.sent_requests.change_kinds import WORDS

_SPANS = (("minute", 60.0), ("hour", 3_600.0), ("day", 86_400.0))
_MAX_SPANS = 1_440

Grouping = Literal["model", "tag", "step", "run", "verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason for which calls read less than they could have.

    Attributes:
        verdict: Of these calls.
        place: Where their requests changed; empty if they did not.
        what: What changed, or what else is known, in words.
        row: The calls added up.
    """

    verdict: Verdict
    place: str
    what: str
    row: ReportRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How long calls took, by whether they were hits.

    Attributes:
        hits: Calls that read all they could.
        misses: Calls that read nothing.
        hit_seconds: Median from start to end of the hits; `None` if unknown.
        miss_seconds: The same of the misses.
        hit_first_token_seconds: Median to the first content of streamed hits.
        miss_first_token_seconds: The same of the misses.
    """

    hits: int
    misses: int
    hit_seconds: float | None
    miss_seconds: float | None
    hit_first_token_seconds: float | None
    miss_first_token_seconds: float | None


class ReportFacts:
    """What the prompt cache did for some calls; `CacheReport` shows it.

    Args:
        records: Calls as `CacheUsageCallbackHandler.records` has them; not copied.
    """

    def __init__(self, records: Iterable[CallRecord]) -> None:
        what = "calls, such as `CacheUsageCallbackHandler.records`"
        check_list("records", records, what=what)
        self.records: Sequence[CallRecord] = tuple(records)
        for record in self.records[:1]:  # whoever gives something else gives nothing but that
            check_type("a record", record, CallRecord, what="a CallRecord")

    @cached_property
    def total(self) -> ReportRow:
        """All calls added up."""
        return row_of("total", self.records)

    def by(self, grouping: Grouping) -> list[ReportRow]:
        """Return a row per model, tag, step, outermost run or verdict.

        Args:
            grouping: What a row is. A call counts under each of its tags.
        """
        check_choice("grouping", grouping, get_args(Grouping))
        names = {
            "model": lambda record: [record.model_name],
            "tag": lambda record: dict.fromkeys(record.tags),
            "step": lambda record: [_step(record)],
            "run": lambda record: [_run_name(record)],
            "verdict": lambda record: [_verdict(record)],
        }
        return rows_by(self.records, names[grouping])

    def runs(self, *, latest: int | None = None) -> list[tuple[ReportRow, list[ReportRow]]]:
        """Return outermost runs with their steps, in the order in which they first ended a call.

        Args:
            latest: How many of them, from the end; default: all.
        """
        if latest is not None:
            check_number("latest", latest, least=1, is_whole=True)
        runs: dict[str, list[CallRecord]] = {}
        for record in self.records:
            runs.setdefault(_run_name(record), []).append(record)
        wanted = list(runs.items())[-latest if latest else 0 :]
        return [_run_and_steps(name, calls) for name, calls in wanted]

    @cached_property
    def run_count(self) -> int:
        """Number of outermost runs."""
        return len({record.root_run_id for record in self.records})

    def over_time(self, *, seconds: float = 60.0) -> list[tuple[float, ReportRow]]:
        """Return a row per span of time, with its start in seconds since the epoch.

        Args:
            seconds: Length of a span.
        """
        spans: dict[float, list[CallRecord]] = {}
        for record in self.records:
            if record.started_at is not None:
                start = record.started_at // seconds * seconds
                spans.setdefault(start, []).append(record)
        return [(start, row_of(f"{start:.0f}", calls)) for start, calls in sorted(spans.items())]

    def timeline(self, *, most: int) -> tuple[str, list[tuple[float, ReportRow]]]:
        """Return rows over time, of minutes or of what is longer, not to have too many.

        Args:
            most: With more minutes than this, rows are of hours; with more hours, of days.

        Returns:
            What a row is of, and the rows with their starts, in seconds since the epoch.
        """
        starts = [record.started_at for record in self.records if record.started_at is not None]
        spans = (span for span in _SPANS if len({at // span[1] for at in starts}) <= most)
        what, seconds = next(spans, _SPANS[-1])
        return what, self.over_time(seconds=seconds)

    @cached_property
    def problems(self) -> list[Problem]:
        """Why calls read less than they could have, the most wasted tokens first."""
        groups: dict[tuple[Verdict, str, str], list[CallRecord]] = {}
        for record in self.records:
            found = record.diagnosis
            if found is not None and found.is_waste:
                what = WORDS[found.change.kind] if found.change else found.detail
                if found.verdict == "expired":
                    what = f"kept for {found.ttl}, and not used for longer"
                groups.setdefault((found.verdict, found.place, what), []).append(record)
        problems = [
            Problem(verdict=verdict, place=place, what=what, row=row_of(verdict, calls))
            for (verdict, place, what), calls in groups.items()
        ]
        return sorted(problems, key=lambda problem: -problem.row.wasted_tokens)

    @cached_property
    def speed(self) -> Speed:
        """How long hits and misses took."""
        hits = [r for r in self.records if r.diagnosis and r.diagnosis.verdict == "hit"]
        misses = [r for r in self.records if r.usage and not r.usage.cache_read_tokens]
        return Speed(
            hits=len(hits),
            misses=len(misses),
            hit_seconds=_median(r.latency_seconds for r in hits),
            miss_seconds=_median(r.latency_seconds for r in misses),
            hit_first_token_seconds=_median(r.time_to_first_token_seconds for r in hits),
            miss_first_token_seconds=_median(r.time_to_first_token_seconds for r in misses),
        )

    @cached_property
    def quota(self) -> QuotaEffect:
        """What all calls took of tokens-per-minute quotas, and what did not count."""
        return quota_effect(self.total, (record.started_at for record in self.records))

    @cached_property
    def provisioned(self) -> QuotaEffect | None:
        """The same of the calls to provisioned throughput alone; `None` if there are none."""
        records = [record for record in self.records if is_provisioned(record)]
        if not records:
            return None
        return quota_effect(row_of("provisioned", records), (r.started_at for r in records))

    @property
    def quota_free_tokens(self) -> int:
        """Input tokens that did not count towards the tokens-per-minute quota: those read."""
        return self.quota.free_tokens

    @property
    def capacity_ratio(self) -> float:
        """How many times the input the same quota, or provisioned units, carried: 1.0 or more."""
        return self.quota.capacity_ratio

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data: totals, groups, minutes, problems, speed and quota."""
        speed = self.speed
        return {
            "total": self.total.as_dict(),
            "by_model": [row.as_dict() for row in self.by("model")],
            "by_tag": [row.as_dict() for row in self.by("tag")],
            "by_verdict": [row.as_dict() for row in self.by("verdict")],
            "over_time": [
                {"start": start, **_without_name(row)}
                for start, row in self.timeline(most=_MAX_SPANS)[1]
            ],
            "runs": [
                {**run.as_dict(), "steps": [step.as_dict() for step in steps]}
                for run, steps in self.runs()
            ],
            "problems": [
                {
                    "verdict": problem.verdict,
                    "place": problem.place,
                    "what": problem.what,
                    **_without_name(problem.row),
                }
                for problem in self.problems
            ],
            "speed": {name: getattr(speed, name) for name in Speed.__slots__},
            "quota_free_tokens": self.quota_free_tokens,
            "capacity_ratio": self.capacity_ratio,
            "quota": self.quota.as_dict(),
            "provisioned": self.provisioned.as_dict() if self.provisioned else None,
        }


def _without_name(row: ReportRow) -> dict[str, Any]:
    return {key: value for key, value in row.as_dict().items() if key != "name"}


def _run_and_steps(name: str, calls: Sequence[CallRecord]) -> tuple[ReportRow, list[ReportRow]]:
    run, steps = row_of(name, calls), {_step(record) for record in calls}
    if len(steps) == 1:
        return run, [replace(run, name=steps.pop())]
    return run, rows_by(calls, lambda record: [_step(record)])


def _step(record: CallRecord) -> str:
    return record.step or "model"


def _run_name(record: CallRecord) -> str:
    return f"{record.root_name or 'run'} {str(record.root_run_id)[-12:]}"


def _verdict(record: CallRecord) -> str:
    return record.diagnosis.verdict.replace("_", " ") if record.diagnosis else "not diagnosed"


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
