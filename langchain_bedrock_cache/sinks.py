"""Sinks: functions that each finished call is handed on to, and what happens if one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from langchain_bedrock_cache.records import CallRecord

CallSink = Callable[[CallRecord], object]
"""Takes each finished call, in the thread or event loop that made it; what it returns is ignored.

Several threads may call it at once.
"""

_logger = logging.getLogger(__name__)


class Sinks:
    """Hand finished calls on; a sink that fails is logged once, and never fails a call.

    Args:
        sinks: Each is called with each record, in this order.

    Raises:
        TypeError: If one of them cannot be called.
    """

    def __init__(self, sinks: Iterable[CallSink]) -> None:
        if callable(sinks):
            msg = f"sinks is one {type(sinks).__name__}, but a list is expected. Write sinks=[...]."
            raise TypeError(msg)
        self._sinks = tuple(sinks)
        self._failed: set[int] = set()
        for index, sink in enumerate(self._sinks):
            if not callable(sink):
                msg = (
                    f"sinks[{index}] is of type {type(sink).__name__}, but a sink is called with "
                    "each CallRecord. Pass a function, or a sink such as JsonLinesSink(path)."
                )
                raise TypeError(msg)

    def send(self, records: Iterable[CallRecord]) -> None:
        """Call every sink with every record; never raises.

        Args:
            records: Finished calls.
        """
        for record in records:
            for index, sink in enumerate(self._sinks):
                try:
                    sink(record)
                except Exception as error:  # noqa: BLE001 - whatever it does, the call went well
                    self._log_first_failure(index, error)

    def _log_first_failure(self, index: int, error: Exception) -> None:
        if index in self._failed:
            return
        self._failed.add(index)
        _logger.warning(
            "The sink %s failed. It is called again with the next calls, but no other failure of "
            "it is logged.",
            getattr(self._sinks[index], "__qualname__", type(self._sinks[index]).__name__),
            exc_info=error,
        )
