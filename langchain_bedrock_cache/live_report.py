"""A report that updates while a chain runs, in a notebook or a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from uuid import UUID

from langchain_core.outputs import LLMResult
from typing_extensions import override

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.checks import check_callable, check_number
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report.text import findings

# A report of many calls takes a while to build: no more than this part of the time goes into it.
_SHARE_OF_TIME = 0.1


class LiveReportCallbackHandler(CacheUsageCallbackHandler):
    """Record calls, and show a new report after each, or as often as time allows.

    Args:
        show: Is given each report; what it raises is not caught.
        seconds: Time between two reports at least.
        timer: Returns seconds; paces the display, not the records.
        settings: Arguments of `CacheUsageCallbackHandler`.
    """

    def __init__(
        self,
        show: Callable[[CacheReport], object],
        *,
        seconds: float = 0.25,
        timer: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        check_callable("show", show, what="a function that takes a report")
        check_number("seconds", seconds, least=0)
        check_callable("timer", timer, what="a function that returns seconds")
        super().__init__(**settings)
        self._show = show
        self._seconds = seconds
        self._timer = timer
        self._next = timer()

    def refresh(self) -> None:
        """Show a report now."""
        start = self._timer()
        self._show(self.report())
        end = self._timer()
        self._next = end + max(self._seconds, (end - start) / _SHARE_OF_TIME)

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        super().on_llm_end(response, run_id=run_id, **kwargs)
        self._refresh_if_due()

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        super().on_llm_error(error, run_id=run_id, **kwargs)
        self._refresh_if_due()

    def _refresh_if_due(self) -> None:
        if self._timer() >= self._next:
            self.refresh()


@contextmanager
def live_report(**settings: Any) -> Iterator[LiveReportCallbackHandler]:
    """Show what the prompt cache does while the calls of a `with` block are made.

    Pass the handler on: `chain.invoke(..., {"callbacks": [handler]})`.

    Args:
        settings: Arguments of `LiveReportCallbackHandler`, `show` aside.

    Yields:
        The handler, which may be read inside the block and after it.
    """
    if _is_notebook():
        display: Any = import_module("IPython.display").display  # only there in notebooks
        shown = display(CacheReport(()), display_id=True)
        handler = LiveReportCallbackHandler(shown.update, **settings)
        try:
            yield handler
        finally:
            handler.refresh()
        return
    from rich.live import Live  # noqa: PLC0415 - only needed here
    from rich.text import Text  # noqa: PLC0415 - only needed here

    with Live(auto_refresh=False) as live:

        def show(report: CacheReport) -> None:
            # As text: brackets in names are no markup.
            live.update(Text(findings(report, width=live.console.width)), refresh=True)

        handler = LiveReportCallbackHandler(show, **settings)
        try:
            yield handler
        finally:
            handler.refresh()


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
