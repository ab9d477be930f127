"""The loss limit: whatever the traffic, a family of requests loses little and earns its credit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.spending import Account

PROMPT = 1000.0


def limit(account: Account, saving: float = 0.0) -> float:
    """Return the premium that a request of the usual size may pay."""
    return account.affordable(saving=saving, prompt=PROMPT)


def test_a_new_family_may_risk_one_prompt() -> None:
    """The first request may write for an hour (premium 1.0), the fifth no more for 5 minutes."""
    account = Account()
    assert limit(account) >= PROMPT * (2.0 - 1.0)
    paid = 0
    while limit(account) >= PROMPT * 0.25 and paid < 100:
        account.charge(prompt=PROMPT, saving=0.0)
        account.risk(PROMPT * 0.25)
        paid += 1
    assert paid == 4


def test_open_and_lost_premiums_count_alike() -> None:
    """A write that is not read yet limits as much as one that expired unread."""
    account = Account()
    account.charge(prompt=PROMPT, saving=0.0)
    account.risk(250.0)
    while_open = limit(account)
    account.settle(250.0)
    assert limit(account) == pytest.approx(while_open)
    assert account.net_loss == 250.0
    assert account.open_premium == 0.0


def test_reads_earn_credit() -> None:
    """What reads saved may be risked again."""
    account = Account()
    before = limit(account)
    account.charge(prompt=PROMPT, saving=900.0)
    assert limit(account) >= before + 900.0
    assert limit(account, saving=900.0) >= before + 1800.0


def test_missed_gains_give_a_second_chance_once_they_are_twice_the_loss() -> None:
    """Writes that would have paid let a family begin again, with half a prompt at most."""
    account = Account()
    account.risk(PROMPT / 2)
    account.settle(PROMPT / 2)
    before = limit(account)
    account.miss(PROMPT)
    assert limit(account) == pytest.approx(before)
    account.miss(PROMPT / 4)
    assert limit(account) == pytest.approx(before + PROMPT / 4)
    account.miss(1e9)
    assert limit(account) == pytest.approx(before + PROMPT / 2)
    account.miss(-1e12)
    assert limit(account) == pytest.approx(before)


def test_after_a_loss_there_is_another_try_once_in_a_while() -> None:
    """What is allowed grows with the traffic: some 80 prompts pay for one more write."""
    account = Account()
    account.charge(prompt=PROMPT, saving=0.0)
    account.risk(PROMPT)
    account.settle(PROMPT)
    assert limit(account) < PROMPT / 4
    for _ in range(90):
        account.charge(prompt=PROMPT, saving=0.0)
    assert limit(account) > PROMPT / 4


@given(
    prompts=st.lists(st.floats(1.0, 1e6), min_size=1, max_size=120),
    greed=st.sampled_from([0.25, 1.0]),
)
def test_an_adversary_who_never_repeats_costs_little(prompts: list[float], greed: float) -> None:
    """Writing as much as may be, and never reading, loses 0.3 % and one prompt at the very most."""
    account = Account()
    lost = 0.0
    for prompt in prompts:
        premium = min(greed * prompt, max(0.0, account.affordable(saving=0.0, prompt=prompt)))
        account.charge(prompt=prompt, saving=0.0)
        account.risk(premium)
        account.settle(premium)
        lost += premium
    assert lost <= 0.003 * sum(prompts) + max(prompts) + 1e-6


@pytest.mark.parametrize("prompts", [145, 300, 1_000])
def test_many_prompts_stay_within_one_percent(prompts: int) -> None:
    """The promise of at most 1 % above no caching holds from 143 prompts on."""
    account = Account()
    lost = 0.0
    for _ in range(prompts):
        premium = min(0.25 * PROMPT, max(0.0, limit(account)))
        account.charge(prompt=PROMPT, saving=0.0)
        account.risk(premium)
        account.settle(premium)
        lost += premium
    assert lost <= 0.01 * prompts * PROMPT
