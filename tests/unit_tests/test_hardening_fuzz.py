"""A little of the fuzz that `tests/benchmarks/bench_fuzz.py` runs at length."""

from __future__ import annotations

import pytest
from fuzzed_requests import Found, fuzz


@pytest.fixture(scope="module")
def found() -> Found:
    """What came of some hundred generated requests."""
    return fuzz(20_261_122, 400)


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
def test_no_generated_request_is_refused_because_of_us(found: Found) -> None:
    """What Bedrock takes without our points it takes with them, on both APIs, and unchanged."""
    assert dict(found.wrong) == {}


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
def test_the_requests_are_worth_sending(found: Found) -> None:
    """Both APIs are used, most calls are answered, and many carry points."""
    assert found.counts["with points of ours"] > 80
    assert found.counts["with points of the application"] > 20
    assert found.counts["Converse answered"] > 100
    assert found.counts["InvokeModel answered"] > 50
