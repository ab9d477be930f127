"""Diagnosis of calls as they end: what earlier calls left in the cache, and who read it."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from langchain_bedrock_cache.diagnosis.diagnosis import Diagnosis
from langchain_bedrock_cache.diagnosis.entries import NOTHING, Cached, CacheEntries, branch_of
from langchain_bedrock_cache.diagnosis.facts import NOT_KNOWN, CallFacts, Destination
from langchain_bedrock_cache.diagnosis.guessed import lapsed_entries, usage_of_unread, weighed
from langchain_bedrock_cache.diagnosis.readable import MENDABLE, IfMended, kept_tokens
from langchain_bedrock_cache.diagnosis.verdicts import diagnose
from langchain_bedrock_cache.memory import Commitment
from langchain_bedrock_cache.sent_requests import SentRequest, SentRequests, sent_requests
from langchain_bedrock_cache.usage import CacheUsage

_MAX_CALLS = 4_096


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
        self._entries = CacheEntries()
        self._cached: OrderedDict[int, Cached] = OrderedDict()
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
                    self._entries.longest(sent.print),
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
        earlier = self._cached.get(sent.earlier, NOTHING) if sent and sent.earlier else NOTHING
        taken = sent.print if sent else None
        facts = CallFacts(
            usage=usage,
            print=taken,
            plan=plan,
            change=sent.change if sent else None,
            earlier_tokens=self._still_there(sent, earlier, usage) if sent else 0,
            earlier_sent_to=earlier.sent_to,
            entry=self._entries.longest(taken) if taken else None,
            branch=branch_of(sent, earlier) if sent and earlier.points else None,
            started_at=started_at,
            sent_to=sent_to,
            error=error,
            had_points=taken is not None and not taken.points and self._had_points(sent),
        )
        if sent and usage:
            self._remember(sent, usage, facts, readable_at)
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
                self._entries.put(digest, self._entries.get(digest) or lapsed)
        if self._has_guesses and (entry := self._entries.longest(taken)) and entry.is_guess:
            digest = taken.prefix.digests[entry.position - 1]
            self._entries.put(digest, weighed(entry, taken, usage))

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
        entry = self._entries.longest(taken)
        facts = CallFacts(print=taken, entry=entry, started_at=started_at, sent_to=sent_to)
        self._remember(sent, guess, facts, readable_at)
        self._has_guesses = True
        for position, _ in taken.points:
            digest = taken.prefix.digests[position - 1]
            entry = self._entries.get(digest)
            if entry and (entry.used_at, entry.readable_at) == (started_at, readable_at):
                self._entries.put(digest, entry._replace(is_exact=False, is_guess=True))

    def _remember(
        self, sent: SentRequest, usage: CacheUsage, facts: CallFacts, readable_at: float
    ) -> None:
        cached = self._entries.take(
            sent.print,
            usage,
            facts.entry,
            started_at=facts.started_at,
            readable_at=readable_at,
            sent_to=facts.sent_to,
        )
        _put(self._cached, sent.number, cached, _MAX_CALLS)

    def _completed(
        self,
        diagnosis: Diagnosis,
        sent: SentRequest,
        usage: CacheUsage,
        earlier: Cached,
        started_at: float,
    ) -> Diagnosis:
        before = self._requests.get(sent.earlier)
        if before is None or earlier is NOTHING:
            return diagnosis
        return self._if_mended.complete(
            diagnosis,
            sent,
            before,
            usage=usage,
            cached_tokens=earlier.tokens,
            gap_seconds=started_at - earlier.used_at,
        )

    def _still_there(self, sent: SentRequest, earlier: Cached, usage: CacheUsage | None) -> int:
        """Return how much of what an earlier call had cached a changed request could have read.

        What is no longer there, such as passages of another question, nobody could have read.
        """
        before = self._requests.get(sent.earlier)
        if sent.change is None or before is None or usage is None:
            return 0
        kept = kept_tokens(
            before.print, sent.print, start=sent.shared, input_tokens=usage.input_tokens
        )
        return min(earlier.tokens, kept)

    def _had_points(self, sent: SentRequest | None) -> bool:
        before = self._requests.get(sent.earlier) if sent else None
        return before is not None and bool(before.print.points)


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
