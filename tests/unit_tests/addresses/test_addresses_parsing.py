"""What a `modelId` says: its kind, its geography, and the model behind it where it is named."""

from __future__ import annotations

import re
from typing import Any, get_args

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.addresses import AddressKind, base_model_id, parse_address
from langchain_bedrock_cache.profiles import (
    SECTIONS,
    TTL_SECONDS,
    find_profile,
    shipped_profiles,
    strictest_profile,
)

# Untyped on purpose: the stubs know shapes without their members.
SERVICE: Any = botocore.session.Session().get_service_model("bedrock-runtime")
ACCOUNT = "arn:aws:bedrock:eu-west-1:123456789012:"
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
ADDRESSES: dict[str, tuple[AddressKind, str | None]] = {
    SONNET: ("model", SONNET),
    f"jp.{SONNET}": ("model", SONNET),
    "amazon.nova-2-lite-v1:0": ("model", "amazon.nova-2-lite-v1:0"),
    f"arn:aws:bedrock:eu-west-1::foundation-model/{SONNET}": ("foundation-model", SONNET),
    f"arn:aws:bedrock:::foundation-model/{SONNET}": ("foundation-model", SONNET),
    f"{ACCOUNT}inference-profile/eu.{SONNET}": ("inference-profile", SONNET),
    f"{ACCOUNT}application-inference-profile/s529qz7ddy06": (
        "application-inference-profile",
        None,
    ),
    f"{ACCOUNT}default-prompt-router/anthropic.claude:1": ("prompt-router", None),
    f"{ACCOUNT}prompt-router/abc123": ("prompt-router", None),
    f"{ACCOUNT}provisioned-model/abc123abc123": ("provisioned-model", None),
    f"{ACCOUNT}custom-model/amazon.nova-lite-v1:0:300k/abc123abc123": ("custom-model", None),
    f"{ACCOUNT}custom-model-deployment/abc123abc123": ("custom-model-deployment", None),
    f"{ACCOUNT}imported-model/abc123abc123": ("imported-model", None),
    f"{ACCOUNT}prompt/ABCDEFGHIJ:1": ("prompt", None),
    "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/my-model": ("marketplace-endpoint", None),
    "arn:aws:s3:::bucket/anthropic.claude-opus-5": ("unknown", None),
}


@pytest.mark.parametrize("model_id", ADDRESSES)
def test_every_kind_of_address(model_id: str) -> None:
    """Each kind is told, and only IDs, models and system profiles name their model."""
    address = parse_address(model_id)
    assert (address.kind, address.base_model_id) == ADDRESSES[model_id]
    assert address.names_its_model == (address.base_model_id is not None)
    assert base_model_id(model_id) == address.base_model_id


def test_the_examples_have_every_kind() -> None:
    """No kind is without an example."""
    assert {kind for kind, _ in ADDRESSES.values()} == set(get_args(AddressKind))


def test_every_kind_of_model_id_is_read() -> None:
    """Every resource in botocore's pattern of Converse's `modelId` is a kind known here."""
    pattern = SERVICE.operation_model("Converse").input_shape.members["modelId"].metadata["pattern"]
    resources = set(re.findall(r"[a-z]+(?:-[a-z]+)*(?=[/)|])", pattern))
    kinds = set(get_args(AddressKind)) - {"model", "unknown", "marketplace-endpoint"}
    assert kinds <= resources
    assert "endpoint" in resources
    found = {"default-prompt-router", "endpoint"} | kinds
    others = {name for name in resources if name.endswith(("-model", "-profile", "-router"))}
    assert others - found == set()


@pytest.mark.parametrize(
    ("model_id", "geography", "region"),
    [
        (SONNET, "", ""),
        (f"us-gov.{SONNET}", "us-gov", ""),
        (f"global.{SONNET}", "global", ""),
        (f"apac.{SONNET}", "apac", ""),
        (f"{ACCOUNT}inference-profile/au.{SONNET}", "au", "eu-west-1"),
        (f"{ACCOUNT}provisioned-model/abc123abc123", "", "eu-west-1"),
    ],
)
def test_geography_and_region(model_id: str, geography: str, region: str) -> None:
    """The geography is that of a profile, the Region that of an ARN."""
    address = parse_address(model_id)
    assert (address.geography, address.region) == (geography, region)


@given(
    geography=st.sampled_from(["us", "us-gov", "eu", "apac", "jp", "au", "in", "global", "xx"]),
    profile=st.sampled_from(shipped_profiles()),
    region=st.sampled_from(["us-east-1", "ap-southeast-4", "us-gov-west-1"]),
)
def test_all_names_of_a_model_are_one_model(geography: str, profile: Any, region: str) -> None:
    """Whatever geography and Region an address names, it is the same model with the same limits."""
    name = f"{geography}.{profile.id}"
    arn = f"arn:aws:bedrock:{region}:123456789012:inference-profile/{name}"
    assert base_model_id(name) == base_model_id(arn) == profile.id
    assert find_profile(name) == find_profile(arn) == find_profile(profile.id) == profile


@given(st.text(max_size=60) | st.from_regex(r"arn:aws:bedrock:[a-z:/.-]{0,60}"))
def test_no_text_fails(model_id: str) -> None:
    """Whatever is sent as `modelId`, it can be read."""
    assert parse_address(model_id).model_id == model_id


CACHING = [profile for profile in shipped_profiles() if profile.supports_caching]


@given(st.lists(st.sampled_from(CACHING), min_size=1, max_size=4))
def test_the_strictest_limits_hold_for_every_model(profiles: list[Any]) -> None:
    """What all allow is allowed by each, and one model alone keeps its own limits."""
    limits = strictest_profile(profiles, named=profiles[0])
    assert limits is not None
    for profile in profiles:
        assert limits.min_tokens_per_cache_point >= profile.min_tokens_per_cache_point
        assert limits.max_cache_points <= profile.max_cache_points
        assert set(limits.sections) <= set(profile.sections)
        assert set(limits.ttls) <= set(profile.ttls)
        assert limits.lookback_blocks <= profile.lookback_blocks
        assert limits.points_after in ("text", profile.points_after)
        assert set(limits.never_after) >= set(profile.never_after)
        if profile.max_cacheable_tokens:
            assert 0 < limits.max_cacheable_tokens <= profile.max_cacheable_tokens
        scopes = (limits.tool_choice_scope, profile.tool_choice_scope)
        assert SECTIONS.index(scopes[0]) <= SECTIONS.index(scopes[1])
    assert limits.id == profiles[0].id
    assert set(limits.ttls) <= set(TTL_SECONDS)
    alone = strictest_profile(profiles[:1], named=profiles[0])
    assert alone is not None
    assert alone.min_tokens_per_cache_point == profiles[0].min_tokens_per_cache_point


def test_one_model_without_caching_is_enough() -> None:
    """Where one of the models is unknown or takes no points, none can be sent."""
    opus, kimi = find_profile("anthropic.claude-opus-5"), find_profile("moonshotai.kimi-k3")
    assert opus is not None
    assert kimi is not None
    assert strictest_profile([opus, None], named=opus) is None
    assert strictest_profile([opus, kimi], named=opus) == kimi
