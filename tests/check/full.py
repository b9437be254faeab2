#!/usr/bin/env python3
"""Replays whole recordings through the shipped packs and compares every row with packs.py.

    RECORDINGS=FOLDER python3 tests/check/full.py [path/to/tailwater]

FOLDER holds `otel-demo-*/*.otlp.jsonl`, `nezha-*/*.traces.otlp.jsonl.gz` and `nezha-*/*_trace.csv.gz`
as examples/recordings/README.md names their sources. Counts must be equal, percentiles within 1 % and
a microsecond, and the summary must tell the same duplicates and late spans. Exit code 1 if not.
"""
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys

import packs

COLUMNS = {
    "trace.id": "TraceID",
    "span.id": "SpanID",
    "service.name": "PodName",
    "name": "OperationName",
    "start": "StartTimeUnixNano:ns",
    "end": "EndTimeUnixNano:ns",
}
# Recordings that overlap: what both hold comes twice, as from a sender that repeats itself.
OVERLAPS = [("*05_19_trace.csv.gz", "*05_20_trace.csv.gz")]
# Window, lateness, dedupe in seconds, and whether items are put in order of time first.
RUNS = [
    (10, 10, None, False),
    (60, 10, None, False),
    (10, 10, 600, False),
    (1, 0, 600, False),
    (10, 0, None, True),
]
BOTH_RUNS = [(10, 0, None, True), (10, 0, 600, True), (60, 0, 5, True)]


def replay(binary, path, pack, window, lateness, dedupe, by_time):
    once = f"dedupe by trace.id, span.id within {dedupe}s limit 1_000_000 " if dedupe else ""
    rules = f'import "std/{pack}" as p {{ window: {window}s, from: given }}\n'
    rules += f"stream given = spans {once}lateness {lateness}s"
    command = [binary, "replay", *path.split(packs.SEPARATOR), "-e", rules]
    command += ["--format", "jsonl", "--workers", "2"]
    command += ["--order", "time"] if by_time else []
    if ".csv" in path:
        command += [part for field, column in COLUMNS.items() for part in ("--map", f"{field}={column}")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit code {run.returncode}\n{run.stderr}")
    found = {}
    for line in run.stdout.splitlines():
        row = json.loads(line)
        if "rule" in row:
            key = (row["rule"][2:], row["start"], tuple(row["key"].values()))
            assert key not in found, key
            found[key] = row["values"]
    return found, run.stderr


def differences(wanted, found):
    for row in wanted:
        key = (row["rule"], row["start"], tuple(row["key"]))
        values = found.pop(key, None)
        if values is None:
            yield f"missing: {row}"
            continue
        for name in ("n", "errors"):
            if values[name] != row[name]:
                yield f"{key}: {name} is {values[name]}, not {row[name]}"
        for name in ("p50", "p95", "p99"):
            if abs(values[name] - row[name]) > 0.01 * row[name] + 1_000:
                yield f"{key}: {name} is {values[name]}, not {row[name]}"
    yield from (f"too much: {key}" for key in found)


def summary_counts(text, rule):
    line = next(line for line in text.splitlines() if line.startswith(f"p.{rule}: "))
    number = lambda pattern: int((re.search(r"([\d_]+) " + pattern, line) or [0, "0"])[1])
    return {"taken": number("items taken"), "duplicates": number("duplicates"), "late": number("late")}


def main():
    folder = os.environ.get("RECORDINGS") or sys.exit("set RECORDINGS to the folder of the recordings")
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/tailwater"
    patterns = ["otel-demo*/*.otlp.jsonl", "nezha-*/*.traces.otlp.jsonl.gz", "nezha-*/*_trace.csv.gz"]
    paths = sorted(path for p in patterns for path in glob.glob(os.path.join(folder, p)))
    for pair in OVERLAPS:
        both = [path for name in pair for path in paths if fnmatch.fnmatch(path, name)]
        paths += [packs.SEPARATOR.join(both)] if len(both) == len(pair) else []
    if not paths:
        sys.exit(f"there is no recording in {folder}")
    failed = 0
    for path in paths:
        name = " + ".join(os.path.relpath(one, folder) for one in path.split(packs.SEPARATOR))
        print(name, json.dumps(packs.nature(path)))
        for pack in ("plain",) if "nezha" in name else ("plain", "red"):
            # Several files are several sources; in order of time that makes no difference.
            runs = BOTH_RUNS if packs.SEPARATOR in path else RUNS
            for window, lateness, dedupe, by_time in runs:
                within = dedupe * packs.NS if dedupe else None
                windows, counts = packs.compute(
                    path, pack, window * packs.NS, lateness * packs.NS, within, by_time
                )
                wanted = list(packs.rows(windows))
                found, text = replay(binary, path, pack, window, lateness, dedupe, by_time)
                problems = list(differences(wanted, found))
                for rule, numbers in counts.items():
                    if summary_counts(text, rule) != numbers:
                        problems.append(f"{rule}: {summary_counts(text, rule)}, not {numbers}")
                if "unaccounted 0" not in text:
                    problems.append(text)
                late = sum(numbers["late"] for numbers in counts.values())
                print(
                    f"  std/{pack} window {window}s lateness {lateness}s dedupe {dedupe}"
                    f"{' by time' if by_time else ''}: "
                    f"{len(wanted)} rows, {late} late, {len(problems)} differences"
                )
                for problem in problems[:5]:
                    print("    " + problem)
                failed += len(problems)
    print(f"{failed} differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
