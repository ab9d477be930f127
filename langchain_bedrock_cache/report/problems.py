"""`Problem`: why calls read less than they could have, where, what that cost, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from langchain_bedrock_cache.diagnosis import Diagnosis, Verdict
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.rows import ReportRow, mendable_tokens, row_of
from langchain_bedrock_cache.sent_requests.change_kinds import WORDS
from langchain_bedrock_cache.sent_requests.remedies import remedy

# Details of these have numbers that differ from call to call.
_WHAT: Mapping[Verdict, str] = {
    "too_short": "what is in front of the cache points is shorter than what the model caches",
    "too_long": "the prompt is longer than what the model caches",
    "out_of_lookback": "the next cache point is too many blocks after what was cached",
    "partial_hit": "only a part of what was there was read",
}
_REMEDIES: Mapping[Verdict, str] = {
    "too_short": "Let CachePolicy() place the cache points: calls have more in common than that.",
    "too_long": "Put a cache point earlier: behind what all calls share, within that length.",
    "out_of_lookback": "Let CachePolicy() place the cache points, or add one in between.",
    "in_flight": "Let one call go first: warm(model, prompt), or "
    "CachePolicy(single_flight_seconds=...).",
    "no_points": "Cache it: with CachePolicy(), or with cache points of your own.",
    "refused": "Correct what Bedrock refused: these calls were sent again without cache points.",
}
_REMEDY_5M = (
    'Keep it for longer, CachePolicy(ttl="1h"), or warm with KeepAlive, if pauses are that long.'
)
_REMEDY_1H = "Keep it warm with KeepAlive, if what it reads is worth the pings."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason for which calls read less than they could have.

    Attributes:
        verdict: Of these calls.
        place: Where their requests changed; empty if they did not, `messages` if at several places
            there.
        offset_chars: Characters of the block before the change, the fewest of these calls; `None`
            if the whole block is another, or nothing changed.
        what: What changed, or what else is known, in words.
        remedy: What the application can do; empty if nothing is known.
        row: The calls added up, all that have this verdict and place.
    """

    verdict: Verdict
    place: str
    offset_chars: int | None
    what: str
    remedy: str
    row: ReportRow

    @property
    def worth_usd(self) -> Decimal | None:
        """What mending it would have saved; `None` if no price is known."""
        return self.row.mendable_usd

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as plain data."""
        return {
            "verdict": self.verdict,
            "place": self.place,
            "offset_chars": self.offset_chars,
            "what": self.what,
            "remedy": self.remedy,
            **{name: value for name, value in self.row.as_dict().items() if name != "name"},
        }


def find_problems(records: Iterable[CallRecord]) -> list[Problem]:
    """Return why calls read less than they could have, the most tokens first.

    Args:
        records: The calls. One that changed in several places counts at the first of them.

    Returns:
        A problem per verdict, place and cause of which any call could have read more. Places in
        messages move on with each turn: all of them are one.
    """
    groups: dict[tuple[Verdict, str, str], list[CallRecord]] = {}
    for record in records:
        found = record.diagnosis
        if found is not None and found.verdict != "hit":
            groups.setdefault((found.verdict, _where(found), _what(found)), []).append(record)
    problems = [
        _problem(what, calls)
        for (_, _, what), calls in groups.items()
        if any(mendable_tokens(call) for call in calls)
    ]
    return sorted(problems, key=lambda problem: -problem.row.mendable_tokens)


def _problem(what: str, calls: list[CallRecord]) -> Problem:
    found = [call.diagnosis for call in calls if call.diagnosis is not None]
    changes = [one.change for one in found if one.change is not None]
    places = {one.place for one in found}
    offsets = [change.offset_chars for change in changes if change.offset_chars is not None]
    return Problem(
        verdict=found[0].verdict,
        place=places.pop() if len(places) == 1 else _where(found[0]),
        offset_chars=min(offsets, default=None),
        what=what,
        remedy=_remedy(found[0]),
        row=row_of(found[0].verdict, calls),
    )


def _where(found: Diagnosis) -> str:
    in_messages = found.change is not None and found.change.section == "messages"
    return "messages" if in_messages else found.place


def _what(found: Diagnosis) -> str:
    if found.change is not None:
        return WORDS[found.change.kind]
    if found.verdict == "expired":
        return f"kept for {found.ttl}, and not used for longer"
    return _WHAT.get(found.verdict) or found.detail.split(" (")[0]


def _remedy(found: Diagnosis) -> str:
    if found.change is not None:
        return remedy(found.change)
    if found.verdict == "expired":
        return _REMEDY_5M if found.ttl == "5m" else _REMEDY_1H
    return _REMEDIES.get(found.verdict, "")
