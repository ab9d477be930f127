"""Share what a `PrefixMemory` knows with other processes, through any LangChain key-value store.

The store is never in the way: reads are waited for briefly and only while the store keeps up,
writes are queued, and whatever fails is dropped and counted. Stored are times and counts under
keyed hashes of prefix digests; a process without the key can neither read nor forge them.
"""

from __future__ import annotations

import logging
import os
import queue
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from langchain_bedrock_cache.profiles import CacheTTL

if TYPE_CHECKING:
    from langchain_core.stores import BaseStore

_logger = logging.getLogger(__name__)

SharedRole = Literal["branch", "turn", "history"]
_ROLES: tuple[SharedRole, ...] = get_args(SharedRole)
# version, last use, expiry (seconds), uses, pace, TTL is 1h, number of the role
_LAYOUT = struct.Struct("<BddIBBB")
_VERSION = 1
_MAX_QUEUED = 1000
_MAX_PER_WRITE = 500
# After a read that came too late the store is left alone for this long, so that a store that
# hangs costs a process one deadline in a while, not one a call.
_PAUSE_SECONDS = 5.0


class SharedRecord(NamedTuple):
    """What processes tell each other about one prefix.

    Attributes:
        last_seen: Time of the last use, in seconds since the epoch.
        expires_at: Until when it is believed to be in the prompt cache; 0 if it is not.
        uses: How often it was used.
        pace: Pace class of the conversation it ends.
        ttl: Lifetime of the entry.
        role: What it is: a conversation, one without its last message, or part of others.
    """

    last_seen: float
    expires_at: float
    uses: int
    pace: int
    ttl: CacheTTL
    role: SharedRole

    def pack(self) -> bytes:
        """Return the record as 24 bytes."""
        return _LAYOUT.pack(
            _VERSION,
            self.last_seen,
            self.expires_at,
            min(self.uses, 2**32 - 1),
            self.pace,
            self.ttl == "1h",
            _ROLES.index(self.role),
        )

    @classmethod
    def unpack(cls, raw: bytes | None) -> SharedRecord | None:
        """Return the record, or `None` for anything that is not one of this version."""
        if raw is None or len(raw) != _LAYOUT.size or raw[0] != _VERSION:
            return None
        _, last_seen, expires_at, uses, pace, hour, role = _LAYOUT.unpack(raw)
        if role >= len(_ROLES):
            return None
        return cls(last_seen, expires_at, uses, pace, "1h" if hour else "5m", _ROLES[role])


@dataclass(slots=True)
class SharingCounts:
    """What sharing did: operations, bytes of values, and what went wrong."""

    reads: int = 0
    keys_read: int = 0
    writes: int = 0
    keys_written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    late_reads: int = 0
    skipped_reads: int = 0
    failures: int = 0
    dropped_writes: int = 0


class _Read:
    """One read: what is asked for, and the answer once it is there."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.done = threading.Event()
        self.values: list[bytes | None] = []


class SharedRecords:
    """The store as the memory sees it: bounded waiting, background writing.

    Args:
        store: Any LangChain `BaseStore[str, bytes]`; its `mget` and `mset` are called from two
            background threads of their own.
        key: Secret that the stored hashes are keyed with; processes with another key share nothing.
        deadline_seconds: How long a call waits for the store at most.
        monotonic: Clock for waiting (not for decisions).
    """

    def __init__(
        self,
        store: BaseStore[str, bytes],
        *,
        key: str = "",
        deadline_seconds: float = 0.02,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = SharingCounts()
        self._store = store
        self._key = blake2b(key.encode()).digest()
        self._deadline_seconds = deadline_seconds
        self._monotonic = monotonic
        self._paused_until = -1.0
        self._lock = threading.Lock()
        self._pid = 0
        self._start()

    def fetch(self, digests: Iterable[bytes]) -> dict[bytes, SharedRecord]:
        """Return what other processes know of some prefixes; empty if the store does not answer."""
        self._start()
        by_key = {self._name(d): d for d in digests}
        if not by_key:
            return {}
        if self._monotonic() < self._paused_until:
            self.counts.skipped_reads += 1
            return {}
        read = _Read(list(by_key))
        self._reads.put(read)
        if not read.done.wait(self._deadline_seconds):
            self.counts.late_reads += 1
            self._paused_until = self._monotonic() + _PAUSE_SECONDS
            return {}
        found = {}
        for name, raw in zip(read.keys, read.values, strict=False):
            record = SharedRecord.unpack(raw)
            if record:
                found[by_key[name]] = record
        return found

    def publish(self, records: Mapping[bytes, SharedRecord]) -> None:
        """Queue records for the store; returns at once, and drops them if the queue is full."""
        self._start()
        try:
            self._writes.put_nowait([(self._name(d), r.pack()) for d, r in records.items()])
        except queue.Full:
            self.counts.dropped_writes += len(records)

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Wait until everything queued is written; `False` if that took too long.

        For short-lived processes: call it before they end, or are frozen.
        """
        done = threading.Event()
        try:
            self._writes.put(done, timeout=timeout_seconds)
        except queue.Full:
            return False
        return done.wait(timeout_seconds)

    def _name(self, digest: bytes) -> str:
        return blake2b(digest, digest_size=16, key=self._key).hexdigest()

    def _start(self) -> None:
        """Start the threads, once per process: a forked child has none."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self._reads: queue.SimpleQueue[_Read] = queue.SimpleQueue()
            self._writes: queue.Queue[list[tuple[str, bytes]] | threading.Event] = queue.Queue(
                _MAX_QUEUED
            )
            for work in (self._read_forever, self._write_forever):
                threading.Thread(target=work, name="prefix-memory", daemon=True).start()
            self._pid = os.getpid()

    def _read_forever(self) -> None:
        reads = self._reads
        while True:
            read = reads.get()
            try:
                read.values = list(self._store.mget(read.keys))
            except Exception as error:  # noqa: BLE001 # a store that fails is a store that knows nothing
                self._failed(error)
            self.counts.reads += 1
            self.counts.keys_read += len(read.keys)
            self.counts.bytes_read += sum(len(v) for v in read.values if v)
            read.done.set()

    def _write_forever(self) -> None:
        writes = self._writes
        while True:
            batch: dict[str, bytes] = {}
            flushed: list[threading.Event] = []
            item = writes.get()
            while True:
                if isinstance(item, threading.Event):
                    flushed.append(item)
                else:
                    batch.update(item)
                if len(batch) >= _MAX_PER_WRITE or writes.empty():
                    break
                item = writes.get()
            if batch:
                self._write(batch)
            for event in flushed:
                event.set()

    def _write(self, batch: dict[str, bytes]) -> None:
        try:
            self._store.mset(list(batch.items()))
        except Exception as error:  # noqa: BLE001 # see above
            self._failed(error)
            self.counts.dropped_writes += len(batch)
            return
        self.counts.writes += 1
        self.counts.keys_written += len(batch)
        self.counts.bytes_written += sum(map(len, batch.values()))

    def _failed(self, error: Exception) -> None:
        if not self.counts.failures:
            name = type(error).__name__
            _logger.warning("The shared prefix store fails (%s); processes go on alone.", name)
        self.counts.failures += 1
