"""`Problem`: why calls read less than they could have, where, what that cost, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from langchain_bedrock_cache.diagnosis import Diagnosis, Verdict
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.pauses import Bridge
from langchain_bedrock_cache.report.rows import ReportRow, row_of
from langchain_bedrock_cache.report.worth import Mending
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
    "refused": "Correct what Bedrock refused: these calls were sent without cache points.",
}
_BRIDGES: Mapping[Bridge, str] = {
    "1h": 'Keep it for longer: CachePolicy(ttl="1h"). Writes cost more then, which is taken off.',
    "keep_alive": "Keep it warm with KeepAlive: its pings are taken off.",
}
# Of the cost of all calls, or of their input where that is not known.
_SMALL = 100
_NUMBER = re.compile(r"\d(?:[\d,]*\d)?")


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


def find_problems(records: Iterable[CallRecord], mending: Mending) -> list[Problem]:
    """Return why calls read less than they could have, the most tokens first.

    Args:
        records: The calls. One that changed in several places counts at the first of them.
        mending: What mending them is worth.

    Returns:
        A problem per verdict, place and cause of which any call could have read more. Places in
        messages move on with each turn, and numbers of tokens differ: all of them are one.
    """
    groups: dict[tuple[Verdict, str, str, Bridge | None], list[CallRecord]] = {}
    for record in records:
        found = record.diagnosis
        if found is not None and found.verdict != "hit":
            what = _NUMBER.sub("0", _what(found))
            key = found.verdict, _where(found), what, mending.bridge(record)
            groups.setdefault(key, []).append(record)
    problems = [
        _problem(calls, bridge, mending)
        for (_, _, _, bridge), calls in groups.items()
        if any(mending.worth(call).tokens for call in calls)
    ]
    return sorted(problems, key=lambda problem: -problem.row.mendable_tokens)


def without_small(
    problems: Sequence[Problem], total: ReportRow
) -> tuple[list[Problem], list[Problem]]:
    """Tell problems that are worth 1 % of the cost from those that are worth less.

    Args:
        problems: Of a report.
        total: All of its calls. Where no price is known, tokens are compared with their input.

    Returns:
        Those that are worth a look, and the small ones.
    """
    shown: list[Problem] = []
    small: list[Problem] = []
    for one in problems:
        if one.worth_usd is None or not total.cost_usd:
            is_small = one.row.mendable_tokens * _SMALL < total.usage.input_tokens
        else:
            is_small = one.worth_usd * _SMALL < total.cost_usd
        (small if is_small else shown).append(one)
    return shown, small


def _problem(calls: list[CallRecord], bridge: Bridge | None, mending: Mending) -> Problem:
    found = [call.diagnosis for call in calls if call.diagnosis is not None]
    changes = [one.change for one in found if one.change is not None]
    places = {one.place for one in found}
    offsets = [change.offset_chars for change in changes if change.offset_chars is not None]
    return Problem(
        verdict=found[0].verdict,
        place=places.pop() if len(places) == 1 else _where(found[0]),
        offset_chars=min(offsets, default=None),
        what=_with_ranges([_what(one) for one in found]),
        remedy=_remedy(found[0], bridge),
        row=row_of(found[0].verdict, calls, mending),
    )


def _where(found: Diagnosis) -> str:
    """Return the place of a problem: one that moves from call to call is all of its section."""
    change = found.change
    if change is not None and (change.section == "messages" or change.kind == "tool_order"):
        return change.section or ""
    return found.place


def _what(found: Diagnosis) -> str:
    if found.change is not None:
        return WORDS[found.change.kind]
    if found.verdict == "expired":
        return f"kept for {found.ttl}, and not used for longer"
    return _WHAT.get(found.verdict) or found.detail.split(" (")[0]


def _with_ranges(said: Sequence[str]) -> str:
    """Return what was said, with its numbers from the least to the most."""
    spans = map(_span, zip(*map(_NUMBER.findall, said), strict=True))
    return _NUMBER.sub(lambda _: next(spans), said[0])


def _span(numbers: Sequence[str]) -> str:
    least, most = (pick(numbers, key=_value) for pick in (min, max))
    return least if _value(least) == _value(most) else f"{least} to {most}"


def _value(number: str) -> int:
    return int(number.replace(",", ""))


def _remedy(found: Diagnosis, bridge: Bridge | None) -> str:
    if bridge is not None:
        return _BRIDGES[bridge]
    if found.change is not None:
        return remedy(found.change)
    if found.verdict == "no_points" and "refused before" in found.detail:
        return _REMEDIES["refused"]
    return _REMEDIES.get(found.verdict, "")
