"""A `with` block in which every model call is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from langchain_core.tracers.context import register_configure_hook

from langchain_bedrock_cache.call_context import recording
from langchain_bedrock_cache.callbacks.handler import CacheUsageCallbackHandler
from langchain_bedrock_cache.pricing import Rates
from langchain_bedrock_cache.sinks import CallSink

# One variable per nesting depth, registered once and then reused: LangChain never forgets a
# registered variable, so one per `with` block would make every later call a little slower.
_variables: list[ContextVar[CacheUsageCallbackHandler | None]] = []
_variables_lock = threading.Lock()


def _free_variable() -> ContextVar[CacheUsageCallbackHandler | None]:
    with _variables_lock:
        for variable in _variables:
            if variable.get() is None:
                return variable
        name = f"cache_usage_callback_{len(_variables)}"
        new: ContextVar[CacheUsageCallbackHandler | None] = ContextVar(name, default=None)
        register_configure_hook(new, inheritable=True)
        _variables.append(new)
        return new


@contextmanager
def get_cache_usage_callback(
    *,
    rates: Rates | Mapping[str, Rates] | None = None,
    max_records: int = 10_000,
    clock: Callable[[], float] = time.time,
    sinks: Iterable[CallSink] = (),
) -> Iterator[CacheUsageCallbackHandler]:
    """Record every model call made inside a `with` block, without passing a callback around.

    LangChain's calls, and those that other code makes of a `cached_client` in the same thread or
    task. Blocks may be nested: a call counts in each of the blocks that it is made in, and goes to
    the sinks of each. Give a sink to one of them: a file that two sinks write to has each call
    twice.

    Args:
        rates: Your own prices, for all models or by model ID; list prices otherwise.
        max_records: How many calls are kept as records; totals go on counting beyond.
        clock: Returns seconds since the epoch.
        sinks: Each is called with the record of each finished call.

    Yields:
        The handler, which may be read inside the block and after it.
    """
    handler = CacheUsageCallbackHandler(
        rates=rates, max_records=max_records, clock=clock, sinks=sinks
    )
    variable = _free_variable()
    token = variable.set(handler)
    try:
        with recording(handler):
            yield handler
    finally:
        variable.reset(token)
