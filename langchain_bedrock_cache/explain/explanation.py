"""What is said about one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.explain.reading import ReadBody
from langchain_bedrock_cache.profiles import TTL_SECONDS
from langchain_bedrock_cache.sent_requests.exact import ExactChange, exact_change
from langchain_bedrock_cache.sent_requests.fingerprint import blocks_of
from langchain_bedrock_cache.wrong_forms import WrongForm

_FINE = ("hit", "first_write")
# No lifetime bridges a longer pause: nothing is wrong with a request that came after it.
_LONGEST_SECONDS = max(TTL_SECONDS.values())
# Of calls that were made. All else is judged by what could have been read: a conversation begins
# too short to be cached, and what nobody asks again is not worth a cache point.
_WRONG_WHEN_CALLED = ("refused", "failed", "out_of_lookback", "unexplained")
_WRONG_WITH_POINTS = ("unsupported", "too_long")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is said about one request.

    Attributes:
        name: Of the request: its ID in a log, or where it comes from.
        diagnosis: Why it reads what it reads; places are exact where both requests are at hand.
        shared_blocks: Blocks at its beginning that the nearest earlier request has as well.
        shared_tokens: About how many tokens that is.
        are_points_assumed: Whether it was judged as if it had cache points, since it has none.
        is_estimated: Whether token counts are estimated from characters.
        is_logged: Whether it was called, and its diagnosis is of what Bedrock counted.
        has_points: Whether a logged request has cache points.
        wrong_forms: Cache points that are refused or cache nothing; the diagnosis is of the same
            request with its cache points written as they should be, unless the call failed.
        notes: What may be wrong, and cannot be known from a file.
    """

    name: str
    diagnosis: Diagnosis
    shared_blocks: int = 0
    shared_tokens: int = 0
    are_points_assumed: bool = False
    is_estimated: bool = False
    is_logged: bool = False
    has_points: bool = False
    wrong_forms: tuple[WrongForm, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong.

        A request is fine if it reads all there is, or is the first to write it. A logged call is,
        unless it could have read more, Bedrock refused it, or its cache points did nothing.
        """
        if self.wrong_forms:
            return False
        found = self.diagnosis
        if not self.is_logged:
            return found.verdict in _FINE
        if found.verdict in _WRONG_WHEN_CALLED:
            return False
        if found.verdict in _WRONG_WITH_POINTS and self.has_points:
            return False
        if found.verdict == "expired":
            return (found.age_seconds or 0) >= _LONGEST_SECONDS
        return not found.wasted_tokens and not found.readable_tokens

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data, for JSON."""
        change = self.diagnosis.change
        return {
            "name": self.name,
            **self.diagnosis.as_dict(),
            "field": change.field if isinstance(change, ExactChange) else "",
            "shared_blocks": self.shared_blocks,
            "shared_tokens": self.shared_tokens,
            "are_points_assumed": self.are_points_assumed,
            "is_estimated": self.is_estimated,
            "is_fine": self.is_fine,
            "wrong_forms": [wrong.as_dict() for wrong in self.wrong_forms],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Say it in a line."""
        said = str(self.diagnosis)
        if self.is_estimated and self.diagnosis.is_waste:
            lost = f"{self.diagnosis.wasted_tokens:,} tokens not read"
            said = said.replace(lost, f"about {lost}")
        return f"{self.name}: {said}"


def with_exact_place(
    diagnosis: Diagnosis, earlier: ReadBody | None, now: ReadBody, *, shared_blocks: int
) -> Diagnosis:
    """Return a diagnosis with the place of the change to the character.

    Args:
        diagnosis: Of the request.
        earlier: The request that it is a version of.
        now: The request.
        shared_blocks: Blocks that both have at the beginning.
    """
    change = diagnosis.change
    if change is None or change.section is None or earlier is None:
        return diagnosis
    place = change.section, change.message, change.block
    for body in (earlier, now):
        if shared_blocks >= len(body.prefix) or body.prefix.place(shared_blocks + 1) != place:
            return diagnosis
    before, after = (_block(body.converse, shared_blocks) for body in (earlier, now))
    exact = exact_change(change, before, after)
    return replace(
        diagnosis, change=exact, detail=diagnosis.detail.replace(str(change), str(exact))
    )


def _block(request: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    return next(islice(blocks_of(request), index, None))
