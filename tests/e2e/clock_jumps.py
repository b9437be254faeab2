#!/usr/bin/env python3
"""The machine's clock is set an hour ahead, or back, under a live run, and right again later.

No window may wait for it, close twice or be left out, no item be late for it, no series of the page
leave, no alert end at Alertmanager and fire again.

    clock_jumps.py PROGRAM LIBRARY     part of tests/e2e/run; LIBRARY is libfaketimeMT.so.1
"""
import calendar
import collections
import http.server
import json
import pathlib
import sys
import tempfile
import threading
import time
import urllib.request

from processes import Tailwater, text, until

RULES = """stream s = spans lateness 1s idle 3s
aggregate seen from s over tumbling(2s) select { n: count() }
alert Any from seen when n > 0 on no data keep
"""
CONFIG = """sinks:
  alertmanager: { type: alertmanager, url: "%s", resend: 2s }
"""


class Alertmanager(http.server.ThreadingHTTPServer):
    """Notes what it is told, and when."""

    def __init__(self):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                told.append((time.monotonic(), time.time(), json.loads(body)))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Sender:
    """A span every 100 ms, under the time of this process, which nobody sets."""

    def __init__(self, url):
        self.url, self.sent = url, collections.Counter()

    def send(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = time.time_ns()
            number = sum(self.sent.values()) + 1
            body = {"resourceSpans": [{"scopeSpans": [{"spans": [{
                "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "x",
                "startTimeUnixNano": str(now), "endTimeUnixNano": str(now)}]}]}]}
            request = urllib.request.Request(self.url + "/v1/traces", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=10).read()
            self.sent[now // 2_000_000_000 * 2] += 1
            time.sleep(0.1)


def at_s(text_):
    return calendar.timegm(time.strptime(text_[:19], "%Y-%m-%dT%H:%M:%S"))


def windows(run):
    rows = [json.loads(line) for line in run.output.read_text().splitlines()]
    return [(at_s(row["start"]), row["values"]["n"]) for row in rows if row.get("rule") == "seen"]


def jump(program, library, folder, by):
    alertmanager = Alertmanager()
    told = alertmanager.told
    clock = folder / "clock"

    def set_clock(seconds):
        new = folder / "clock.new"
        new.write_text(f"{seconds:+d}s\n")
        new.rename(clock)

    set_clock(0)
    config = folder / "config.yaml"
    config.write_text(CONFIG % f"http://127.0.0.1:{alertmanager.server_port}")
    run = Tailwater(program, folder, f"jump{by}", ["--config", str(config), "-e", RULES], {
        "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"})
    sender = Sender(run.url("OTLP/HTTP"))
    series = lambda: text(run.url("Prometheus") + "/metrics").count("\nseen_n ")

    sender.send(6)
    before = len(windows(run))
    assert before >= 1 and series() == 1, (before, series())
    set_clock(by)
    assert series() == 1, "a series left with the jump"
    sender.send(6)
    during = len(windows(run))
    assert 2 <= during - before <= 5, f"windows closed in 6 s: {during - before}"
    # Silence: after 3 s time goes on as it passes, and the last windows close.
    until("the windows of a silent source", lambda: len(windows(run)) >= len(sender.sent), 12)
    set_clock(0)
    sender.send(6)
    until("all windows", lambda: len(windows(run)) >= len(sender.sent), 12)
    assert series() == 1

    found = windows(run)
    assert found == sorted(found), "windows go back"
    assert dict(found) == dict(sender.sent), (found, sender.sent)
    assert len(found) == len(dict(found)), "a window closed twice"
    # Resent every 2 s, and each time with an end well ahead of the time that others have.
    times = [at for at, _, _ in told] + [time.monotonic()]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert len(told) > 5 and max(gaps) < 4, gaps
    ahead = [at_s(alert["endsAt"]) - at for _, at, alerts in told for alert in alerts]
    assert min(ahead) > 4, f"ends at, seconds ahead: {ahead}"
    assert len({alert["startsAt"] for _, _, alerts in told for alert in alerts}) == 1
    said = run.end()
    assert "unaccounted 0" in said and "late" not in said, said
    alertmanager.shutdown()
    print(f"the clock jumps by {by:+d} s and back: {len(found)} windows, once each, none late")


def main():
    program, library = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for by in [3_600, -3_600]:
            jump(program, library, pathlib.Path(folder), by)


if __name__ == "__main__":
    main()
