"""Spans, metrics and logs by the OpenTelemetry SDK: sdk.py grpc|http ENDPOINT SPANS."""
import logging
import sys
import time

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

kind, endpoint, spans = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    to = {"endpoint": endpoint, "insecure": True}
    exporters = OTLPSpanExporter(**to), OTLPMetricExporter(**to), OTLPLogExporter(**to)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporters = (
        OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", compression=Compression.Gzip),
        OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics"),
        OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", compression=Compression.Gzip),
    )

resource = Resource.create({"service.name": f"python-{kind}"})
tracing = TracerProvider(resource=resource)
tracing.add_span_processor(BatchSpanProcessor(exporters[0], schedule_delay_millis=300))
reader = PeriodicExportingMetricReader(exporters[1], export_interval_millis=1_000)
metering = MeterProvider(resource=resource, metric_readers=[reader])
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(exporters[2]))

tracer = tracing.get_tracer("e2e")
orders = metering.get_meter("e2e").create_counter("orders")
log = logging.getLogger("e2e")
log.addHandler(LoggingHandler(logger_provider=logs))
log.setLevel(logging.INFO)
for number in range(spans):
    with tracer.start_as_current_span("GET /cart") as span:
        time.sleep(0.001)
        if number % 50 == 0:
            span.set_status(Status(StatusCode.ERROR, "no such cart"))
    orders.add(1, {"kind": "book"})
    if number % 10 == 0:
        log.warning("cart %d\nis \x1b[31mempty", number)
tracing.shutdown()
metering.shutdown()
logs.shutdown()
