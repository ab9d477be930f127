"""Whether the requests of several runs of a chain begin alike, and where they part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.sent_requests.changes import (
    Change,
    common_blocks,
    find_change,
    is_version_of,
)
from langchain_bedrock_cache.sent_requests.exact import (
    ExactChange,
    block_difference,
    exact_change,
)
from langchain_bedrock_cache.sent_requests.fingerprint import (
    Fingerprint,
    blocks_of,
    take_fingerprint,
    text_of,
)
from langchain_bedrock_cache.testing.moments import find_moment

_CHARS_PER_TOKEN = 3.0


class Sent:
    """One request of a run.

    Args:
        request: boto3's arguments of `converse`; not modified.
        run: Which run made it, from 0.
        call: Which of its calls it is, from 0.
    """

    def __init__(self, request: Mapping[str, Any], *, run: int, call: int) -> None:
        self.request = strip_points(request)
        self.run = run
        self.call = call

    @cached_property
    def print(self) -> Fingerprint:
        """Its hashes."""
        profile = find_profile(str(self.request.get("modelId") or ""))
        prefix = read_converse(self.request, profile)
        return take_fingerprint(self.request, prefix, profile=profile, points=())

    @cached_property
    def blocks(self) -> list[Mapping[str, Any]]:
        """Its blocks."""
        return list(blocks_of(self.request))

    @cached_property
    def texts(self) -> list[str]:
        """The text of each of its blocks."""
        return [text_of(block) for block in self.blocks]

    @property
    def head(self) -> int:
        """Number of blocks in tools and system."""
        return self.print.prefix.head

    @property
    def is_conversation(self) -> bool:
        """Whether the model has answered in it before."""
        return self.print.prefix.answers() > 0


class Difference(NamedTuple):
    """Where a request does not begin as it should.

    Attributes:
        sent: The request.
        other: The one before it that it should begin like; itself for a moment found in it.
        change: What differs, and where.
    """

    sent: Sent
    other: Sent
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What two requests have in common as a prefix, in whole blocks.

    Attributes:
        sent: The later one.
        other: The earlier one.
        tokens: About how many; 3 characters each.
    """

    sent: Sent
    other: Sent
    tokens: int

    @property
    def parting(self) -> Change | None:
        """Where they part; `None` if one is the beginning of the other."""
        return parting(self.other, self.sent)


def head_differences(runs: Sequence[Sequence[Sent]]) -> Iterator[Difference]:
    """Yield calls whose tools, system prompt or settings are not those of the run before."""
    for before, run in pairwise(runs):
        for sent in run:
            other = partner(sent, before)
            if other is not None and not _same_head(other, sent):
                change = parting(other, sent)
                if change is not None:
                    yield Difference(sent, other, change)


def history_differences(runs: Sequence[Sequence[Sent]]) -> Iterator[Difference]:
    """Yield calls of a conversation that rewrite what it has sent before."""
    earlier: list[Sent] = []
    for sent in (sent for run in runs for sent in run):
        if sent.is_conversation:
            yield from _rewritten(sent, reversed(earlier))
        earlier.append(sent)


def repeat_differences(first: Sequence[Sent], again: Sequence[Sent]) -> Iterator[Difference]:
    """Yield calls that differ inside a text although the chain was given the same input."""
    for sent in again:
        other = partner(sent, first)
        change = find_change(other.print, sent.print, sent.request) if other else None
        if other and change and change.section == "messages" and change.offset_chars is not None:
            yield Difference(sent, other, _exact(other, sent, change))


def moments(run: Iterable[Sent], now: datetime) -> Iterator[Difference]:
    """Yield calls whose tools or system prompt say what time it is."""
    for sent in run:
        for index, text in enumerate(sent.texts[: sent.head]):
            offset = find_moment(text, now)
            if offset is not None:
                place = sent.print.place(index)
                change = Change(
                    kind="time", section=place.section, block=place.block, offset_chars=offset
                )
                yield Difference(sent, sent, change)


def least_shared(runs: Sequence[Sequence[Sent]]) -> Shared | None:
    """Return the calls of two runs that have least in common; `None` if there is one run only."""
    pairs = [
        Shared(sent=sent, other=other, tokens=_shared_tokens(other, sent))
        for before, run in pairwise(runs)
        for sent in run
        if (other := partner(sent, before)) is not None
    ]
    return min(pairs, key=lambda pair: pair.tokens, default=None)


def partner(sent: Sent, run: Sequence[Sent]) -> Sent | None:
    """Return the call of another run that a call should begin like: the most similar one."""

    def likeness(other: Sent) -> tuple[bool, bool, int, int]:
        start = common_blocks(other.print, sent.print)
        a, b = other.print.blocks[start : start + 1], sent.print.blocks[start : start + 1]
        is_version = bool(a and b) and is_version_of(a[0], b[0])
        shared = sent.print.prefix.chars_before(start)
        return _same_head(other, sent), is_version, shared, -abs(other.call - sent.call)

    return max(run, key=likeness, default=None)


def parting(other: Sent, sent: Sent) -> Change | None:
    """Return where two requests part, to the character; `None` if one goes on with the other."""
    now = sent.print
    if other.print.prefix.seed != now.prefix.seed:  # settings come before all blocks
        now = replace(now, blocks=other.print.blocks)
    change = find_change(other.print, now, sent.request)
    start = common_blocks(other.print, sent.print)
    if change is None:
        if start in (len(other.print), len(sent.print)):
            return None
        place = sent.print.place(start)
        change = Change(
            kind="text", section=place.section, message=place.message, block=place.block
        )
    return _exact(other, sent, change)


def excerpts(found: Difference, *, chars: int = 40) -> tuple[str, str]:
    """Return the two texts around a difference; empty where none can be shown."""
    sent, other, change = found
    if change.offset_chars is None:
        return "", ""
    index = common_blocks(other.print, sent.print) if other is not sent else _index(sent, change)
    before, now = (one.texts[index] for one in (other, sent))
    if isinstance(change, ExactChange):
        difference = block_difference(other.blocks[index], sent.blocks[index])
        before, now = (difference and difference.texts) or (before, now)
    start = max(0, change.offset_chars - chars // 2)
    return before[start : start + chars], now[start : start + chars]


def _rewritten(sent: Sent, earlier: Iterable[Sent]) -> Iterator[Difference]:
    """Compare a request with the latest one of its conversation."""
    for other in earlier:
        change = find_change(other.print, sent.print, sent.request)
        if change is not None and change.section == "messages":
            yield Difference(sent, other, _exact(other, sent, change))
            return
        if common_blocks(other.print, sent.print) > max(sent.head, other.head):
            return


def _same_head(other: Sent, sent: Sent) -> bool:
    head = max(sent.head, other.head)
    same_settings = other.print.prefix.seed == sent.print.prefix.seed
    return same_settings and common_blocks(other.print, sent.print) >= head


def _shared_tokens(other: Sent, sent: Sent) -> int:
    shared = sent.print.prefix.chars_before(common_blocks(other.print, sent.print))
    return round(shared / _CHARS_PER_TOKEN)


def _index(sent: Sent, change: Change) -> int:
    """Return which block of tools and system a change is in."""
    return change.block + (sent.print.prefix.tools if change.section == "system" else 0)


def _exact(other: Sent, sent: Sent, change: Change) -> Change:
    """Return a change with its place to the character, where both blocks are at one place."""
    index = common_blocks(other.print, sent.print)
    if change.section is None or not index < min(len(other.blocks), len(sent.blocks)):
        return change
    if other.print.place(index) != sent.print.place(index):
        return change
    return exact_change(change, other.blocks[index], sent.blocks[index])
