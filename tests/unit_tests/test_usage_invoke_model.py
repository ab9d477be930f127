"""`CacheUsage` of InvokeModel: bodies, headers, invocation metrics and streams agree."""

from collections.abc import Mapping
from typing import Any

import pytest

from langchain_bedrock_cache.usage import CacheUsage

_HEADERS = {
    "x-amzn-bedrock-input-token-count": "4",
    "x-amzn-bedrock-cache-read-input-token-count": "30",
    "x-amzn-bedrock-cache-write-input-token-count": "200",
    "x-amzn-bedrock-output-token-count": "5",
}
_METRICS = {
    "inputTokenCount": 4,
    "cacheReadInputTokenCount": 30,
    "cacheWriteInputTokenCount": 200,
    "outputTokenCount": 5,
    "invocationLatency": 700,
}
_EXPECTED = CacheUsage(
    uncached_input_tokens=4, cache_read_tokens=30, cache_write_5m_tokens=200, output_tokens=5
)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (None, _HEADERS),
        ({"completion": "hi"}, _HEADERS),
        ({}, {name.title(): count for name, count in _HEADERS.items()}),
        ({"amazon-bedrock-invocationMetrics": _METRICS}, None),
        (
            {
                "usage": {
                    "input_tokens": 4,
                    "cache_read_input_tokens": 30,
                    "cache_creation_input_tokens": 200,
                    "output_tokens": 5,
                }
            },
            None,
        ),
        (
            {
                "usage": {
                    "inputTokens": 4,
                    "cacheReadInputTokenCount": 30,
                    "cacheWriteInputTokenCount": 200,
                    "outputTokens": 5,
                    "totalTokens": 239,
                }
            },
            None,
        ),
        ({"usage": {"input_tokens": 4, "output_tokens": 5}}, _HEADERS),
    ],
    ids=[
        "headers alone",
        "body without usage",
        "headers in title case",
        "invocation metrics",
        "Claude",
        "Nova",
        "body without cache counts",
    ],
)
def test_invoke_model_forms_agree(
    body: Mapping[str, Any] | None, headers: Mapping[str, str] | None
) -> None:
    """Every place InvokeModel reports usage in gives the same counts."""
    assert CacheUsage.from_invoke_model(body, headers=headers) == _EXPECTED


def test_invoke_model_body_wins_and_tells_the_ttl() -> None:
    """Claude's body has the TTLs, and wins over headers that do not."""
    usage = CacheUsage.from_invoke_model(
        {
            "usage": {
                "input_tokens": 4,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": 200,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 180,
                },
                "output_tokens": 5,
            }
        },
        headers=_HEADERS,
    )
    assert usage == CacheUsage(
        uncached_input_tokens=4,
        cache_write_5m_tokens=20,
        cache_write_1h_tokens=180,
        output_tokens=5,
    )


def test_invoke_model_stream_merges_start_and_delta() -> None:
    """Claude's input counts come first, its output last; nulls and trailer replace neither."""
    usage = CacheUsage.from_invoke_model_stream(
        [
            {
                "type": "message_start",
                "message": {
                    "usage": {
                        "input_tokens": 4,
                        "cache_read_input_tokens": 30,
                        "cache_creation_input_tokens": 200,
                        "cache_creation": {"ephemeral_1h_input_tokens": 150},
                        "output_tokens": 1,
                    }
                },
            },
            {"type": "content_block_delta", "delta": {"text": "hi"}},
            {
                "type": "message_delta",
                "usage": {"output_tokens": 5, "cache_read_input_tokens": None},
            },
            {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"outputTokenCount": 9}},
        ]
    )
    assert usage == CacheUsage(
        uncached_input_tokens=4,
        cache_read_tokens=30,
        cache_write_5m_tokens=50,
        cache_write_1h_tokens=150,
        output_tokens=5,
    )


def test_invoke_model_stream_of_nova_and_of_models_with_a_trailer_only() -> None:
    """Nova reports in its `metadata` chunk, other models in the trailer alone."""
    nova = {
        "usage": {
            "inputTokens": 4,
            "outputTokens": 5,
            "cacheReadInputTokenCount": 30,
            "cacheWriteInputTokenCount": 200,
        }
    }
    assert CacheUsage.from_invoke_model_stream([{"metadata": nova}]) == _EXPECTED
    trailer = {"amazon-bedrock-invocationMetrics": _METRICS}
    assert CacheUsage.from_invoke_model_stream([{"generation": "hi"}, trailer]) == _EXPECTED
