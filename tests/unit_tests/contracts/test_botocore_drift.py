"""What we know of Bedrock's wire format is what botocore's service model says."""

from __future__ import annotations

from typing import Any, get_args

import botocore.session
import pytest

from langchain_bedrock_cache.converse import requests as converse
from langchain_bedrock_cache.converse.blocks import KINDS
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.usage import CacheUsage

# Untyped on purpose: the stubs know shapes without their members.
SERVICE: Any = botocore.session.Session().get_service_model("bedrock-runtime")


def members(shape: str) -> set[str]:
    """Return the members of a structure or union."""
    return set(SERVICE.shape_for(shape).members)


def test_cache_points() -> None:
    """A cache point has a type and a ttl, with the values we send and accept."""
    point = SERVICE.shape_for("CachePointBlock")
    assert set(point.members) == {"type", "ttl"}
    assert point.required_members == ["type"]
    assert point.members["type"].enum == ["default"]
    assert sorted(point.members["ttl"].enum) == sorted(get_args(CacheTTL))


@pytest.mark.parametrize("shape", ["ContentBlock", "SystemContentBlock", "Tool"])
def test_lists_that_hold_cache_points(shape: str) -> None:
    """Points are blocks of their own in messages, system and tools."""
    assert "cachePoint" in members(shape)
    assert SERVICE.shape_for(shape).is_tagged_union


def test_lists_that_hold_none() -> None:
    """There are no points inside tool results."""
    assert "cachePoint" not in members("ToolResultContentBlock")


# Blocks whose neighborhood to a cache point nobody has reported on; read as "other".
UNREPORTED = {"citationsContent", "searchResult", "toolAddition", "toolRemoval"}


def test_content_blocks() -> None:
    """Every kind of content block is one we know, or know to know nothing about."""
    assert members("ContentBlock") == set(KINDS) | UNREPORTED | {"cachePoint"}


def test_usage() -> None:
    """The counts of a response are those we read."""
    assert members("TokenUsage") == {
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cacheDetails",
    }
    assert members("CacheDetail") == {"ttl", "inputTokens"}
    usage = {
        "inputTokens": 1,
        "outputTokens": 2,
        "cacheReadInputTokens": 4,
        "cacheWriteInputTokens": 24,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 8}, {"ttl": "5m", "inputTokens": 16}],
    }
    assert tuple(CacheUsage.from_converse(usage).as_dict().values()) == (1, 4, 16, 8, 2)


PROMPT = {"messages", "system", "toolConfig", *converse._PROMPT_FIELDS}
NOT_THE_PROMPT = {
    "modelId",
    "inferenceConfig",  # measured: temperature and maxTokens have no effect on the cache
    "guardrailConfig",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
}
# Fills in a stored prompt, which is then the `modelId`: such a model is unknown to us.
STORED_PROMPT = {"promptVariables"}


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_every_argument_is_part_of_the_prompt_or_is_not(operation: str) -> None:
    """A new argument has to be judged: does it change what the cache is keyed by?"""
    arguments = set(SERVICE.operation_model(operation).input_shape.members) - {"guardrailConfig"}
    assert arguments | {"guardrailConfig"} == PROMPT | NOT_THE_PROMPT | STORED_PROMPT


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException"])
def test_errors_that_refuse_points(code: str) -> None:
    """The codes we look at are errors of both operations."""
    for operation in ("Converse", "ConverseStream"):
        shapes = SERVICE.operation_model(operation).error_shapes
        assert code in {shape.name for shape in shapes}


def test_roles() -> None:
    """The roles of a message are those that digests tell apart."""
    roles = SERVICE.shape_for("ConversationRole")
    assert set(roles.enum) == set(converse._ROLE_TAGS)


def test_stream_events() -> None:
    """The usage of a stream comes in its `metadata` event."""
    assert "metadata" in members("ConverseStreamOutput")
    assert "usage" in members("ConverseStreamMetadataEvent")
