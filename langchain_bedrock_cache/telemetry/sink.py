"""`OpenTelemetrySink`: finished calls as metrics, and on spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from langchain_bedrock_cache.checks import check_callable, check_text, check_type
from langchain_bedrock_cache.extras import needs
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.telemetry import names
from langchain_bedrock_cache.telemetry.metrics import CallMetrics, MetricValue
from langchain_bedrock_cache.telemetry.spans import CurrentSpans, add_own_span

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

SpanChoice = Literal["current", "own", "none"]

_SCOPE = "langchain_bedrock_cache"


class OpenTelemetrySink:
    """Tell OpenTelemetry of each finished call: a sink for the usage callback.

    The callback runs where the model is called: in that thread or task, in its context. So the
    current span is the one that the application opened around the call; for a stream, around the
    reading of its last part. A span that has ended by then is left alone.

    Args:
        span: "current" adds the calls up on the span that is current when they end, if there is
            one. "own" makes a span of each call; not beside another instrumentation that does, or
            tokens are counted twice. "none" leaves spans alone.
        meter_provider: Default: the global one, also if it is set later.
        tracer_provider: Of spans of our own. Default: the global one.
        provider_name: `gen_ai.provider.name` of the metrics.
        attributes_of: Returns more attributes of the metrics and of spans of our own, such as a
            tenant. Each combination of values is a time series: keep to few.

    Raises:
        ImportError: If OpenTelemetry is not installed.
        CachePolicyError: If the name of the provider is blank.
        TypeError: If something is of another type.
        ValueError: If `span` is something else.

    Example:
        ```python
        handler = CacheUsageCallbackHandler(sinks=[OpenTelemetrySink()])
        ```
    """

    def __init__(
        self,
        *,
        span: SpanChoice = "current",
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        provider_name: str = "aws.bedrock",
        attributes_of: Callable[[CallRecord], Mapping[str, MetricValue]] | None = None,
    ) -> None:
        if span not in get_args(SpanChoice):
            msg = f'span is {span!r}, but only "current", "own" and "none" are known.'
            raise ValueError(msg)
        check_text("provider_name", provider_name, what="a name such as 'aws.bedrock'")
        if meter_provider is not None and not hasattr(meter_provider, "get_meter"):
            check_type("meter_provider", meter_provider, (), what="a MeterProvider, or None")
        if tracer_provider is not None and not hasattr(tracer_provider, "get_tracer"):
            check_type("tracer_provider", tracer_provider, (), what="a TracerProvider, or None")
        with needs("opentelemetry-api", what="OpenTelemetrySink", extra="otel"):
            from opentelemetry import metrics, trace  # noqa: PLC0415 - optional
        if attributes_of is not None:
            check_callable("attributes_of", attributes_of, what="a function of a CallRecord")
        self._span = span
        self._provider_name = provider_name
        self._attributes_of = attributes_of
        self._metrics = CallMetrics(metrics.get_meter(_SCOPE, meter_provider=meter_provider))
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        self._current_span = trace.get_current_span
        self._current_spans = CurrentSpans()

    def __call__(self, record: CallRecord) -> None:
        """Tell of a finished call.

        Args:
            record: The call.
        """
        attributes = self._attributes(record)
        self._metrics.add(record, attributes)
        if self._span == "current":
            self._current_spans.add(self._current_span(), record)
        elif self._span == "own":
            add_own_span(self._tracer, record, attributes)

    def _attributes(self, record: CallRecord) -> dict[str, MetricValue]:
        attributes: dict[str, MetricValue] = {
            names.OPERATION: "chat",
            names.PROVIDER: self._provider_name,
        }
        if record.model_id:
            attributes[names.REQUEST_MODEL] = record.model_id
        if record.answered_by:
            attributes[names.RESPONSE_MODEL] = record.answered_by
        return attributes | dict(self._attributes_of(record)) if self._attributes_of else attributes
