"""Calls of a client inside a LangChain run that a handler listens to: they are part of that run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from langchain_bedrock_cache.client_records import CallingRun
from langchain_bedrock_cache.settling import EndedCall


def run_heard_by(listener: object) -> tuple[UUID, tuple[str, ...]] | None:
    """Return the ID of the run that this code is called by, and the tags of what it calls.

    Args:
        listener: A callback handler.

    Returns:
        `None` outside of runs, and in those that the listener does not hear of.
    """
    config = var_child_runnable_config.get()
    # A manager, once a run has begun; before that whatever the application gave.
    manager: Any = config.get("callbacks") if config else None
    run_id = getattr(manager, "parent_run_id", None)
    if run_id is None or not any(one is listener for one in manager.handlers):
        return None
    return run_id, tuple(manager.tags)


class CallInRun:
    """Has a call recorded as part of the run that made it, which may be over when the call ends.

    Args:
        record: Takes the call and the run.
        run: Where the call was made.
    """

    __slots__ = ("_record", "_run")

    def __init__(self, record: Callable[[EndedCall, CallingRun], None], run: CallingRun) -> None:
        self._record = record
        self._run = run

    def record_call(self, call: EndedCall) -> None:
        """Take a call."""
        self._record(call, self._run)
