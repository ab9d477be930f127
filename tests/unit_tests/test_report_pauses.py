"""What is said of pauses that the cache did not survive: never more than what really bridges them.

The same traffic runs again with what the report recommends; the worth is what that costs less.
"""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from situation_stage import EVERYWHERE, RULES, SONNET, Stage, ask, system
from wire import NOVA

from langchain_bedrock_cache import CachePolicy, keep_alive
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import TTL_SECONDS
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report.pauses import ping_count
from langchain_bedrock_cache.roi import PING_SECONDS, estimate_savings

AN_HOUR = CachePolicy.fixed(tools="1h", system="1h", messages="1h")
MINUTES = 60.0


def _conversation(
    policy: CachePolicy, *, turns: int, pause: float, model_id: str = SONNET
) -> CacheReport:
    """Have a conversation with a pause before each turn."""
    stage = Stage()
    model = stage.model(model_id, cache_policy=policy)
    history: list[BaseMessage] = [system(RULES)]
    for n in range(turns):
        history.append(HumanMessage(f"What is rule {n}?"))
        history.append(AIMessage(stage.call(history, model=model, after=pause).content))
    return stage.handler.report()


def _questions(policy: CachePolicy, *, pause: float, others: int = 0) -> CacheReport:
    """Ask about the same rules after pauses, and about others that nobody asks about again."""
    stage = Stage()
    model = stage.model(SONNET, cache_policy=policy)
    for n in range(8):
        stage.call(ask(f"What is rule {n}?"), model=model, after=pause)
    for n in range(others):
        stage.call(ask(rules=f"{n * 7919} {RULES[::-1]}"), model=model)
    return stage.handler.report()


def _cost_usd(report: CacheReport) -> float:
    assert report.total.cost_usd is not None
    return float(report.total.cost_usd)


@pytest.mark.parametrize("turns", [2, 3, 9])
def test_the_longer_lifetime_is_worth_what_it_saves(turns: int) -> None:
    """Pauses of ten minutes: what all writes cost more with `ttl="1h"` is taken off the worth."""
    broken = _conversation(EVERYWHERE, turns=turns, pause=10 * MINUTES)
    mended = _conversation(AN_HOUR, turns=turns, pause=10 * MINUTES)
    (problem,) = broken.problems
    assert (problem.verdict, problem.row.calls) == ("expired", turns - 1)
    assert 'CachePolicy(ttl="1h")' in problem.remedy
    saved = _cost_usd(broken) - _cost_usd(mended)
    assert float(problem.worth_usd or 0) == pytest.approx(saved, rel=0.01)
    assert float(broken.total.bound_usd or 0) == pytest.approx(_cost_usd(mended), rel=0.01)
    assert sum(row.mendable_usd or 0 for row in broken.by("verdict")) == problem.worth_usd


def test_what_the_planner_stops_writing_is_missed_as_well() -> None:
    """Where nobody writes the prompt any more, its age grows, and the pauses stay what they are."""
    broken = _questions(CachePolicy(), pause=12 * MINUTES)
    mended = _questions(CachePolicy(ttl="1h"), pause=12 * MINUTES)
    ages = [one.diagnosis.age_seconds or 0 for one in broken.records if one.diagnosis]
    assert max(ages) >= 3_600
    (problem,) = broken.problems
    assert problem.row.calls == 7
    saved = _cost_usd(broken) - _cost_usd(mended)
    assert float(problem.worth_usd or 0) == pytest.approx(saved, rel=0.03)


@pytest.mark.parametrize("hours", [2, 24])
def test_no_lifetime_is_that_long(hours: int) -> None:
    """Nothing is promised for pauses beyond an hour, which pings do not pay for; a note says so."""
    report = _conversation(EVERYWHERE, turns=4, pause=hours * 60 * MINUTES)
    assert [row.calls for row in report.by("verdict") if row.name == "expired"] == [3]
    assert report.problems == []
    assert report.total.wasted_tokens > 0 == report.total.mendable_tokens
    assert report.total.bound_usd == report.total.cost_usd
    said = str(report)
    assert "3 calls came after pauses beyond the lifetime" in said
    assert "no lifetime is that long, and pings cost more than they save." in said
    assert "reading more would have cost more." in said
    assert "What to mend" not in said


def test_where_the_longer_lifetime_does_not_pay_pings_may() -> None:
    """Prompts that are written once and never read make an hour too dear: pings are for one."""
    broken = _questions(EVERYWHERE, pause=10 * MINUTES, others=30)
    assert _cost_usd(broken) < _cost_usd(_questions(AN_HOUR, pause=10 * MINUTES, others=30))
    problem = next(one for one in broken.problems if one.verdict == "expired")
    assert "KeepAlive" in problem.remedy
    pings = 7 * ping_count(10 * MINUTES, "5m")
    ratios = price_multipliers(SONNET)
    tokens = problem.row.mendable_tokens
    saved = tokens * (ratios.write_5m - ratios.read) - pings * tokens / 7 * ratios.read
    assert float(problem.worth_usd or 0) == pytest.approx(saved * 3.3e-6, rel=0.01)


def test_a_model_without_the_longer_lifetime_is_kept_warm() -> None:
    """Nova keeps nothing for an hour: a pause of ten minutes takes pings, less what they cost."""
    report = _conversation(EVERYWHERE, turns=4, pause=10 * MINUTES, model_id=NOVA)
    (problem,) = report.problems
    assert "KeepAlive" in problem.remedy
    assert problem.worth_usd is not None
    assert problem.row.wasted_usd is not None
    assert 0 < problem.worth_usd < problem.row.wasted_usd
    late = _conversation(EVERYWHERE, turns=4, pause=30 * MINUTES, model_id=NOVA)
    assert late.problems == []
    assert "longer ones and pings cost more than they save." in str(late)


def test_an_hour_that_was_too_short_is_worth_pings() -> None:
    """An entry kept for an hour, and used two hours later, would have taken two pings a pause."""
    report = _conversation(AN_HOUR, turns=4, pause=120 * MINUTES)
    (problem,) = report.problems
    assert "KeepAlive" in problem.remedy
    assert problem.row.wasted_usd is not None
    assert problem.worth_usd is not None
    pinged = 2 * problem.row.mendable_tokens * price_multipliers(SONNET).read * 3.3e-6
    assert float(problem.row.wasted_usd - problem.worth_usd) == pytest.approx(pinged, rel=0.01)


def test_pings_are_those_of_keep_alive() -> None:
    """The report counts the pings that `KeepAlive` would send, and `estimate_savings` counts."""
    for pause in (299.0, 600.0, 1_500.0):
        estimate = estimate_savings(
            model_id=SONNET, requests_per_day=10, cached_tokens=5_000, gap_seconds=pause
        )
        if pause >= TTL_SECONDS["5m"]:
            assert ping_count(pause, "5m") == estimate.pings_per_gap
        assert ping_count(pause, "5m") == pause // PING_SECONDS
    due = TTL_SECONDS["1h"] * keep_alive._INTERVAL_SHARE
    assert (ping_count(due - 1, "1h"), ping_count(due, "1h")) == (0, 1)


@pytest.mark.parametrize(
    ("pause", "said"),
    [(330, "5 min 30 s"), (600, "10 min"), (5_400, "1 h 30 min"), (86_400, "1 d")],
)
def test_pauses_are_told_in_units_that_fit(pause: int, said: str) -> None:
    """A pause of a day is a day, not 1,440 minutes."""
    report = _conversation(EVERYWHERE, turns=2, pause=pause)
    found = report.records[-1].diagnosis
    assert found is not None
    assert found.detail == f"last used {said} ago, kept for 5m"
