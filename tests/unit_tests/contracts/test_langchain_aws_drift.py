"""The parts of langchain-aws that we lean on are as they were."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_aws.chat_models.bedrock_converse import _extract_usage_metadata, _is_cache_point

from langchain_bedrock_cache import ChatBedrockCached
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.usage import CacheUsage

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function by name, `self` left out."""
    found = dict(inspect.signature(function).parameters)
    found.pop("self", None)
    return found


def test_apply_cache_points() -> None:
    """langchain-aws hands us hint, request lists and parameters, by position, as it did."""
    theirs = parameters(ChatBedrockConverse._apply_cache_points)
    ours = parameters(ChatBedrockCached._apply_cache_points)
    assert list(theirs) == list(ours) == ["cache_control", "system", "bedrock_messages", "params"]
    assert theirs["params"].default is ours["params"].default is None


def test_converse_params() -> None:
    """Its parameters are keywords, so that ours can stand beside them, and none has our names."""
    theirs = parameters(ChatBedrockConverse._converse_params)
    assert {p.kind for p in theirs.values()} == {inspect.Parameter.KEYWORD_ONLY}
    ours = {
        name
        for name, p in parameters(ChatBedrockCached._converse_params).items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert "cachePolicy" in ours
    assert ours.isdisjoint(theirs)


def test_apply_cache_points_by_itself() -> None:
    """Called with lists that are no request of ours, the hook does what langchain-aws's does."""
    system: list[Any] = [{"text": "a"}]
    messages: list[Any] = [{"role": "user", "content": [{"text": "b"}]}]
    client = BedrockEmulator().client()
    model = ChatBedrockCached(model_id=MODEL, client=client, bedrock_client=client)
    model._apply_cache_points({"type": "ephemeral"}, system, messages)
    assert system[-1] == messages[-1]["content"][-1] == {"cachePoint": {"type": "default"}}


@pytest.mark.parametrize("name", ["_generate", "_stream"])
def test_the_hooks_are_called_in_both_ways(name: str) -> None:
    """Calls and streams make their parameters first, then offer them for cache points."""
    source = inspect.getsource(getattr(ChatBedrockConverse, name))
    made, offered, sent = (
        source.index(call)
        for call in ("self._converse_params(", "self._apply_cache_points(", "self.client.converse")
    )
    assert made < offered < sent
    assert "cache_control, system, bedrock_messages, params" in source
    assert list(parameters(getattr(ChatBedrockConverse, name)))[:3] == [
        "messages",
        "stop",
        "run_manager",
    ]


def test_our_fields_are_our_own() -> None:
    """langchain-aws has no fields of the names that we add, and its client is still a field."""
    added = set(ChatBedrockCached.model_fields) - set(ChatBedrockConverse.model_fields)
    assert {"cache_policy", "prefix_memory"} <= added
    assert {"client", "model_id", "base_model_id"} <= set(ChatBedrockConverse.model_fields)


def test_a_cache_point_of_langchain_aws_is_one_of_ours() -> None:
    """`create_cache_point()` makes the block that the planner reads."""
    point = ChatBedrockConverse.create_cache_point()
    assert point == {"cachePoint": {"type": "default"}}
    assert _is_cache_point(point)


USAGES: dict[str, tuple[dict[str, Any], CacheUsage]] = {
    "with lifetimes": (
        {"cacheDetails": [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 70}]},
        CacheUsage(
            uncached_input_tokens=5,
            cache_read_tokens=200,
            cache_write_5m_tokens=70,
            cache_write_1h_tokens=30,
            output_tokens=7,
        ),
    ),
    "without": (
        {},
        CacheUsage(
            uncached_input_tokens=5,
            cache_read_tokens=200,
            cache_write_5m_tokens=100,
            output_tokens=7,
        ),
    ),
}


@pytest.mark.parametrize("case", USAGES)
def test_usage_metadata(case: str) -> None:
    """What langchain-aws makes of a usage is what we read from Bedrock's own."""
    details, expected = USAGES[case]
    usage = {
        "inputTokens": 5,
        "outputTokens": 7,
        "totalTokens": 312,
        "cacheReadInputTokens": 200,
        "cacheWriteInputTokens": 100,
        **details,
    }
    metadata = _extract_usage_metadata({"usage": usage})
    assert CacheUsage.from_usage_metadata(dict(metadata)) == expected
    assert CacheUsage.from_converse(usage) == expected
