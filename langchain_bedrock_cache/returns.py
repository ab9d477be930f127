"""How often and how soon prefixes come back: return rates, learned per class of position.

A position of a request (end of system, say) "returns" when a later request has the same prefix up
to there. Whether a cache write pays depends on the chance of a return within the TTL. The rate of
returns is estimated per age bucket as returns over time at risk (piecewise exponential survival):
every prefix that is waiting counts for as long as it has waited, so traffic is judged without
waiting for a TTL to pass, and "not yet" is never mistaken for "never".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import exp, log
from operator import mul
from typing import Literal, NamedTuple

# Upper ends of the age buckets in seconds. The fourth and the last are the two TTLs; inside them
# the steps grow two- to fourfold, since gaps between calls spread over orders of magnitude.
EDGES_SECONDS = (15.0, 60.0, 150.0, 300.0, 1200.0, 3600.0)
BUCKETS_5M = 4
_WIDTHS = tuple(b - a for a, b in zip((0.0, *EDGES_SECONDS[:-1]), EDGES_SECONDS, strict=True))
# What was learned in a bucket counts as this many prefixes at most, so that newer ones outweigh
# older ones: the last 25 or so decide.
_MEMORY = 25.0
# A curve counts as this many observations of its parent curve, until it has its own.
_PARENT_WEIGHT = 3.0


def _zeros() -> list[float]:
    return [0.0] * len(EDGES_SECONDS)


@dataclass(slots=True)
class ReturnCurve:
    """Return rate per age bucket, fading; leans on a parent curve until it has seen enough.

    Attributes:
        parent: The wider class, or a prior: rate of return per bucket, in returns per bucket width.
        waiting: Prefixes now in each age bucket.
        returned: Prefixes that came back in each bucket, scaled down with `at_risk`.
        at_risk: Time that prefixes spent in each bucket, in bucket widths.
        updated_at: Up to when `at_risk` is counted.
        lineage: The curves that learn with this one, wide to narrow, itself last; one tuple, since
            every waiting prefix refers to it.
    """

    parent: ReturnCurve | Sequence[float]
    updated_at: float = 0.0
    waiting: list[int] = field(default_factory=lambda: [0] * len(EDGES_SECONDS))
    returned: list[float] = field(default_factory=_zeros)
    at_risk: list[float] = field(default_factory=_zeros)
    lineage: tuple[ReturnCurve, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Line up behind the parents."""
        parents = self.parent.lineage if isinstance(self.parent, ReturnCurve) else ()
        self.lineage = (*parents, self)

    def advance(self, now: float) -> None:
        """Count the time that the waiting prefixes spent since the last update."""
        elapsed = now - self.updated_at
        if elapsed <= 0:
            return
        for i, waiting in enumerate(self.waiting):
            if waiting:
                self.at_risk[i] += waiting * elapsed / _WIDTHS[i]
        self.updated_at = now

    def enter(self, bucket: int) -> None:
        """Count a prefix that begins to wait in a bucket."""
        self.waiting[bucket] += 1

    def leave(self, bucket: int, *, returned: bool) -> None:
        """Count a prefix that leaves a bucket, because it came back or grew older."""
        self.waiting[bucket] -= 1
        self.returned[bucket] += returned
        excess = max(self.at_risk[bucket], self.returned[bucket]) / _MEMORY
        if excess > 1.0:
            self.at_risk[bucket] /= excess
            self.returned[bucket] /= excess

    def credit(self, age: float) -> None:
        """Count a whole wait at once, of a prefix that came back after `age` seconds."""
        for i, edge in enumerate(EDGES_SECONDS):
            self.enter(i)
            back = age < edge
            self.leave(i, returned=back)
            start = edge - _WIDTHS[i]
            self.at_risk[i] += (age - start) / _WIDTHS[i] if back else 1.0
            if back:
                break

    def rates(self) -> list[float]:
        """Return the expected returns per bucket width, in each bucket.

        The parent's rates are scaled by how this class compares with them overall, so that what
        does not come back early is not trusted to come back late, before that could be seen.
        """
        parent = self.parent.rates() if isinstance(self.parent, ReturnCurve) else self.parent
        expected = sum(map(mul, self.at_risk, parent))
        scale = (sum(self.returned) + _PARENT_WEIGHT) / (expected + _PARENT_WEIGHT)
        weight = _PARENT_WEIGHT * min(scale, 1.0)
        return [
            (r + weight * rate) / (n + _PARENT_WEIGHT)
            for r, n, rate in zip(self.returned, self.at_risk, parent, strict=True)
        ]

    def chances(self) -> tuple[float, float]:
        """Return the chances of a next return within 5 minutes, and after that within the hour."""
        rates = self.rates()
        alone_5m = exp(-sum(rates[:BUCKETS_5M]))
        return 1.0 - alone_5m, alone_5m * (1.0 - exp(-sum(rates[BUCKETS_5M:])))


def prior(within_5m: float, then_within_1h: float) -> tuple[float, ...]:
    """Return bucket rates with the given chances of a return, evenly spread over the buckets."""
    late = len(EDGES_SECONDS) - BUCKETS_5M
    early_rate = -log(1.0 - within_5m) / BUCKETS_5M
    late_rate = -log(1.0 - then_within_1h) / late
    return (early_rate,) * BUCKETS_5M + (late_rate,) * late


class PositionClass(NamedTuple):
    """What a position is, as far as the chance of its return goes.

    Attributes:
        role: `"tools"` and `"system"`: end of the section; `"lone_system"`: without tools.
            `"document"`: end of all but the last block of the first message. `"branch"`: where an
            earlier request diverged. `"question"`, `"opening"`, `"agent_opening"`: end of a first
            request, with a document, without, or with tools. `"turn"`: end of a conversation that
            holds an answer already. `"history"`: the same without its last message.
        level: Earlier uses of the prefix (or answers so far, in a conversation), capped.
        pace: Longest gap of the conversation so far: 0 up to a minute, 1 up to 5 minutes, 2 more.
        human: Whether somebody has spoken since the first answer: people pause, tools do not.
    """

    role: Role
    level: int
    pace: int = 0
    human: bool = False


Role = Literal[
    "tools",
    "system",
    "lone_system",
    "document",
    "branch",
    "question",
    "opening",
    "agent_opening",
    "turn",
    "history",
]

# Chances of a return within 5 minutes, and after that within the hour, before anything was seen.
# Reasons: an agent sends its tools and system prompt with every call of every session, and sessions
# come minutes apart; a system prompt without tools may be instructions for all, or a document for
# a few questions; a document with a question is sent to ask more than once; agents call the model
# again after each tool; of two parties in a chat, one often does not answer; what came back once
# comes back more often than not; a lone question is not asked twice.
_PRIORS: Mapping[tuple[Role, int], tuple[float, float]] = {
    ("tools", 0): (0.7, 0.6),
    ("tools", 1): (0.8, 0.6),
    ("system", 0): (0.7, 0.6),
    ("system", 1): (0.8, 0.6),
    ("lone_system", 0): (0.7, 0.4),
    ("lone_system", 1): (0.8, 0.4),
    ("document", 0): (0.5, 0.2),
    ("document", 1): (0.7, 0.3),
    ("branch", 1): (0.4, 0.4),
    ("branch", 2): (0.6, 0.4),
    ("question", 0): (0.1, 0.1),
    ("opening", 0): (0.3, 0.2),
    ("agent_opening", 0): (0.9, 0.3),
    ("turn", 1): (0.8, 0.3),
    ("turn", 2): (0.9, 0.3),
    ("history", 1): (0.8, 0.3),
    ("history", 2): (0.9, 0.3),
}
_PRIOR_AFTER_PAUSE = (0.8, 0.6)  # once a conversation has paused, pausing is its manner
MAX_LEVEL: Mapping[Role, int] = {
    role: max(level for r, level in _PRIORS if r == role) for role, _ in _PRIORS
}
PAUSED = 2
_OPENINGS: frozenset[Role] = frozenset({"opening", "agent_opening", "question"})
TAIL_ROLES: frozenset[Role] = _OPENINGS | {"turn"}
"""What the whole of a request can be: a conversation so far."""


def pace_of(gap_seconds: float) -> int:
    """Return the pace class of one gap between calls of a conversation."""
    if gap_seconds <= EDGES_SECONDS[1]:
        return 0
    return 1 if gap_seconds <= EDGES_SECONDS[3] else PAUSED


@cache
def following(cls: PositionClass) -> Sequence[PositionClass]:
    """Return the classes of the uses after this one, itself first, if they all come in time."""
    if cls.role in _OPENINGS:
        return [cls, *(PositionClass("turn", n, human=_by_human(cls)) for n in (1, 2))]
    return [cls._replace(level=n) for n in range(cls.level, MAX_LEVEL[cls.role] + 1)]


@cache
def after_pause(cls: PositionClass) -> PositionClass | None:
    """Return the class of a conversation once it has paused; `None` for other positions."""
    if cls.role == "history":
        return cls._replace(level=MAX_LEVEL["history"], pace=PAUSED)
    if cls.role not in TAIL_ROLES:
        return None
    return PositionClass("turn", MAX_LEVEL["turn"], PAUSED, _by_human(cls))


def _by_human(cls: PositionClass) -> bool:
    """Whether the next turn is likely a person's: without tools, who else would go on?"""
    return cls.human or cls.role in ("opening", "question")


def _prior_of(cls: PositionClass) -> tuple[float, ...]:
    if cls.pace == PAUSED:
        return prior(*_PRIOR_AFTER_PAUSE)
    return prior(*_PRIORS[cls.role, cls.level])


Scope = tuple[Hashable, ...]


class ReturnBook:
    """Return curves by class: for one kind of request, within its family, within everything.

    A scope is a tuple from wide to narrow, `(family, kind)` or `(family,)`; each curve leans on
    that of the wider scope, and the widest on a prior. Bounded: the least recently used go first.
    """

    def __init__(self, *, max_curves: int = 8192) -> None:
        self._curves: dict[tuple[Scope, PositionClass], ReturnCurve] = {}
        self._max_curves = max_curves

    def curve(self, scope: Scope, cls: PositionClass, now: float) -> ReturnCurve:
        """Return the curve of a class in a scope; a new one is made on first use."""
        key = (scope, cls)
        curve = self._curves.get(key)
        if curve is None:
            parent = self.curve(scope[:-1], cls, now) if scope else _prior_of(cls)
            curve = self._curves[key] = ReturnCurve(parent, now)
            while len(self._curves) > self._max_curves:
                del self._curves[next(iter(self._curves))]
        return curve

    def chances(self, scope: Scope, cls: PositionClass, now: float) -> tuple[float, float]:
        """Return the chances of a next return of a class, see `ReturnCurve.chances`."""
        return self.curve(scope, cls, now).chances()

    def lineage(self, scope: Scope, cls: PositionClass, now: float) -> tuple[ReturnCurve, ...]:
        """Return the curves that learn from a position in this scope, wide to narrow."""
        return self.curve(scope, cls, now).lineage
