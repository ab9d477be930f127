"""`CacheUsage` of LangChain's `usage_metadata`: written tokens are counted once."""

import pytest

from langchain_bedrock_cache.usage import CacheUsage


@pytest.mark.parametrize(
    ("details", "written_5m", "written_1h"),
    [
        ({"cache_creation": 100}, 100, 0),
        ({"cache_creation": 0, "ephemeral_5m_input_tokens": 100}, 100, 0),
        ({"ephemeral_1h_input_tokens": 100}, 0, 100),
        (
            {
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 40,
                "ephemeral_1h_input_tokens": 60,
            },
            40,
            60,
        ),
        ({"cache_creation": 40, "ephemeral_1h_input_tokens": 60}, 40, 60),
        # langchain-anthropic 1.0 leaves the total beside its parts.
        (
            {
                "cache_creation": 100,
                "ephemeral_5m_input_tokens": 40,
                "ephemeral_1h_input_tokens": 60,
            },
            40,
            60,
        ),
        ({"cache_creation": None, "ephemeral_5m_input_tokens": 100}, 100, 0),
    ],
)
def test_usage_metadata_writes_are_counted_once(
    details: dict[str, int], written_5m: int, written_1h: int
) -> None:
    """Total, split, partial split and total-beside-split all give 100 tokens written."""
    usage = CacheUsage.from_usage_metadata(
        {
            "input_tokens": 1000,
            "output_tokens": 7,
            "total_tokens": 1007,
            "input_token_details": {"cache_read": 300, **details},
        }
    )
    assert usage == CacheUsage(
        uncached_input_tokens=600,
        cache_read_tokens=300,
        cache_write_5m_tokens=written_5m,
        cache_write_1h_tokens=written_1h,
        output_tokens=7,
    )


def test_usage_metadata_total_beside_a_partial_split() -> None:
    """A total that cannot be in addition to its parts, for want of input, holds them."""
    usage = CacheUsage.from_usage_metadata(
        {
            "input_tokens": 110,
            "output_tokens": 0,
            "input_token_details": {"cache_creation": 100, "ephemeral_1h_input_tokens": 60},
        }
    )
    assert usage == CacheUsage(
        uncached_input_tokens=10, cache_write_5m_tokens=40, cache_write_1h_tokens=60
    )


def test_usage_metadata_without_details_is_all_uncached() -> None:
    """A model that reports no cache details used no prompt cache."""
    usage = CacheUsage.from_usage_metadata(
        {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    )
    assert usage == CacheUsage(uncached_input_tokens=10, output_tokens=2)


def test_usage_metadata_that_leaves_cached_tokens_out(caplog: pytest.LogCaptureFixture) -> None:
    """More cached tokens than input tokens: the input count is the uncached one, with a warning."""
    usage = CacheUsage.from_usage_metadata(
        {"input_tokens": 10, "output_tokens": 2, "input_token_details": {"cache_read": 500}}
    )
    assert usage == CacheUsage(uncached_input_tokens=10, cache_read_tokens=500, output_tokens=2)
    assert "500 cached tokens in 10 input tokens" in caplog.text
