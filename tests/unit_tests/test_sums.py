"""Sums of values that are counts or amounts by name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from usage_strategies import usages

from langchain_bedrock_cache.sums import add_up
from langchain_bedrock_cache.usage import CacheUsage


@given(st.lists(usages(most=10**6), min_size=1, max_size=5))
def test_the_same_as_plus(several: list[CacheUsage]) -> None:
    """However many are added up at once, it comes to what `+` makes of them one by one."""
    assert add_up(several) == sum(several, CacheUsage())
