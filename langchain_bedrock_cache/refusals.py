"""Recognize the errors by which Bedrock refuses a cache point, and remember what was refused."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.profiles import ModelProfile, Section

# After this long a refusal is forgotten and the placement tried again: accounts are granted
# access and models change, but a refusal an hour is a price nobody notices.
FORGET_AFTER_SECONDS = 3600.0
"""How long a refused placement is left alone."""

# Texts as recorded by other projects; sources in the module's tests.
_UNSUPPORTED = re.compile(r"did not allow prompt caching|unsupported model", re.IGNORECASE)
_CACHE_POINT = re.compile(
    r"cache ?point|cache_control|nothing available to cache|extended ttl prompt caching"
    r"|prompt caching",
    re.IGNORECASE,
)
# What Claude's message format says of a point right after a non-PDF document, which it cannot name.
_FIELD_REQUIRED = re.compile(r"content\.\d+\.\S*type: Field required")
# What a botocore too old for cache points, or their ttl, says. Newer ones list `cachePoint` in
# every complaint about anything else.
_TOO_OLD = re.compile(
    r"Unknown parameter in (?:messages\[\d+\]\.content|system|toolConfig\.tools)\[\d+\]"
    r'(?:: "cachePoint"|\.cachePoint: "ttl")'
)
# What Nova says of several points at once: how many blocks do not fit its schema, not which.
_VIOLATIONS = re.compile(r"\b(\d+) schema violations found")
_TOOLS = re.compile(r"toolConfig/tools|\btools\.\d+")
# Of the kinds of address that do not name their model, these are the model as all others call it.
_ON_DEMAND_KINDS = frozenset({"application-inference-profile", "prompt-router"})
_NOTHING: Mapping[Section, str] = {}
_CODES = frozenset({"ValidationException", "AccessDeniedException"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Bedrock refused: points in one section, or (`None`) anywhere."""

    section: Section | None
    message: str


def refusal_of(error: Exception, *, placed: int = 0) -> Refusal | None:
    """Return what a failed call says about cache points; `None` if it is about anything else.

    Args:
        error: What the boto3 client raised; `ParamValidationError` of a botocore too old to know
            `cachePoint` or its `ttl` counts as well.
        placed: How many points were added to the request. Where Nova only counts what it does not
            take, more than that cannot all be about them, and the call fails without them, too.
    """
    message = str(error)
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        code = response.get("Error", {}).get("Code", "")
        if code not in _CODES:
            return None
        message = str(response.get("Error", {}).get("Message", ""))
        if code == "AccessDeniedException" and _UNSUPPORTED.search(message):
            return Refusal(None, message)
    else:
        old = type(error).__name__ == "ParamValidationError" and _TOO_OLD.search(message)
        return Refusal(None, message) if old else None
    if _CACHE_POINT.search(message) or _FIELD_REQUIRED.search(message):
        return Refusal("tools" if _TOOLS.search(message) else "messages", message)
    counted = _VIOLATIONS.search(message)
    if counted and int(counted[1]) <= placed:
        return Refusal(None, message)
    return None


def refuser(model_id: str, profile: ModelProfile, *, locality: str) -> str:
    """Return for whom a refusal speaks: a model in one place, or one address of its own kind.

    Provisioned throughput, custom and imported models may refuse what the same model takes on
    demand; and what an account may do differs between Regions.

    Args:
        model_id: As sent.
        profile: The model behind it.
        locality: Of the call.
    """
    address = parse_address(model_id)
    is_on_demand = address.names_its_model or address.kind in _ON_DEMAND_KINDS
    return f"{profile.id if is_on_demand else model_id}@{locality}"


class RefusalBook:
    """Remembers who refuses points in which sections (see `refuser`); thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, Section | None], float] = {}
        self._lock = threading.Lock()

    def add(self, who: str, refusal: Refusal, *, placed: set[Section]) -> None:
        """Remember a refusal.

        Args:
            who: See `refuser`.
            refusal: What was said.
            placed: Sections in which points had been added; a refusal in a section without any
                closes all of them, since its text cannot be trusted.
        """
        section = refusal.section if refusal.section in placed else None
        with self._lock:
            self._until[who, section] = self._clock() + FORGET_AFTER_SECONDS

    def remove(self, who: str, refusal: Refusal) -> None:
        """Forget a refusal that turned out to be about something else."""
        with self._lock:
            for section in (refusal.section, None):
                self._until.pop((who, section), None)

    def closed(self, who: str, sections: Iterable[Section]) -> Mapping[Section, str]:
        """Return in which sections points were refused lately.

        Args:
            who: See `refuser`.
            sections: Those that are asked about.

        Returns:
            Those of them to which no point is added now, with the reason in words.
        """
        if not self._until:
            return _NOTHING
        now = self._clock()
        closed = {}
        for section in sections:
            left = max(self._until.get((who, s), now) for s in (section, None)) - now
            if left > 0:
                closed[section] = _said_of(who, left)
        return closed


def _said_of(who: str, seconds_left: float) -> str:
    """Say who refused, and for how long no point is tried there."""
    model, _, place = who.rpartition("@")
    minutes = math.ceil(seconds_left / 60)
    where = f" in {place}".replace("|", " through ") if place else ""  # as `outgoing` writes it
    return f"Bedrock refused a cache point for {model}{where} (not tried for {minutes} more min)"
