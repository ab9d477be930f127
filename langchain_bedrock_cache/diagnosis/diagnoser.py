"""Diagnosis of calls as they end: what earlier calls left in the cache, and who read it."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from langchain_bedrock_cache.diagnosis.facts import (
    NOT_KNOWN,
    Branch,
    CallFacts,
    Destination,
    Entry,
)
from langchain_bedrock_cache.diagnosis.guessed import lapsed_entries, usage_of_unread, weighed
from langchain_bedrock_cache.diagnosis.readable import MENDABLE, IfMended
from langchain_bedrock_cache.diagnosis.verdicts import Diagnosis, diagnose
from langchain_bedrock_cache.memory import Commitment
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.sent_requests import SentRequest, SentRequests, sent_requests
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.usage import CacheUsage

_MAX_ENTRIES = 8_192
_MAX_CALLS = 4_096
# Token counts of points inside a request are estimates.
_ABOUT = 0.9
# A point this far beyond what was cached, by its characters, was ignored: too long a prefix.
_BEYOND = 1.2


class _Cached(NamedTuple):
    """What a call had in the prompt cache when it ended.

    Attributes:
        tokens: Read and written.
        sent_to: Where.
        points: Positions and lifetimes of the cache points up to which that was.
        chars: Size of the prompt up to the last of these.
        used_at: When, in seconds.
    """

    tokens: int = 0
    sent_to: Destination = NOT_KNOWN
    points: Sequence[tuple[int, CacheTTL]] = ()
    chars: int = 0
    used_at: float = 0.0


_NOTHING = _Cached()


class Diagnoser:
    """Judges calls in the order in which they end; thread-safe, bounded.

    Args:
        requests: Where the fingerprints of the calls are found.

    Attributes:
        clock: Replaces the clocks of all clients, as long as an emulator stands in for Bedrock and
            time passes only there; `None` otherwise.
    """

    def __init__(self, requests: SentRequests) -> None:
        self.clock: Callable[[], float] | None = None
        self._requests = requests
        self._has_guesses = False
        self._emulator: weakref.ref[object] | None = None
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._cached: OrderedDict[int, _Cached] = OrderedDict()
        self._judged: OrderedDict[int, Diagnosis | None] = OrderedDict()
        self._if_mended = IfMended()
        self._lock = threading.Lock()

    def listen(self, listener: object) -> None:
        """Have requests noted as long as a listener lives."""
        self._requests.listen(listener)

    def turn_to(self, emulator: object) -> None:
        """Forget what calls left in the prompt cache of another emulator.

        Args:
            emulator: Answers the call that begins now.
        """
        if self._emulator is not None and self._emulator() is emulator:
            return
        with self._lock:
            was_used = self._emulator is not None
            self._emulator = weakref.ref(emulator)
            if was_used:
                self._requests.forget()
                self._entries.clear()
                self._cached.clear()

    def call_ended(
        self,
        number: int | None,
        *,
        usage: CacheUsage | None,
        plan: Mapping[str, Any] | None,
        started_at: float,
        readable_at: float,
        sent_to: Destination = NOT_KNOWN,
        error: str | None = None,
        commitment: Commitment | None = None,
        chars_per_token: float | None = None,
    ) -> Diagnosis | None:
        """Judge a call, and remember what it left in the cache.

        The client says how its calls ended; callbacks say it of the calls that it did not end, and
        otherwise get what the client was told.

        Args:
            number: Of its request among the sent ones; `None` if it was not seen on the wire.
            usage: Tokens; `None` if none were reported.
            plan: What the planner reported.
            started_at: When it was made, in seconds.
            readable_at: When its answer began, or ended if that is not known.
            sent_to: Where it went.
            error: Type of the exception that ended it.
            commitment: What the planner's memory knew of the request.
            chars_per_token: Of a call whose answer had begun: what it wrote is guessed from its
                size, if it told no usage.

        Returns:
            The diagnosis; the same one to everybody who asks about a request.
        """
        with self._lock:
            if number is not None and number in self._judged:
                return self._judged[number]
            sent = self._requests.get(number)
            if sent and usage:
                self._weigh(sent, usage, commitment, started_at, sent_to)
            judged = self._judge(number, usage, plan, started_at, readable_at, sent_to, error)
            if sent and usage is None and chars_per_token:
                guess = usage_of_unread(
                    sent.print,
                    self._longest(sent.print),
                    started_at=started_at,
                    chars_per_token=chars_per_token,
                )
                self._guess(sent, guess, started_at, readable_at, sent_to)
            return judged

    def said_of(self, number: object) -> Diagnosis | None:
        """Return the diagnosis of a call that has ended; `None` if there is none.

        Args:
            number: Of its request among the sent ones, as `CachePlan` in the metadata of a
                response has it.
        """
        return self._judged.get(number) if isinstance(number, int) else None

    def _judge(
        self,
        number: int | None,
        usage: CacheUsage | None,
        plan: Mapping[str, Any] | None,
        started_at: float,
        readable_at: float,
        sent_to: Destination,
        error: str | None,
    ) -> Diagnosis | None:
        sent = self._requests.get(number)
        earlier = self._cached.get(sent.earlier, _NOTHING) if sent and sent.earlier else _NOTHING
        taken = sent.print if sent else None
        facts = CallFacts(
            usage=usage,
            print=taken,
            plan=plan,
            change=sent.change if sent else None,
            earlier_tokens=earlier.tokens,
            earlier_sent_to=earlier.sent_to,
            entry=self._longest(taken) if taken else None,
            branch=_branch(sent, earlier) if sent and earlier.points else None,
            started_at=started_at,
            sent_to=sent_to,
            error=error,
            had_points=taken is not None and not taken.points and self._had_points(sent),
        )
        if sent and usage:
            self._remember(sent.number, sent.print, usage, facts, readable_at)
        diagnosis = diagnose(facts)
        if sent and usage and diagnosis and diagnosis.verdict in MENDABLE:
            diagnosis = self._completed(diagnosis, sent, usage, earlier, started_at)
        if sent:
            _put(self._judged, sent.number, diagnosis, _MAX_CALLS)
        return diagnosis

    def _weigh(
        self,
        sent: SentRequest,
        usage: CacheUsage,
        commitment: Commitment | None,
        started_at: float,
        sent_to: Destination,
    ) -> None:
        """Learn of a call what the entries are that nobody counted, before it is judged by them."""
        taken = sent.print
        if sent.earlier is None and commitment is not None:  # its like was not seen here before
            known = lapsed_entries(taken, commitment, usage, started_at=started_at, sent_to=sent_to)
            for digest, lapsed in known:
                _put(self._entries, digest, self._entries.get(digest, lapsed), _MAX_ENTRIES)
        if self._has_guesses and (entry := self._longest(taken)) and entry.is_guess:
            digest = taken.prefix.digests[entry.position - 1]
            _put(self._entries, digest, weighed(entry, taken, usage), _MAX_ENTRIES)

    def _guess(
        self,
        sent: SentRequest,
        guess: CacheUsage,
        started_at: float,
        readable_at: float,
        sent_to: Destination,
    ) -> None:
        """Remember what a call left in the cache that told no usage, by about what it used."""
        taken = sent.print
        facts = CallFacts(
            print=taken, entry=self._longest(taken), started_at=started_at, sent_to=sent_to
        )
        self._remember(sent.number, taken, guess, facts, readable_at)
        self._has_guesses = True
        for position, _ in taken.points:
            digest = taken.prefix.digests[position - 1]
            entry = self._entries.get(digest)
            if entry and (entry.used_at, entry.readable_at) == (started_at, readable_at):
                self._entries[digest] = entry._replace(is_exact=False, is_guess=True)

    def _completed(
        self,
        diagnosis: Diagnosis,
        sent: SentRequest,
        usage: CacheUsage,
        earlier: _Cached,
        started_at: float,
    ) -> Diagnosis:
        before = self._requests.get(sent.earlier)
        if before is None or earlier is _NOTHING:
            return diagnosis
        return self._if_mended.complete(
            diagnosis,
            sent,
            before,
            usage=usage,
            cached_tokens=earlier.tokens,
            gap_seconds=started_at - earlier.used_at,
        )

    def _had_points(self, sent: SentRequest | None) -> bool:
        before = self._requests.get(sent.earlier) if sent else None
        return before is not None and bool(before.print.points)

    def _longest(self, taken: Fingerprint) -> Entry | None:
        digests = taken.prefix.digests
        for position in range(len(digests), 0, -1):
            entry = self._entries.get(digests[position - 1])
            if entry is not None:
                return entry
        return None

    def _remember(
        self,
        number: int,
        taken: Fingerprint,
        usage: CacheUsage,
        facts: CallFacts,
        readable_at: float,
    ) -> None:
        read = usage.cache_read_tokens
        tokens = read + usage.cache_write_tokens
        digests, chars = taken.prefix.digests, taken.prefix.chars
        points = _used_points(taken, usage) if tokens else ()
        last = points[-1][0] if points else 0
        size = taken.prefix.chars_before(last)
        cached = _Cached(tokens, facts.sent_to, points, size, facts.started_at)
        _put(self._cached, number, cached, _MAX_CALLS)
        if not tokens:
            return
        if facts.entry is not None and read >= _ABOUT * facts.entry.tokens:
            touched = facts.entry._replace(used_at=facts.started_at)
            _put(self._entries, digests[touched.position - 1], touched, _MAX_ENTRIES)
        minimum = taken.profile.min_tokens_per_cache_point if taken.profile else 0
        for position, ttl in points:
            length = round(tokens * chars[position - 1] / max(1, size))
            if length < minimum:
                continue
            entry = Entry(
                tokens=tokens if position == last else length,
                is_exact=position == last,
                ttl=ttl,
                used_at=facts.started_at,
                readable_at=readable_at,
                written_at=facts.sent_to,
                position=position,
            )
            digest = digests[position - 1]
            _put(self._entries, digest, self._merged(digest, entry, read), _MAX_ENTRIES)

    def _merged(self, digest: bytes, new: Entry, read: int) -> Entry:
        """Return the entry after a call that had a cache point at its end.

        What was read up to a later place was not touched here: only the longest find is renewed.
        """
        old = self._entries.get(digest)
        if old is None or old.written_at != new.written_at or old.tokens > read:
            return new
        used_at = new.used_at if old.tokens >= _ABOUT * read else old.used_at
        return old._replace(used_at=used_at)


@cache
def default_diagnoser() -> Diagnoser:
    """Return the one of this process: handlers come and go, the prompt cache stays."""
    return Diagnoser(sent_requests())


def _put(kept: OrderedDict[Any, Any], key: object, value: object, limit: int) -> None:
    """Keep a value as the latest one, and forget the oldest beyond the limit."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > limit:
        kept.popitem(last=False)


def _branch(sent: SentRequest, earlier: _Cached) -> Branch | None:
    """Return what the earlier request had cached of the common beginning, and how that ends.

    It had no cache point at its end: what Bedrock can read ends where a cache point was.
    """
    taken, position = sent.print, sent.shared
    prefix = taken.prefix
    if not 0 < position < min(len(prefix), earlier.points[-1][0]):
        return None
    size = prefix.chars_before(position)
    tokens = round(earlier.tokens * size / max(1, earlier.chars))
    if taken.profile is None or tokens < taken.profile.min_tokens_per_cache_point:
        return None
    before = [p for p, _ in earlier.points if p <= position]
    if prefix.chars_before(max(before, default=0)) >= _ABOUT * size:
        return None
    ttl = next(ttl for end, ttl in earlier.points if end > position)
    return Branch(position, tokens, ttl, earlier.used_at)


def _used_points(taken: Fingerprint, usage: CacheUsage) -> list[tuple[int, CacheTTL]]:
    """Return the points up to the one at which the cached part of the prompt ends."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    chars = taken.prefix.chars
    limit = _BEYOND * cached / max(1, usage.input_tokens) * chars[-1] if chars else 0
    return [point for point in taken.points if chars[point[0] - 1] <= limit]
