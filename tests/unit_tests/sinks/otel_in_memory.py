"""OpenTelemetry with everything kept in memory, to read back what a sink told."""

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_bedrock_cache import CacheUsageCallbackHandler
from langchain_bedrock_cache.telemetry import OpenTelemetrySink


class Otel:
    """OpenTelemetry with everything kept in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.exporter = InMemorySpanExporter()
        self.meters = MeterProvider(metric_readers=[self.reader])
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.tracers.get_tracer("test")

    def sink(self, **settings: Any) -> OpenTelemetrySink:
        """Return a sink that tells this one."""
        return OpenTelemetrySink(
            meter_provider=self.meters, tracer_provider=self.tracers, **settings
        )

    def handler(self, **settings: Any) -> CacheUsageCallbackHandler:
        """Return a callback with such a sink."""
        return CacheUsageCallbackHandler(sinks=[self.sink(**settings)])

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def values(self, name: str, by: str) -> dict[Any, Any]:
        """Return the values of a metric by one of its attributes."""
        return {point.attributes.get(by): _value(point) for point in self.points(name)}

    def total(self, name: str) -> Any:
        """Return the sum of a metric over all its attributes."""
        return sum(map(_value, self.points(name)))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Spans that have ended."""
        return self.exporter.get_finished_spans()

    def close(self) -> None:
        """Shut everything down."""
        self.meters.shutdown()
        self.tracers.shutdown()


def _value(point: Any) -> Any:
    return point.sum if hasattr(point, "bucket_counts") else point.value
