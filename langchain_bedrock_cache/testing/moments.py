"""Find the present moment in a text: it will be another one in the next call.

Runs of a test follow each other at once, so that a time in a prompt may not be seen to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

# In the ways of isoformat(), strftime("%c") and people, with and without leading zeros.
_DATES = (
    "{0:%Y-%m-%d}",
    "{0:%Y%m%d}",
    "{0:%d.%m.%Y}",
    "{0:%d/%m/%Y}",
    "{0:%m/%d/%Y}",
    "{0:%m/%d/%y}",
    "{0.day} {0:%B %Y}",
    "{0.day} {0:%b %Y}",
    "{0:%B} {0.day}, {0.year}",
    "{0:%b} {0.day}, {0.year}",
    "{0:%b} {0.day:2d} ",
    "{0:%b %d} ",
    "{0:%d} {0:%B %Y}",
)
_TIME = re.compile(r"\d{1,2}:(\d{2})(?!\d)")
_EPOCH = re.compile(r"(?<![\d.])1\d{9}(?=\d{3}(?!\d)|(?!\d))")
_AROUND_CHARS = 40
_DAY = timedelta(days=1)
# Time zones are quarters of an hour apart.
_ZONE_MINUTES = 15


def find_moment(text: str, now: datetime) -> int | None:
    """Return where a text says what time it is, to the minute or finer; `None` if it does not.

    A date alone is not meant: it changes once a day, which costs one write a day.

    Args:
        text: Such as a system prompt.
        now: The time at which it was made, in any time zone.
    """
    places = [*_epochs(text, now), *_times(text, now)]
    return min(places, default=None)


def _epochs(text: str, now: datetime) -> Iterator[int]:
    seconds = now.timestamp()
    for match in _EPOCH.finditer(text):
        if abs(int(match[0]) - seconds) < _DAY.total_seconds():
            yield match.start()


def _times(text: str, now: datetime) -> Iterator[int]:
    """Yield times of this minute, or the last, in any zone, that stand beside today's date."""
    minutes = {(now.minute + n) % _ZONE_MINUTES for n in (-1, 0, 1)}
    times = [m for m in _TIME.finditer(text) if int(m[1]) % _ZONE_MINUTES in minutes]
    days = {form.format(day) for day in (now - _DAY, now, now + _DAY) for form in _DATES}
    for match in times:
        around = text[max(0, match.start() - _AROUND_CHARS) : match.end() + _AROUND_CHARS]
        if any(day in around for day in days):
            yield match.start()
