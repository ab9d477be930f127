"""`CacheUsage`: arithmetic, Converse's form of usage, malformed reports."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from usage_strategies import usages

from langchain_bedrock_cache.usage import CacheUsage

garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def _anything(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, garbage))


def test_input_tokens_includes_cached_tokens() -> None:
    """`input_tokens` is uncached + read + both writes, and `total_tokens` adds the output."""
    usage = CacheUsage(
        uncached_input_tokens=1,
        cache_read_tokens=20,
        cache_write_5m_tokens=300,
        cache_write_1h_tokens=4000,
        output_tokens=50000,
    )
    assert usage.cache_write_tokens == 4300
    assert usage.input_tokens == 4321
    assert usage.total_tokens == 54321


def test_hit_ratio_is_the_part_of_all_input_that_was_read() -> None:
    """The ratio divides by all input, cached tokens included, and is 0.0 without input."""
    assert CacheUsage(uncached_input_tokens=10, cache_read_tokens=90).hit_ratio == 0.9
    assert CacheUsage().hit_ratio == 0.0


@given(st.lists(usages(most=10**7), max_size=5))
def test_sum_adds_field_by_field(values: list[CacheUsage]) -> None:
    """`sum()` of usages has the sums of all counts."""
    total = sum(values, CacheUsage())
    for name, count in total.as_dict().items():
        assert count == sum(getattr(value, name) for value in values)


def test_sum_needs_no_start_value() -> None:
    """`sum()` works without a start, and adding anything else is a TypeError."""
    one = CacheUsage(cache_read_tokens=1, output_tokens=2)
    assert sum([one, one]) == CacheUsage(cache_read_tokens=2, output_tokens=4)
    with pytest.raises(TypeError):
        sum([one], 5)
    with pytest.raises(TypeError):
        one + 5  # type: ignore[operator]


def test_converse_input_tokens_excludes_cached_tokens() -> None:
    """Converse `inputTokens` becomes the uncached input, unknown keys are ignored."""
    assert CacheUsage.from_converse(
        {
            "inputTokens": 9,
            "outputTokens": 6,
            "totalTokens": 4623,
            "cacheReadInputTokens": 100,
            "cacheReadInputTokenCount": 100,
            "cacheWriteInputTokens": 4508,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 4000}, {"ttl": "5m", "inputTokens": 508}],
            "serverToolUsage": {},
        }
    ) == CacheUsage(
        uncached_input_tokens=9,
        cache_read_tokens=100,
        cache_write_5m_tokens=508,
        cache_write_1h_tokens=4000,
        output_tokens=6,
    )


@pytest.mark.parametrize(
    ("details", "written_5m", "written_1h"),
    [
        (None, 1000, 0),
        ([], 1000, 0),
        ([{"ttl": "1h", "inputTokens": 400}], 600, 400),
        ([{"ttl": "5m", "inputTokens": 400}], 1000, 0),
        ([{"ttl": "7d", "inputTokens": 1000}], 1000, 0),
        ([{"ttl": "1h", "inputTokens": 400}, {"ttl": "1h", "inputTokens": 200}], 400, 600),
        ([{"ttl": "1h"}, None, {"inputTokens": 3}], 1000, 0),
    ],
)
def test_converse_writes_without_ttl_count_as_5m(
    details: object, written_5m: int, written_1h: int
) -> None:
    """Whatever `cacheDetails` does not give to 1h counts as written for 5 minutes."""
    usage = CacheUsage.from_converse({"cacheWriteInputTokens": 1000, "cacheDetails": details})
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (written_5m, written_1h)


def test_converse_details_stand_in_for_a_missing_total() -> None:
    """Without `cacheWriteInputTokens` the details are the writes."""
    usage = CacheUsage.from_converse(
        {"cacheDetails": [{"ttl": "1h", "inputTokens": 7}, {"ttl": "5m", "inputTokens": 3}]}
    )
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (3, 7)


def test_details_beyond_the_total_are_clamped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """More 1-hour writes than writes cannot be: the total stands, and a warning says so."""
    usage = CacheUsage.from_converse(
        {"cacheWriteInputTokens": 100, "cacheDetails": [{"ttl": "1h", "inputTokens": 150}]}
    )
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (0, 100)
    assert "150 tokens were written for 1 hour" in caplog.text


@given(usages(most=10**7))
def test_converse_round_trip(usage: CacheUsage) -> None:
    """A Converse usage made from any counts is read back as those counts."""
    assert usage == CacheUsage.from_converse(
        {
            "inputTokens": usage.uncached_input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
            "cacheReadInputTokens": usage.cache_read_tokens,
            "cacheWriteInputTokens": usage.cache_write_tokens,
            "cacheDetails": [
                {"ttl": "1h", "inputTokens": usage.cache_write_1h_tokens},
                {"ttl": "5m", "inputTokens": usage.cache_write_5m_tokens},
            ],
        }
    )


@pytest.mark.parametrize("value", [-5, "many", [], float("nan"), float("inf")])
def test_a_count_that_cannot_be_right_is_zero_and_logged(
    value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A negative or non-numeric count is 0, the other counts stay, and a warning says so."""
    usage = CacheUsage.from_converse({"inputTokens": value, "outputTokens": 5})
    assert usage == CacheUsage(output_tokens=5)
    assert "taken as 0" in caplog.text


@given(
    _anything("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    st.one_of(garbage, st.lists(_anything("ttl", "inputTokens"), max_size=3)),
    _anything("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_creation"),
    _anything("cache_read", "cache_creation", "ephemeral_1h_input_tokens"),
)
def test_no_report_makes_reading_fail(
    converse: dict[str, Any], details: object, body: dict[str, Any], langchain: dict[str, Any]
) -> None:
    """Whatever a response holds, reading it gives counts that are not negative."""
    readings = [
        CacheUsage.from_converse(converse | {"cacheDetails": details}),
        CacheUsage.from_invoke_model({"usage": body}, headers={"x-amzn-bedrock-x": "y"}),
        CacheUsage.from_invoke_model_stream([{"usage": body}, {"message": body}]),
        CacheUsage.from_usage_metadata(body | {"input_token_details": langchain}),
    ]
    for usage in readings:
        assert all(isinstance(count, int) and count >= 0 for count in usage.as_dict().values())


@pytest.mark.parametrize("nothing", [None, {}, [], "usage", {"usage": None}])
def test_no_report_is_no_tokens(nothing: Any) -> None:
    """A response without usage is all zeros, in every form."""
    assert CacheUsage.from_converse(nothing) == CacheUsage()
    assert CacheUsage.from_invoke_model(nothing, headers=nothing) == CacheUsage()
    assert CacheUsage.from_invoke_model_stream([nothing]) == CacheUsage()
    assert CacheUsage.from_usage_metadata(nothing) == CacheUsage()
