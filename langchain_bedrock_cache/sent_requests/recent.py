"""The requests sent lately, as fingerprints: which earlier one each of them is a version of."""

from __future__ import annotations

import logging
import threading
import weakref
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, find_profile
from langchain_bedrock_cache.sent_requests.changes import (
    Change,
    common_blocks,
    find_change,
    is_version_of,
)
from langchain_bedrock_cache.sent_requests.fingerprint import Block, Fingerprint, take_fingerprint

_logger = logging.getLogger(__name__)

# Bounds of what is kept: requests, and blocks of all of them together (some 100 bytes each).
_MAX_REQUESTS = 2_048
_MAX_BLOCKS = 100_000
_MAX_SEEN = 8_192
# How many requests are looked at to find the nearest: those with the same beginning, and the
# latest of all.
_SAME_BEGINNING = 8
_LATEST = 16
# A turn adds an answer and what follows it. Whoever adds more may have changed what was there.
_MESSAGES_OF_A_TURN = 2
# A request with the same tools, system prompt and settings is nearer than another with some more in
# common: an application may ask two models the same, each with a prompt cache of its own.
_OWN = 1.25
_LAST_BLOCKS = 64


@dataclass(slots=True, kw_only=True, eq=False)
class SentRequest:
    """A request that was sent; not to be modified.

    Attributes:
        number: Counts the requests of this process.
        print: Its hashes.
        earlier: Number of the request it is a version of, or goes on from; `None` if there is none.
        change: Where it differs from that one; `None` if it goes on where that one ended.
        shared: Blocks at the beginning that both have.
        found_by: Digests of its beginnings, by which it is found.
    """

    number: int
    print: Fingerprint
    found_by: frozenset[bytes]
    shared: int = 0
    earlier: int | None = None
    change: Change | None = None


class SentRequests:
    """Remember the latest requests; thread-safe, bounded, and without any text."""

    def __init__(self) -> None:
        self._requests: OrderedDict[int, SentRequest] = OrderedDict()
        self._beginnings: dict[bytes, list[int]] = {}
        self._tokens: OrderedDict[int, tuple[object, int]] = OrderedDict()
        self._seen: dict[int, Block] = {}
        self._blocks = 0
        self._count = 0
        self._listeners: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Count the requests remembered."""
        return len(self._requests)

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return len(self._listeners) > 0

    def forget(self) -> None:
        """Forget all requests; their numbers are not used again."""
        with self._lock:
            self._requests.clear()
            self._beginnings.clear()
            self._tokens.clear()
            self._blocks = 0

    def listen(self, listener: object) -> None:
        """Keep fingerprints as long as a listener lives; without any, `note` does nothing."""
        self._listeners.add(listener)

    def note(
        self,
        request: Mapping[str, Any],
        *,
        prefix: Prefix | None,
        profile: ModelProfile | None,
        points: Sequence[tuple[int, CacheTTL]],
        token: object,
    ) -> int | None:
        """Take the fingerprint of a request; never fails a call.

        Args:
            request: Converse keyword arguments as sent; not modified, nothing of it is kept.
            prefix: The same request, if it has been read already.
            profile: Its model; `None` if not known.
            points: Positions and lifetimes of its cache points.
            token: The same object for the same call: a call is noted once.

        Returns:
            Number of the request, for `get`; `None` if nobody listens.
        """
        if not len(self._listeners):
            return None
        known = self._tokens.get(id(token))
        if known is not None and known[0] is token:
            return known[1]
        try:
            return self.add(request, prefix, profile, points, token).number
        except Exception:
            _logger.exception("A request cannot be told from others; its diagnosis is left out.")
            return None

    def add(
        self,
        request: Mapping[str, Any],
        prefix: Prefix | None,
        profile: ModelProfile | None,
        points: Sequence[tuple[int, CacheTTL]],
        token: object = None,
    ) -> SentRequest:
        """Take in a request: as `note`, but whoever listens, and with errors."""
        profile = profile or find_profile(str(request.get("modelId") or ""))
        is_planned = prefix is not None
        if prefix is None:
            prefix = read_converse(request, profile)
        with self._lock:
            before = self._continued(prefix)
        known = before.print.blocks if before else ()
        taken = take_fingerprint(
            request,
            prefix,
            profile=profile,
            points=points,
            known=known,
            seen=self._seen,
            is_planned=is_planned,
        )
        with self._lock:
            found_by = _beginnings(taken)
            nearest, change, shared = before, None, len(known)
            if before is None or not _is_next_turn(before, taken):
                nearest = self._nearest(taken, found_by)
                change = find_change(nearest.print, taken, request) if nearest else None
                shared = common_blocks(nearest.print, taken) if nearest else 0
            self._count += 1
            sent = SentRequest(
                number=self._count,
                print=taken,
                found_by=found_by,
                earlier=nearest.number if nearest else None,
                change=change,
                shared=shared,
            )
            self._keep(sent, token)
            if len(self._seen) > _MAX_SEEN:
                self._seen.clear()  # those of the requests that are kept live on in them
        return sent

    def get(self, number: object) -> SentRequest | None:
        """Return a request by its number; `None` if it is not remembered."""
        return self._requests.get(number) if isinstance(number, int) else None

    def _continued(self, prefix: Prefix) -> SentRequest | None:
        """Return the longest earlier request that a request begins with."""
        for position in range(len(prefix), 0, -1):
            numbers = self._beginnings.get(prefix.digests[position - 1])
            for number in reversed(numbers) if numbers else ():
                if len(self._requests[number].print) == position:
                    return self._requests[number]
        return None

    def _nearest(self, new: Fingerprint, found_by: frozenset[bytes]) -> SentRequest | None:
        """Return the earlier request that a request has most in common with."""
        numbers = dict.fromkeys(islice(reversed(self._requests), _LATEST))
        for digest in found_by:
            numbers.update(dict.fromkeys(self._beginnings.get(digest, ())))
        contents = {b.content: b.chars for b in new.blocks}
        best, best_score = None, (0.0, 0)
        for number in sorted(numbers, reverse=True):
            score = _likeness(self._requests[number].print, new, contents)
            if score > best_score:
                best, best_score = self._requests[number], score
        return best

    def _keep(self, sent: SentRequest, token: object) -> None:
        self._requests[sent.number] = sent
        self._blocks += len(sent.print)
        for digest in sent.found_by:
            numbers = self._beginnings.setdefault(digest, [])
            numbers.append(sent.number)
            del numbers[:-_SAME_BEGINNING]
        if token is not None:
            self._tokens[id(token)] = (token, sent.number)
            if len(self._tokens) > _MAX_REQUESTS:
                self._tokens.popitem(last=False)
        while len(self._requests) > _MAX_REQUESTS or (
            self._blocks > _MAX_BLOCKS and len(self._requests) > 1
        ):
            self._forget(next(iter(self._requests)))

    def _forget(self, number: int) -> None:
        sent = self._requests.pop(number)
        self._blocks -= len(sent.print)
        for digest in sent.found_by:
            numbers = self._beginnings.get(digest, [])
            if number in numbers:
                numbers.remove(number)
            if not numbers:
                self._beginnings.pop(digest, None)


def _beginnings(taken: Fingerprint) -> frozenset[bytes]:
    """Return the digests by which a request is found: those of places where requests part."""
    prefix = taken.prefix
    second_message = bisect_right(prefix.list_starts, prefix.head)
    ends = {prefix.tools, prefix.head, len(prefix), *(position for position, _ in taken.points)}
    ends.update(prefix.list_starts[second_message : second_message + 1])
    return frozenset([prefix.digests[end - 1] for end in ends if end])


def _is_next_turn(before: SentRequest, taken: Fingerprint) -> bool:
    """Whether nothing but one turn was added, so that nobody can be nearer."""
    position = len(before.print)
    if position == len(taken):
        return True
    last = taken.prefix.list_starts[-_MESSAGES_OF_A_TURN:]
    return position >= last[0] and position > before.print.prefix.head


def _likeness(old: Fingerprint, new: Fingerprint, contents: Mapping[int, int]) -> tuple[float, int]:
    """Return about how many characters two requests have in common, at whatever place.

    Where that is the same, what they share as a prefix decides: the second number, in blocks.
    """
    if old.tenant != new.tenant:
        return 0.0, 0  # what they have in common, they must not share
    start = common_blocks(old, new)
    score = float(new.prefix.chars_before(start))
    is_own = start >= max(1, new.prefix.head)
    rest = [*old.blocks[start : max(start, old.prefix.head)], *old.blocks[start:][-_LAST_BLOCKS:]]
    score += sum(contents.get(content, 0) for content in {block.content for block in rest})
    if start < min(len(old), len(new)):
        a, b = old.blocks[start], new.blocks[start]
        if a.content != b.content and is_version_of(a, b):
            score += min(a.chars, b.chars) / 2
    return (score * _OWN if is_own else score), start


@cache
def sent_requests() -> SentRequests:
    """Return the memory of this process."""
    return SentRequests()
