"""The wrong direction: made-up traffic on which caching should lose, and `auto` does not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from wire import CLAUDE, HAIKU, NOVA

from langchain_bedrock_cache.profiles import ModelProfile, find_profile
from langchain_bedrock_cache.simulate import Traffic, simulate_traffic
from langchain_bedrock_cache.simulate.adversaries import ADVERSARIES, adversary_traffic

CALLS = 240
# Where no two calls look alike, nothing that is learned carries over, and learning takes longer.
MORE_CALLS = {"never repeats, never looks alike": 1000}


def profile_of(model: str) -> ModelProfile:
    """Return the profile of a model that has one."""
    profile = find_profile(model)
    assert profile is not None
    return profile


def traffic_of(name: str, *, model: str = CLAUDE, calls: int = CALLS) -> Traffic:
    """Return the first calls of an adversary."""
    return adversary_traffic(name, calls=calls, model_id=model, profile=profile_of(model))


@pytest.mark.parametrize("model", [CLAUDE, HAIKU, NOVA])
@pytest.mark.parametrize("name", ADVERSARIES)
def test_auto_never_costs_a_hundredth_more_than_no_caching(name: str, model: str) -> None:
    """Over some hundred calls of each, `auto` pays at most 1.01 x the price of no caching."""
    calls = MORE_CALLS.get(name, CALLS)
    traffic = traffic_of(name, model=model, calls=calls)
    result = simulate_traffic(traffic, policies=("auto",))
    assert result.calls == calls >= 200
    assert result.policies[0].over_no_caching <= 1.01
    assert result.policies[0].refused_calls == 0


@pytest.mark.parametrize("name", ADVERSARIES)
def test_every_adversary_hurts_somebody(name: str) -> None:
    """An adversary that no fixed policy loses on would prove nothing."""
    result = simulate_traffic(traffic_of(name), policies=("langchain-aws", "head:1h+tail:1h"))
    assert max(policy.over_no_caching for policy in result.policies) > 1


def test_where_something_repeats_auto_finds_it() -> None:
    """Not losing is easy without caching: where prefixes come back, `auto` saves as well."""
    for name, at_most in {
        "repeats each prompt once": 0.70,
        "more than 21 blocks a turn": 0.35,
        "pauses just over 5 minutes": 0.35,
    }.items():
        result = simulate_traffic(traffic_of(name), policies=("auto",))
        assert result.policies[0].over_no_caching < at_most, name


def test_adversaries_do_what_they_say() -> None:
    """Digests tell what repeats, times what pauses, lengths what is wide."""
    never = traffic_of("never repeats", calls=20).calls
    assert len({call.prefix.digests[0] for call in never}) == 20
    alike = traffic_of("never repeats, never looks alike", calls=20).calls
    assert len({(call.prefix.tools, call.prefix.chars[0]) for call in alike}) == 20
    twice = [call.prefix.digests[-1] for call in traffic_of("repeats each prompt once").calls]
    counts = [twice.count(digest) for digest in twice]
    assert max(counts) == 2
    assert counts.count(1) <= 2  # of the last ones, the repetition is still to come
    dated = traffic_of("date in the system prompt", calls=20).calls
    assert len({call.prefix.digests[0] for call in dated}) == 20
    assert len({call.prefix.chars[0] for call in dated}) == 1
    wide = traffic_of("more than 21 blocks a turn", calls=2).calls
    assert len(wide[1].prefix) - len(wide[0].prefix) > 2 * 21
    for name, seconds in (("5 minutes", 300), ("an hour", 3600)):
        times = [call.at_seconds for call in traffic_of(f"pauses just over {name}").calls]
        gaps = {later - earlier for earlier, later in pairwise(times)}
        assert gaps == {seconds + 1}


@pytest.mark.parametrize("name", ADVERSARIES)
def test_an_adversary_makes_as_many_calls_as_asked(name: str) -> None:
    """So many calls come, and time does not run backwards."""
    times = [at for at, _, _ in ADVERSARIES[name](50)]
    assert len(times) == 50
    assert times == sorted(times)
