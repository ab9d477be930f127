"""Totals of records, and the table of them: sums that add up, and nothing unknown as 0."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.pricing import CostBreakdown, price_of
from langchain_bedrock_cache.records import CallRecord, RunTotals, format_totals, totals_by
from langchain_bedrock_cache.usage import CacheUsage

OPUS = "global.anthropic.claude-opus-4-8"
counts = st.integers(min_value=0, max_value=10**6)
usages = st.builds(CacheUsage, uncached_input_tokens=counts, cache_read_tokens=counts)


def _record(
    usage: CacheUsage | None = None,
    *,
    model_id: str | None = OPUS,
    error: str | None = None,
    root_name: str | None = None,
    tags: tuple[str, ...] = (),
) -> CallRecord:
    return CallRecord(
        run_id=uuid4(),
        root_run_id=UUID(int=1),
        root_name=root_name,
        tags=tags,
        model_id=model_id,
        usage=usage,
        cost=price_of(usage, model_id) if usage and model_id else None,
        error=error,
    )


@given(st.lists(st.one_of(st.none(), usages), max_size=6))
def test_totals_are_the_sums_of_their_records(values: list[CacheUsage | None]) -> None:
    """Whatever the records, their totals are counts and sums of them."""
    records = [_record(value) for value in values]
    totals = RunTotals()
    for record in records:
        totals = totals.plus(record)
    known = [value for value in values if value is not None]
    assert totals.calls == len(values)
    assert totals.unreported_calls == len(values) - len(known)
    assert totals.usage == sum(known, CacheUsage())
    costs = [record.cost for record in records if record.cost is not None]
    assert totals.cost == (sum(costs, CostBreakdown()) if costs or not values else None)
    assert (totals_by(records, lambda _: ["all"]) == {"all": totals}) == bool(values)


def test_unknown_cost_is_not_zero() -> None:
    """No calls cost nothing, unpriced calls cost something unknown, and known costs stay known."""
    used = CacheUsage(cache_read_tokens=1000)
    totals = RunTotals()
    assert totals.cost == CostBreakdown()
    totals = totals.plus(_record(used, model_id=None))
    assert totals.cost is None
    totals = totals.plus(_record(error="ThrottlingException"))
    assert totals.cost is None
    totals = totals.plus(_record(used))
    assert totals.cost == price_of(used, OPUS)
    assert (totals.priced_calls, totals.unpriced_calls, totals.failed_calls) == (1, 1, 1)
    assert totals.unreported_calls == 0


@pytest.mark.parametrize("error", [None, "GeneratorExit", "CancelledError", "ThrottlingException"])
def test_calls_without_usage_do_not_cost_nothing(error: str | None) -> None:
    """Alone, they print as unknown; those that may have been billed are said to be in no sum."""
    totals = RunTotals().plus(_record(error=error))
    assert totals.cost is None
    header, row, *notes = format_totals({OPUS: totals}, totals).splitlines()
    assert header
    assert row.split()[-3:] == ["unknown"] * 3
    may_be_billed = error != "ThrottlingException"
    assert totals.unreported_calls == may_be_billed
    assert ("1 of the calls reported no usage and is in no sum" in notes) == may_be_billed


def test_an_answer_that_breaks_off_is_billed() -> None:
    """Whatever ended it, a call whose answer had begun used tokens that nobody reported."""
    record = replace(_record(error="ModelStreamErrorException"), time_to_first_token_seconds=0.5)
    assert record.is_unreported
    assert not _record(CacheUsage()).is_unreported


def test_written_tokens_that_do_not_add_up_are_said() -> None:
    """The table counts the calls, and the tokens that are not in its sums."""
    used = CacheUsage(cache_write_5m_tokens=1000)
    twice, fewer = (replace(_record(used), reported_write_tokens=n) for n in (2000, 700))
    total = RunTotals().plus(twice).plus(_record(used))
    assert format_totals({OPUS: total}, total).splitlines()[-1] == (
        "1 of the calls reported 1,000 more written tokens than add up"
    )
    assert RunTotals().plus(fewer).misreported_calls == 0


def test_totals_have_a_name_only_if_all_calls_share_it() -> None:
    """Calls of one named run keep its name, others lose it for good."""
    named, other = _record(root_name="rag"), _record(root_name="agent")
    assert RunTotals().plus(named).plus(named).name == "rag"
    assert RunTotals().plus(named).plus(other).plus(named).name is None
    assert RunTotals().plus(_record()).plus(named).name is None


WRITE = CacheUsage(cache_write_1h_tokens=10_000, uncached_input_tokens=200, output_tokens=50)
READ = CacheUsage(cache_read_tokens=10_000, uncached_input_tokens=300, output_tokens=100)


def test_the_table_of_one_model() -> None:
    """One model is one row: tokens, hit ratio, cost and savings, by hand."""
    total = RunTotals().plus(_record(WRITE)).plus(_record(READ))
    # Written 10,000 x 10 USD, read 10,000 x 0.50, uncached 500 x 5, output 150 x 25, per million.
    assert total.cost is not None
    assert total.cost.total_usd == Decimal("0.11125")
    header, row = format_totals({OPUS: total}, total).splitlines()
    assert " ".join(header.split()) == (
        "calls read written uncached output hit ratio USD saved USD saved"
    )
    assert " ".join(row.split()) == (
        f"{OPUS} 2 10,000 10,000 500 150 48.8% 0.111250 -0.005000 -4.7%"
    )


def test_the_table_of_several_groups() -> None:
    """Several groups have a total below, and what is missing from it is said."""
    priced, unpriced = _record(READ), _record(WRITE, model_id=None)
    failed, silent = _record(error="ThrottlingException"), _record()
    total = RunTotals()
    for record in (priced, unpriced, failed, silent):
        total = total.plus(record)
    groups = {"a": RunTotals().plus(priced), "b": RunTotals().plus(unpriced)}
    assert format_totals(groups, total).splitlines() == [
        "       calls    read  written  uncached  output  hit ratio       USD  saved USD    saved",
        "a          1  10,000        0       300     100      97.1%  0.009000   0.045000    83.3%",
        "b          1       0   10,000       200      50       0.0%   unknown    unknown  unknown",
        "total      4  10,000   10,000       500     150      48.8%  0.009000   0.045000    83.3%",
        "1 of the calls failed or was cut off",
        "1 of the calls reported no usage and is in no sum",
        "1 of the calls has no known price and is not in USD",
    ]


def test_the_table_of_nothing() -> None:
    """A handler that saw no calls prints a table of zeros."""
    handler = CacheUsageCallbackHandler()
    assert str(handler) == repr(handler) == handler.summary()
    assert handler.summary().splitlines()[1].split() == [
        "total", "0", "0", "0", "0", "0", "0.0%", "0.000000", "0.000000", "0.0%",
    ]  # fmt: skip
