#!/usr/bin/env python3
"""Cuts an OTLP/JSON-lines recording by time, keeping whole lines, their order and their bytes.

    python3 tests/data/cut.py SOURCE.gz FROM TO TARGET.gz

FROM and TO are seconds since the Unix epoch; a line stays if the end of its first span lies in
[FROM, TO). The target is gzipped without name and time, so equal input gives equal bytes.
"""
import gzip
import json
import sys

NS = 1_000_000_000


def end_of_first_span(line):
    for resource in json.loads(line).get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                return int(span["endTimeUnixNano"])
    return None


def main():
    source, first, last, target = sys.argv[1], int(sys.argv[2]) * NS, int(sys.argv[3]) * NS, sys.argv[4]
    with gzip.open(source, "rb") as lines:
        kept = [line for line in lines if first <= (end_of_first_span(line) or 0) < last]
    with open(target, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as out:
        out.write(b"".join(kept))


if __name__ == "__main__":
    main()
