"""`CloudWatchPublisher`: sends what calls did to CloudWatch, as metrics of our own."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Self

from langchain_bedrock_cache.checks import check_callable, check_number, check_type
from langchain_bedrock_cache.cloudwatch.batches import SeriesKey, put_metric_data_requests
from langchain_bedrock_cache.cloudwatch.metrics import NAMESPACE
from langchain_bedrock_cache.cloudwatch.values import (
    checked_dimensions,
    checked_namespace,
    model_of,
    values_of,
)
from langchain_bedrock_cache.permissions import missing_permission
from langchain_bedrock_cache.records import CallRecord

_logger = logging.getLogger(__name__)

_SECONDS_PER_MINUTE = 60


class CloudWatchPublisher:
    """Publish tokens, cost, waste and latency of model calls as CloudWatch metrics.

    A sink for the usage callback. Sends when `max_pending_calls` calls have come together, on
    `flush()`, at the end of a `with` block and when the process ends; it has no thread. What cannot
    be sent is dropped and logged once, and no model call fails. In AWS Lambda, which freezes
    processes, call `flush()` before you return, or take `EmfSink`.

    Args:
        client: A boto3 `cloudwatch` client; default: made when first needed, with short timeouts.
        namespace: Of the metrics.
        dimensions: Of all of them, beside `ModelId`, such as `{"Service": "leases"}`. Each
            combination of values is billed as metrics of its own.
        max_pending_calls: After how many calls to send.
        clock: Returns seconds since the epoch, for calls whose start was not seen.

    Raises:
        CachePolicyError: If CloudWatch would refuse the namespace or the dimensions, or a number is
            out of range.
        TypeError: If client or clock are something else.

    Example:
        ```python
        with CloudWatchPublisher(dimensions={"Service": "leases"}) as publisher:
            handler = CacheUsageCallbackHandler(sinks=[publisher])
            chain.invoke(question, {"callbacks": [handler]})
        ```
    """

    def __init__(
        self,
        client: Any = None,
        *,
        namespace: str = NAMESPACE,
        dimensions: Mapping[str, str] | None = None,
        max_pending_calls: int = 150,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_number("max_pending_calls", max_pending_calls, least=1, is_whole=True)
        check_callable("clock", clock, what="a function that returns seconds")
        if client is not None and not hasattr(client, "put_metric_data"):
            check_type("client", client, (), what="a boto3 `cloudwatch` client, or None")
        self._client = client
        self._namespace = checked_namespace(namespace)
        self._dimensions = checked_dimensions(dimensions)
        self._max_pending_calls = max_pending_calls
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: defaultdict[SeriesKey, Counter[float]] = defaultdict(Counter)
        self._pending_calls = 0
        self._failed_requests = 0
        atexit.register(_flush_at_exit, weakref.ref(self))

    @property
    def failed_requests(self) -> int:
        """Requests to CloudWatch that failed; their values are lost."""
        return self._failed_requests

    def __call__(self, record: CallRecord) -> None:
        """Take a finished call; sends all if there are enough of them."""
        at = self._clock() if record.started_at is None else record.started_at
        model_id, minute = model_of(record), int(at // _SECONDS_PER_MINUTE)
        with self._lock:
            for metric, value in values_of(record).items():
                self._pending[SeriesKey(metric, model_id, minute)][value] += 1
            self._pending_calls += 1
            is_full = self._pending_calls >= self._max_pending_calls
        if is_full:
            self.flush()

    def flush(self) -> None:
        """Send what has come together; never raises."""
        with self._lock:
            pending, self._pending = self._pending, defaultdict(Counter)
            self._pending_calls = 0
        requests = put_metric_data_requests(
            pending, namespace=self._namespace, dimensions=self._dimensions
        )
        for request in requests:
            self._send(request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def _send(self, request: Mapping[str, Any]) -> None:
        try:
            self._made_client().put_metric_data(**request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the model call went well
            with self._lock:
                self._failed_requests += 1
                is_first = self._failed_requests == 1
            if is_first:
                _logger.warning(
                    "Metrics of the prompt cache could not be sent and are dropped; other failures "
                    "are not logged. %s",
                    missing_permission(error) or f"{type(error).__name__}: {error}",
                )

    def _made_client(self) -> Any:
        if self._client is None:
            import boto3  # noqa: PLC0415 - seconds, for applications that never publish
            from botocore.config import Config  # noqa: PLC0415 - as above

            # botocore waits for minutes by default, and it is a model call that would wait.
            config = Config(
                connect_timeout=2, read_timeout=5, retries={"max_attempts": 2, "mode": "standard"}
            )
            self._client = boto3.client("cloudwatch", config=config)
        return self._client


def _flush_at_exit(publisher: weakref.ref[CloudWatchPublisher]) -> None:
    if (alive := publisher()) is not None:
        alive.flush()
