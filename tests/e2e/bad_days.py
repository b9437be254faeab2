#!/usr/bin/env python3
"""Bad days of a live run: 15 000 idle connections on each listener, slow senders, connections cut
at every byte, floods of HTTP/2 resets, beside a good client that must be served throughout.

    bad_days.py PROGRAM        part of tests/e2e/run; needs Python's standard library alone
"""
import http.client
import json
import pathlib
import resource
import socket
import sys
import tempfile
import threading
import time

from processes import Tailwater

IDLE = 15_000
# What a listener holds of connections, and a little for files and threads.
OPEN_MAX = 2 * 1_024 + 100 + 128
HEAD = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def body(number):
    now = time.time_ns()
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "good",
        "startTimeUnixNano": str(now - 1_000), "endTimeUnixNano": str(now)}]}]}]}).encode()


def connect(at, address="127.0.0.1"):
    host, port = at.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 10, (address, 0))


class Good(threading.Thread):
    """A client that sends a span on a connection of its own ten times a second."""

    def __init__(self, at):
        super().__init__(daemon=True)
        self.at, self.is_over, self.sent, self.worst_s, self.wrong = at, False, 0, 0.0, []

    def run(self):
        while not self.is_over:
            begun = time.monotonic()
            try:
                connection = http.client.HTTPConnection(self.at, timeout=20)
                connection.request("POST", "/v1/traces", body(self.sent),
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                if answer.status != 200:
                    self.wrong.append(f"{answer.status} {answer.read()}")
                connection.close()
                self.sent += 1
            except OSError as error:
                self.wrong.append(repr(error))
            self.worst_s = max(self.worst_s, time.monotonic() - begun)
            time.sleep(0.1)

    def end(self):
        self.is_over = True
        self.join(30)
        assert not self.wrong, self.wrong[:3]
        assert self.worst_s < 5, f"a good request took {self.worst_s:.1f} s"


def idle(server):
    """15 000 connections that say nothing, on each listener in turn."""
    most = 0
    for what in ["OTLP/HTTP", "OTLP/gRPC", "lines", "admin"]:
        held = []
        for number in range(IDLE):
            try:
                # Peers are told apart by address where they are not of this machine; here by
                # connection, so that each may be the one that is turned away.
                held.append(connect(server.at[what], f"127.0.{number % 200}.1"))
            except OSError:
                pass  # turned away at once
            if number % 500 == 0:
                most = max(most, files(server))
        assert len(held) > IDLE * 0.9, f"{what}: {len(held)} of {IDLE} connected"
        most = max(most, files(server))
        for connection in held:
            connection.close()
    assert most <= OPEN_MAX, f"{most} files were open"
    return f"{IDLE} idle connections on each of 4 listeners, {most} open at once"


def files(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


def slow(server):
    """Senders that bring a byte now and then: they end, and hold nothing."""
    senders = [connect(server.at["OTLP/HTTP"]) for _ in range(200)]
    for sender in senders:
        sender.sendall((HEAD + "content-length: 100000\r\n\r\n").encode())
    ended, end = 0, time.monotonic() + 60
    while senders and time.monotonic() < end:
        for sender in list(senders):
            try:
                sender.sendall(b"x")
                sender.setblocking(False)
                is_over = bool(sender.recv(1))
            except BlockingIOError:
                is_over = False
            except OSError:
                is_over = True
            if is_over:
                ended += 1
                senders.remove(sender)
                sender.close()
            else:
                sender.setblocking(True)
        time.sleep(0.2)
    assert not senders, f"{len(senders)} slow senders are still served"
    return f"{ended} slow senders ended"


def cut(server):
    """A request that breaks off at every byte, over HTTP and the line protocol."""
    request = (HEAD + f"content-length: {len(body(1))}\r\n\r\n").encode() + body(1)
    line = json.dumps({"v": 1, "src": "w", "ts": 1, "type": "event", "data": {"a": "b"}})
    for what, whole in [("OTLP/HTTP", request), ("OTLP/gRPC", PREFACE), ("lines", line.encode())]:
        for length in range(len(whole)):
            with connect(server.at[what]) as connection:
                connection.sendall(whole[:length])
    return f"{len(request) + len(PREFACE) + len(line)} connections cut at every byte"


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def flood(server):
    """Streams that are opened and reset: the connection ends, again and again."""
    def frame(kind, flags, stream, payload):
        head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
        return head + payload

    # :method POST, :scheme http, :path /, :authority x
    head = b"\x83\x86\x84\x41\x01x"
    ended = 0
    for _ in range(20):
        for what in ["OTLP/HTTP", "OTLP/gRPC"]:
            with connect(server.at[what]) as connection:
                connection.sendall(PREFACE)
                try:
                    for stream in range(1, 40_001, 2):
                        reset = frame(3, 0, stream, (8).to_bytes(4, "big"))
                        connection.sendall(frame(1, 4, stream, head) + reset)
                except OSError:
                    ended += 1
    assert ended == 40, f"{ended} of 40 floods were ended"
    return "40 floods of resets ended"


def memory(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1_024


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard > IDLE + 1_000, f"this needs {IDLE + 1_000} open files, the limit is {hard}"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bad-days-"))
    rules = "stream s = spans lateness 0s\naggregate n from s over tumbling(1s) select { n: count() }"
    server = Tailwater(sys.argv[1], folder, "bad", ["-e", rules])
    good = Good(server.at["OTLP/HTTP"])
    good.start()
    before = memory(server)
    try:
        for what in [idle, slow, cut, flood]:
            print(f"{what.__name__}: {what(server)}", flush=True)
        good.end()
        after = memory(server)
        assert after < before + 150, f"{before} MB before, {after} MB after"
        used = server.metric("tailwater_items_total", signal="spans", outcome="used")
        assert used == good.sent, f"{good.sent} spans were taken, {used:.0f} used"
        assert server.health()["unaccounted"] == 0
        said = server.end()
        assert "unaccounted 0" in said, said
    finally:
        server.process.kill()
    print(f"a good client was served {good.sent} times, in {good.worst_s * 1e3:.0f} ms at worst;"
          f" {before} MB before, {after} MB after")


if __name__ == "__main__":
    main()
