"""Numbers of a report: unknown cost is not 0, odd writes are said, and JSON has exact USD."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from recorded_calls import SONNET, marked_question, plain_chat

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import CostBreakdown, price_of, usd_text
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.usage import CacheUsage

USED = CacheUsage(cache_write_5m_tokens=1000, output_tokens=7)
CALL = CallRecord(
    run_id=UUID(int=1),
    root_run_id=UUID(int=1),
    model_id=SONNET,
    usage=USED,
    cost=price_of(USED, SONNET),
)


def _abandoned(emulator: BedrockEmulator) -> CacheUsageCallbackHandler:
    """Return what recorded a stream that was not read to its end."""
    handler = CacheUsageCallbackHandler()
    stream = plain_chat(emulator).stream(marked_question("Why?"), {"callbacks": [handler]})
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    return handler


def test_an_abandoned_stream_costs_something_unknown(emulator: BedrockEmulator) -> None:
    """AWS bills what was sent: its cost is unknown everywhere, and the call is in no sum."""
    handler = _abandoned(emulator)
    report = handler.report()
    assert emulator.ledger[0].cache_write_tokens > 0
    assert handler.total_cost is None
    assert report.total.cost_usd is report.total.without_caching_usd is None
    assert (report.total.unreported_calls, report.total.failed_calls) == (1, 1)
    for shown in (str(report), report._repr_html_(), handler.summary()):
        assert "0.0000" not in shown
        assert "unknown" in shown
        assert "1 of the calls reported no usage" in shown
    total = json.loads(report.to_json())["total"]
    assert (total["cost_usd"], total["savings_usd"], total["unreported_calls"]) == (None, None, 1)


def test_what_is_known_stays_known(emulator: BedrockEmulator) -> None:
    """Beside a call of unknown cost the others keep theirs, and what is missing is counted."""
    unknown = _abandoned(emulator).records
    report = CacheReport([CALL, *unknown])
    assert report.total.cost_usd == price_of(USED, SONNET).total_usd
    assert report.total.unreported_calls == 1
    assert [row.cost_usd for row in CacheReport(unknown).by("model")] == [None]


def test_writes_that_do_not_add_up_are_said() -> None:
    """A line counts the calls and the tokens; text, HTML, JSON and table have them."""
    report = CacheReport([replace(CALL, reported_write_tokens=2000), CALL])
    line = "1 call reported 1,000 more written tokens than add up with its total"
    assert line in str(report)
    assert line in report._repr_html_()
    assert "2 calls reported 2,000 more" in str(CacheReport([report.records[0]] * 2))
    assert "more written tokens" not in str(CacheReport([CALL]))
    total = json.loads(report.to_json())["total"]
    assert (total["misreported_calls"], total["excess_write_tokens"]) == (1, 1000)
    assert total["cache_write_5m_tokens"] == 2000


def test_the_table_of_calls_has_both_numbers() -> None:
    """A data frame has the written tokens that count, and those that were reported."""
    pytest.importorskip("pandas", reason="pandas is optional")
    frame = CacheReport([replace(CALL, reported_write_tokens=2000)]).to_pandas()
    assert list(frame["cache_write_5m_tokens"]) == [1000]
    assert list(frame["reported_write_tokens"]) == [2000]
    assert frame["cost_usd"].dtype == float


def _usd_in(data: Any) -> Iterator[Any]:
    """Yield all USD in plain data."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name.endswith("_usd"):
                yield value
            else:
                yield from _usd_in(value)
    elif isinstance(data, list):
        for item in data:
            yield from _usd_in(item)


def test_usd_in_json_are_exact() -> None:
    """Every sum of USD is a string that has it to the last digit, tiny or large."""
    tiny = CostBreakdown(cache_write_5m_usd=Decimal("3.75E-9"), without_caching_usd=Decimal("0E-8"))
    report = CacheReport([CALL, replace(CALL, model_id="other", cost=tiny)])
    data = json.loads(report.to_json())
    found = [usd for usd in _usd_in(data) if usd is not None]
    assert len(found) >= 9
    assert all(isinstance(usd, str) and not {"e", "E"} & set(usd) for usd in found)
    assert Decimal(data["total"]["cost_usd"]) == report.total.cost_usd
    assert [row["cost_usd"] for row in data["by_model"]] == [
        f"{price_of(USED, SONNET).total_usd:f}",
        "0.00000000375",
    ]


def test_usd_text() -> None:
    """USD are written without an exponent, and read back as they were."""
    for text in ("0.00000375", "-0.000000001", "123456.78", "0.00000000"):
        assert usd_text(Decimal(text)) == text
    assert usd_text(Decimal("0E-8")) == "0.00000000"
    assert usd_text(Decimal("1E+3")) == "1000"
