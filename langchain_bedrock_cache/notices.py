"""Tell the user once what was skipped, at the line that called a model."""

from __future__ import annotations

import logging
import sys
import threading
import warnings

from langchain_bedrock_cache.exceptions import CacheSkippedWarning

_logger = logging.getLogger(__name__)

# A warning should name the line that called a model, not the machinery in between.
_INSIDE = frozenset(
    {
        "asyncio",
        "concurrent",
        "deepagents",
        "langchain",
        "langchain_aws",
        "langchain_bedrock_cache",
        "langchain_classic",
        "langchain_core",
        "langgraph",
        "tenacity",  # behind `Runnable.with_retry`
        "threading",
    }
)
# More different notices than this come from keys that never repeat (model IDs from a loop, say).
_MAX_NOTICES = 1000


class Notices:
    """Warnings that were given, so that none is given twice; thread-safe."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._lock = threading.Lock()

    def once(self, key: str, message: str) -> None:
        """Warn with `CacheSkippedWarning` unless this was said before.

        Where warnings are errors it is logged instead: no call fails because of caching.

        Args:
            key: What the message is about.
            message: What, why and what to do; no prompt text.
        """
        with self._lock:
            if key in self._given or len(self._given) >= _MAX_NOTICES:
                return
            self._given.add(key)
        level = logging.INFO
        try:
            warnings.warn(message, CacheSkippedWarning, stacklevel=_stack_level())
        except CacheSkippedWarning:
            level = logging.WARNING
        _logger.log(level, "%s", message)


def _stack_level() -> int:
    """Return the stack level of the caller outside this package and the libraries it sits in."""
    level = 1
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None:
        package, _, _ = frame.f_globals.get("__name__", "").partition(".")
        if package not in _INSIDE:
            break
        frame = frame.f_back
        level += 1
    return level
