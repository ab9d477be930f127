"""Which outermost run a LangChain run belongs to: remembered while runs are under way."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from typing_extensions import override

from langchain_bedrock_cache.records import OuterRun


class RunPlace(NamedTuple):
    """Where a run hangs in the tree of runs.

    Attributes:
        root_run_id: The outermost run, the run itself if it has no parent.
        root_name: Its name, if known.
        parent_name: Name of the run directly above, if known.
        path: The runs above, the outermost one first.
    """

    root_run_id: UUID
    root_name: str | None = None
    parent_name: str | None = None
    path: tuple[OuterRun, ...] = ()


class RunTree:
    """The runs under way, each with its root; not thread-safe.

    Args:
        max_runs: How many runs are remembered. Beyond that the oldest is forgotten: most likely
            one that never ends, such as an abandoned generator.
    """

    def __init__(self, *, max_runs: int) -> None:
        self._max_runs = max_runs
        self._runs: dict[UUID, tuple[RunPlace, str | None]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def start(self, run_id: UUID, parent_run_id: UUID | None, name: str | None) -> None:
        """Remember a run that starts."""
        self._runs[run_id] = (self.place(run_id, parent_run_id, name), name)
        if len(self._runs) > self._max_runs:
            del self._runs[next(iter(self._runs))]

    def end(self, run_id: UUID) -> None:
        """Forget a run that ended; runs that are not known are ignored."""
        self._runs.pop(run_id, None)

    def place(self, run_id: UUID, parent_run_id: UUID | None, name: str | None) -> RunPlace:
        """Return where a run hangs, without remembering it.

        A parent whose start was not seen is taken for the root: the handler may hang on the model
        only, or have come when the parent was already under way.
        """
        if parent_run_id is None:
            return RunPlace(run_id, name)
        if parent_run_id not in self._runs:
            return RunPlace(parent_run_id, path=(OuterRun(parent_run_id),))
        parent, parent_name = self._runs[parent_run_id]
        path = (*parent.path, OuterRun(parent_run_id, parent_name))
        return RunPlace(parent.root_run_id, parent.root_name, parent_name, path)


class RunTreeCallbackHandler(BaseCallbackHandler):
    """Keep a `RunTree` of the chains, tools and retrievers under way; base of other handlers.

    Args:
        max_runs: How many runs are remembered.
    """

    def __init__(self, *, max_runs: int) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._tree = RunTree(max_runs=max_runs)

    @override
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._start_run(serialized, run_id, parent_run_id, kwargs)

    @override
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._start_run(serialized, run_id, parent_run_id, kwargs)

    @override
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._start_run(serialized, run_id, parent_run_id, kwargs)

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._end_run(run_id)

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._end_run(run_id)

    @override
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._end_run(run_id)

    @override
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._end_run(run_id)

    @override
    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._end_run(run_id)

    @override
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._end_run(run_id)

    def _start_run(
        self,
        serialized: dict[str, Any] | None,
        run_id: UUID,
        parent_run_id: UUID | None,
        kwargs: dict[str, Any],
    ) -> None:
        name = kwargs.get("name") or (serialized or {}).get("name")
        with self._lock:
            self._tree.start(run_id, parent_run_id, name)

    def _end_run(self, run_id: UUID) -> None:
        with self._lock:
            self._tree.end(run_id)
