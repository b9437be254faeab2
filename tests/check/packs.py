#!/usr/bin/env python3
"""What the shipped packs must say about a recording, computed without the engine.

    python3 tests/check/packs.py FILE --pack red|plain --window SECONDS
        [--lateness SECONDS] [--dedupe SECONDS]

FILE is OTLP/JSON lines or a trace CSV of the Nezha data set, gzipped or not. One JSON line a row,
in order of rule, window, key: the counts, and the exact nearest-rank percentiles of duration in
nanoseconds. Then one line a rule: items taken, duplicates, late. A last line says what the file is
like: spans, repeated ids, spans that start before their parent or before the span ahead of them.

Written from docs/packs.md and docs/semantics.md, one span after another. The file is one source: the
watermark is its highest time so far minus the lateness. With `--dedupe` a span is left out if one of
the same trace id and span id came before it within so many seconds of event time; that is looked at
before lateness. Standard library only.
"""
import argparse
import csv
import datetime
import gzip
import json
import os
import sys

NS = 1_000_000_000
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]


class Span:
    """Fields, and one dictionary of attributes where the span's own hide the resource's."""

    def __init__(self, name, start, end, kind, is_error, ids, parent, attributes):
        self.name, self.start, self.end, self.kind = name, start, end, kind
        self.is_error, self.ids, self.parent, self.attributes = is_error, ids, parent, attributes

    def first(self, *keys):
        """The first attribute of these that is there."""
        return next((self.attributes[k] for k in keys if self.attributes.get(k) is not None), None)


def plain_value(value):
    """The value of an OTLP `AnyValue`."""
    for kind, inner in value.items():
        return int(inner) if kind == "intValue" else inner
    return None


def attributes_of(holder):
    return {a["key"]: plain_value(a.get("value", {})) for a in holder.get("attributes", [])}


def otlp_spans(lines):
    for line in lines:
        for resource in json.loads(line).get("resourceSpans", []):
            of_resource = attributes_of(resource.get("resource", {}))
            for scope in resource.get("scopeSpans", []):
                of_scope = attributes_of(scope.get("scope", {}))
                for span in scope.get("spans", []):
                    kind = span.get("kind", 0)
                    yield Span(
                        span.get("name", ""),
                        int(span["startTimeUnixNano"]),
                        int(span["endTimeUnixNano"]),
                        KINDS[kind] if isinstance(kind, int) else kind[len("SPAN_KIND_") :].lower(),
                        span.get("status", {}).get("code", 0) in (2, "STATUS_CODE_ERROR"),
                        (span.get("traceId"), span.get("spanId")),
                        span.get("parentSpanId"),
                        of_resource | of_scope | attributes_of(span),
                    )


def csv_spans(lines):
    for row in csv.DictReader(lines):
        start, end = int(row["StartTimeUnixNano"]), int(row["EndTimeUnixNano"])
        ids, service = (row["TraceID"], row["SpanID"]), {"service.name": row["PodName"]}
        yield Span(row["OperationName"], start, end, "unspecified", False, ids, row["ParentID"], service)


# Several files are named in one path, joined by this.
SEPARATOR = os.pathsep


def spans(path):
    """Spans in file order; of several files one file after the other."""
    for one in path.split(SEPARATOR):
        yield from spans_of_one(one)


def spans_of_one(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv_spans(lines) if ".csv" in path else otlp_spans(lines)


def whole(value):
    """The number in a status code, or None."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def red_rule(span):
    """The one rule of `std/red` that a span belongs to: name, key, whether it failed."""
    failed = span.is_error or span.first("error.type") is not None
    service = span.first("service.name")
    system = span.first("messaging.system")
    if system is not None:
        operation = span.first("messaging.operation.type", "messaging.operation")
        if operation is None and span.kind == "producer":
            operation = "send"
        destination = span.first("messaging.destination.name", "messaging.destination")
        return "messaging", (service, system, destination, operation), failed
    system = span.first("db.system.name", "db.system")
    if system is not None:
        names = [("db.namespace", "db.name"), ("db.operation.name", "db.operation")]
        names.append(("db.collection.name", "db.sql.table", "db.mongodb.collection"))
        return "database", (service, system, *(span.first(*keys) for keys in names)), failed
    system = span.first("rpc.system.name", "rpc.system")
    if system is not None:
        method, of = span.first("rpc.method"), span.first("rpc.service")
        if method is not None and of is not None:
            method = f"{of}/{method}"
        code = whole(span.first("rpc.grpc.status_code"))
        if span.kind == "server":
            return "rpc_server", (service, system, method), failed or code in (2, 4, 12, 13, 14, 15)
        if span.kind == "client":
            return "rpc_client", (service, system, method), failed or (code or 0) > 0
        return None
    method = span.first("http.request.method", "http.method")
    if method is not None:
        code = whole(span.first("http.response.status_code", "http.status_code")) or 0
        if span.kind == "server":
            route = span.first("http.route")
            key = (service, method, span.name if route is None else route)
            return "http_server", key, failed or code >= 500
        if span.kind == "client":
            key = (service, method, span.first("server.address", "net.peer.name"))
            return "http_client", key, failed or code >= 400
    return None


def rules_of(pack, span):
    if pack == "plain":
        service = span.first("service.name")
        yield "operations", (service, span.name), span.is_error
        yield "services", (service,), span.is_error
    else:
        rule = red_rule(span)
        if rule is not None:
            yield rule


PACKS = {
    "plain": ["operations", "services"],
    "red": ["database", "http_client", "http_server", "messaging", "rpc_client", "rpc_server"],
}


class Kept:
    """Which spans came before: event times by ids."""

    def __init__(self, within):
        self.within, self.times = within, {}

    def is_duplicate(self, span):
        times = self.times.setdefault(span.ids, [])
        if any(abs(time - span.end) <= self.within for time in times):
            return True
        times.append(span.end)
        return False


def compute(path, pack, size, lateness=10 * NS, dedupe=None, by_time=False):
    """(rule, window start, key) -> [durations, errors], and counts by rule. Times in nanoseconds."""
    high, windows = None, {}
    counts = {rule: {"taken": 0, "duplicates": 0, "late": 0} for rule in PACKS[pack]}
    kept = Kept(dedupe) if dedupe is not None else None
    items = sorted(spans(path), key=lambda span: span.end) if by_time else spans(path)
    for span in items:
        is_duplicate = kept is not None and kept.is_duplicate(span)
        window = span.end // size * size
        for rule, key, failed in rules_of(pack, span):
            counts[rule]["taken"] += 1
            if is_duplicate:
                counts[rule]["duplicates"] += 1
            elif high is not None and window + size <= high - lateness:
                counts[rule]["late"] += 1
            else:
                group = windows.setdefault((rule, window, key), [[], 0])
                group[0].append(max(span.end - span.start, 0))
                group[1] += failed
        high = span.end if high is None else max(high, span.end)
    return windows, counts


def nearest_rank(ordered, percent):
    """The smallest value such that at least that share of all values is not above it."""
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]


def instant(time):
    utc = datetime.datetime.fromtimestamp(time // NS, datetime.timezone.utc)
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def rows(windows):
    """The rows that the pack must give, in order."""
    order = lambda item: (item[0][0], item[0][1], [str(part or "") for part in item[0][2]])
    for (rule, window, key), (durations, errors) in sorted(windows.items(), key=order):
        durations.sort()
        row = {"rule": rule, "start": instant(window), "key": list(key)}
        row |= {"n": len(durations), "errors": errors}
        yield row | {f"p{q}": nearest_rank(durations, q) for q in (50, 95, 99)}


def nature(path):
    """What a recording is like, whatever the rules."""
    found = {"spans": 0, "repeated": 0, "before_parent": 0, "out_of_order": 0, "end_before_start": 0}
    starts, all_spans = {}, list(spans(path))
    for before, span in zip([None, *all_spans], all_spans):
        found["spans"] += 1
        found["repeated"] += span.ids in starts
        found["out_of_order"] += before is not None and span.start < before.start
        found["end_before_start"] += span.end < span.start
        starts.setdefault(span.ids, span.start)
    for span in all_spans:
        parent = starts.get((span.ids[0], span.parent))
        found["before_parent"] += parent is not None and span.start < parent
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--pack", choices=sorted(PACKS), required=True)
    parser.add_argument("--window", type=int, required=True, help="seconds")
    parser.add_argument("--lateness", type=int, default=10, help="seconds")
    parser.add_argument("--dedupe", type=int, help="seconds")
    args = parser.parse_args()

    dedupe = args.dedupe * NS if args.dedupe is not None else None
    windows, counts = compute(args.file, args.pack, args.window * NS, args.lateness * NS, dedupe)
    say = lambda row: print(json.dumps(row, separators=(",", ":"), ensure_ascii=False))
    for row in rows(windows):
        say(row)
    for rule in PACKS[args.pack]:
        say({"rule": rule} | counts[rule])
    say(nature(args.file))


if __name__ == "__main__":
    sys.exit(main())
