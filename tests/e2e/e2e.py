#!/usr/bin/env python3
"""tailwater among its peers: what each part shows is said line by line, and any failure ends it.

    e2e.py CACHE PROGRAM        see tests/e2e/run
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

import senders
from processes import Peer, Tailwater, free_port, page, text, until

HERE = pathlib.Path(__file__).resolve().parent
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
SPANS = 2_000


def certificate(folder):
    """A certificate for this machine, its key beside it."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    return cert, key


def sdks(server, cache):
    """All SDKs at once: they are done when their processes are."""
    http, grpc = server.url("OTLP/HTTP"), server.url("OTLP/gRPC")
    python = [sys.executable, str(HERE / "sdk.py")]
    commands = [
        python + ["grpc", grpc, str(SPANS)],
        python + ["http", http, str(SPANS)],
        ["node", str(HERE / "sdk.mjs"), http, str(SPANS)],
    ]
    env = {**os.environ, "E2E_CACHE": str(cache)}
    running = [subprocess.Popen(command, env=env) for command in commands]
    codes = [process.wait(180) for process in running]
    assert codes == [0, 0, 0], codes
    until("all spans", lambda: server.metric("tailwater_items_total", signal="spans",
                                             outcome="used") == 3 * SPANS)
    logs = server.metric("tailwater_items_total", signal="logs", outcome="used")
    assert logs == 2 * SPANS / 10, logs
    assert server.metric("tailwater_items_total", signal="metrics", outcome="used") > 0
    assert server.health()["unaccounted"] == 0
    return f"{3 * SPANS} spans, {logs:.0f} logs and metrics of three SDKs, none lost"


def pages(server, cache):
    """Every page is what parsers and promtool expect."""
    promtool = cache / "debian/usr/bin/promtool"
    read = 0
    for what in ["Prometheus", "admin"]:
        url = server.url(what) + "/metrics"
        plain = text(url)
        read += sum(len(family.samples) for family in prometheus_text(plain))
        checked = subprocess.run([promtool, "check", "metrics"], input=plain, text=True,
                                 capture_output=True)
        said = checked.stdout + checked.stderr
        # What users' rules are named is theirs: the run's own metrics must be perfect.
        assert what == "Prometheus" or (checked.returncode == 0 and not said), said
        assert checked.returncode in (0, 3), said
        body, kind = page(url, OPENMETRICS)
        if kind.startswith("application/openmetrics-text"):
            read += sum(len(family.samples) for family in openmetrics(body.decode()))
        else:
            assert what == "admin", kind
    return f"{read} samples parsed; promtool is silent on the run's own page"


def scraped(prometheus, server):
    """Prometheus has what the run says."""
    def ask(query):
        url = f"{prometheus}/api/v1/query?query={urllib.parse.quote(query)}"
        return json.loads(text(url))["data"]["result"]

    series = until("series of three services",
                   lambda: (found := ask("requests_n")) and len(found) >= 3 and found)
    alerts = until("the firing alert",
                   lambda: ask('ALERTS{alertname="Busy",alertstate="firing"}'))
    assert until("the run's own metrics", lambda: ask("tailwater_unaccounted_items"))
    return f"{len(series)} series and {len(alerts)} firing alerts in Prometheus"


def alerted(alertmanager):
    """Alertmanager shows the alert fire, and later resolve."""
    def active():
        found = json.loads(text(f"{alertmanager}/api/v2/alerts?active=true"))
        return [alert for alert in found if alert["labels"]["alertname"] == "Busy"]

    firing = until("a firing alert", active)
    assert all(alert["annotations"]["summary"].endswith("calls") for alert in firing), firing
    until("all resolved", lambda: not active(), 90)
    return f"{len(firing)} alerts fired and resolved in Alertmanager"


def passed_on(second):
    """The second run has the first one's rows and alerts, over TLS."""
    points = until("metrics of the first run",
                   lambda: second.metric("tailwater_items_total", signal="metrics", outcome="used"))
    logs = until("alerts of the first run",
                 lambda: second.metric("tailwater_items_total", signal="logs", outcome="used"))
    assert second.health()["unaccounted"] == 0
    return f"{points:.0f} points and {logs:.0f} transitions over TLS"


def many(server):
    """128 senders: each item taken exactly once, or refused."""
    before = server.metric("tailwater_items_total", signal="spans", outcome="used")
    counts = senders.run(server)
    sent = senders.SENDERS * senders.ROUNDS * senders.SPANS
    assert counts["taken"] + counts["refused"] == sent, counts
    until("all that was taken", lambda: server.metric(
        "tailwater_items_total", signal="spans", outcome="used") - before == counts["taken"])
    assert server.health()["unaccounted"] == 0
    return f"{counts['taken']} spans of {senders.SENDERS} senders taken, {counts['refused']} refused"


def replayed(program, record, server):
    """The record says what the run said, byte for byte, with any number of workers."""
    said = server.output.read_bytes()
    for workers in ["1", "2", "4"]:
        again = subprocess.run([program, "replay", record, "--format", "jsonl", "--workers", workers],
                               check=True, capture_output=True).stdout
        assert again == said, f"{workers} workers say something else"
    return f"{len(said.splitlines())} lines, the same again with 1, 2 and 4 workers"


def main():
    cache, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=cache))
    cert, key = certificate(folder)
    alertmanager, prometheus = free_port(), free_port()
    second = Tailwater(program, folder, "second", [
        "-e", "aggregate points from metrics by name over tumbling(10s) select { n: count() }",
        "-e", "aggregate alerts from logs by attr[\"alert.name\"] over tumbling(10s) "
              "select { n: count() }",
        "--tls-cert", str(cert), "--tls-key", str(key)])
    record = folder / "first.twlog"
    first = Tailwater(program, folder, "first", [
        "--rules", str(HERE / "rules.tw"), "--record", str(record), "--otlp", "env",
        "--alertmanager", f"http://127.0.0.1:{alertmanager}"], {
            "OTEL_EXPORTER_OTLP_ENDPOINT": second.url("OTLP/HTTP", "https"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(cert)})
    (folder / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "tailwater", "static_configs": [
            {"targets": [first.at["Prometheus"], first.at["admin"]]}]}]}))
    (folder / "alertmanager.yml").write_text(json.dumps({
        "route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
    debian = cache / "debian/usr/bin"
    peers = [
        Peer(folder, "alertmanager", [
            debian / "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{alertmanager}"]),
        Peer(folder, "prometheus", [
            debian / "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{prometheus}"]),
    ]
    try:
        for url in [f"http://127.0.0.1:{alertmanager}/-/ready",
                    f"http://127.0.0.1:{prometheus}/-/ready"]:
            until(url, lambda url=url: page(url))
        print("sdks:", sdks(first, cache), flush=True)
        print("prometheus:", scraped(f"http://127.0.0.1:{prometheus}", first), flush=True)
        print("pages:", pages(first, cache), flush=True)
        print("alertmanager:", alerted(f"http://127.0.0.1:{alertmanager}"), flush=True)
        print("second tailwater:", passed_on(second), flush=True)
        print("senders:", many(first), flush=True)
        said = first.end()
        assert "unaccounted 0" in said and "\x1b" not in said, said
        print("replay:", replayed(program, record, first), flush=True)
        assert "unaccounted 0" in second.end()
    finally:
        for peer in peers:
            peer.stop()
        for server in [first, second]:
            server.process.kill()
    print("all well; logs in", folder)


if __name__ == "__main__":
    main()
