#!/usr/bin/env python3
"""Per-window numbers of an OTLP/JSON-lines recording, computed without the engine.

    python3 tests/check/windows.py FILE[.gz] --size SECONDS [--lateness SECONDS] [--at end|start]

One JSON line a window and group (service, name), in order of window, service, name: count, errors,
and the exact nearest-rank percentiles of duration in nanoseconds. A last line counts spans, late
spans and repeated (trace id, span id) pairs.

Written from docs/semantics.md: one row after another, no slices, no batches. The file is one
source, so the watermark is its highest time so far minus the lateness. A row is late if its window
had closed at the watermark as of the row before it; it is then left out. Standard library only.
"""
import argparse
import gzip
import json
import sys

NS = 1_000_000_000


def spans(path):
    """Spans in file order as (service, name, start, end, is_error, (trace id, span id))."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            for resource in request.get("resourceSpans", []):
                attributes = resource.get("resource", {}).get("attributes", [])
                service = next(
                    (a["value"].get("stringValue") for a in attributes if a["key"] == "service.name"), None
                )
                for scope in resource.get("scopeSpans", []):
                    for span in scope.get("spans", []):
                        status = span.get("status", {}).get("code", 0)
                        yield (
                            service,
                            span.get("name", ""),
                            int(span["startTimeUnixNano"]),
                            int(span["endTimeUnixNano"]),
                            status in (2, "STATUS_CODE_ERROR"),
                            (span.get("traceId"), span.get("spanId")),
                        )


def nearest_rank(ordered, per_mille):
    """The smallest value such that at least per_mille / 1000 of all values are not above it."""
    rank = -(-per_mille * len(ordered) // 1000)
    return ordered[max(rank, 1) - 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--size", type=int, required=True, help="window length, seconds")
    parser.add_argument("--lateness", type=int, default=10, help="seconds")
    parser.add_argument("--at", choices=["end", "start"], default="end")
    args = parser.parse_args()

    size, lateness = args.size * NS, args.lateness * NS
    high, windows, seen = None, {}, set()
    total = late = repeated = 0
    for service, name, start, end, is_error, identity in spans(args.file):
        total += 1
        repeated += identity in seen
        seen.add(identity)
        time = end if args.at == "end" else start
        window = time // size * size
        if high is not None and window + size <= high - lateness:
            late += 1
        else:
            group = windows.setdefault((window, service or "", name), [[], 0])
            group[0].append(max(end - start, 0))
            group[1] += is_error
        high = time if high is None else max(high, time)

    for (window, service, name), (durations, errors) in sorted(windows.items()):
        durations.sort()
        p50, p95, p99 = (nearest_rank(durations, q) for q in (500, 950, 990))
        row = {"start": window, "end": window + size, "service": service, "name": name}
        row |= {"n": len(durations), "errors": errors, "p50": p50, "p95": p95, "p99": p99}
        print(json.dumps(row, separators=(",", ":"), ensure_ascii=False))
    print(json.dumps({"spans": total, "late": late, "repeated": repeated}, separators=(",", ":")))


if __name__ == "__main__":
    sys.exit(main())
