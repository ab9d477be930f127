"""`CachePolicy`: what it takes, and how it refuses what contradicts itself."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import pytest

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.policy import CachePolicy

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown mode": ({"mode": "always"}, "mode is 'always'; choose one of 'auto', 'fixed', 'off'"),
    "unknown ttl": ({"ttl": "2h"}, "ttl is '2h'; choose one of 'auto', '5m', '1h'"),
    "ttl in seconds": ({"ttl": 3600}, "ttl is 3600; choose one of"),
    "no ttl": ({"ttl": None}, "ttl is None; choose one of"),
    "unknown behavior": (
        {"unsupported_model_behavior": "error"},
        "unsupported_model_behavior is 'error'; choose one of 'ignore', 'warn', 'raise'",
    ),
    "unknown section": ({"sections": ("prompt",)}, "sections is 'prompt'; choose one of 'tools'"),
    "section as a string": ({"sections": "system"}, r"give a tuple: \('system',\)"),
    "unknown section ttl": ({"section_ttls": {"tools": "2h"}}, "section_ttls is '2h'; choose"),
    "ttl of unknown section": ({"section_ttls": {"prompt": "1h"}}, "sections is 'prompt'; choose"),
    "negative minimum": ({"min_tokens": -1}, "min_tokens is -1, but must be a number, 0"),
    "1h after 5m": (
        {"section_ttls": {"system": "5m", "messages": "1h"}},
        "messages has ttl '1h' after system with '5m', but Bedrock wants longer lifetimes first",
    ),
    "1h after a 5m default": (
        {"ttl": "5m", "section_ttls": {"messages": "1h"}},
        "messages has ttl '1h' after system with '5m'",
    ),
    "1h two sections after 5m": (
        {"section_ttls": {"tools": "5m", "messages": "1h"}},
        "messages has ttl '1h' after tools with '5m'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_contradictions_are_refused(case: str) -> None:
    """Each bad value is named in the error, which says what to choose instead."""
    settings, message = REFUSED[case]
    with pytest.raises(CachePolicyError, match=message):
        CachePolicy(**settings)


ACCEPTED: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "1h everywhere": {"ttl": "1h"},
    "longer lifetimes first": {"section_ttls": {"tools": "1h", "system": "1h", "messages": "5m"}},
    "some sections, in any order": {"sections": ("messages", "tools"), "ttl": "1h"},
    "sections as a list": {"sections": ["system", "messages"]},
    "a minimum": {"mode": "fixed", "min_tokens": 4096},
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_sound_settings_are_accepted(case: str) -> None:
    """What Bedrock takes is a policy, and survives a round trip through plain data."""
    policy = CachePolicy(**ACCEPTED[case])
    assert CachePolicy(**asdict(policy)) == policy
    assert replace(policy) == policy


def test_the_default_is_auto() -> None:
    """A user who says nothing gets the automatic policy, for all sections."""
    policy = CachePolicy()
    assert (policy.mode, policy.ttl, policy.min_tokens) == ("auto", "auto", 0)
    assert policy.sections == ("tools", "system", "messages")
    assert policy.unsupported_model_behavior == "warn"


def test_off() -> None:
    """`off()` is the policy that sends requests as they are."""
    assert CachePolicy.off() == CachePolicy(mode="off")


def test_fixed_names_sections_and_lifetimes() -> None:
    """`fixed` has just the named sections, with their lifetimes, and takes other settings."""
    policy = CachePolicy.fixed(system="1h", messages="5m", min_tokens=2000)
    assert (policy.mode, policy.min_tokens) == ("fixed", 2000)
    assert policy.sections == ("system", "messages")
    assert {s: policy.ttl_for(s) for s in policy.sections} == {"system": "1h", "messages": "5m"}


def test_fixed_refuses_a_contradiction_too() -> None:
    """The order of lifetimes is checked however the policy is made."""
    with pytest.raises(CachePolicyError, match="messages has ttl '1h' after system with '5m'"):
        CachePolicy.fixed(system="5m", messages="1h")


def test_section_ttls_win_over_the_default() -> None:
    """A section's own lifetime counts, then the policy's."""
    policy = CachePolicy(ttl="5m", section_ttls={"tools": "1h"})
    assert [policy.ttl_for(s) for s in policy.sections] == ["1h", "5m", "5m"]


def test_a_policy_does_not_change() -> None:
    """Fields cannot be set, and the caller's own mapping is not the policy's."""
    ttls: dict[Any, Any] = {"tools": "1h"}
    policy = CachePolicy(section_ttls=ttls)
    ttls["messages"] = "2h"
    assert dict(policy.section_ttls) == {"tools": "1h"}
    with pytest.raises(FrozenInstanceError):
        policy.mode = "off"  # type: ignore[misc]
