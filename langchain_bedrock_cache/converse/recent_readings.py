"""`RecentReadings`: what was read of a conversation before is not read again as it grows.

Reading a block takes Python more than a microsecond, and a long conversation is sent again with
every turn. Here its known beginning is compared as a whole (serialized and hashed at C speed, some
0.2 ms for 1,000 messages), and only the messages after it are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import orjson
from xxhash import xxh3_128_digest as _digest

from langchain_bedrock_cache.converse.blocks import jsonable
from langchain_bedrock_cache.converse.requests import Request, add_messages, read_converse
from langchain_bedrock_cache.prefix import Mark, Prefix
from langchain_bedrock_cache.profiles import ModelProfile

# A beginning is worth comparing from about this many new messages on: reading these takes as long
# as taking a new reading in.
_STEP_MESSAGES = 24
# About 100 bytes each, most of them shared with the prefix memory: some 2 MB.
_MAX_BLOCKS = 20_000


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first `messages` messages of a conversation: a digest of them all, and their prefix."""

    messages: int
    check: bytes
    prefix: Prefix


class RecentReadings:
    """Reads requests into prefix form like `read_converse`, faster where it read them before.

    Keeps digests and counts only. Safe to share between threads.

    Args:
        max_blocks: Blocks remembered; the conversations that were idle longest are forgotten first.
    """

    def __init__(self, *, max_blocks: int = _MAX_BLOCKS) -> None:
        self._max_blocks = max_blocks
        self._readings: dict[bytes, _Reading] = {}
        self._blocks = 0
        self._lock = Lock()

    def read(
        self, request: Request, profile: ModelProfile | None = None, *, locality: str = ""
    ) -> Prefix:
        """Read a request into prefix form; arguments and errors are those of `read_converse`."""
        messages = request.get("messages") or ()
        if len(messages) <= _STEP_MESSAGES:
            return read_converse(request, profile, locality=locality)
        prefix = read_converse({**request, "messages": messages[:1]}, profile, locality=locality)
        if not len(prefix):
            return read_converse(request, profile, locality=locality)
        key = prefix.digests[-1]
        known = self._recall(key, messages)
        marks = len(prefix.marks)
        if known:
            prefix = _copy(known.prefix, marks=prefix.marks)
        start = known.messages if known else 1
        add_messages(prefix, messages[start:], start=start)
        if len(messages) - start >= _STEP_MESSAGES and len(prefix.marks) == marks:
            self._remember(key, messages, prefix)
        return prefix

    def _recall(self, key: bytes, messages: Sequence[Mapping[str, Any]]) -> _Reading | None:
        """Return an earlier reading that these messages begin with."""
        known = self._readings.get(key)
        if known is None or known.messages > len(messages):
            return None
        if _check(messages[: known.messages]) != known.check:
            return None
        with self._lock:
            if self._readings.pop(key, None):
                self._readings[key] = known  # most recently used last
        return known

    def _remember(self, key: bytes, messages: Sequence[Any], prefix: Prefix) -> None:
        check = _check(messages)
        if check is None:
            return
        reading = _Reading(len(messages), check, _copy(prefix, marks=[]))
        with self._lock:
            self._forget(key)
            self._readings[key] = reading
            self._blocks += len(prefix)
            while self._blocks > self._max_blocks and self._readings:
                self._forget(next(iter(self._readings)))

    def _forget(self, key: bytes) -> None:
        old = self._readings.pop(key, None)
        if old:
            self._blocks -= len(old.prefix)


def _copy(prefix: Prefix, *, marks: list[Mark]) -> Prefix:
    """Return a copy that shares nothing that changes, with other cache points."""
    return replace(
        prefix,
        digests=prefix.digests.copy(),
        chars=prefix.chars.copy(),
        kinds=prefix.kinds.copy(),
        list_starts=prefix.list_starts.copy(),
        list_messages=prefix.list_messages.copy(),
        roles=prefix.roles.copy(),
        marks=marks,
    )


def _check(messages: Sequence[Any]) -> bytes | None:
    """Return a digest of messages as they stand; `None` if JSON cannot hold them."""
    try:
        return _digest(orjson.dumps(messages, default=jsonable))
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits, keys not strings
        return None
