"""Sends one trace of two spans, three metrics and one log record with the OpenTelemetry SDK, and flushes.

usage: send.py http|grpc ENDPOINT

Nothing but the endpoint is set: what arrives is what any program with the SDK sends.
"""

import logging
import sys

from opentelemetry import metrics, trace
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def exporters(protocol, endpoint):
    """The three exporters of a protocol, for spans, metrics and logs."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        made = (OTLPSpanExporter, OTLPMetricExporter, OTLPLogExporter)
        return [exporter(endpoint=endpoint, insecure=True) for exporter in made]
    if protocol == "http":
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return [
            OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", compression=Compression.Gzip),
            OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics"),
            OTLPLogExporter(endpoint=f"{endpoint}/v1/logs"),
        ]
    sys.exit(f"{protocol} is neither http nor grpc")


def main(protocol, endpoint):
    spans, points, records = exporters(protocol, endpoint.rstrip("/"))
    resource = Resource.create({"service.name": "agent-a"})

    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(spans))
    metering = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(points)])
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(records))
    logger = logging.getLogger("agent")
    logger.addHandler(LoggingHandler(logger_provider=logs))

    meter = metering.get_meter("clients")
    tokens = meter.create_counter("agent.tokens")
    duration = meter.create_histogram("agent.step.duration", unit="s")
    inflight = meter.create_up_down_counter("agent.inflight")
    tracer = tracing.get_tracer("clients")
    with tracer.start_as_current_span(f"step over {protocol}", attributes={"sent.over": protocol}):
        tokens.add(5, {"sent.over": protocol})
        duration.record(0.0125, {"sent.over": protocol})
        inflight.add(1, {"sent.over": protocol})
        logger.warning("tool failed over %s", protocol)
        with tracer.start_as_current_span(f"tool over {protocol}", kind=trace.SpanKind.CLIENT):
            pass

    for provider in (tracing, metering, logs):
        if not provider.force_flush(10_000):
            sys.exit(f"{provider} did not get rid of what it had")
        provider.shutdown()
    print(f"sent over {protocol}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
