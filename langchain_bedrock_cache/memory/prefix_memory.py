"""`PrefixMemory`: which prefixes were seen when, what came back, and what the cache should hold.

Keeps digests, times and counts; never text. One memory serves any number of models, threads and
event loops. `observe` takes in a request before it is planned, `commit` what is sent, `learn`
what Bedrock answered; the planner decides from the `Sighting` alone.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from langchain_bedrock_cache.checks import check_callable, check_number, check_type
from langchain_bedrock_cache.memory.commitment import Commitment
from langchain_bedrock_cache.memory.record import PrefixRecord
from langchain_bedrock_cache.memory.scopes import scope_of
from langchain_bedrock_cache.memory.sharing import SharedRecord, SharedRecords
from langchain_bedrock_cache.memory.table import PrefixTable
from langchain_bedrock_cache.positions import Cut, class_before, class_of, cuts_of
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile
from langchain_bedrock_cache.returns import (
    ReturnBook,
    Scope,
    after_pause,
    following,
)
from langchain_bedrock_cache.sighting import SeenCut, Sighting
from langchain_bedrock_cache.spending import Account
from langchain_bedrock_cache.waiting import Missed, Stake, Waiting, WaitingRoom

if TYPE_CHECKING:
    from langchain_core.stores import BaseStore

# Claude takes 2.9 to 3.2 characters a token on real prompts; replaced by each model's own usage.
_CHARS_PER_TOKEN = 3.0
# How far one response moves the learned ratio: about the last ten count.
_RATIO_STEP = 0.1
_MAX_FAMILIES = 4096
# How many of the last messages' ends are looked up in the shared store: enough to find a
# conversation that went on elsewhere for many turns, few enough for one small read.
_SHARED_LOOKBACK = 16
# How many of the positions that seem not to have come back are asked about in one read: whether
# they came back to another process.
_MAX_DUE = 32


class PrefixMemory:
    """Remember which prompt prefixes were seen, when, and how often they came back.

    Args:
        clock: Seconds, the only source of time for all decisions; simulations bring their own.
        max_entries: Prefixes remembered (some 300 bytes each); the oldest are forgotten first.
        store: Any LangChain `BaseStore[str, bytes]` through which processes share what they know
            (Redis, say); it is waited for 20 ms at most, and done without when it fails. Let the
            store expire keys after an hour or more.
        store_key: Secret that keys the hashes in the store; the same in all processes.

    Raises:
        CachePolicyError: If `max_entries` is not a whole number from 1 on.
        TypeError: If clock, store or key are something else.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        max_entries: int = 100_000,
        store: BaseStore[str, bytes] | None = None,
        store_key: str = "",
    ) -> None:
        check_callable("clock", clock, what="a function that returns seconds")
        check_number("max_entries", max_entries, least=1, is_whole=True)
        check_type("store_key", store_key, str, what="a string")
        if store is not None and not hasattr(store, "mget"):
            check_type("store", store, (), what="a LangChain BaseStore, with mget and mset")
        self._clock = clock
        self._table = PrefixTable(max_entries)
        self._book = ReturnBook()
        self._room = WaitingRoom()
        self._all = Account()
        self._accounts: dict[Scope, Account] = {}
        self._ratios: dict[str, float] = {}
        self._lock = threading.RLock()
        self.shared = SharedRecords(store, key=store_key) if store is not None else None
        """The store as this memory sees it, with `.counts` and `.flush()`; `None` without one."""

    def __len__(self) -> int:
        """Count the prefixes remembered."""
        return len(self._table)

    @property
    def clock(self) -> Callable[[], float]:
        """The source of time, in seconds."""
        return self._clock

    def chars_per_token(self, profile: ModelProfile) -> float:
        """Return characters per token of a model: learned, or 3.0 before its first answer."""
        return self._ratios.get(profile.id, _CHARS_PER_TOKEN)

    def warm_chars(self, prefix: Prefix) -> int:
        """Return how much of a request is believed to be in the prompt cache now, in characters.

        Only asks: the request is not taken in.
        """
        with self._lock:
            return self._table.warm_chars(prefix, self._clock())

    def observe(self, prefix: Prefix, profile: ModelProfile) -> Sighting:
        """Take in a request that is about to be planned, and say what is known about it.

        Args:
            prefix: The request.
            profile: Its model.
        """
        foreign = self.shared.fetch(self._questions(prefix)) if self.shared else {}
        with self._lock:
            now = self._clock()
            for digest, shared in foreign.items():
                self._merge(digest, shared)
            self._room.age(now)
            seen = self._table.deepest(prefix)
            scope = scope_of(prefix, profile)
            last = self._table.get(prefix, seen)
            cuts = cuts_of(prefix, seen, last_role=last.role if last else None)
            for position in {seen, *(cut.position for cut in cuts if cut.position <= seen)} - {0}:
                self._came_back(prefix, position, scope, now)
            pace = self._table.pace(prefix, seen, now)
            live, would_live = self._table.live(prefix, seen, cuts, now)
            return Sighting(
                now=now,
                seen=seen,
                live=live,
                would_live=would_live,
                cuts=tuple(self._look_up(prefix, seen, cut, pace, scope, now) for cut in cuts),
                chars_per_token=self.chars_per_token(profile),
                account=self._account(scope),
                scope=scope,
                pace=pace,
            )

    def commit(
        self,
        prefix: Prefix,
        profile: ModelProfile,
        sighting: Sighting,
        *,
        points: Sequence[tuple[int, CacheTTL]],
        stakes: Mapping[int, Stake],
        saving: float,
        missed: Missed | None = None,
    ) -> Commitment:
        """Remember a request that is about to be sent.

        Args:
            prefix: The request.
            profile: Its model.
            sighting: What `observe` returned for it.
            points: Position and TTL of every cache point it carries.
            stakes: For candidate positions, what is written up to there.
            missed: What would have been done, had it been affordable.
            saving: What the expected read saves, in tokens at the input price.

        Returns:
            A handle for `learn` or `cancel`.
        """
        with self._lock:
            self._table.add(prefix, sighting.seen, sighting.now)
            waiting = tuple(
                self._wait(prefix, cut, sighting, stakes.get(cut.position)) for cut in sighting.cuts
            )
            tokens = prefix.chars_before(len(prefix)) / sighting.chars_per_token
            sighting.account.charge(prompt=tokens, saving=saving)
            longest = max(sighting.live, default=0)
            entries = tuple(
                self._enter(prefix, position, ttl, sighting.now)
                for position, ttl in points
                if position > longest or position in sighting.live
            )
            if missed:
                sighting.account.miss(missed.gain)
                for position, ttl in missed.entries.items():
                    record = self._table.own(prefix, position, sighting.now)
                    record.would_expire_at = sighting.now + TTL_SECONDS[ttl]
            self._table.forget_oldest()
            known = self._table.get(prefix, sighting.seen)
            if known and known.role:
                known.last_seen = sighting.now
            cut_positions = {cut.position for cut in sighting.cuts}
            self._publish(prefix, {sighting.seen, *cut_positions, *(p for p, _ in points)} - {0})
            return Commitment(prefix, profile, waiting, entries, sighting.account, tokens, saving)

    def learn(self, commitment: Commitment, *, input_tokens: int, cached_tokens: int) -> None:
        """Take in what Bedrock answered.

        Args:
            commitment: What `commit` returned.
            input_tokens: All input tokens, cached ones included.
            cached_tokens: Tokens read or written. Points beyond were ignored (too short, or past
                the model's cap), so that nothing is in the cache there.
        """
        with self._lock:
            chars = commitment.prefix.chars
            if input_tokens > 0 and chars and chars[-1] > 0:
                model = commitment.profile.id
                ratio = chars[-1] / input_tokens
                known = self._ratios.get(model, ratio)
                self._ratios[model] = known + _RATIO_STEP * (ratio - known)
            for record in commitment.not_cached(
                input_tokens=input_tokens, cached_tokens=cached_tokens
            ):
                record.expires_at = -math.inf

    def cancel(self, commitment: Commitment, *, nothing_live: bool = False) -> None:
        """Take back what `commit` assumed, for a request that failed.

        Args:
            commitment: What `commit` returned.
            nothing_live: Whether what was thought to be in the cache is not, since the call that
                was to write it failed as well.
        """
        with self._lock:
            now = self._clock()
            for waiting in commitment.waiting:
                if waiting.stake and not waiting.done:  # nothing was written, so nothing is lost
                    waiting.account.risk(-waiting.stake.premium)
                    waiting.stake = None
                self._room.leave(waiting, now, returned=False)
            for record, expires_at, _ in commitment.entries:
                record.expires_at = -math.inf if nothing_live else expires_at
            commitment.account.refund(prompt=commitment.prompt, saving=commitment.saving)

    def _came_back(self, prefix: Prefix, position: int, scope: Scope, now: float) -> None:
        record = self._table.get(prefix, position)
        if record is None:
            return
        if record.waiting and not record.waiting.done:
            self._room.leave(record.waiting, now, returned=True)
        elif record.is_foreign and record.last_seen <= now:
            cls = class_before(prefix, position, record.uses, record.pace)
            for curve in self._book.lineage(scope, cls, now):
                curve.credit(now - record.last_seen)
        record.is_foreign = False

    def _questions(self, prefix: Prefix) -> list[bytes]:
        """Return the digests worth asking the shared store for.

        Those not known to be cached, and those about to count as not having come back.
        """
        ends = prefix.list_ends()
        positions = {prefix.tools, prefix.head, *ends[-_SHARED_LOOKBACK:]}
        positions |= {cut.position for cut in cuts_of(prefix, 0, last_role="turn")}
        now = self._clock()
        with self._lock:
            unknown = self._room.due(now, most=_MAX_DUE)
        for position in sorted(positions - {0}, reverse=True):
            record = self._table.get(prefix, position)
            if record is None or record.expires_at <= now:
                unknown.append(prefix.digests[position - 1])
            elif position > prefix.head:
                break  # the longest live entry of the conversation: what is before it is older
        return unknown

    def _merge(self, digest: bytes, shared: SharedRecord) -> None:
        record = self._table.merge(digest, shared)
        if record and record.waiting and not record.waiting.done:
            self._room.leave(record.waiting, shared.last_seen, returned=True)

    def _publish(self, prefix: Prefix, positions: set[int]) -> None:
        if self.shared is None:
            return
        records = {p: self._table.get(prefix, p) for p in positions}
        self.shared.publish({prefix.digests[p - 1]: r.share() for p, r in records.items() if r})

    def _look_up(
        self, prefix: Prefix, seen: int, cut: Cut, pace: int, scope: Scope, now: float
    ) -> SeenCut:
        record = self._table.get(prefix, cut.position)
        uses = record.uses if record else int(seen >= cut.position)
        cls = class_of(prefix, cut, uses, pace)
        paused = after_pause(cls)
        return SeenCut(
            cut.position,
            cls,
            tuple(self._book.chances(scope, c, now) for c in following(cls)),
            self._book.chances(scope, paused, now) if paused else None,
        )

    def _account(self, scope: Scope) -> Account:
        family = scope[:1]
        account = self._accounts.pop(family, None) or Account(parent=self._all)
        self._accounts[family] = account  # most recently used last
        if len(self._accounts) > _MAX_FAMILIES:
            del self._accounts[next(iter(self._accounts))]
        return account

    def _wait(
        self,
        prefix: Prefix,
        cut: SeenCut,
        sighting: Sighting,
        stake: Stake | None,
    ) -> Waiting:
        now = sighting.now
        record = self._table.own(prefix, cut.position, now)
        if cut.position <= sighting.seen:
            record.uses += 1
        record.last_seen = now
        record.role = cut.cls.role
        record.pace = sighting.pace
        if record.waiting:
            self._room.leave(record.waiting, now, returned=False)
        record.waiting = Waiting(
            since=now,
            digest=prefix.digests[cut.position - 1],
            curves=self._book.lineage(sighting.scope, cut.cls, now),
            account=sighting.account,
            stake=stake,
        )
        self._room.enter(record.waiting)
        return record.waiting

    def _enter(
        self, prefix: Prefix, position: int, ttl: CacheTTL, now: float
    ) -> tuple[PrefixRecord, float, int]:
        record = self._table.own(prefix, position, now)
        if record.role is None:
            record.role = "branch"  # a place of its own from now on, not interior
        before = record.expires_at
        record.ttl = ttl
        record.expires_at = now + TTL_SECONDS[ttl]
        return record, before, prefix.chars[position - 1]


@cache
def default_memory() -> PrefixMemory:
    """Return the memory that all clients of this process share unless told otherwise."""
    return PrefixMemory()
