"""Processes of the end-to-end run: tailwater, its peers, and pages over HTTP."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def page(url, accept=None):
    """Body and content type of a page."""
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read(), answer.headers["Content-Type"]


def text(url):
    return page(url)[0].decode()


def until(what, found, seconds=60):
    """Waits until `found` gives something true."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = found()
        except OSError:
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.1)


class Tailwater:
    """A live run on ports of its own choice."""

    def __init__(self, program, folder, name, args, env=None):
        self.output = folder / f"{name}.jsonl"
        self.log = folder / f"{name}.log"
        command = [program, "run", "-o", str(self.output)]
        for option in ["--otlp-grpc", "--otlp-http", "--lines", "--prometheus", "--admin"]:
            command += [option, "127.0.0.1:0"]
        self.process = subprocess.Popen(
            command + args, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
        )
        greeting = ""
        self.lines = []
        while "running " not in greeting:
            greeting = self.process.stderr.readline()
            if not greeting:
                raise AssertionError(f"{name} did not start: {self.lines}")
            self.lines.append(greeting)
        self.at = {
            what: re.search(rf"{re.escape(what)} on ([0-9.:]+)", greeting).group(1)
            for what in ["OTLP/gRPC", "OTLP/HTTP", "lines", "Prometheus", "admin"]
        }
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with open(self.log, "w") as log:
            for line in self.process.stderr:
                self.lines.append(line)
                log.write(line)

    def url(self, what, scheme="http"):
        return f"{scheme}://{self.at[what]}"

    def metric(self, name, **labels):
        """Sum of the run's own samples of a name with these labels."""
        total = 0.0
        for line in text(self.url("admin") + "/metrics").splitlines():
            found = re.match(rf"{name}(\{{.*\}})? (\S+)$", line)
            wanted = (f'{key}="{value}"' for key, value in labels.items())
            if found and all(label in (found.group(1) or "") for label in wanted):
                total += float(found.group(2))
        return total

    def health(self):
        return json.loads(text(self.url("admin") + "/healthz"))

    def end(self):
        """Ends the run and gives what it said last."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.reader.join(10)
        said = "".join(self.lines)
        if code != 0:
            raise AssertionError(f"exit code {code}: {said}")
        return said


class Peer:
    """Another program, stopped at the end."""

    def __init__(self, folder, name, command):
        self.log = open(folder / f"{name}.log", "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
