"""What happened, request by request, in numbers only: no text is kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from langchain_bedrock_cache.emulator.accounting import PlacedPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """One request, answered or refused.

    Attributes:
        request_id: As in the response.
        operation: Such as `Converse`; empty for a path that is none of the runtime's.
        model_id: As the request says.
        base_model_id: Base model behind it; `None` if the request did not get that far.
        account: AWS account of the cache.
        region: AWS Region of the cache.
        at: When it arrived, in seconds on the emulator's clock.
        cache_points: Where the request placed them.
        uncached_input_tokens: Input that was neither read nor written.
        cache_read_tokens: Input read from the cache.
        cache_write_5m_tokens: Input written for five minutes.
        cache_write_1h_tokens: Input written for an hour.
        output_tokens: Output.
        status: HTTP status.
        error_code: AWS error code, also of a failure in the middle of a stream; else `None`.
    """

    request_id: str
    operation: str
    model_id: str
    base_model_id: str | None = None
    account: str
    region: str
    at: float
    cache_points: tuple[PlacedPoint, ...] = ()
    uncached_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    status: int = 200
    error_code: str | None = None

    @property
    def cache_write_tokens(self) -> int:
        """Input written, whatever its TTL."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def input_tokens(self) -> int:
        """All input: uncached, read and written."""
        return self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens


class Ledger:
    """The last records, safe between threads.

    Args:
        length: How many to keep.
        on_record: Called with each new record.
    """

    def __init__(
        self, *, length: int = 10_000, on_record: Callable[[LedgerRecord], None] | None = None
    ) -> None:
        self._records: deque[LedgerRecord] = deque(maxlen=length)
        self._on_record = on_record
        self._lock = threading.Lock()

    @property
    def records(self) -> tuple[LedgerRecord, ...]:
        """All records kept, oldest first."""
        with self._lock:
            return tuple(self._records)

    def add(self, record: LedgerRecord) -> None:
        """Add a record, dropping the oldest if there are too many."""
        with self._lock:
            self._records.append(record)
        if self._on_record is not None:
            self._on_record(record)

    def clear(self) -> None:
        """Forget every record."""
        with self._lock:
            self._records.clear()
