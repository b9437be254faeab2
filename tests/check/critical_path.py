#!/usr/bin/env python3
"""Compares the critical paths that `view` finds with the definition, computed without the engine.

    tailwater view FILE --format json -q | python3 tests/check/critical_path.py FILE

FILE is OTLP/JSON lines, gzipped or not. Written from the definition in docs/view.md, span by span:
everything is clipped first, then the path is walked backwards from the end of each root. Loops of
parents are not looked for. Standard library only.
"""
import collections
import datetime
import gzip
import json
import sys

PRODUCER, CONSUMER = 4, 5
Span = collections.namedtuple("Span", "start id parent end kind")


def traces(path):
    """Spans by trace id, sorted by start and id."""
    found = collections.defaultdict(list)
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as lines:
        for line in lines:
            for resource in json.loads(line).get("resourceSpans", []):
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        start = int(span["startTimeUnixNano"])
                        end = max(start, int(span["endTimeUnixNano"]))
                        parent = span.get("parentSpanId") or ""
                        one = Span(start, span["spanId"], parent, end, span.get("kind", 0))
                        found[span["traceId"]].append(one)
    return {trace: sorted(spans) for trace, spans in found.items()}


def clipped(root, children):
    """Times of what is kept below a root, each within its parent's, and who is whose child."""
    times, below = {root.id: (root.start, root.end)}, {}
    waiting = [root]
    for span in waiting:
        low, high = times[span.id]
        below[span.id] = []
        for child in children[span.id]:
            is_outside = child.start >= high or (child.start < low and child.end <= low)
            if is_outside or (span.kind, child.kind) == (PRODUCER, CONSUMER):
                continue
            times[child.id] = (max(child.start, low), min(child.end, high))
            below[span.id].append(child.id)
            waiting.append(child)
    return times, below


def walk(root, children):
    """The segments of one tree, in order of time."""
    times, below = clipped(root, children)
    above = {child: parent for parent, ids in below.items() for child in ids}
    span, end, is_back, segments = root.id, root.end, False, []
    while span:
        last = None
        for child in below[span]:
            fits = not is_back or times[child][1] < end
            if fits and (last is None or times[child][1] > times[last][1]):
                last = child
        start = times[last][1] if last else times[span][0]
        if start != end:
            segments.append((span, start, end - start))
        span, is_back, end = last or above.get(span), last is None, start
    return segments[::-1]


def critical_path(spans):
    """Segments of all trees, and the number of repeated ids."""
    by_id, children, roots = {}, collections.defaultdict(list), []
    for span in spans:
        by_id.setdefault(span.id, span)
    for span in by_id.values():
        if span.parent in by_id and span.parent != span.id:
            children[span.parent].append(span)
        else:
            roots.append(span)
    segments = [segment for root in roots for segment in walk(root, children)]
    return segments, len(spans) - len(by_id)


def nanoseconds(text):
    """Of RFC 3339 in UTC."""
    second, _, fraction = text.rstrip("Z").partition(".")
    second = datetime.datetime.fromisoformat(second + "+00:00").timestamp()
    return int(second) * 10**9 + int(fraction.ljust(9, "0"))


def main():
    given = traces(sys.argv[1])
    count = 0
    for line in sys.stdin:
        shown = json.loads(line)
        wanted, duplicates = critical_path(given.pop(shown["trace"]))
        found = [(p["span"], nanoseconds(p["start"]), p["duration"]) for p in shown["path"]]
        assert found == wanted, f"{shown['trace']}: {found[:9]} is not {wanted[:9]}"
        assert shown["duplicates"] == duplicates, shown["trace"]
        count += len(wanted)
    assert not given, f"{len(given)} traces are not shown"
    print(f"{count} segments are equal")


if __name__ == "__main__":
    main()
