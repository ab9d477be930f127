"""Single-flight: calls that would write the same prefix wait for the one already writing it.

An entry of the prompt cache is readable only once the response that wrote it has begun. Calls sent
before that pay the write again, so here they wait for it, for a bounded time. Threads wait; async
callers of a synchronous client are threads as well.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Literal

Outcome = Literal["begun", "failed", "timeout", "own thread"]

# Calls that share a prefix share its first block, so one lock of these serves all of them.
_STRIPES = 64


class Flight:
    """A call under way that writes prefixes others may be about to read."""

    __slots__ = ("_failed", "_landed", "digests", "thread_id")

    def __init__(self, digests: Sequence[bytes]) -> None:
        self.digests = digests
        self.thread_id = threading.get_ident()
        self._landed = threading.Event()
        self._failed = False

    def land(self, *, failed: bool) -> None:
        """Let everybody go who waits; only the first landing counts."""
        if not self._landed.is_set():
            self._failed = failed
            self._landed.set()

    def wait(self, timeout_seconds: float) -> Outcome:
        """Wait until the response has begun or the call has failed.

        Args:
            timeout_seconds: How long at most.

        Returns:
            What became of it; `"own thread"` at once if this thread is the one that must read the
            stream first, which it cannot do while it waits.
        """
        if self.thread_id == threading.get_ident() and not self._landed.is_set():
            return "own thread"
        if not self._landed.wait(max(0.0, timeout_seconds)):
            return "timeout"
        return "failed" if self._failed else "begun"


class SingleFlight:
    """The flights of all clients that share a planner; thread-safe."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}
        self._lock = threading.Lock()
        self._stripes = tuple(threading.Lock() for _ in range(_STRIPES))

    def __len__(self) -> int:
        """Count the prefixes that are being written."""
        return len(self._flights)

    def stripe(self, digests: Sequence[bytes]) -> threading.Lock:
        """Return the lock to hold from reading the memory to `board`, for calls that may share."""
        return self._stripes[digests[0][0] % _STRIPES]

    def ahead(self, digests: Sequence[bytes]) -> Flight | None:
        """Return the flight that writes the longest part of a prefix; `None` if there is none."""
        with self._lock:
            if not self._flights:
                return None
            for digest in reversed(digests):
                if digest in self._flights:
                    return self._flights[digest]
        return None

    def board(self, digests: Iterable[bytes]) -> Flight | None:
        """Start a flight for the prefixes that nobody is writing yet; `None` if all are."""
        with self._lock:
            flight = Flight([d for d in digests if d not in self._flights])
            self._flights.update(dict.fromkeys(flight.digests, flight))
        return flight if flight.digests else None

    def land(self, flight: Flight, *, failed: bool) -> None:
        """End a flight: its response has begun, or it failed."""
        flight.land(failed=failed)
        with self._lock:
            for digest in flight.digests:
                if self._flights.get(digest) is flight:
                    del self._flights[digest]
