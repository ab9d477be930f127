"""`EmfSink`: writes what calls did as log lines that CloudWatch Logs turns into metrics.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
CloudWatch_Embedded_Metric_Format_Specification.html (checked 2026-11-22)
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, Self, get_args

from langchain_bedrock_cache.checks import check_callable, check_type
from langchain_bedrock_cache.cloudwatch.metrics import MODEL_DIMENSION, NAMESPACE, PUBLISHED
from langchain_bedrock_cache.cloudwatch.values import (
    checked_dimensions,
    checked_namespace,
    model_of,
    values_of,
)
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.records import CallRecord

_logger = logging.getLogger(__name__)

LineFor = Literal["call", "flush"]

_MAX_VALUES_PER_METRIC = 100
_MS_PER_SECOND = 1000


class Writer(Protocol):
    """Anything that takes text, such as a file."""

    def write(self, text: str, /) -> object:
        """Take a text."""


class EmfSink:
    """Write a JSON line in CloudWatch's Embedded Metric Format for every call, or for many.

    A sink for the usage callback. On AWS Lambda, and wherever else standard output goes to
    CloudWatch Logs, this is all it takes: no permission, no request, nothing to wait for. A line
    of one call also has its run ID, verdict and the place of a change, for queries in Logs
    Insights; no line has text of prompts or answers. What cannot be written is dropped and logged
    once.

    Args:
        writer: Where lines go; default: standard output, as it is when a line is written.
        line_for: `"call"`: a line per call. `"flush"`: a line per model and minute, with the
            values of up to 100 calls, written by `flush()`, the end of a `with` block, or when 100
            calls have come together.
        namespace: Of the metrics.
        dimensions: Of all of them, beside `ModelId`, such as `{"Service": "leases"}`.
        clock: Returns seconds since the epoch, for calls whose start was not seen.

    Raises:
        CachePolicyError: If CloudWatch would refuse the namespace or the dimensions.
        TypeError: If writer or clock are something else.
    """

    def __init__(
        self,
        writer: Writer | None = None,
        *,
        line_for: LineFor = "call",
        namespace: str = NAMESPACE,
        dimensions: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if line_for not in get_args(LineFor):
            msg = f"line_for is {line_for!r}, but a line is for a 'call' or for a 'flush'."
            raise CachePolicyError(msg)
        if writer is not None and not hasattr(writer, "write"):
            check_type("writer", writer, (), what="a text file, such as sys.stdout")
        check_callable("clock", clock, what="a function that returns seconds")
        self._writer = writer
        self._line_for = line_for
        self._namespace = checked_namespace(namespace)
        self._dimensions = checked_dimensions(dimensions)
        _check_members(self._dimensions)
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: list[CallRecord] = []
        self._has_failed = False

    def __call__(self, record: CallRecord) -> None:
        """Write a finished call, or keep it for the next flush; never raises."""
        with self._lock:
            self._pending.append(record)
            is_full = self._line_for == "call" or len(self._pending) >= _MAX_VALUES_PER_METRIC
        if is_full:
            self.flush()

    def flush(self) -> None:
        """Write what has come together; never raises."""
        with self._lock:
            records, self._pending = self._pending, []
            groups: defaultdict[tuple[str, int], list[CallRecord]] = defaultdict(list)
            for number, record in enumerate(records):
                group = number if self._line_for == "call" else self._at_ms(record) // 60_000
                groups[model_of(record), group].append(record)
            self._write(groups.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def _at_ms(self, record: CallRecord) -> int:
        at = self._clock() if record.started_at is None else record.started_at
        return int(at * _MS_PER_SECOND)

    def _document(self, records: Sequence[CallRecord]) -> dict[str, Any]:
        first = records[0]
        values: defaultdict[str, list[float]] = defaultdict(list)
        for record in records:
            for metric, value in values_of(record).items():
                values[metric].append(value)
        return {
            "_aws": {
                "Timestamp": self._at_ms(first),
                "CloudWatchMetrics": [
                    {
                        "Namespace": self._namespace,
                        "Dimensions": [[MODEL_DIMENSION, *self._dimensions]],
                        "Metrics": [
                            {"Name": name, "Unit": PUBLISHED[name].unit} for name in values
                        ],
                    }
                ],
            },
            MODEL_DIMENSION: model_of(first),
            **self._dimensions,
            **{name: many[0] if len(many) == 1 else many for name, many in values.items()},
            **(_details(first) if self._line_for == "call" else {}),
        }

    def _write(self, groups: Iterable[Sequence[CallRecord]]) -> None:
        writer = sys.stdout if self._writer is None else self._writer
        try:
            for group in groups:
                writer.write(json.dumps(self._document(group)) + "\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, the model call went well
            if not self._has_failed:
                self._has_failed = True
                _logger.warning(
                    "Metrics of the prompt cache could not be written and are dropped; other "
                    "failures are not logged. %s: %s",
                    type(error).__name__,
                    error,
                )


# What a line of one call has beside metrics and dimensions.
_DETAILS = ("run_id", "root_run_id", "step", "error", "verdict", "place", "change")


def _details(record: CallRecord) -> dict[str, str]:
    found = record.diagnosis
    known = {
        "run_id": str(record.run_id),
        "root_run_id": str(record.root_run_id),
        "step": record.step,
        "error": record.error,
        "verdict": found.verdict if found else None,
        "place": found.place if found else None,
        "change": found.change.kind if found and found.change else None,
    }
    return {name: known[name] or "" for name in _DETAILS if known[name]}


def _check_members(dimensions: Mapping[str, str]) -> None:
    """Refuse dimensions that would overwrite another member of the same JSON object."""
    taken = {"_aws", *PUBLISHED, *_DETAILS}
    if clash := sorted(taken & set(dimensions)):
        msg = f"The dimension {clash[0]!r} is also the name of a value. Give it another name."
        raise CachePolicyError(msg)
