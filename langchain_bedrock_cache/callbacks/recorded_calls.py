"""What a handler has recorded: the latest calls, and the sums of all of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

from langchain_bedrock_cache.checks import check_choice, check_number
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.records import CallRecord, RunTotals, format_totals, totals_by
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.sinks import CallSink, Sinks
from langchain_bedrock_cache.usage import CacheUsage

# Calls that are added to the totals at once, if nobody asks for them before.
_SUMMED_AT_ONCE = 64


class RecordedCalls:
    """Records of calls, kept up to a limit, and totals that go on counting; thread-safe.

    Args:
        max_records: How many calls are kept as records.
        sinks: Each is called with the record of each call.

    Raises:
        CachePolicyError: If `max_records` makes no sense.
        TypeError: If a sink cannot be called.
    """

    def __init__(self, *, max_records: int, sinks: Iterable[CallSink]) -> None:
        check_number("max_records", max_records, least=0, is_whole=True)
        self._sinks = Sinks(sinks)
        self._records: deque[CallRecord] = deque(maxlen=max_records)
        self._totals = RunTotals()
        self._not_summed: list[CallRecord] = []
        self._records_lock = threading.Lock()

    def __repr__(self) -> str:
        return self.summary()

    @property
    def records(self) -> Sequence[CallRecord]:
        """The latest `max_records` calls, in the order in which they ended."""
        with self._records_lock:
            return tuple(self._records)

    @property
    def totals(self) -> RunTotals:
        """Counts, tokens and cost of all calls, those no longer in `records` included."""
        with self._records_lock:
            self._sum_up()
            return self._totals

    @property
    def total(self) -> CacheUsage:
        """Tokens of all calls."""
        return self.totals.usage

    @property
    def total_cost(self) -> CostBreakdown | None:
        """Cost of all calls with a known price; `None`, not zero, if no call has one."""
        return self.totals.cost

    def by_root_run(self) -> dict[UUID, RunTotals]:
        """Return totals by outermost run (one `chain.invoke`, say) of the calls in `records`."""
        return totals_by(self.records, lambda record: [record.root_run_id])

    def by_model(self) -> dict[str, RunTotals]:
        """Return totals by model ID of the calls in `records`; "unknown" if a call has none.

        The calls of a prompt router are told apart by what it chose.
        """
        return totals_by(self.records, lambda record: [record.model_name])

    def by_tag(self) -> dict[str, RunTotals]:
        """Return totals by tag of the calls in `records`; a call counts under each of its tags.

        LangChain's own tags, such as `seq:step:2`, are among them.
        """
        return totals_by(self.records, lambda record: dict.fromkeys(record.tags))

    def report(self) -> CacheReport:
        """Return a report of the calls in `records`: to print, show in a notebook, save or plot."""
        return CacheReport(self.records)

    def summary(self, *, by: Literal["model", "tag", "run"] = "model") -> str:
        """Return a table of what the prompt cache did.

        Args:
            by: What a row is. The last row is the total of all calls.

        Returns:
            Lines of text: calls, tokens, hit ratio, cost in USD and what caching saved. If there
            were more calls than `max_records`, rows are of the latest and the total is of all.

        Raises:
            CachePolicyError: If `by` is none of these.
        """
        check_choice("by", by, ("model", "tag", "run"))
        if by == "run":
            runs = self.by_root_run().items()
            groups = {f"{run.name or 'run'} {str(run_id)[-12:]}": run for run_id, run in runs}
        else:
            groups = self.by_tag() if by == "tag" else self.by_model()
        table = format_totals(groups, self.totals)
        dropped = max(0, self.totals.calls - len(self.records))
        are = "is" if dropped == 1 else "are"
        return f"{table}\n{dropped:,} of the calls {are} in the total only" if dropped else table

    def _keep(self, records: Sequence[CallRecord]) -> None:
        with self._records_lock:
            self._records.extend(records)
            self._not_summed += records
            if len(self._not_summed) >= _SUMMED_AT_ONCE:
                self._sum_up()
        self._sinks.send(records)

    def _sum_up(self) -> None:
        self._totals = self._totals.plus(*self._not_summed)
        self._not_summed.clear()
