"""The one place that decides where cache points go.

`plan` is pure: it takes a request in prefix form, what the model allows, what the user wants and
what the memory knows, and returns a value. It never raises for "could not cache"; only cache
points of the application that cannot be sent are errors (`application_points`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import cast

from langchain_bedrock_cache.choices import (
    NEVER,
    Choice,
    Segment,
    affordable_choice,
    best_choice,
    stakes_of,
)
from langchain_bedrock_cache.plan import CachePlan, PlannedPoint, SkippedPoint, SkipReason
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.positions import (
    is_legal,
    last_in_section,
    legal_at_or_before,
)
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, Section
from langchain_bedrock_cache.returns import PAUSED
from langchain_bedrock_cache.sighting import Sighting
from langchain_bedrock_cache.value import OptionCosts, Prices, option_costs
from langchain_bedrock_cache.waiting import Missed

# Entries are looked for up to `lookback_blocks` before a point; one block is kept in reserve,
# since only one measurement tells where the edge is (21 hit, 22 missed).
_LOOKBACK_RESERVE = 1
_NOTHING: Mapping[Section, str] = {}
# More than these never fit beside the end of what is written.
_SPARE_POINTS = 3


def plan(
    prefix: Prefix,
    *,
    profile: ModelProfile,
    policy: CachePolicy,
    sighting: Sighting,
    prices: Prices,
    refused: Mapping[Section, str] = _NOTHING,
) -> CachePlan:
    """Decide where the cache points of a request go.

    Args:
        prefix: The request; its `marks` are the application's own points, which are kept.
        profile: What its model allows.
        policy: What the user wants.
        sighting: What the memory knows of the request.
        prices: The model's price ratios.
        refused: Sections in which no point is tried now, and why; none of them is in the policy.

    Returns:
        The plan; the request is not touched.
    """
    kept = tuple(PlannedPoint(m.position, m.place, m.ttl, "application") for m in prefix.marks)
    return _Planner(prefix, profile, policy, sighting, prices, refused).plan(kept)


class _Planner:
    """One planning run: the inputs, and the steps as methods."""

    def __init__(
        self,
        prefix: Prefix,
        profile: ModelProfile,
        policy: CachePolicy,
        sighting: Sighting,
        prices: Prices,
        refused: Mapping[Section, str],
    ) -> None:
        self.prefix = prefix
        self.profile = profile
        self.policy = policy
        self.sighting = sighting
        self.prices = prices
        self.refused = refused
        minimum = max(profile.min_tokens_per_cache_point, policy.min_tokens)
        self.min_chars = minimum * sighting.chars_per_token
        self.max_chars = profile.max_cacheable_tokens * sighting.chars_per_token
        self.live = max(sighting.live, default=0)
        self.last_mark = prefix.marks[-1].position if prefix.marks else 0

    def plan(self, kept: tuple[PlannedPoint, ...]) -> CachePlan:
        segments = self._segments(max(self.live, self.last_mark))
        saving = self.tokens(self.live) * (1.0 - self.prices.read)
        if self.policy.mode == "fixed":
            best = choice = self._fixed_choice(segments)
        else:
            best = best_choice(segments)
            limit = self.sighting.account.affordable(
                saving=saving, prompt=self.tokens(len(self.prefix))
            )
            choice = affordable_choice(
                segments,
                best,
                self.prices,
                limit=limit,
                # Who has paused pauses again: a shorter lifetime would be lost, too.
                keeps_lifetimes=self.sighting.pace == PAUSED,
            )
        points = self._select(self._wanted(segments, choice), kept)
        last = max((p.position for p in points), default=0)
        return CachePlan(
            points=points,
            skipped=self._skipped(points, segments, choice),
            expected_read_tokens=round(self.tokens(self.live)) if points else 0,
            expected_write_tokens=round(max(0.0, self.tokens(last) - self.tokens(self.live))),
            stakes=stakes_of(segments, choice, self.prices),
            missed=self._missed(segments, best) if best != choice or self._is_behind() else None,
            saving=saving if points else 0.0,
        )

    def tokens(self, position: int) -> float:
        """Return the estimated tokens of the prefix up to a position."""
        return self.prefix.chars_before(position) / self.sighting.chars_per_token

    def _usable(self, position: int) -> bool:
        """Whether a point here is legal, long enough and not past a documented cap."""
        chars = self.prefix.chars[position - 1]
        return (
            chars >= self.min_chars
            and (not self.max_chars or chars <= self.max_chars)
            and is_legal(self.prefix, position, self.profile)
        )

    def _segments(self, base: int) -> list[Segment]:
        """Split what is not in the cache at the candidate positions.

        An entry exists only where a point can stand. Blocks in front of a candidate that takes
        none (too short, illegal, left out by the policy) count with the next one that does.
        """
        segments: list[Segment] = []
        previous = base
        for cut in self.sighting.cuts:
            end = legal_at_or_before(
                self.prefix, cut.position, previous, self.profile, max_chars=self.max_chars
            )
            if not end or self.prefix.chars[end - 1] < self.min_chars:
                continue
            if self.prefix.section(end) not in self.policy.sections:
                continue
            costs = option_costs(cut.chances, self.prices, after_pause=cut.paused)
            tokens = self.tokens(end) - self.tokens(previous)
            segments.append(Segment(cut, end, tokens, self._allowed(costs, end)))
            previous = end
        return segments

    def _allowed(self, costs: OptionCosts, end: int) -> OptionCosts:
        """Price out the lifetimes that policy, model or an earlier point of the user rule out."""
        wanted = self.policy.ttl_for(self.prefix.section(end))
        short_mark = any(m.ttl == "5m" for m in self.prefix.marks)
        no_hour = "1h" not in self.profile.ttls or wanted == "5m" or short_mark
        no_five = wanted == "1h" and not no_hour
        return OptionCosts(
            costs.none,
            NEVER if no_five else costs.write_5m,
            NEVER if no_hour else costs.write_1h,
        )

    def _fixed_choice(self, segments: Sequence[Segment]) -> Choice:
        """Write up to the last section that the policy names, with the lifetimes it names."""
        hour = end = 0
        for i, s in enumerate(segments, 1):
            if s.cut.position == last_in_section(self.prefix, self.prefix.section(s.cut.position)):
                end = i
                if s.costs.write_5m >= NEVER:
                    hour = i
        return Choice(hour, end, None if end else "too_short")

    def _is_behind(self) -> bool:
        """Whether writes that were too risky would now be read."""
        return self.sighting.would_live > self.live

    def _missed(self, segments: Sequence[Segment], best: Choice) -> Missed:
        """Return what the best choice would do now, had it always been affordable."""
        would = self.sighting.would_live
        read_more = self.tokens(would) - self.tokens(self.live)
        gain = read_more * (1.0 - self.prices.read)
        entries: dict[int, CacheTTL] = {}
        for i, s in enumerate(segments[: best.end]):
            ttl, price = (
                ("1h", self.prices.write_1h) if i < best.hour else ("5m", self.prices.write_5m)
            )
            start = max(self.tokens(would), self.tokens(s.end) - s.tokens)
            gain -= max(0.0, self.tokens(s.end) - start) * (price - 1.0)
            entries[s.end] = cast("CacheTTL", ttl)
        if would > self.live:
            entries.setdefault(would, next(iter(entries.values()), "5m"))
        return Missed(entries, gain)

    def _wanted(self, segments: Sequence[Segment], choice: Choice) -> list[tuple[int, CacheTTL]]:
        """Return the wanted points, most important first.

        The end of what is written; the longest live entry, if no later point finds it; where
        lifetimes change; the places where other requests may branch off or come back to; then,
        since points before the last cost nothing, the ends of the messages before.
        """
        ttl_at: dict[int, CacheTTL] = {}
        first: list[int] = []
        if choice.end:
            end = segments[choice.end - 1].end
            ttl_at[end] = "1h" if choice.hour == choice.end else "5m"
            first.append(end)
            if 0 < choice.hour < choice.end:
                border = segments[choice.hour - 1].end
                ttl_at[border] = "1h"
                first.append(border)
        ttl_at |= {p: ttl for p, ttl in self.sighting.live.items() if self._usable(p)}
        reach = self.profile.lookback_blocks - _LOOKBACK_RESERVE
        if self.live in ttl_at and not any(0 < p - self.live <= reach for p in first):
            if first and self._room() == 1:
                bridge = self._bridge(self.live + reach) or self.live
                ttl_at.setdefault(bridge, ttl_at[first[0]])
                first = [bridge]
            first.insert(1, self.live)
        for i, segment in enumerate(segments[: choice.end - 1 if choice.end else 0]):
            ttl_at.setdefault(segment.end, "1h" if i < choice.hour else "5m")
        if self.policy.mode == "fixed":
            named = (last_in_section(self.prefix, section) for section in self.prefix.sections())
            first += [position for position in named if position in ttl_at]
        # Later branches first: a point near the end finds what stands up to 20 blocks before it.
        others = sorted((p for p in ttl_at if p not in first and p != self.live), reverse=True)
        ttl_at |= (spare := self._spare(segments, choice, ttl_at))
        order = dict.fromkeys([*first, *others, self.live, *spare])
        sections = self.policy.sections
        return [(p, ttl_at[p]) for p in order if p in ttl_at and self.prefix.section(p) in sections]

    def _room(self) -> int:
        """Count the points that the application's leave."""
        return self.profile.max_cache_points - len(self.prefix.marks)

    def _bridge(self, furthest: int) -> int:
        """Return the last place from which the longest live entry is still found; 0 if none."""
        place = legal_at_or_before(
            self.prefix, furthest, self.live, self.profile, max_chars=self.max_chars
        )
        return place if place and self._usable(place) else 0

    def _spare(
        self, segments: Sequence[Segment], choice: Choice, taken: Mapping[int, CacheTTL]
    ) -> dict[int, CacheTTL]:
        """Return the ends of the last messages within what is written, latest first."""
        if not choice.end or self.policy.mode == "fixed":
            return {}
        end = segments[choice.end - 1].end
        border = segments[choice.hour - 1].end if choice.hour else 0
        within = (p for p in reversed(self.prefix.list_ends()) if self.live < p < end)
        ends = islice((p for p in within if p not in taken and self._usable(p)), _SPARE_POINTS)
        return {p: "1h" if p <= border else "5m" for p in ends}

    def _select(
        self, wanted: Sequence[tuple[int, CacheTTL]], kept: tuple[PlannedPoint, ...]
    ) -> tuple[PlannedPoint, ...]:
        """Take as many wanted points as fit beside the application's, in a legal TTL order."""
        taken = {p.position for p in kept}
        points = list(kept)  # two of the application's may share a position: both count
        for position, ttl in wanted:
            if len(points) >= self.profile.max_cache_points:
                break
            if position not in taken and _fits(points, position, ttl):
                place = self.prefix.place(position)
                points.append(PlannedPoint(position, place, ttl, "planner"))
        return tuple(sorted(points, key=lambda p: p.position))

    def _skipped(
        self, points: Sequence[PlannedPoint], segments: Sequence[Segment], choice: Choice
    ) -> tuple[SkippedPoint, ...]:
        pointed = {p.place.section for p in points}
        skipped = []
        for section in self.prefix.sections():
            if section not in pointed:
                reason, detail = self._why_not(section, segments, choice)
                skipped.append(SkippedPoint(section, reason, detail))
        return tuple(skipped)

    def _why_not(
        self, section: Section, segments: Sequence[Segment], choice: Choice
    ) -> tuple[SkipReason, str]:
        end = last_in_section(self.prefix, section)
        candidates = {s.cut.position for s in segments}
        written = {s.cut.position for s in segments[: choice.end]}
        if section not in (*self.policy.sections, *self.refused):
            reason: SkipReason = "section_off"
        elif section not in self.profile.sections:
            reason = "no_legal_position"
        elif self.prefix.chars[end - 1] < self.min_chars:
            minimum = max(self.profile.min_tokens_per_cache_point, self.policy.min_tokens)
            return "too_short", f"about {self.tokens(end):.0f} tokens; cached from {minimum} on"
        elif section in self.refused:
            return "refused_before", self.refused[section]
        elif end in candidates - written:
            reason = choice.reason or "not_worth_it"
        elif end > self.live and end not in candidates:
            reason = "no_legal_position"
        else:
            reason = "budget"
        return reason, _DETAILS[reason]


_DETAILS: Mapping[SkipReason, str] = {
    "section_off": "the policy leaves this section out",
    "no_legal_position": "the model takes no cache point here",
    "not_worth_it": "not expected to be read again often enough to pay for the write",
    "loss_limit": "earlier writes of such requests were not read again",
    "too_short": "no prefix is long enough",
    "budget": "points further on reach back this far",
}


def _fits(points: Iterable[PlannedPoint], position: int, ttl: CacheTTL) -> bool:
    """Whether a point can join the others with longer lifetimes still first."""
    for point in points:
        if point.position < position and point.ttl == "5m" and ttl == "1h":
            return False
        if point.position > position and point.ttl == "1h" and ttl == "5m":
            return False
    return True
