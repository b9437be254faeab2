#!/usr/bin/env python3
"""tailwater beside DuckDB on the same NDJSON file in one run: CPU, wall time, memory, and the answers.

    python3 benches/peers/run.py DATA NAME REFERENCE OUT [--tailwater PROGRAM] [--runs 3] [--works w1,w2,w3]

DATA/NAME.ndjson and the exact answers REFERENCE/ref_w1.csv … are made by the span generator and the
reference script that benches/README.md describes. Runs with the Python that has DuckDB; each engine
runs as a process of its own with two threads, start-up included, engines in turn. Medians are
printed, then how far each engine's rows are from the exact answer.
"""
import argparse
import csv
import datetime
import json
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORKS = {
    "w1": "tumbling 10 s by service and operation, p50 p95 p99",
    "w2": "sliding 60 s every 10 s by service and operation, p99",
    "w3": "sessions by trace, gap 5 s",
    "w4": "three errors of one service and operation within 10 s; beside our own W1",
    "w5": "keep a trace with an error or a slow root, else 1 %; beside our own W1",
}
COLUMNS = {
    "w1": ["service", "operation", "start_ns", "duration_ns", "status"],
    "w2": ["service", "operation", "start_ns", "duration_ns", "status"],
    "w3": ["trace_id", "start_ns", "end_ns", "status"],
}
SQL = {
    "w1": """SELECT w, service, operation, n, e, q[1], q[2], q[3] FROM (
        SELECT start_ns // 10000000000 * 10 w, service, operation, count(*) n,
            count(*) FILTER (status = 2) e, quantile_disc(duration_ns, [0.5, 0.95, 0.99]) q
        FROM spans GROUP BY ALL)""",
    "w2": """SELECT w, service, operation, count(*), count(*) FILTER (status = 2), 0, 0,
            quantile_disc(duration_ns, 0.99)
        FROM (SELECT (start_ns // 10000000000 - unnest(range(6))) * 10 w, service, operation, status,
            duration_ns FROM spans) GROUP BY ALL""",
    "w3": """WITH gaps AS (SELECT *, coalesce(start_ns - lag(start_ns) OVER (
            PARTITION BY trace_id ORDER BY start_ns) > 5000000000, false)::INT g FROM spans),
        sessions AS (SELECT *, sum(g) OVER (
            PARTITION BY trace_id ORDER BY start_ns ROWS UNBOUNDED PRECEDING) s FROM gaps)
        SELECT trace_id, min(start_ns), count(*), max(end_ns) - min(start_ns),
            count(*) FILTER (status = 2)
        FROM sessions GROUP BY trace_id, s""",
}


def duckdb_query(work, source, target):
    """What the DuckDB process runs."""
    import duckdb

    kinds = {"status": "UTINYINT"}
    columns = {c: kinds.get(c, "BIGINT" if c.endswith("_ns") else "VARCHAR") for c in COLUMNS[work]}
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET preserve_insertion_order=false")
    relation = f"read_json('{source}', format='newline_delimited', columns={columns})"
    query = SQL[work].replace("FROM spans", f"FROM {relation}")
    connection.execute(f"COPY ({query}) TO '{target}' (FORMAT csv, HEADER false)")


def measure(command, target):
    """CPU seconds, wall seconds and peak MB of a process whose output goes to `target`."""
    start = time.perf_counter()
    with open(target, "wb") as out:
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)])
        _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024


def nanoseconds(text):
    """Nanoseconds since the Unix epoch of an RFC 3339 time in UTC."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def answer(work, engine, path):
    """(window, service, operation) or (trace, first) → numbers, as the reference has them."""
    found = {}
    with open(path, newline="") as lines:
        for row in csv.reader(lines):
            if not row or row[0] == "rule":
                continue
            if engine == "tailwater":  # rule, start, end, kind, other, key…, values…
                start, row = nanoseconds(row[1]), row[5:]
                if work == "w3":
                    row[1] = str(nanoseconds(row[1]))
                else:
                    row = [str(start // 10**9)] + row
            if work == "w3":  # trace, first, count, length, errors
                found[(row[0], int(row[1]))] = [int(row[2]), int(row[4]), int(row[3])]
            else:
                found[(int(row[0]), row[1], row[2])] = [float(x) if x else 0.0 for x in row[3:8]]
    return found


def compare(work, engine, path, reference):
    got, want = answer(work, engine, path), answer(work, "reference", reference)
    both = got.keys() & want.keys()
    exact = sum(got[key][:2] == want[key][:2] for key in both)
    print(f"{work} {engine}: {len(got)} rows of {len(want)}, counts and errors equal in {exact}")
    places = {"w1": ((2, "p50"), (3, "p95"), (4, "p99")), "w2": ((4, "p99"),), "w3": ()}[work]
    for place, name in places:
        off = sorted(abs(got[k][place] - want[k][place]) / want[k][place] for k in both if want[k][place])
        print(f"    {name}: median error {off[len(off) // 2]:.4%}, worst {off[-1]:.4%}")


def errors_of_three(source):
    """(first, last) of every third error within 10 s, found without an engine; the key starts over."""
    errors = {}
    with open(source, "rb") as lines:
        for line in lines:
            if b'"status":2' in line:
                span = json.loads(line)
                errors.setdefault((span["service"], span["operation"]), []).append(span["start_ns"])
    found = set()
    for key, times in errors.items():
        open_ns = []
        for time_ns in sorted(times):
            open_ns = [*open_ns[-2:], time_ns]
            if len(open_ns) == 3 and time_ns - open_ns[0] <= 10 * 10**9:
                found.add((*key, open_ns[0], time_ns))
                open_ns = []
    return found


def kept_traces(source):
    """Traces that W5 keeps: an error, a root above 1 s, or one in a hundred by its own id."""
    kept, seen = set(), set()
    threshold = 2**56 - round(2**56 / 100)
    with open(source, "rb") as lines:
        for line in lines:
            span = json.loads(line)
            trace = span["trace_id"]
            seen.add(trace)
            is_slow = not span["parent_span_id"] and span["duration_ns"] > 10**9
            if span["status"] == 2 or is_slow or int(trace[-14:], 16) >= threshold:
                kept.add(trace)
    return kept, seen


def check_traces(args, source):
    """The traces that leave, beside those found without an engine."""
    out = os.path.join(args.out, "tailwater_w5.otlp.jsonl")
    command = [os.path.abspath(args.tailwater), "replay", source, "--rules", os.path.join(HERE, "w5.tw")]
    measure([*command, "--items", out, "-q"], os.devnull)
    with open(out, "rb") as lines:
        spans = (s for line in lines for r in json.loads(line)["resourceSpans"] for s in r["scopeSpans"])
        left = {span["traceId"] for part in spans for span in part["spans"]}
    wanted, seen = kept_traces(source)
    print(f"w5 tailwater: {len(left)} traces of {len(seen)}; {len(wanted)} wanted, {len(left & wanted)} of them left")


def beside_own(args, source, millions, own):
    """W4 or W5 beside W1, by tailwater in turn; what is found beside what is found without an engine."""
    runs = {"w1": [], own: []}
    if own == "w5":
        runs["w5+"] = []  # kept spans are written to a file, as OTLP in JSON
    out = {work: os.path.join(args.out, f"tailwater_{work}.csv") for work in runs}
    for _ in range(args.runs):
        for work, measured in runs.items():
            rules = os.path.join(HERE, work.rstrip("+") + ".tw")
            command = [os.path.abspath(args.tailwater), "replay", source, "--rules", rules]
            command += ["--workers", "2", "--format", "csv", "-q"]
            if work == "w5+":
                command += ["--items", os.path.join(args.out, "tailwater_w5.otlp.jsonl")]
            measured.append(measure(command, out[work]))
    medians = {work: [statistics.median(column) for column in zip(*runs[work])] for work in runs}
    for work, (cpu, wall, memory) in medians.items():
        ratio = f"{cpu / medians['w1'][0]:.2f} × W1"
        print(f"{work:5}{'tailwater':11}{cpu / millions:9.3f}{wall:8.2f}{memory:7.0f}   {ratio}")
    if own == "w5":
        return check_traces(args, source)
    with open(out["w4"], newline="") as lines:
        rows = {(r[5], r[6], nanoseconds(r[1]), nanoseconds(r[2])) for r in csv.reader(lines) if r[0] != "rule"}
    wanted = errors_of_three(source)
    print(f"w4 tailwater: {len(rows)} matches of {len(wanted)}, {len(rows & wanted)} equal")


def main():
    if sys.argv[1] == "--duckdb":
        return duckdb_query(*sys.argv[2:5])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "name", "reference", "out"):
        parser.add_argument(name)
    parser.add_argument("--tailwater", help="the release build; DuckDB alone without it")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--works", default="w1,w2,w3")
    args = parser.parse_args()
    source = os.path.abspath(os.path.join(args.data, args.name + ".ndjson"))
    with open(source, "rb") as lines:
        millions = sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 24), b"")) / 1e6
    os.makedirs(args.out, exist_ok=True)
    print(f"{args.name}: {millions:g} M spans, 2 threads, median of {args.runs}")
    print(f"{'work':5}{'engine':11}{'CPU s/M':>9}{'wall s':>8}{'MB':>7}   CPU and wall over DuckDB")
    works = args.works.split(",")
    for own in ("w4", "w5"):
        if own in works:
            works.remove(own)
            beside_own(args, source, millions, own)
    for work in works:
        commands = {"duckdb": lambda out: [sys.executable, __file__, "--duckdb", work, source, out]}
        if args.tailwater:
            program, rules = os.path.abspath(args.tailwater), os.path.join(HERE, work + ".tw")
            commands["tailwater"] = lambda out: [
                program, "replay", source, "--rules", rules, "--workers", "2", "--format", "csv", "-q"
            ]
        results = {engine: [] for engine in commands}
        for _ in range(args.runs):
            for engine, command in commands.items():
                out = os.path.join(args.out, f"{engine}_{work}.csv")
                # DuckDB writes the file itself.
                results[engine].append(measure(command(out), out if engine != "duckdb" else os.devnull))
        base = [statistics.median(column) for column in zip(*results["duckdb"])]
        for engine, runs in results.items():
            cpu, wall, memory = (statistics.median(column) for column in zip(*runs))
            ratios = f"{cpu / base[0]:.2f} ×, {wall / base[1]:.2f} ×"
            print(f"{work:5}{engine:11}{cpu / millions:9.3f}{wall:8.2f}{memory:7.0f}   {ratios}", flush=True)
    for work in works:
        for engine in ("duckdb", "tailwater") if args.tailwater else ("duckdb",):
            out = os.path.join(args.out, f"{engine}_{work}.csv")
            compare(work, engine, out, os.path.join(args.reference, f"ref_{work}.csv"))
    print("works: " + "; ".join(f"{work} {WORKS[work]}" for work in works))


if __name__ == "__main__":
    main()
