"""What a report says is to mend: one entry per cause, small ones in a line, and what it cannot say.

At the wire: chains on the emulator. Sums of many small problems are checked on made-up records.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from langchain_aws import ChatBedrockConverse
from situation_stage import RULES, Stage, ask
from wire import CLAUDE

from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.pricing import estimate_cost
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report.text import findings
from langchain_bedrock_cache.sent_requests.change import Change
from langchain_bedrock_cache.sent_requests.remedies import remedy
from langchain_bedrock_cache.usage import CacheUsage


def _record(verdict: Any, *, wasted: int, uncached: int = 9_000, **more: Any) -> CallRecord:
    """Return a call that read less than it could have."""
    own, usage = UUID(int=1), CacheUsage(uncached_input_tokens=uncached)
    return CallRecord(
        run_id=own,
        root_run_id=own,
        model_id=CLAUDE,
        usage=usage,
        cost=estimate_cost(usage, CLAUDE),
        diagnosis=Diagnosis(verdict=verdict, wasted_tokens=wasted, **more),
    )


def _changed(block: int, *, wasted: int) -> CallRecord:
    change = Change(kind="text", section="system", block=block)
    return _record("prefix_changed", wasted=wasted, change=change)


def test_numbers_that_differ_are_one_problem() -> None:
    """Calls of other lengths with the same fault are one entry, with the least and the most."""
    details = [f"too short: about {tokens:,} tokens" for tokens in (5_065, 5_025, 15_025)]
    calls = [_record("no_points", wasted=5_000, detail=detail) for detail in details]
    (problem,) = CacheReport(calls).problems
    assert problem.row.calls == 3
    assert problem.what == "too short: about 5,025 to 15,025 tokens"
    (same,) = CacheReport(calls[:1] * 2).problems
    assert same.what == details[0]


def test_small_problems_are_told_in_a_line() -> None:
    """What is worth less than 1 % of the cost has no entry of its own; JSON has all."""
    big, small = _changed(0, wasted=8_000), [_changed(n, wasted=40 + n) for n in (1, 2, 3)]
    report = CacheReport([big, *small])
    assert len(report.problems) == len(json.loads(report.to_json())["problems"]) == 4
    worth = sum(one.worth_usd or 0 for one in report.problems[1:])
    line = f"3 smaller ones, each below 1% of the cost: ${worth:.4f} in all."
    for said in (str(report), report._repr_html_(), findings(report, width=200)):
        assert said.count("prefix changed at system[") == 1
        assert line in said
    alone = CacheReport([_record("first_write", wasted=0, uncached=90_000), small[0]])
    assert "What to mend:\n  1 smaller one, below 1% of the cost" in str(alone)
    assert "<ul" not in alone._repr_html_()


def test_small_problems_without_prices_are_told_in_tokens() -> None:
    """Where no price is known, tokens are compared with the input of all calls."""
    calls = [_changed(0, wasted=8_000), _changed(1, wasted=40), _changed(2, wasted=50)]
    report = CacheReport([replace(call, cost=None) for call in calls])
    assert "2 smaller ones, each below 1% of the input: 90 tokens in all." in str(report)


def test_calls_that_were_not_seen_say_what_to_do() -> None:
    """A plain `ChatBedrockConverse` is not diagnosed: a note says why, and what to give it."""
    stage = Stage()
    plain = ChatBedrockConverse(
        model_id=CLAUDE,
        client=stage.emulator.client(),
        bedrock_client=stage.emulator.control_client(),
    )
    stage.call(ask(), model=plain)
    for said in (str(stage.handler.report()), stage.handler.report()._repr_html_()):
        assert "1 of the calls was not diagnosed: no client of this package sent" in said
        assert "client=cached_client(boto3.client(" in said
    stage.call(ask())
    assert "1 of the calls was not diagnosed" in str(stage.handler.report())
    seen = Stage()
    seen.call(ask(rules=RULES))
    assert "not diagnosed" not in str(seen.handler.report())


@pytest.mark.parametrize("words", ["as they were sent", "Keep"])
def test_passages_are_not_kept_for_the_sake_of_the_cache(words: str) -> None:
    """What is not kept goes behind what is: keeping passages costs more than it saves."""
    said = remedy(Change(kind="dropped", section="messages", message=0, block=0))
    assert words not in said
    assert "the question first" in said
    assert "passages last" in said
