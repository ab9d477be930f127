"""Usages of every size, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from langchain_bedrock_cache.usage import CacheUsage


def usages(*, most: int) -> st.SearchStrategy[CacheUsage]:
    """Generate usages whose counts are at most so many tokens each."""
    counts = st.integers(min_value=0, max_value=most)
    return st.builds(
        CacheUsage,
        uncached_input_tokens=counts,
        cache_read_tokens=counts,
        cache_write_5m_tokens=counts,
        cache_write_1h_tokens=counts,
        output_tokens=counts,
    )
