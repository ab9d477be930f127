"""Prefix memories that share a store, in one process or in several."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from langchain_core.stores import BaseStore

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy

QUESTION = {
    "modelId": "us.anthropic.claude-opus-4-8",
    "system": [{"text": "Answer from the document. " * 20}],
    "messages": [
        {"role": "user", "content": [{"text": "A long document. " * 400}, {"text": "Who?"}]}
    ],
}


class Clock:
    """A clock that stands still until told otherwise."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class FileStore(BaseStore[str, bytes]):
    """One file a key, as several processes on one machine would share."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read files that exist."""
        paths = [self.folder / k for k in keys]
        return [p.read_bytes() if p.exists() else None for p in paths]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Write files, each at once."""
        for key, value in key_value_pairs:
            part = self.folder / f"{key}.{threading.get_ident()}.part"
            part.write_bytes(value)
            part.replace(self.folder / key)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Remove files."""
        for key in keys:
            (self.folder / key).unlink(missing_ok=True)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """List files."""
        return (p.name for p in self.folder.iterdir() if p.name.startswith(prefix or ""))


def planner(store: BaseStore[str, bytes], clock: Clock, key: str = "") -> CallPlanner:
    """Return a planner whose memory is shared through a store."""
    memory = PrefixMemory(clock=clock, store=store, store_key=key)
    assert memory.shared is not None
    memory.shared._deadline_seconds = 10.0  # the test machine may be busy
    return CallPlanner(policy=CachePolicy(), memory=memory)


def plan_and_flush(planner: CallPlanner, request: dict[str, Any] = QUESTION) -> int:
    """Plan a request, let the store catch up, and return the tokens expected to be read."""
    call = planner.prepare(request, CallOptions())
    assert planner.memory.shared is not None
    assert planner.memory.shared.flush()
    return call.plan.expected_read_tokens


def reads_of_processes(store: str, *, at: str, key: str = "") -> list[int]:
    """Return the tokens that three real processes, one after the other, expect to be read.

    Args:
        store: Module and class of the store that they share, with a colon in between.
        at: Where the store is: a folder or a URL.
        key: Key of the store.
    """
    program = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[1]);"
        "import shared_memories; print(shared_memories.plan_at(*sys.argv[2:]))"
    )
    path = json.dumps([str(Path(__file__).parent), *sys.path])
    return [
        int(
            subprocess.run(  # noqa: S603 - our own interpreter
                [sys.executable, "-c", program, path, store, at, key],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(3)
    ]


def plan_at(store: str, at: str, key: str) -> int:
    """Plan the question with a store that is named as for `reads_of_processes`."""
    module, _, name = store.partition(":")
    kind = getattr(import_module(module), name)
    return plan_and_flush(planner(kind(at), Clock(), key))
