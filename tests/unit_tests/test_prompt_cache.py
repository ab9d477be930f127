"""The cache alone: what a request reads and writes, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.emulator import CacheOutcome, Point, PromptCache
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, find_profile


def profile_of(model_id: str) -> ModelProfile:
    """Return the profile of a model that has one."""
    profile = find_profile(model_id)
    assert profile is not None
    return profile


CLAUDE = profile_of("anthropic.claude-sonnet-4-5-20250929-v1:0")
NOVA = profile_of("amazon.nova-pro-v1:0")
TOKENS_PER_BLOCK = 1_100


def ask(
    cache: PromptCache,
    blocks: Sequence[str],
    points: Sequence[Point],
    *,
    now: float = 0.0,
    readable_at: float | None = None,
    profile: ModelProfile = CLAUDE,
    tokens: int = TOKENS_PER_BLOCK,
) -> CacheOutcome:
    """Send blocks of equal size; a prefix is identified by its text."""
    return cache.request(
        digests=["/".join(blocks[: i + 1]) for i in range(len(blocks))],
        cumulative_tokens=[tokens * (i + 1) for i in range(len(blocks))],
        points=points,
        profile=profile,
        now=now,
        readable_at=readable_at,
    )


def test_first_request_writes_up_to_its_point_and_second_reads_it() -> None:
    """What one request wrote, the next reads; what is behind the point stays uncached."""
    cache = PromptCache()
    first = ask(cache, ["a", "b"], [Point(1)])
    second = ask(cache, ["a", "c"], [Point(1)])
    assert first == CacheOutcome(write_5m_tokens=1_100, uncached_tokens=1_100)
    assert second == CacheOutcome(read_tokens=1_100, uncached_tokens=1_100)


def test_without_a_point_nothing_is_read_although_it_is_there() -> None:
    """Only requests with a point find what others wrote."""
    cache = PromptCache()
    ask(cache, ["a"], [Point(1)])
    assert ask(cache, ["a"], []) == CacheOutcome(uncached_tokens=1_100)


@pytest.mark.parametrize(("added", "read"), [(21, 1_100), (22, 0)])
def test_claude_looks_back_21_blocks_and_no_further(added: int, read: int) -> None:
    """21 added blocks still find the earlier entry, 22 do not (measured on Sonnet 4.6)."""
    cache = PromptCache()
    ask(cache, ["a"], [Point(1)])
    longer = ["a", *map(str, range(added))]
    assert ask(cache, longer, [Point(len(longer))]).read_tokens == read


def test_nova_finds_an_entry_only_at_its_own_point() -> None:
    """One added block is enough to lose the entry on Nova."""
    cache = PromptCache()
    ask(cache, ["a"], [Point(1)], profile=NOVA)
    assert ask(cache, ["a", "b"], [Point(2)], profile=NOVA).read_tokens == 0
    assert ask(cache, ["a", "c"], [Point(1)], profile=NOVA).read_tokens == 1_100


@pytest.mark.parametrize(("tokens", "written"), [(1_023, 0), (1_024, 1_024)])
def test_point_below_the_minimum_is_ignored(tokens: int, written: int) -> None:
    """One token too few and nothing is written, without an error."""
    outcome = ask(PromptCache(), ["a"], [Point(1)], tokens=tokens)
    assert outcome.write_tokens == written
    assert outcome.uncached_tokens == tokens - written


@pytest.mark.parametrize(("tokens", "written"), [(20_000, 20_000), (20_001, 0)])
def test_point_beyond_the_cap_of_nova_is_ignored(tokens: int, written: int) -> None:
    """The documented cap of 20,000 cacheable tokens holds for the whole prefix."""
    outcome = ask(PromptCache(), ["a"], [Point(1)], profile=NOVA, tokens=tokens)
    assert outcome.write_tokens == written


@pytest.mark.parametrize(
    ("ttl", "gap", "hit"), [("5m", 299.9, True), ("5m", 300, False), ("1h", 3_599, True)]
)
def test_entry_lives_as_long_as_its_ttl(ttl: CacheTTL, gap: float, hit: bool) -> None:  # noqa: FBT001 - a table
    """An entry is gone the moment its lifetime has passed."""
    cache = PromptCache()
    ask(cache, ["a"], [Point(1, ttl)])
    assert (ask(cache, ["a"], [Point(1, ttl)], now=gap).read_tokens > 0) is hit


def test_each_read_starts_the_lifetime_anew() -> None:
    """Reads every four minutes keep a five-minute entry alive for as long as they go on."""
    cache = PromptCache()
    ask(cache, ["a"], [Point(1)])
    reads = [ask(cache, ["a"], [Point(1)], now=240.0 * i).read_tokens for i in range(1, 20)]
    assert reads == [1_100] * 19
    assert ask(cache, ["a"], [Point(1)], now=240.0 * 19 + 300).read_tokens == 0


def test_one_span_is_split_by_ttl_at_the_last_1h_point() -> None:
    """1h is written up to the last 1h point, 5m from there to the last point."""
    points = [Point(1, "1h"), Point(2, "1h"), Point(4)]
    outcome = ask(PromptCache(), ["a", "b", "c", "d", "e"], points)
    assert outcome == CacheOutcome(
        write_1h_tokens=2_200, write_5m_tokens=2_200, uncached_tokens=1_100
    )


def test_earlier_points_cost_nothing_and_stay_reachable() -> None:
    """Two points write no more than the last one alone, and both places can be read later."""
    cache = PromptCache()
    two = ask(cache, ["a", "b"], [Point(1), Point(2)])
    assert two == ask(PromptCache(), ["a", "b"], [Point(2)])
    assert ask(cache, ["a", "other"], [Point(1)], profile=NOVA).read_tokens == 1_100


def test_parallel_first_requests_all_write() -> None:
    """Before the first response begins, nobody can read what it writes."""
    cache = PromptCache()
    first = ask(cache, ["a"], [Point(1)], now=0, readable_at=2)
    during = ask(cache, ["a"], [Point(1)], now=1, readable_at=3)
    after = ask(cache, ["a"], [Point(1)], now=2, readable_at=4)
    assert (first.write_tokens, during.write_tokens, after.read_tokens) == (1_100, 1_100, 1_100)


def test_parallel_writes_of_both_ttls_leave_the_longer_one() -> None:
    """A five-minute write that overtakes a one-hour write does not shorten its lifetime."""
    cache = PromptCache()
    ask(cache, ["a"], [Point(1, "1h")], now=0, readable_at=2)
    ask(cache, ["a"], [Point(1, "5m")], now=1, readable_at=3)
    assert ask(cache, ["a"], [Point(1)], now=3_000).read_tokens == 1_100
    assert ask(cache, ["a"], [Point(1)], now=6_000).read_tokens == 1_100


def test_expired_entries_are_dropped() -> None:
    """Memory is bounded by what is alive, not by what was ever sent."""
    cache = PromptCache()
    for number in range(50):
        ask(cache, [f"only {number}"], [Point(1)], now=number)
    assert len(cache) == 50
    ask(cache, ["late"], [Point(1)], now=1_000)
    assert len(cache) == 1


REQUESTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from("ab"), min_size=1, max_size=6),
        st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["5m", "1h"])), max_size=4),
        st.floats(0, 400),
    ),
    max_size=12,
)


@given(REQUESTS, st.sampled_from([CLAUDE, NOVA]), st.integers(0, 2_000))
def test_tokens_are_conserved(
    requests: list[tuple[list[str], list[tuple[int, CacheTTL]], float]],
    profile: ModelProfile,
    minimum: int,
) -> None:
    """Read, written and uncached tokens always add up to the prompt, and none is negative."""
    profile = replace(profile, min_tokens_per_cache_point=minimum)
    cache, now = PromptCache(), 0.0
    for blocks, places, gap in requests:
        now += gap
        points = sorted({Point(min(p, len(blocks)), ttl) for p, ttl in places}, key=_by_place)
        out = ask(cache, blocks, points, now=now, profile=profile, tokens=500)
        parts = (out.read_tokens, out.write_5m_tokens, out.write_1h_tokens, out.uncached_tokens)
        assert sum(parts) == 500 * len(blocks)
        assert min(parts) >= 0


def _by_place(point: Point) -> tuple[int, str]:
    return point.position, point.ttl


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=25))
def test_repeated_request_reads_all_it_wrote(blocks: list[str]) -> None:
    """Sent again at once, a request reads exactly the span it wrote, and writes nothing."""
    cache = PromptCache()
    first = ask(cache, blocks, [Point(len(blocks))])
    again = ask(cache, blocks, [Point(len(blocks))])
    assert again == CacheOutcome(read_tokens=first.write_tokens)
