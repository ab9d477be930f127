"""`find_moment`: the present is found in a prompt, and nothing else is taken for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.testing.moments import find_moment

ZONES = st.integers(-48, 56).map(lambda quarters: timedelta(minutes=15 * quarters))
MOMENTS = st.datetimes(datetime(2025, 1, 3), datetime(2030, 1, 1))  # noqa: DTZ001 - zone is added
FORMATS = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%SZ",
    "%A, %d %B %Y, %H:%M",
    "%c",
    "%x %X",
    "%b %d %H:%M",
)


@given(moment=MOMENTS, zone=ZONES, form=st.sampled_from(FORMATS))
def test_the_present_is_found_in_any_zone(moment: datetime, zone: timedelta, form: str) -> None:
    """Whatever format and zone a prompt tells the time in, it is found where it stands."""
    now = moment.replace(tzinfo=UTC)
    said = (now + zone).strftime(form)
    offset = find_moment(f"It is {said}. Be kind.", now)
    assert offset is not None
    assert 6 <= offset < 6 + len(said)


@given(moment=MOMENTS)
def test_a_date_and_other_numbers_are_no_moment(moment: datetime) -> None:
    """Dates alone, opening hours, amounts and other years are left alone."""
    now = moment.replace(tzinfo=UTC)
    for text in (f"Today is {now:%Y-%m-%d}.", "Open 08:00 to 20:15 all year, for 1234567890 EUR."):
        assert find_moment(text, now) is None
    assert find_moment(f"On 1999-01-01 at {now:%H:%M}.", now) is None
