"""Spans of OpenTelemetry. Only `runtime.tracing` imports this module, and only if TOKAUT_TRACES is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Status, StatusCode

from runtime.tracing import Attribute, Value, safe_value

NAMES = frozenset(get_args(Attribute))
EXPORT_SECONDS = 5  # for one batch; exporting runs in its own thread, so that a collector that hangs delays no request


class SafeTracer:
    """Opens spans for an exporter.

    The resource names only the process. The environment is left out, because it may hold secrets.
    """

    def __init__(self, process: str, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(resource=Resource({SERVICE_NAME: f"tokaut-{process}"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tokaut")

    @contextmanager
    def open(self, name: str, attributes: dict[str, Value]) -> Iterator[None]:
        """Open a span. Of an exception only the fact is recorded, because its text could hold personal data."""
        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
            self.annotate(attributes)
            try:
                yield
            except BaseException:
                span.set_status(Status(StatusCode.ERROR))
                raise

    def annotate(self, attributes: dict[str, Value]) -> None:
        """Set attributes of the span that is open in this task or thread. A name not in `Attribute` is left out."""
        span = trace.get_current_span()
        for name in attributes.keys() & NAMES:
            if (value := attributes[name]) is not None:
                span.set_attribute(name, safe_value(name, value))

    def flush(self) -> None:
        """Send the collected spans."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send the collected spans, and end the exporting thread."""
        self._provider.shutdown()


def start(process: str, collector: str) -> SafeTracer:
    """Return a tracer that sends its spans to a collector, from a separate thread."""
    return SafeTracer(process, OTLPSpanExporter(endpoint=collector, timeout=EXPORT_SECONDS))
