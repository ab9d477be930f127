"""`CacheReport`: what the prompt cache did for recorded calls, in tokens, USD and words."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any
from uuid import UUID

from langchain_bedrock_cache.extras import needs
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.facts import ReportFacts
from langchain_bedrock_cache.report.html import as_html
from langchain_bedrock_cache.report.text import as_text
from langchain_bedrock_cache.report.worth import Mending
from langchain_bedrock_cache.usage import CacheUsage

_USAGE = tuple(CacheUsage().as_dict())
_TOKEN_COLUMNS = (*_USAGE, "reported_write_tokens", "wasted_tokens", "mendable_tokens")
_NO_CALL = CallRecord(run_id=UUID(int=0), root_run_id=UUID(int=0))


class CacheReport(ReportFacts):
    """What the prompt cache did: print it, show it in a notebook, save it, or plot it.

    Args:
        records: Calls as `CacheUsageCallbackHandler.records` has them; not copied.

    Raises:
        TypeError: If they are something else.

    Example:
        ```python
        with get_cache_usage_callback() as calls:
            chain.invoke(question)
        print(CacheReport(calls.records))
        ```
    """

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the report as JSON.

        USD are strings such as "0.00000375": exact, and without an exponent. What is not known is
        `null`.
        """
        return json.dumps(self.as_dict(), indent=indent)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row per call; USD as floats.

        Raises:
            ImportError: If pandas is not installed.
        """
        with needs("pandas", what="to_pandas", extra="pandas"):
            pandas = import_module("pandas")
        rows = [_call_as_dict(record, self.mending) for record in self.records]
        frame = pandas.DataFrame(rows, columns=[*_call_as_dict(_NO_CALL, self.mending)])
        # Tokens stay whole numbers where some calls have none: pandas' own integers cannot.
        return frame.astype(dict.fromkeys(_TOKEN_COLUMNS, "Int64"))

    def plot(self) -> Any:
        """Plot tokens per call, stacked, and cumulative cost against no caching.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        with needs("matplotlib", what="plot", extra="plot"):
            from langchain_bedrock_cache.report.plot import draw  # noqa: PLC0415 - optional
        return draw(self.records)

    def __str__(self) -> str:
        """Say it in text: a sentence, tables, what to mend, and runs with their calls."""
        return as_text(self)

    def __repr__(self) -> str:
        """Say it wherever it is looked at, such as in a shell."""
        return str(self)

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return as_html(self)


def _call_as_dict(record: CallRecord, mending: Mending) -> dict[str, Any]:
    usage, cost, found = record.usage, record.cost, record.diagnosis
    worth = mending.worth(record)
    return {
        "started_at": record.started_at,
        "run": str(record.root_run_id),
        "root_name": record.root_name,
        "step": record.step,
        "tags": record.tags,
        "model_id": record.model_id,
        "answered_by": record.answered_by,
        **(dict.fromkeys(_USAGE) if usage is None else usage.as_dict()),
        "reported_write_tokens": record.reported_write_tokens,
        "cost_usd": float(cost.total_usd) if cost else None,
        "without_caching_usd": float(cost.without_caching_usd) if cost else None,
        "latency_seconds": record.latency_seconds,
        "time_to_first_token_seconds": record.time_to_first_token_seconds,
        "verdict": found.verdict if found else None,
        "place": found.place if found else None,
        "wasted_tokens": found.wasted_tokens if found else None,
        "wasted_usd": None if worth.wasted_usd is None else float(worth.wasted_usd),
        "mendable_tokens": worth.tokens if found else None,
        "mendable_usd": None if worth.usd is None else float(worth.usd),
        "error": record.error,
    }
