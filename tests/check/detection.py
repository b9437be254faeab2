#!/usr/bin/env python3
"""Counts what packs find in generated incidents and recorded faults, and what they tell in error.

    python3 tests/check/detection.py [--binary target/release/tailwater] [--seeds 101-120]
                                     [--recordings FOLDER]

For each seed and kind of traffic `tailwater gen` makes two to three hours with three labelled
incidents, and as much without any. An incident is found by the first alert that fires while it
lasts, or up to two windows later, and that names its service: as the service of its own spans, or
as the server of a caller's. A firing that names another service is a consequence if that one calls
the service at fault, directly or through others, or if it is called by a slow one: the generator
gives the calls of a slow service as much more time as itself. Every other firing is false.

With `--recordings` two recorded faults are looked for as well; FOLDER is as
examples/recordings/README.md says. docs/detection.md holds the tables that this prints.
"""
import argparse
import collections
import datetime
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PACKS = os.path.join(ROOT, "rules", "packs", "std")
WINDOW_S = 60
GRACE_S = 2 * WINDOW_S
# Options of `gen`.
TRAFFIC = {
    "10 traces a second, 8 services": ["--spans", "1000000", "--rate", "10", "--services", "8"],
    "2 traces a second, 16 services": ["--spans", "200000", "--rate", "2", "--services", "16"],
}
# Generated spans say neither method nor address, which std/red reads; their names do.
RED = """
import "std/red" as red { from: http }
stream http = spans lateness 10s
  set { http.request.method: before(name, " "), server.address: after(name, "call ") }
"""
GENERATED = {
    "latency_shift": ["--rules", os.path.join(PACKS, "latency_shift.tw")],
    "red": ["-e", RED],
    "sources": ["--rules", os.path.join(PACKS, "sources.tw")],
}
# Recorded faults: file, service at fault, since when, and windows short enough for a past.
FAULTS = [
    ("nezha-onlineboutique-*/05_27_trace.csv.gz", "currencyservice", "2022-08-22T05:27:06Z", "2s"),
    ("nezha-trainticket-*/08_52_trace.csv.gz", "ts-contacts-service", "2023-01-29T08:52:06Z", "5s"),
]
COLUMNS = [
    "trace.id=TraceID", "span.id=SpanID", "parent.id=ParentID", "service.name=PodName",
    "name=OperationName", "start=StartTimeUnixNano:ns", "end=EndTimeUnixNano:ns",
]


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp() + float("0." + (fraction or "0"))


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit code {result.returncode}\n{result.stderr}")
    return result.stdout


def firings(binary, path, options):
    """When each alert fired and of what group, in order of time."""
    command = [binary, "replay", path, *options, "--format", "jsonl"]
    lines = (json.loads(line) for line in run(command).splitlines() if '"alert":' in line)
    found = [(seconds(it["time"]), it["key"]) for it in lines if it["state"] == "firing"]
    return sorted(found, key=lambda it: it[0])


def names(key):
    """The service of a group, and the one that it calls."""
    name = key.get("name", "")
    callee = name.removeprefix("call ") if name.startswith("call ") else None
    return key.get("service.name"), callee or key.get("server.address")


def calls_in(binary, path):
    rules = "aggregate g from spans by service.name, name over tumbling(1d) select { n: count() }"
    calls = collections.defaultdict(set)
    for line in run([binary, "replay", path, "-e", rules, "--format", "jsonl"]).splitlines():
        service, callee = names(json.loads(line)["key"])
        if callee:
            calls[callee].add(service)
    return calls


def reversed_calls(callers):
    callees = collections.defaultdict(set)
    for callee, services in callers.items():
        for service in services:
            callees[service].add(callee)
    return callees


def reached(service, steps):
    """The services that are reached from this one, by one step or several."""
    found, waiting = set(), [service]
    while waiting:
        more = steps[waiting.pop()] - found
        found |= more
        waiting += more
    return found


def affected(incident, callers):
    """The services that an incident makes slow or fail beside its own."""
    found = reached(incident["service"], callers)
    if incident["kind"] == "latency_shift":
        found |= reached(incident["service"], reversed_calls(callers))
    return found


class Tally:
    """What one pack did."""

    def __init__(self):
        self.hits = collections.defaultdict(list)
        self.consequences = self.false = self.false_quiet = 0

    def judge(self, incidents, fired, callers):
        found = {}
        for time, key in fired:
            service, callee = names(key)
            begins = [it["start_ns"] / 1e9 for it in incidents]
            ends = [it["end_ns"] / 1e9 + GRACE_S for it in incidents]
            at = [n for n in range(len(incidents)) if begins[n] <= time <= ends[n]]
            guilty = incidents[at[0]]["service"] if at else None
            if guilty and guilty in (service, callee):
                hit = found.setdefault(at[0], [time - begins[at[0]], False])
                hit[1] = hit[1] or service == guilty
            elif guilty and service in affected(incidents[at[0]], callers):
                self.consequences += 1
            else:
                self.false += 1
        for number, it in enumerate(incidents):
            self.hits[it["kind"]].append(found.get(number))


def generated(binary, seeds, options):
    tallies = {name: Tally() for name in GENERATED}
    # The spans of one seed take 150 MB.
    with tempfile.TemporaryDirectory() as folder:
        path, labels = os.path.join(folder, "spans"), os.path.join(folder, "labels")
        common = ["--format", "otlp-delimited", "-o", path, "--labels", labels, *options]
        for seed in seeds:
            run([binary, "gen", "--seed", str(seed), "--incidents", "3", *common])
            with open(labels, encoding="utf-8") as file:
                incidents = [json.loads(line) for line in file]
            callers = calls_in(binary, path)
            for name, tally in tallies.items():
                tally.judge(incidents, firings(binary, path, GENERATED[name]), callers)
            run([binary, "gen", "--seed", str(seed), "--incidents", "0", *common])
            for name, tally in tallies.items():
                tally.false_quiet += len(firings(binary, path, GENERATED[name]))
    return tallies


def report(tallies):
    print("| pack | incident | found | in spans of its own | delay, median | longest |")
    print("|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        for kind, hits in tally.hits.items():
            all_, hits = len(hits), [hit for hit in hits if hit]
            delays = [hit[0] for hit in hits]
            own = sum(hit[1] for hit in hits)
            told = f"{statistics.median(delays):.0f} s | {max(delays):.0f} s" if hits else "| "
            print(f"| `{name}` | `{kind}` | {len(hits)} of {all_} | {own} | {told} |")
    print("\n| pack | consequences | false, beside incidents | false, without any |")
    print("|---|---|---|---|")
    for name, it in tallies.items():
        print(f"| `{name}` | {it.consequences} | {it.false} | {it.false_quiet} |")


def recorded(binary, folder):
    print("\n| fault | pack, windows | firings before | first firing after | of the service |")
    print("|---|---|---|---|---|")
    columns = [part for column in COLUMNS for part in ("--map", column)] + ["--order", "time"]
    for pattern, service, since, window in FAULTS:
        for path in sorted(glob.glob(os.path.join(folder, pattern))):
            packs = {
                "latency_shift": [*GENERATED["latency_shift"], "--set", f"window={window}"],
                "plain": ["--rules", "std/plain", "--set", f"plain.window={window}"],
                "red": ["--rules", "std/red", "--set", f"red.window={window}"],
            }
            for name, options in packs.items():
                fired = [
                    (time - seconds(since), key["service.name"].rsplit("-", 2)[0], key.get("name"))
                    for time, key in firings(binary, path, [*options, *columns])
                ]
                before = [it for it in fired if it[0] < 0]
                after = [it for it in fired if it[0] >= 0]
                # The callers' names of calls hold the service's.
                bare = service.removesuffix("service").strip("-")
                own = [it for it in after if it[1] == service or bare in str(it[2]).lower()]
                told = [f"{hits[0][0]:.0f} s: {hits[0][1]}, `{hits[0][2]}`" if hits else "none"
                        for hits in (after, own)]
                print(f"| {service} | `{name}`, {window} | {len(before)} | {' | '.join(told)} |")
                for it in fired:
                    print(f"{it[0]:8.1f} s {name}: {it[1]}, {it[2]}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=os.path.join(ROOT, "target", "release", "tailwater"))
    parser.add_argument("--seeds", default="101-120")
    parser.add_argument("--recordings")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    for name, traffic in TRAFFIC.items():
        print(f"\n{name}, seeds {options.seeds}\n")
        report(generated(options.binary, seeds, traffic))
    if options.recordings:
        recorded(options.binary, options.recordings)


if __name__ == "__main__":
    main()
