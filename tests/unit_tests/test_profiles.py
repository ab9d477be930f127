"""Model facts: every model is found under every name it goes by, and unknown ones are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from langchain_bedrock_cache.profiles import (
    SECTIONS,
    TTL_SECONDS,
    ModelProfile,
    base_model_id,
    find_profile,
    register_profile,
    shipped_profiles,
    unregister_profile,
)

# Minimum tokens of every model that takes cache points on Converse, by its full base ID.
CLAUDE_MINIMUMS = {
    "anthropic.claude-fable-5-2": 512,
    "anthropic.claude-mythos-5-2": 512,
    "anthropic.claude-fable-5-1": 512,
    "anthropic.claude-mythos-5-1": 512,
    "anthropic.claude-fable-5": 512,
    "anthropic.claude-mythos-5": 512,
    "anthropic.claude-mythos-preview": 4096,
    "anthropic.claude-opus-5-5": 512,
    "anthropic.claude-sonnet-5-5": 512,
    "anthropic.claude-haiku-5-5": 512,
    "anthropic.claude-opus-5": 512,
    "anthropic.claude-opus-4-8": 1024,
    "anthropic.claude-opus-4-7": 4096,
    "anthropic.claude-opus-4-6-v1": 4096,
    "anthropic.claude-opus-4-5-20251101-v1:0": 4096,
    "anthropic.claude-sonnet-5": 1024,
    "anthropic.claude-sonnet-4-6": 1024,
    "anthropic.claude-sonnet-4-5-20250929-v1:0": 1024,
    "anthropic.claude-haiku-4-5-20251001-v1:0": 4096,
}
LEGACY_MINIMUMS = {
    "anthropic.claude-3-7-sonnet-20250219-v1:0": 1024,
    "anthropic.claude-3-5-sonnet-20241022-v2:0": 1024,
    "anthropic.claude-sonnet-4-20250514-v1:0": 1024,
    "anthropic.claude-opus-4-20250514-v1:0": 1024,
    "anthropic.claude-opus-4-1-20250805-v1:0": 1024,
    "anthropic.claude-3-5-haiku-20241022-v1:0": 2048,
}
NOVA_MINIMUMS = {
    "amazon.nova-micro-v1:0": 1024,
    "amazon.nova-lite-v1:0": 1024,
    "amazon.nova-pro-v1:0": 1024,
    "amazon.nova-premier-v1:0": 1024,
    "amazon.nova-2-lite-v1:0": 1024,
}
UNSUPPORTED = (
    "moonshotai.kimi-k3",
    "zai.glm-5.3",
    "openai.gpt-5.6-sol",
    "openai.gpt-5.6-terra",
    "openai.gpt-5.6-luna",
)
UNKNOWN = (
    "meta.llama3-3-70b-instruct-v1:0",
    "anthropic.claude-3-5-sonnet-20240620-v1:0",  # v1 never had it
    "anthropic.claude-opus-4-9",  # not a version of Opus 4
    "anthropic.claude-sonnet-50",
    "amazon.titan-text-express-v1",
    "not a model",
    "",
)
GEOGRAPHIES = ("us", "us-gov", "eu", "apac", "au", "jp", "in", "global", "ca", "mx")
ALL_MINIMUMS = CLAUDE_MINIMUMS | LEGACY_MINIMUMS | NOVA_MINIMUMS


@pytest.fixture
def registered() -> Iterator[list[str]]:
    """IDs to unregister after the test."""
    ids: list[str] = []
    yield ids
    for profile_id in ids:
        unregister_profile(profile_id)


@pytest.mark.parametrize(("model_id", "minimum"), ALL_MINIMUMS.items())
def test_minimum_tokens(model_id: str, minimum: int) -> None:
    """Every model of AWS's table is found by its base ID, with its minimum and four points."""
    profile = find_profile(model_id)
    assert profile is not None
    assert profile.supports_caching
    assert profile.min_tokens_per_cache_point == minimum
    assert profile.max_cache_points == 4


@pytest.mark.parametrize("model_id", CLAUDE_MINIMUMS)
def test_claude_rules(model_id: str) -> None:
    """Claude from 4.5 on takes points everywhere, for 5m and 1h, and looks 21 blocks back."""
    profile = find_profile(model_id)
    assert profile is not None
    assert profile.sections == SECTIONS
    assert profile.ttls == ("5m", "1h")
    assert profile.lookback_blocks == 21
    assert set(profile.never_after) == {"reasoning", "document"}


@pytest.mark.parametrize("model_id", LEGACY_MINIMUMS)
def test_older_claude_takes_no_hour(model_id: str) -> None:
    """Claude before 4.5 knows no ttl but 5m."""
    profile = find_profile(model_id)
    assert profile is not None
    assert (profile.sections, profile.ttls) == (SECTIONS, ("5m",))


@pytest.mark.parametrize("model_id", NOVA_MINIMUMS)
def test_nova_rules(model_id: str) -> None:
    """Nova takes points after text only, not in tools, for 5m, and does not look back."""
    profile = find_profile(model_id)
    assert profile is not None
    assert (profile.sections, profile.ttls) == (("system", "messages"), ("5m",))
    assert (profile.points_after, profile.lookback_blocks) == ("text", 0)
    assert profile.max_cacheable_tokens == 20_000
    assert profile.tool_choice_scope == "tools"


@pytest.mark.parametrize("model_id", UNSUPPORTED)
def test_models_that_cache_through_another_api(model_id: str) -> None:
    """Models known to refuse cache points on Converse have a profile that says so."""
    profile = find_profile(model_id)
    assert profile is not None
    assert not profile.supports_caching


@pytest.mark.parametrize("model_id", UNKNOWN)
def test_unknown_models_have_no_profile(model_id: str) -> None:
    """What is not in the table is unknown, however much its name looks like one that is."""
    assert find_profile(model_id) is None


@pytest.mark.parametrize("geography", GEOGRAPHIES)
def test_inference_profiles(geography: str) -> None:
    """Each model is found under each geography, as an ID and as the ARN of the profile."""
    for model_id in ALL_MINIMUMS:
        profile_id = f"{geography}.{model_id}"
        arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{profile_id}"
        assert base_model_id(profile_id) == base_model_id(arn) == model_id
        assert find_profile(profile_id) == find_profile(arn) == find_profile(model_id)


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_foundation_model_arns(partition: str) -> None:
    """Each model is found by its foundation-model ARN, in every partition."""
    for model_id in ALL_MINIMUMS:
        arn = f"arn:{partition}:bedrock:us-east-1::foundation-model/{model_id}"
        assert base_model_id(arn) == model_id
        assert find_profile(arn) == find_profile(model_id)


def test_a_version_with_a_context_length() -> None:
    """A suffix for the context length names the same model."""
    assert find_profile("amazon.nova-pro-v1:0:300k") == find_profile("amazon.nova-pro-v1:0")


OPAQUE_ARNS = (
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc123",
    "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1",
    "arn:aws:bedrock:us-east-1:123456789012:prompt-router/abc123",
    "arn:aws:bedrock:us-east-1:123456789012:imported-model/abc123",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/anthropic.claude-opus-5/abc123",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/anthropic.claude-opus-5",
)


@pytest.mark.parametrize("arn", OPAQUE_ARNS)
def test_arns_that_do_not_name_their_model(arn: str) -> None:
    """Such an ARN is unknown by itself; the base model given beside it decides."""
    assert base_model_id(arn) is None
    assert find_profile(arn) is None
    for name in ("anthropic.claude-opus-5", "us.anthropic.claude-opus-5"):
        assert find_profile(arn, base_model=name) == find_profile("anthropic.claude-opus-5")
    assert find_profile(arn, base_model="meta.llama3-3-70b-instruct-v1:0") is None


def test_every_row_has_a_source_and_a_date() -> None:
    """Facts with a shelf life say where they come from and when they were checked."""
    rows = shipped_profiles()
    assert len(rows) >= len(ALL_MINIMUMS)
    for row in rows:
        assert row.source, row.id
        assert date.fromisoformat(row.checked).isoformat() == row.checked, row.id


def test_rows_are_consistent() -> None:
    """IDs are unique and bare, and what supports caching says where and for how long."""
    rows = shipped_profiles()
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert base_model_id(row.id) == row.id
        assert set(row.sections) <= set(SECTIONS), row.id
        assert set(row.ttls) <= set(TTL_SECONDS), row.id
        assert bool(row.sections) == bool(row.ttls) == row.supports_caching, row.id
        assert (row.min_tokens_per_cache_point >= 512) == row.supports_caching, row.id


def _profile(profile_id: str) -> ModelProfile:
    known = find_profile("anthropic.claude-opus-5")
    assert known is not None
    return replace(known, id=profile_id, min_tokens_per_cache_point=700)


def test_register_a_new_model(registered: list[str]) -> None:
    """A registered model is found under geographies and versions too, until unregistered."""
    registered.append("acme.model-1")
    register_profile(_profile("acme.model-1"))
    for model_id in ("acme.model-1", "eu.acme.model-1-v1:0", "us.acme.model-1-20270101"):
        found = find_profile(model_id)
        assert found is not None
        assert found.min_tokens_per_cache_point == 700
    assert find_profile("acme.model-12") is None
    unregister_profile("acme.model-1")
    assert find_profile("acme.model-1") is None


def test_override_a_shipped_model(registered: list[str]) -> None:
    """A registered profile wins over the shipped one, which comes back when it is removed."""
    registered.append("anthropic.claude-opus-5")
    register_profile(_profile("anthropic.claude-opus-5"))
    found = find_profile("us.anthropic.claude-opus-5")
    assert found is not None
    assert found.min_tokens_per_cache_point == 700
    unregister_profile("anthropic.claude-opus-5")
    found = find_profile("us.anthropic.claude-opus-5")
    assert found is not None
    assert found.min_tokens_per_cache_point == 512


def test_register_an_arn(registered: list[str]) -> None:
    """A profile registered for an ARN holds for that ARN, also beside a base model."""
    registered.append(OPAQUE_ARNS[0])
    register_profile(_profile(OPAQUE_ARNS[0]))
    for base_model in (None, "anthropic.claude-haiku-4-5"):
        found = find_profile(OPAQUE_ARNS[0], base_model=base_model)
        assert found is not None
        assert found.min_tokens_per_cache_point == 700


def test_unregistering_what_was_never_registered() -> None:
    """Unknown IDs are ignored."""
    unregister_profile("acme.model-1")
