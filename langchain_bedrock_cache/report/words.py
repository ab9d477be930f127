"""What a report says, in words and cells: the same in text and in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from langchain_bedrock_cache.report.facts import ReportFacts
from langchain_bedrock_cache.report.pauses import LONGEST_SECONDS
from langchain_bedrock_cache.report.problems import Problem
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.wording import counted

# What matters most comes first: narrow screens show no more.
HEADINGS = (
    "", "calls", "hit ratio", "USD", "saved", "mendable", "read", "written", "uncached"
)  # fmt: skip
"""Of the columns: USD spent, saved by caching, and what mending would save; then tokens."""


def headline(report: ReportFacts) -> str:
    """Return the report in a sentence."""
    total = report.total
    if not total.calls:
        return "No model calls were recorded."
    whose = "its" if total.calls == 1 else "their"
    calls, ratio = counted(total.calls, "call"), total.hit_ratio
    said = f"{calls} read {ratio:.1%} of {whose} input from the prompt cache"
    if total.savings_usd is None:
        return f"{said}; what that saved is not known."
    kind = "saved" if total.savings_usd >= 0 else "lost"
    saved, share = usd(abs(total.savings_usd)), abs(total.savings_ratio or 0.0)
    return f"{said}, which {kind} {saved} ({share:.1%})."


def cells(row: ReportRow) -> tuple[str, ...]:
    """Return a row as the cells under `HEADINGS`."""
    return (
        row.name,
        f"{row.calls:,}",
        f"{row.hit_ratio:.1%}",
        usd(row.cost_usd),
        usd(row.savings_usd),
        usd(row.mendable_usd),
        f"{row.usage.cache_read_tokens:,}",
        f"{row.usage.cache_write_tokens:,}",
        f"{row.usage.uncached_input_tokens:,}",
    )


def problem_line(problem: Problem) -> str:
    """Return a problem as a line: where, what, how often, and what it is worth."""
    where = f" at {problem.place}" if problem.place else ""
    if problem.offset_chars is not None:
        where += f", character {problem.offset_chars:,}"
    about = "about " if problem.row.is_estimate else ""
    lost = f"{about}{problem.row.mendable_tokens:,} tokens not read"
    worth = f", worth {about}{usd(problem.worth_usd)}" if problem.worth_usd else ""
    calls = counted(problem.row.calls, "call")
    return f"{problem.verdict.replace('_', ' ')}{where}: {problem.what}. {calls}, {lost}{worth}."


def small_problems_line(problems: Sequence[Problem]) -> str:
    """Return problems that are not told one by one as a line: how many, and what they are worth."""
    worths = [one.worth_usd for one in problems]
    is_estimate = any(one.row.is_estimate for one in problems)
    if None in worths:
        what, worth = "input", f"{sum(one.row.mendable_tokens for one in problems):,} tokens"
    else:
        what, worth = "cost", usd(sum((one for one in worths if one), Decimal(0)))
    one_by_one = ", each" if len(problems) > 1 else ","
    about = "about " if is_estimate else ""
    count = counted(len(problems), "smaller one")
    return f"{count}{one_by_one} below 1% of the {what}: {about}{worth} in all."


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
    return notes + _not_mended(report) + _not_known(total)


def _not_mended(report: ReportFacts) -> list[str]:
    """Return why nothing is said of some calls under what to mend."""
    late, unseen, longest = 0, 0, 0.0
    for record in report.records:
        found = record.diagnosis
        if found is None:
            unseen += record.usage is not None
        elif found.verdict == "expired" and found.is_waste and not report.mending.bridge(record):
            late += 1
            longest = max(longest, found.age_seconds or 0.0)
    notes = []
    if late:
        ways = "no lifetime is that long, and" if longest >= LONGEST_SECONDS else "longer ones and"
        came = f"{counted(late, 'call')} came after pauses beyond the lifetime"
        notes.append(f"{came} that are not worth bridging: {ways} pings cost more than they save.")
    if unseen:
        were = "was" if unseen == 1 else "were"
        notes.append(
            f"{unseen:,} of the calls {were} not diagnosed: no client of this package sent them. "
            'Give the model client=cached_client(boto3.client("bedrock-runtime")), or use '
            "ChatBedrockCached."
        )
    return notes


def _not_known(total: ReportRow) -> list[str]:
    notes = []
    if total.failed_calls:
        were = "was" if total.failed_calls == 1 else "were"
        notes.append(f"{total.failed_calls:,} of the calls failed or {were} cut off.")
    if total.unpriced_calls:
        have = "has" if total.unpriced_calls == 1 else "have"
        notes.append(f"{total.unpriced_calls:,} of the calls {have} no known price: not in USD.")
    if total.unreported_calls:
        notes.append(f"{total.unreported_calls:,} of the calls reported no usage: in no sum.")
    if total.misreported_calls:
        totals = "its total" if total.misreported_calls == 1 else "their totals"
        calls = counted(total.misreported_calls, "call")
        notes.append(
            f"{calls} reported {total.excess_write_tokens:,} more written tokens than add up with "
            f"{totals}: not counted, and not in USD."
        )
    return notes


def _costs(total: ReportRow) -> list[str]:
    if not total.cost_usd or total.without_caching_usd is None:
        return []
    said = f"Cost: {usd(total.cost_usd)}; without caching {usd(total.without_caching_usd)}"
    if total.bound_usd is None:
        return [f"{said}."]
    if not total.mendable_tokens:
        is_costly = total.wasted_tokens > 0
        more = "reading more would have cost more" if is_costly else "no more could have been read"
        return [f"{said}; {more}."]
    about = "about " if total.is_estimate else ""
    notes = [f"{said}; {about}{usd(total.bound_usd)} had everything been mended."]
    limits = "A call counts under the first place that changed, as if all behind it were mended too"
    if total.is_estimate:
        limits += (
            "; where nothing was written, tokens are estimated by what requests have in common"
        )
    return [*notes, f"{limits}."]


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
