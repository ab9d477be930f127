"""A progress bar for batches of anything: chains, agents or models."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from langchain_bedrock_cache.checks import check_number


class BatchProgressBar(BaseCallbackHandler):
    """Show how many inputs of a batch are done: a callback, in a `with` block.

    Counts outermost runs, failed ones too, so that it fits any `batch` of any runnable:
    `with BatchProgressBar(len(inputs)) as bar: chain.batch(inputs, {"callbacks": [bar]})`.

    Args:
        total: Number of inputs.
        console: A `rich.console.Console`; default: the terminal or notebook.
    """

    run_inline = True

    def __init__(self, total: int, *, console: Any = None) -> None:
        check_number("total", total, least=0, is_whole=True)
        from rich.progress import Progress  # noqa: PLC0415 - only needed here

        self._progress = Progress(console=console)
        self._task = self._progress.add_task("batch", total=total)

    @property
    def done(self) -> int:
        """Inputs that are done."""
        return int(self._progress.tasks[0].completed)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_chain_end(self, *_args: Any, parent_run_id: UUID | None = None, **_kwargs: Any) -> None:
        """Count an outermost run that ended."""
        if parent_run_id is None:
            self._progress.advance(self._task)

    on_chain_error = on_chain_end
    on_llm_end = on_chain_end
    on_llm_error = on_chain_end
