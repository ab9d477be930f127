"""A report as text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from langchain_bedrock_cache.report.facts import Problem, ReportFacts
from langchain_bedrock_cache.report.rows import ReportRow

HEADINGS = ("", "calls", "read", "written", "uncached", "hit ratio", "USD", "saved", "wasted")
_MAX_ROWS = 20


def as_text(report: ReportFacts) -> str:
    """Return the report as lines of text."""
    lines = [headline(report)]
    models = report.by("model")
    rows = [*models, report.total] if len(models) > 1 else models
    lines += ["", *_table([cells(row) for row in rows])] if rows else []
    lines += ["", *_table([cells(row) for row in report.by("verdict")])] if rows else []
    if report.problems:
        lines += ["", "What to mend:"]
        lines += [f"  {problem_line(problem)}" for problem in report.problems[:_MAX_ROWS]]
    notes = notes_on(report)
    return "\n".join([*lines, *([""] if notes else []), *notes])


def headline(report: ReportFacts) -> str:
    """Return the report in a sentence."""
    total = report.total
    if not total.calls:
        return "No model calls were recorded."
    calls = "1 call" if total.calls == 1 else f"{total.calls:,} calls"
    said = f"{calls} read {total.hit_ratio:.1%} of their input from the prompt cache"
    if total.savings_usd is None:
        return f"{said}; what that saved is not known."
    kind = "saved" if total.savings_usd >= 0 else "lost"
    ratio = abs(total.savings_ratio or 0.0)
    return f"{said}, which {kind} {usd(abs(total.savings_usd))} ({ratio:.1%})."


def cells(row: ReportRow) -> tuple[str, ...]:
    """Return a row as the cells under `HEADINGS`."""
    return (
        row.name,
        f"{row.calls:,}",
        f"{row.usage.cache_read_tokens:,}",
        f"{row.usage.cache_write_tokens:,}",
        f"{row.usage.uncached_input_tokens:,}",
        f"{row.hit_ratio:.1%}",
        usd(row.cost_usd),
        usd(row.savings_usd),
        f"{row.wasted_tokens:,}",
    )


def problem_line(problem: Problem) -> str:
    """Return a problem as a line."""
    where = f" at {problem.place}" if problem.place else ""
    calls = "1 call" if problem.row.calls == 1 else f"{problem.row.calls:,} calls"
    cost = f" ({usd(problem.row.wasted_usd)})" if problem.row.wasted_usd else ""
    lost = f"{problem.row.wasted_tokens:,} tokens not read{cost}"
    return f"{problem.verdict.replace('_', ' ')}{where}: {problem.what}. {calls}, {lost}"


def notes_on(report: ReportFacts) -> list[str]:
    """Return what else there is to say, and what is missing from the sums."""
    total, speed = report.total, report.speed
    notes = [*_costs(total), *_quota(report)]
    if speed.hit_first_token_seconds is not None and speed.miss_first_token_seconds is not None:
        notes.append(
            f"First token after {speed.hit_first_token_seconds:.2f} s on hits, "
            f"{speed.miss_first_token_seconds:.2f} s on misses (medians)."
        )
    elif speed.hit_seconds is not None and speed.miss_seconds is not None:
        notes.append(
            f"Hits took {speed.hit_seconds:.2f} s, misses {speed.miss_seconds:.2f} s (medians)."
        )
    if total.failed_calls:
        notes.append(f"{total.failed_calls:,} of the calls failed or were cut off.")
    if total.unpriced_calls:
        notes.append(f"{total.unpriced_calls:,} of the calls have no known price: not in USD.")
    if total.unreported_calls:
        notes.append(f"{total.unreported_calls:,} of the calls reported no usage: in no sum.")
    if total.misreported_calls:
        calls = "1 call" if total.misreported_calls == 1 else f"{total.misreported_calls:,} calls"
        notes.append(
            f"{calls} reported {total.excess_write_tokens:,} more written tokens than add up with "
            "their totals: not counted, and not in USD."
        )
    return notes


def _costs(total: ReportRow) -> list[str]:
    if not total.cost_usd or total.without_caching_usd is None:
        return []
    said = f"Cost: {usd(total.cost_usd)}; without caching {usd(total.without_caching_usd)}"
    if total.bound_usd is None:
        return [f"{said}."]
    return [f"{said}; had all that was cached been read, {usd(total.bound_usd)}."]


def _quota(report: ReportFacts) -> list[str]:
    notes, quota, units = [], report.quota, report.provisioned
    if quota.free_tokens:
        rate = quota.free_tokens_per_minute
        pace = "" if rate is None else f" ({rate:,.0f} a minute)"
        notes.append(
            f"{quota.free_tokens:,} tokens{pace} did not count towards the quota: it carried "
            f"{quota.capacity_ratio:.1f} times as much input."
        )
    if units and units.requests_per_minute and units.extra_requests_per_minute:
        notes.append(
            f"Provisioned throughput: {units.requests_per_minute:,.1f} requests a minute, "
            f"{units.extra_requests_per_minute:,.1f} more than the same units carry uncached."
        )
    return notes


def usd(amount: Decimal | None) -> str:
    """Return an amount with four decimals; "unknown" if it is."""
    if amount is None:
        return "unknown"
    return f"-${-amount:,.4f}" if amount < 0 else f"${amount:,.4f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    table = [HEADINGS, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in table
    ]
