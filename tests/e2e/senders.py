"""128 senders at once, of every kind; each counts what it was told was taken."""
import http.client
import json
import socket
import threading
import time

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

SENDERS = 128
ROUNDS = 20
SPANS = 25


def spans(name, sender, number):
    """A request with 25 spans of one sender."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", f"{name}-{sender}"
    scope = resource.scope_spans.add()
    for index in range(SPANS):
        span = scope.spans.add()
        span.trace_id = bytes([sender]) + number.to_bytes(14, "big") + b"\1"
        span.span_id = bytes([sender, index]) + number.to_bytes(6, "big")
        span.name = "work"
        span.end_time_unix_nano = time.time_ns()
        span.start_time_unix_nano = span.end_time_unix_nano - 1_000_000
    return request


def as_json(request):
    """OTLP/JSON of a request, by the protocol's own mapping: hex ids, enums as numbers."""
    resource = request.resource_spans[0]
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {
            "stringValue": resource.resource.attributes[0].value.string_value}}]},
        "scopeSpans": [{"spans": [{
            "traceId": span.trace_id.hex(), "spanId": span.span_id.hex(), "name": span.name,
            "startTimeUnixNano": str(span.start_time_unix_nano),
            "endTimeUnixNano": str(span.end_time_unix_nano),
        } for span in resource.scope_spans[0].spans]}],
    }]}).encode()


def over_http(at, sender, counts, is_json):
    connection = http.client.HTTPConnection(at, timeout=30)
    kind = "application/json" if is_json else "application/x-protobuf"
    for number in range(ROUNDS):
        request = spans("http", sender, number)
        body = as_json(request) if is_json else request.SerializeToString()
        connection.request("POST", "/v1/traces", body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
        counts["taken" if answer.status == 200 else "refused"] += SPANS


def over_grpc(at, sender, counts):
    with grpc.insecure_channel(at, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        for number in range(ROUNDS):
            try:
                stub.Export(spans("grpc", sender, number), timeout=30)
                counts["taken"] += SPANS
            except grpc.RpcError:
                counts["refused"] += SPANS


def over_lines(at, sender, counts):
    host, port = at.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as stream:
        for number in range(ROUNDS):
            lines = [{"v": 1, "src": f"line-{sender}", "ts": time.time_ns() // 1_000_000,
                      "type": "span", "sid": f"{sender:02x}{number:02x}{index:012x}",
                      "data": {"name": "work", "service": f"line-{sender}", "duration_ms": 1}}
                     for index in range(SPANS)]
            stream.sendall("".join(json.dumps(line) + "\n" for line in lines).encode())
            counts["taken"] += SPANS
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(4_096):
            pass


def run(server):
    """Runs all of them; gives the sums of what was taken and what was refused."""
    counts = [{"taken": 0, "refused": 0} for _ in range(SENDERS)]
    kinds = [
        lambda sender, own: over_http(server.at["OTLP/HTTP"], sender, own, False),
        lambda sender, own: over_http(server.at["OTLP/HTTP"], sender, own, True),
        lambda sender, own: over_grpc(server.at["OTLP/gRPC"], sender, own),
        lambda sender, own: over_lines(server.at["lines"], sender, own),
    ]
    threads = [
        threading.Thread(target=kinds[sender % len(kinds)], args=(sender, counts[sender]))
        for sender in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {key: sum(own[key] for own in counts) for key in ["taken", "refused"]}
