"""`ReportFacts`: what recorded calls add up to, in tokens, USD and findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, get_args

from langchain_bedrock_cache.checks import check_choice, check_list, check_number, check_type
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.problems import Problem, find_problems
from langchain_bedrock_cache.report.quota import QuotaEffect, is_provisioned, quota_effect
from langchain_bedrock_cache.report.rows import ReportRow, row_of, rows_by
from langchain_bedrock_cache.report.speed import Speed, speed_of
from langchain_bedrock_cache.report.tree import RunNode, run_tree
from langchain_bedrock_cache.report.worth import Mending

_SPANS = (("minute", 60.0), ("hour", 3_600.0), ("day", 86_400.0))
_MAX_SPANS = 1_440
_MAX_RUNS = 50
_MAX_CALLS_OF_A_RUN = 200

Grouping = Literal["model", "tag", "step", "run", "verdict"]


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
    def mending(self) -> Mending:
        """What mending a call is worth, seen from all calls of the report."""
        return Mending(self.records)

    @cached_property
    def total(self) -> ReportRow:
        """All calls added up."""
        return row_of("total", self.records, self.mending)

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
        return rows_by(self.records, names[grouping], self.mending)

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
        return [_run_and_steps(name, calls, self.mending) for name, calls in wanted]

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
        return [
            (start, row_of(f"{start:.0f}", calls, self.mending))
            for start, calls in sorted(spans.items())
        ]

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

    def tree(self, *, most_runs: int = 20, most_calls: int = 100) -> tuple[RunNode, ...]:
        """Return outermost runs with the runs and the model calls in them.

        Args:
            most_runs: How many: those with the most to mend, then the latest.
            most_calls: How many calls of each.

        Returns:
            The runs in the order in which they first ended a call; `run_count` says how many there
            are in all.
        """
        check_number("most_runs", most_runs, least=1, is_whole=True)
        check_number("most_calls", most_calls, least=1, is_whole=True)
        return run_tree(self.records, self.mending, most_runs=most_runs, most_calls=most_calls)

    @cached_property
    def problems(self) -> list[Problem]:
        """Why calls read less than they could have, the most tokens first."""
        return find_problems(self.records, self.mending)

    @cached_property
    def speed(self) -> Speed:
        """How long hits and misses took."""
        return speed_of(self.records)

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
        row = row_of("provisioned", records, self.mending)
        return quota_effect(row, (r.started_at for r in records))

    @property
    def quota_free_tokens(self) -> int:
        """Input tokens that did not count towards the tokens-per-minute quota: those read."""
        return self.quota.free_tokens

    @property
    def capacity_ratio(self) -> float:
        """How many times the input the same quota, or provisioned units, carried: 1.0 or more."""
        return self.quota.capacity_ratio

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data: totals, groups, minutes, runs, problems, speed, quota.

        `tree` has at most 50 runs with 200 calls each: those with the most to mend.
        """
        speed = self.speed
        tree = self.tree(most_runs=_MAX_RUNS, most_calls=_MAX_CALLS_OF_A_RUN)
        return {
            "total": self.total.as_dict(),
            "by_model": [row.as_dict() for row in self.by("model")],
            "by_tag": [row.as_dict() for row in self.by("tag")],
            "by_step": [row.as_dict() for row in self.by("step")],
            "by_verdict": [row.as_dict() for row in self.by("verdict")],
            "over_time": [
                {"start": start, **_without_name(row)}
                for start, row in self.timeline(most=_MAX_SPANS)[1]
            ],
            "runs": [
                {**run.as_dict(), "steps": [step.as_dict() for step in steps]}
                for run, steps in self.runs()
            ],
            "tree": [run.as_dict() for run in tree],
            "runs_not_in_tree": self.run_count - len(tree),
            "problems": [problem.as_dict() for problem in self.problems],
            "speed": {name: getattr(speed, name) for name in Speed.__slots__},
            "quota_free_tokens": self.quota_free_tokens,
            "capacity_ratio": self.capacity_ratio,
            "quota": self.quota.as_dict(),
            "provisioned": self.provisioned.as_dict() if self.provisioned else None,
        }


def _without_name(row: ReportRow) -> dict[str, Any]:
    return {key: value for key, value in row.as_dict().items() if key != "name"}


def _run_and_steps(
    name: str, calls: Sequence[CallRecord], mending: Mending
) -> tuple[ReportRow, list[ReportRow]]:
    run, steps = row_of(name, calls, mending), {_step(record) for record in calls}
    if len(steps) == 1:
        return run, [replace(run, name=steps.pop())]
    return run, rows_by(calls, lambda record: [_step(record)], mending)


def _step(record: CallRecord) -> str:
    return record.step or "model"


def _run_name(record: CallRecord) -> str:
    return f"{record.root_name or 'run'} {str(record.root_run_id)[-12:]}"


def _verdict(record: CallRecord) -> str:
    return record.diagnosis.verdict.replace("_", " ") if record.diagnosis else "not diagnosed"
