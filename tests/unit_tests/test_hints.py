"""langchain-aws's `cache_control` is a wish for the planner, never a second hand."""

from __future__ import annotations

from typing import Any

import pytest
from wire import CLAUDE, LEGACY, LLAMA, NOVA, POINT, ask, document, points, text, tool, user

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.hints import hinted_policy
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy

FIVE, HOUR_HINT = {"type": "ephemeral", "ttl": "5m"}, {"type": "ephemeral", "ttl": "1h"}
QUIET = CachePolicy(unsupported_model_behavior="ignore")


def planned(
    request: dict[str, Any], hint: dict[str, Any] | None, policy: CachePolicy = QUIET
) -> list[str]:
    """Return the points of a first request with a hint."""
    planner = CallPlanner(policy=policy, memory=PrefixMemory(clock=lambda: 0.0))
    return points(planner.prepare(request, CallOptions(hint=hint)).request)


POLICIES: dict[str, tuple[CachePolicy, dict[str, Any] | None, CachePolicy]] = {
    "no hint": (QUIET, None, QUIET),
    "no ttl": (QUIET, {"type": "ephemeral"}, QUIET),
    "5m is langchain-aws's default and says nothing": (QUIET, FIVE, QUIET),
    "1h is a wish": (CachePolicy(), HOUR_HINT, CachePolicy(ttl="1h")),
    "1h, fixed": (CachePolicy(mode="fixed"), HOUR_HINT, CachePolicy(mode="fixed", ttl="1h")),
    "the policy says 5m": (CachePolicy(ttl="5m"), HOUR_HINT, CachePolicy(ttl="5m")),
    "the policy says it by section": (
        CachePolicy(section_ttls={"tools": "5m"}),
        HOUR_HINT,
        CachePolicy(section_ttls={"tools": "5m"}),
    ),
}


@pytest.mark.parametrize("case", POLICIES)
def test_the_lifetime_is_taken_where_the_policy_leaves_it_open(case: str) -> None:
    """What the user's policy says about lifetimes counts more than the hint."""
    policy, hint, expected = POLICIES[case]
    assert hinted_policy(policy, hint) == expected


@pytest.mark.parametrize("ttl", ["2h", 300, "", "1H"])
def test_an_unknown_lifetime_is_refused(ttl: Any) -> None:
    """A ttl that Bedrock does not know is an error before anything is sent."""
    with pytest.raises(
        CachePolicyError, match=r"cache_control has ttl .*, but Bedrock knows only '5m'"
    ):
        planned(ask(user(text(2000))), {"type": "ephemeral", "ttl": ttl})


LONG = ask(user(text(2000), "?"), system=[text(2000)], tools=[tool()])


@pytest.mark.parametrize("model", [CLAUDE, NOVA, LEGACY])
def test_a_long_prompt_is_the_planners_alone(model: str) -> None:
    """With or without the default hint, the points are the same."""
    request = {**LONG, "modelId": model}
    assert planned(request, FIVE) == planned(request, None) != []


def test_an_hour_for_a_long_prompt() -> None:
    """The wish for an hour decides the lifetime of all points added, not that they are."""
    assert planned(LONG, FIVE)[-1] == "messages[0][1]"
    assert planned(LONG, HOUR_HINT) == ["tools[0] 1h", "system[0] 1h"]
    fixed = CachePolicy(mode="fixed")
    assert planned(LONG, HOUR_HINT, fixed)[-1] == "messages[0][1] 1h"


SHORT: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "a question": (ask(user("?")), FIVE, ["messages[0][0]"]),
    "an agent": (
        ask(user("?"), system=[text(5)], tools=[tool(5)]),
        FIVE,
        ["tools[0]", "system[0]", "messages[0][0]"],
    ),
    "an hour": (
        ask(user("?"), system=[text(5)]),
        HOUR_HINT,
        ["system[0] 1h", "messages[0][0] 1h"],
    ),
    "an hour where there is none": (ask(user("?"), model=LEGACY), HOUR_HINT, ["messages[0][0]"]),
    "an agent on Nova": (
        ask(user("?"), system=[text(5)], tools=[tool(5)], model=NOVA),
        FIVE,
        ["system[0]", "messages[0][0]"],
    ),
    "a document at the end": (ask(user("?", document("csv", 9))), FIVE, []),
    "its own point": (ask(user("a", POINT, "?")), FIVE, ["messages[0][0]"]),
    "an unsupported model": (ask(user("?"), model=LLAMA), FIVE, []),
}


@pytest.mark.parametrize("case", SHORT)
def test_a_short_prompt_carries_the_points_that_were_asked_for(case: str) -> None:
    """Below the minimum points cost nothing, so whoever asked for them sees them, where legal."""
    request, hint, expected = SHORT[case]
    assert planned(request, hint) == expected
    if not any("cachePoint" in b for m in request["messages"] for b in m["content"]):
        assert planned(request, None) == []


def test_a_policy_that_is_off_stays_off() -> None:
    """A hint does not turn caching on again."""
    assert planned(LONG, HOUR_HINT, CachePolicy.off()) == []
    assert planned(ask(user("?")), FIVE, CachePolicy.off()) == []


def test_sections_that_are_off_stay_off() -> None:
    """A hint adds no point in a section that the policy leaves out."""
    policy = CachePolicy(sections=("system",))
    assert planned(ask(user("?"), system=[text(5)]), FIVE, policy) == ["system[0]"]
