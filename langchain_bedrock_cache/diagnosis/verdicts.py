"""Why a call read less from the prompt cache than it could have: a verdict, and where to look.

The yardstick of a call is what the previous call of the same conversation had read and written, or
the longest entry that an earlier call left in its prefix. Reading that much is a hit; a read above
zero that falls short of it is not. Pure: facts go in, a value comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_bedrock_cache.diagnosis.diagnosis import Diagnosis, Verdict
from langchain_bedrock_cache.diagnosis.facts import CallFacts, Destination
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL
from langchain_bedrock_cache.sent_requests.changes import Change
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.usage import CacheUsage

# Token counts of points inside a request are estimated from its characters.
_ESTIMATE = 0.9
# What a changed request could have read is estimated by what both have in common.
_NEARLY_ALL = 0.98
# A message that is not kept as it was sent, such as one with the time of day, is no miss where that
# is all that is lost: it is where such things belong.
_MOST = 0.95
_NOT_KEPT = ("not_kept", "dropped", "block_removed")
# A lifetime is counted from somewhere between the start and the end of a call.
_ALMOST = 0.98
# What is said of the sections of a request that is too short. One that the policy leaves out says
# nothing about the others.
_SHORT_REASONS = {"too_short", "no_legal_position", "section_off"}


class _Case(NamedTuple):
    """The facts of a call whose request and usage are known, and what it could have read."""

    facts: CallFacts
    usage: CacheUsage
    taken: Fingerprint
    reasons: Mapping[str, str]
    expected: int

    @property
    def read(self) -> int:
        return self.usage.cache_read_tokens

    def missed(self, verdict: Verdict, detail: str, **more: Any) -> Diagnosis:
        return Diagnosis(
            verdict=verdict,
            detail=detail,
            expected_read_tokens=self.expected,
            wasted_tokens=max(0, self.expected - self.read),
            **more,
        )


def diagnose(facts: CallFacts) -> Diagnosis | None:
    """Return why a call read what it read.

    Args:
        facts: What is known of it.

    Returns:
        The diagnosis; `None` if the request was not seen on the wire, so that nothing can be said.
    """
    if facts.error is not None and facts.usage is None:
        return Diagnosis(verdict="failed", detail=facts.error)
    if facts.print is None:
        return None
    if facts.usage is None:
        return Diagnosis(verdict="unreported", detail="the answer did not say what it used")
    case = _Case(
        facts,
        facts.usage,
        facts.print,
        _reasons(facts.plan or {}),
        max(
            facts.entry.tokens if facts.entry else 0,
            facts.earlier_tokens if facts.change else 0,
            facts.branch.tokens if facts.branch else 0,
        ),
    )
    for check in _CHECKS:
        if found := check(case):
            return found
    return _unexplained(case)


def _refused(case: _Case) -> Diagnosis | None:
    refusal = (case.facts.plan or {}).get("refused")
    return (
        case.missed("refused", f"sent again without cache points: {refusal}") if refusal else None
    )


def _unsupported(case: _Case) -> Diagnosis | None:
    if "unsupported_model" not in case.reasons or case.read:
        return None
    return Diagnosis(verdict="unsupported", detail=case.reasons["unsupported_model"])


def _hit(case: _Case) -> Diagnosis | None:
    entry, branch = case.facts.entry, case.facts.branch
    change = case.facts.change
    share = 1.0 if entry and entry.is_exact and not branch else _ESTIMATE
    if change is not None and not branch:
        share = _MOST if change.kind in _NOT_KEPT else _NEARLY_ALL
    if not case.read or case.read < case.expected * share:
        return None
    return Diagnosis(verdict="hit", expected_read_tokens=case.expected)


def _too_short(case: _Case) -> Diagnosis | None:
    usage, taken = case.usage, case.taken
    if case.read or usage.cache_write_tokens or taken.profile is None:
        return None
    minimum = taken.profile.min_tokens_per_cache_point
    if taken.points:
        chars, last = taken.prefix.chars, taken.points[-1][0]
        tokens = round(usage.input_tokens * chars[last - 1] / max(1, chars[-1]))
        about = "" if last == len(taken) else "about "
    elif "too_short" in case.reasons and not set(case.reasons) - _SHORT_REASONS:
        tokens, about = usage.input_tokens, ""
    else:
        return None
    if tokens >= minimum:
        return None
    said = f"{about}{tokens:,} tokens, and this model caches from {minimum:,} on"
    return Diagnosis(verdict="too_short", detail=said)


def _prefix_changed(case: _Case) -> Diagnosis | None:
    change = case.facts.change
    if change is None or (case.expected <= case.read and case.taken.points):
        return None
    if change.kind == "region":  # the prefix tells that it went elsewhere, not where
        change = _went_elsewhere(case.facts.earlier_sent_to, case.facts.sent_to) or change
    return case.missed("prefix_changed", str(change), change=change)


def _branched(case: _Case) -> Diagnosis | None:
    """Judge a call whose beginning an earlier one had cached, as part of a longer prefix only."""
    branch, entry = case.facts.branch, case.facts.entry
    if branch is None or not (case.read or case.usage.cache_write_tokens):
        return None
    if entry is not None and case.read < _ESTIMATE * entry.tokens:
        return None
    age = case.facts.started_at - branch.used_at
    if age >= _ALMOST * TTL_SECONDS[branch.ttl]:
        return _too_old(case, age, branch.ttl)
    place = case.taken.place(branch.position)
    change = Change(kind="branch", section=place.section, message=place.message, block=place.block)
    said = f"{change}; about {branch.tokens:,} tokens before it are the same"
    return case.missed("prefix_changed", said, change=change)


def _too_old(case: _Case, age: float, ttl: CacheTTL) -> Diagnosis:
    said = f"last used {_duration(age)} ago, kept for {ttl}"
    return case.missed("expired", said, age_seconds=age, ttl=ttl)


def _first_write(case: _Case) -> Diagnosis | None:
    if case.facts.entry is not None or not case.usage.cache_write_tokens:
        return None
    return Diagnosis(verdict="first_write")


def _elsewhere(case: _Case) -> Diagnosis | None:
    entry = case.facts.entry
    change = _went_elsewhere(entry.written_at, case.facts.sent_to) if entry else None
    return case.missed("prefix_changed", str(change), change=change) if change else None


def _went_elsewhere(before: Destination, now: Destination) -> Change | None:
    """Return how two calls went to different places; `None` if nobody says that they did."""
    if before.region and now.region and before.region != now.region:
        return Change(kind="region", detail=f"{before.region} before, {now.region} now")
    if before.api and now.api and before.api != now.api:
        return Change(kind="api", detail=f"{before.api} before, {now.api} now")
    return None


def _expired(case: _Case) -> Diagnosis | None:
    entry = case.facts.entry
    if entry is None:
        return None
    age = case.facts.started_at - entry.used_at
    if age < _ALMOST * TTL_SECONDS[entry.ttl]:
        return None
    return _too_old(case, age, entry.ttl)


def _in_flight(case: _Case) -> Diagnosis | None:
    entry = case.facts.entry
    if entry is None or case.facts.started_at >= entry.readable_at:
        return None
    return case.missed("in_flight", "the call that wrote it had not begun to answer")


def _no_points(case: _Case) -> Diagnosis | None:
    if not case.taken.points:
        return case.missed("no_points", _why_no_points(case))
    entry = case.facts.entry
    if entry is None or case.taken.points[-1][0] >= entry.position:
        return None
    return case.missed("no_points", "the last cache point is before the end of what could be read")


def _out_of_lookback(case: _Case) -> Diagnosis | None:
    entry, profile = case.facts.entry, case.taken.profile
    if entry is None or profile is None:
        return None
    blocks = min(p for p, _ in case.taken.points if p >= entry.position) - entry.position
    if blocks <= profile.lookback_blocks:
        return None
    said = f"the next cache point is {blocks} blocks after it, and {profile.lookback_blocks} are"
    return case.missed("out_of_lookback", f"{said} looked back", blocks=blocks)


def _too_long(case: _Case) -> Diagnosis | None:
    limit = case.taken.profile.max_cacheable_tokens if case.taken.profile else 0
    if not 0 < limit < case.usage.input_tokens:
        return None
    if not case.taken.points and "no_legal_position" not in case.reasons:
        return None
    said = f"{case.usage.input_tokens:,} tokens, and this model caches up to {limit:,}"
    return case.missed("too_long", said)


def _unexplained(case: _Case) -> Diagnosis:
    if case.read:
        said = f"{case.read:,} of {case.expected:,} tokens were read"
        return case.missed("partial_hit", said)
    if case.facts.entry is None:
        return case.missed("unexplained", "cache points were sent, and nothing was written")
    said = "it should be there: evicted, perhaps, or the call was routed to another Region"
    return case.missed("unexplained", said)


# In this order: what rules out everything below it comes first.
_CHECKS: Sequence[Callable[[_Case], Diagnosis | None]] = (
    _refused,
    _unsupported,
    _hit,
    _too_short,
    _prefix_changed,
    _branched,
    _first_write,
    _elsewhere,
    _expired,
    _in_flight,
    _too_long,
    _no_points,
    _out_of_lookback,
)


def _reasons(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return why sections have no point, the last one's detail for each reason."""
    skipped: Sequence[Mapping[str, str]] = plan.get("skipped") or ()
    return {s["reason"]: s["detail"] for s in skipped}


def _why_no_points(case: _Case) -> str:
    reasons = case.reasons
    if "off" in reasons:
        off = reasons["off"] or "caching is switched off"
        own = ", and the application sent no cache points; the request before had some"
        return f"{off}{own}" if case.facts.had_points else off
    worth = reasons.get("not_worth_it") or reasons.get("loss_limit")
    if worth:
        return f"none was expected to pay ({worth})"
    others = {reason: said for reason, said in reasons.items() if reason != "section_off"}
    if not others and reasons:
        return reasons["section_off"]
    if others:
        return "; ".join(f"{reason.replace('_', ' ')}: {said}" for reason, said in others.items())
    return "the request has no cache points"


def _duration(seconds: float) -> str:
    """Say how long, in the two largest units: hours and minutes of a pause of hours."""
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts[:2]) or "0 s"
