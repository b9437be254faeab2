"""Writes spans.jsonl: 6 jobs of 8 entities in OTLP/JSON, a line a span, in order of arrival.

Entity k takes part in jobs k mod 6 and, for every third one, in the job after. Every ninth piece of
work fails. A job's span ends, and arrives, up to four minutes behind its first entity. One job never
tells of itself, and one span comes twice.
"""
import json

START = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
S = 10**9


def span(service, name, trace, own, parent, start, length, attributes, failed):
    item = {
        "traceId": f"{trace:032x}",
        "spanId": f"{own:016x}",
        "name": name,
        "kind": 5,
        "startTimeUnixNano": str(START + start),
        "endTimeUnixNano": str(START + start + length),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()],
        "status": {"code": 2 if failed else 1},
    }
    if parent:
        item["parentSpanId"] = f"{parent:016x}"
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    scoped = {"scope": {"name": "jobs"}, "spans": [item]}
    line = {"resourceSpans": [{"resource": resource, "scopeSpans": [scoped]}]}
    return START + start + length, json.dumps(line, separators=(",", ":"))


def spans():
    found, number = [], 0
    for job in range(6):
        begin, trace, own = job * 60 * S, 0xA0 + job, 0x1000 * (job + 1)
        work = [k for k in range(48) if k % 6 == job or (k % 3 == 0 and (k + 1) % 6 == job)]
        end = begin
        for at, entity in enumerate(work):
            number += 1
            start = begin + at * 20 * S
            found.append(span("parser", "parse", trace, own + at + 1, own, start, 5 * S,
                              {"entity.key": f"doc-{entity:02}"}, number % 9 == 0))
            end = start + 6 * S
        if job != 4:
            found.append(span("worker", "job", trace, own, 0, begin, end - begin,
                              {"job.key": f"job-{job}"}, False))
    found.sort()
    lines = [line for _, line in found]
    return lines[:10] + lines[9:10] + lines[10:]


if __name__ == "__main__":
    with open("spans.jsonl", "w", encoding="utf-8") as out:
        out.write("\n".join(spans()) + "\n")
