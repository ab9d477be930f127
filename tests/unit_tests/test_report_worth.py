"""What mending is worth: said of all calls that changed, whether they were cached or not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from situation_stage import EVERYWHERE, RULES, TOOLS, Stage, ask, system, turns
from wire import CLAUDE, words

from langchain_bedrock_cache import CachePolicy
from langchain_bedrock_cache.report import CacheReport

CALLS = 20


def _traffic(policy: CachePolicy, *, is_mended: bool, after: float = 20) -> CacheReport:
    """Run calls whose system prompt tells the time, or whose question does."""
    stage = Stage()
    model = stage.model(cache_policy=policy)
    for n in range(CALLS):
        time = f"It is 09:{n:02d}."
        rules = RULES if is_mended else f"{time}\n{RULES}"
        question = f"{time if is_mended else ''} What is rule {n}?"
        stage.call(ask(question, rules=rules), model=model, after=after)
    return stage.handler.report()


def _cost_usd(report: CacheReport) -> Decimal:
    assert report.total.cost_usd is not None
    return report.total.cost_usd


@pytest.mark.parametrize(
    "policy",
    [CachePolicy(), EVERYWHERE, CachePolicy.off()],
    ids=["auto", "fixed", "off"],
)
def test_the_worth_is_what_mending_saves(policy: CachePolicy) -> None:
    """All calls that changed count, and what they are worth is what the mended traffic costs less.

    The planner stops writing what nobody reads; with caching switched off nothing is written.
    """
    broken = _traffic(policy, is_mended=False)
    mended = _traffic(CachePolicy() if policy == CachePolicy.off() else policy, is_mended=True)
    (problem,) = broken.problems
    assert (problem.verdict, problem.place) == ("prefix_changed", "system[0]")
    assert problem.row.calls == CALLS - 1
    saved = float(_cost_usd(broken) - _cost_usd(mended))
    assert float(problem.worth_usd or 0) == pytest.approx(saved, rel=0.02)
    assert float(broken.total.bound_usd or 0) == pytest.approx(float(_cost_usd(mended)), rel=0.05)


def test_estimates_are_said_to_be_estimates() -> None:
    """Where nothing was written, tokens, USD and the bound are "about", and the report says why."""
    estimated, counted = (
        str(_traffic(policy, is_mended=False)) for policy in (CachePolicy(), EVERYWHERE)
    )
    assert "19 calls, about " in estimated
    assert ", worth about $" in estimated
    assert "; about $" in estimated
    assert "tokens are estimated by what requests have in common." in estimated
    assert "about" not in counted
    for said in (estimated, counted):
        assert "A call counts under the first place that changed" in said


def test_what_was_never_cached_has_to_be_written_once() -> None:
    """With caching switched off, the worth of the second call is less by the price of a write."""
    stage = Stage()
    model = stage.model(cache_policy=CachePolicy.off())
    for n in range(3):
        stage.call(ask(f"What is rule {n}?"), model=model)
    found = [record.diagnosis for record in stage.handler.records]
    assert [one and one.verdict for one in found] == ["no_points"] * 3
    assert [one and one.readable_tokens > 0 for one in found] == [False, True, True]
    assert [one and one.unwritten_tokens for one in found] == [
        0,
        found[1] and found[1].readable_tokens,
        0,
    ]
    (problem,) = stage.handler.report().problems
    assert "switched off" in problem.what
    assert "CachePolicy()" in problem.remedy


def test_calls_too_far_apart_are_worth_nothing() -> None:
    """What no lifetime would have bridged is no loss."""
    report = _traffic(CachePolicy.off(), is_mended=False, after=400)
    assert report.problems == []
    assert report.total.bound_usd == report.total.cost_usd


def test_short_prompts_are_worth_nothing() -> None:
    """What is shorter than the model caches could not have been read."""
    stage = Stage()
    for n in range(3):
        stage.call(ask(rules=f"It is 09:{n:02d}. Be brief."))
    assert stage.handler.report().problems == []


def test_two_changes_count_once() -> None:
    """Tools in another order and a time in the system prompt: all of it, under the first."""
    stage = Stage()
    model = stage.model(cache_policy=EVERYWHERE)
    for n in range(4):
        tools = TOOLS if n % 2 else TOOLS[::-1]
        rules = f"It is 09:{n:02d}.\n{RULES}"
        stage.call(ask(rules=rules), model=model.bind_tools(tools))
    report = stage.handler.report()
    assert {problem.place for problem in report.problems} <= {"tools[0]", "system[0]"}
    assert sum(problem.row.calls for problem in report.problems) == 3
    usage = report.total.usage
    could_have_read = usage.cache_read_tokens + report.total.mendable_tokens
    assert could_have_read == pytest.approx(0.75 * usage.input_tokens, rel=0.01)


def test_a_new_question_is_not_counted() -> None:
    """Only what both requests have could have been read, not what is new in the later one."""
    stage = Stage()
    model = stage.model(cache_policy=CachePolicy.off())
    for n in range(2):
        question = words(2_000, f"question{n}")
        stage.call([system(f"It is 09:{n:02d}.\n{RULES}"), *ask(question)[1:]], model=model)
    last = stage.handler.records[-1]
    assert last.diagnosis is not None
    assert last.usage is not None
    assert 0 < last.diagnosis.readable_tokens < 0.8 * last.usage.input_tokens


def test_hits_are_worth_nothing_more() -> None:
    """A conversation that is read as far as it can be has nothing to mend."""
    stage = Stage()
    for count in (1, 2, 3, 4):
        stage.call(turns(count))
    report = stage.handler.report()
    assert report.problems == []
    assert report.total.mendable_tokens == 0
    assert "; no more could have been read." in str(report)


def test_unpriced_calls_have_problems_without_usd() -> None:
    """Tokens are known where prices are not: the line says tokens, and no worth."""
    stage = Stage()
    for day in ("2026-11-16", "2026-11-17"):
        stage.call(ask(rules=f"Today is {day}.\n{RULES}"))
    report = CacheReport([replace(record, cost=None) for record in stage.handler.records])
    (problem,) = report.problems
    assert problem.worth_usd is None
    assert problem.row.mendable_tokens > 0
    assert CLAUDE in str(report)
    assert "worth" not in str(report)
