"""What is kept of model calls: one record per call, totals over records, and a table of totals."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.sums import add_up
from langchain_bedrock_cache.usage import CacheUsage

_Key = TypeVar("_Key", bound=Hashable)

# How a call ends that its caller did not wait for.
_BROKEN_OFF = frozenset({"CancelledError", "GeneratorExit"})


class OuterRun(NamedTuple):
    """A LangChain run around a model call: a chain, a graph, a tool.

    Attributes:
        run_id: LangChain's ID of it.
        name: Its name; `None` if its start was not seen.
    """

    run_id: UUID
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One model call: where in the application it was, how long it took, what it used and cost.

    Holds no text of prompts or answers.

    Attributes:
        run_id: LangChain's ID of the call; one of its own for a call that LangChain does not make.
        parent_run_id: The run that made the call; `None` if the model was called directly.
        root_run_id: The outermost run, such as one `chain.invoke`; the call itself if it has no
            parent.
        root_name: Name of the outermost run, if it has one.
        path: The runs around the call, the outermost one first, as far as their starts were seen;
            empty if the model was called directly.
        step: Name of the call, of its graph node, or of the run that made it; the first known. Of
            calls that LangChain does not make, boto3's name of the method.
        tags: LangChain tags of the call, inherited ones included.
        model_id: Model ID as sent to Bedrock, or the nearest to it that the model tells.
        answered_by: The model that answered, where `model_id` does not name it: what is behind an
            ARN, or what a prompt router chose; `None` if nobody said.
        started_at: Start of the call, in seconds since the epoch; `None` if it was not seen.
        latency_seconds: From start to end of the call; `None` if the start was not seen.
        time_to_first_token_seconds: From start to the first content, of streamed calls only.
        usage: Tokens; `None` if none were reported, as of most failed calls.
        reported_write_tokens: Written tokens as Bedrock reported them, where they do not add up
            with its other numbers, and `usage` and `cost` have the number that does; `None`
            otherwise. An invoice may have either: see `written_twice`.
        cost: Cost in USD; `None` if it is not known.
        plan: What the cache planner did, with `points`, `skipped` and `refused`; `None` if the
            model has no planner.
        error: Type of the exception that ended the call, `GeneratorExit` if its stream was not
            read to the end; `None` if it went well.
        diagnosis: What the prompt cache did for the call, and why not more; `None` if the request
            did not go through `ChatBedrockCached` or `cached_client`.
    """

    run_id: UUID
    parent_run_id: UUID | None = None
    root_run_id: UUID
    root_name: str | None = None
    path: tuple[OuterRun, ...] = ()
    step: str | None = None
    tags: tuple[str, ...] = ()
    model_id: str | None = None
    answered_by: str | None = None
    started_at: float | None = None
    latency_seconds: float | None = None
    time_to_first_token_seconds: float | None = None
    usage: CacheUsage | None = None
    reported_write_tokens: int | None = None
    cost: CostBreakdown | None = None
    plan: Mapping[str, Any] | None = None
    error: str | None = None
    diagnosis: Diagnosis | None = None

    @property
    def excess_write_tokens(self) -> int:
        """Written tokens that were reported beyond those that add up, and are not counted."""
        if self.usage is None or self.reported_write_tokens is None:
            return 0
        return max(0, self.reported_write_tokens - self.usage.cache_write_tokens)

    @property
    def is_unreported(self) -> bool:
        """Whether the call may have used tokens that nobody reported.

        It ended well without usage, or broke off after the answer had begun: that is billed. A
        call that Bedrock refuses is not.
        """
        if self.usage is not None:
            return False
        broke_off = self.error in _BROKEN_OFF or self.time_to_first_token_seconds is not None
        return self.error is None or broke_off

    @property
    def model_name(self) -> str:
        """What a row of a report is called: `model_id`, and what a prompt router chose."""
        if self.model_id is None:
            return self.answered_by or "unknown"
        address = parse_address(self.model_id)
        if address.kind == "prompt-router" and self.answered_by:
            return f"prompt-router/{address.name} → {self.answered_by}"
        return self.model_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """What several calls used and cost together.

    Attributes:
        name: Name of the outermost run, if all calls have it in common.
        calls: Number of calls, failed ones included.
        failed_calls: Calls that ended in an exception, or whose stream was not read to the end.
        unreported_calls: Calls that went well, or broke off, and reported no usage: in neither
            sum. Those that broke off are failed calls as well.
        priced_calls: Calls with usage and a known price: in `usage` and `priced_cost`.
        unpriced_calls: Calls with usage but no known price: in `usage` only.
        misreported_calls: Calls that reported more written tokens than add up.
        excess_write_tokens: What they reported beyond those in `usage`.
        usage: Tokens of all calls that reported them.
        priced_cost: Cost of all calls with a known price.
    """

    name: str | None = None
    calls: int = 0
    failed_calls: int = 0
    unreported_calls: int = 0
    priced_calls: int = 0
    unpriced_calls: int = 0
    misreported_calls: int = 0
    excess_write_tokens: int = 0
    usage: CacheUsage = field(default_factory=CacheUsage)
    priced_cost: CostBreakdown = field(default_factory=CostBreakdown)

    @property
    def cost(self) -> CostBreakdown | None:
        """Cost of the calls with a known price; `None`, not zero, if none of the calls has one."""
        return self.priced_cost if self.priced_calls or not self.calls else None

    def plus(self, *records: CallRecord) -> RunTotals:
        """Return the totals with more calls; many at once take a fraction of the time."""
        if not records:
            return self
        names = {record.root_name for record in records} | ({self.name} if self.calls else set())
        usages = [record.usage for record in records if record.usage is not None]
        costs = [record.cost for record in records if record.cost is not None]
        excesses = [excess for record in records if (excess := record.excess_write_tokens)]
        failed = [record for record in records if record.error is not None]
        unreported = [record for record in records if record.is_unreported]
        unpriced = [r for r in records if r.usage is not None and r.cost is None]
        return RunTotals(
            name=names.pop() if len(names) == 1 else None,
            calls=self.calls + len(records),
            failed_calls=self.failed_calls + len(failed),
            unreported_calls=self.unreported_calls + len(unreported),
            priced_calls=self.priced_calls + len(costs),
            unpriced_calls=self.unpriced_calls + len(unpriced),
            misreported_calls=self.misreported_calls + len(excesses),
            excess_write_tokens=self.excess_write_tokens + sum(excesses),
            usage=add_up([self.usage, *usages]),
            priced_cost=add_up([self.priced_cost, *costs]),
        )


def totals_by(
    records: Iterable[CallRecord], keys_of: Callable[[CallRecord], Iterable[_Key]]
) -> dict[_Key, RunTotals]:
    """Add up records in groups.

    Args:
        records: The calls.
        keys_of: Returns the groups of a call: none, one or several.

    Returns:
        Totals by group, in the order in which the groups first occur.
    """
    groups: dict[_Key, list[CallRecord]] = {}
    for record in records:
        for key in keys_of(record):
            groups.setdefault(key, []).append(record)
    return {key: RunTotals().plus(*calls) for key, calls in groups.items()}


def format_totals(groups: Mapping[str, RunTotals], total: RunTotals) -> str:
    """Return a table of what the prompt cache did, for a terminal or a notebook.

    Args:
        groups: One row each.
        total: The last row; left out if it only repeats the row of a single group.

    Returns:
        Lines of text. Prices that are not known print as "unknown", and calls that are missing
        from a sum are counted below the table.
    """
    shown = groups if list(groups.values()) == [total] else {**groups, "total": total}
    table = [_HEADER, *(_row(name, totals) for name, totals in shown.items())]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in table
    ]
    misreported = f"reported {total.excess_write_tokens:,} more written tokens than add up"
    notes = (
        (total.failed_calls, "failed or was cut off", "failed or were cut off"),
        (
            total.unreported_calls,
            "reported no usage and is in no sum",
            "reported no usage and are in no sum",
        ),
        (
            total.unpriced_calls,
            "has no known price and is not in USD",
            "have no known price and are not in USD",
        ),
        (total.misreported_calls, misreported, misreported),
    )
    lines += [
        f"{count:,} of the calls {one if count == 1 else several}"
        for count, one, several in notes
        if count
    ]
    return "\n".join(lines)


_HEADER = (
    "", "calls", "read", "written", "uncached", "output", "hit ratio", "USD", "saved USD", "saved"
)  # fmt: skip


def _row(name: str, totals: RunTotals) -> tuple[str, ...]:
    usage, cost = totals.usage, totals.cost
    return (
        name,
        f"{totals.calls:,}",
        f"{usage.cache_read_tokens:,}",
        f"{usage.cache_write_tokens:,}",
        f"{usage.uncached_input_tokens:,}",
        f"{usage.output_tokens:,}",
        f"{usage.hit_ratio:.1%}",
        *(
            ("unknown",) * 3
            if cost is None
            else (f"{cost.total_usd:.6f}", f"{cost.savings_usd:.6f}", f"{cost.savings_ratio:.1%}")
        ),
    )
