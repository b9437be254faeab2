#!/usr/bin/env python3
"""Many distinct keys through patterns, correlations and traces: time, memory, what was refused.

Writes lines of JSON, each with a key of its own, into `tailwater replay -`, one rule at a time, and
reads the summary: every item must be accounted for, and memory must stay below a bound that does
not depend on the number of keys.

usage: python3 tests/check/keys.py [--keys 10000000] [--binary target/release/tailwater]
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time

RULES = {
    # One step that never ends: every key holds an unfinished match for an hour.
    "pattern": """
stream s = logs lateness 1s
pattern p by k within 1h match one {
  a: s where body == "a"
  then b: s where body == "b"
}
""",
    # An absence: every key waits for its deadline.
    "absence": """
stream s = logs lateness 1s
pattern p by k within 2h {
  a: s where body == "a"
  then not b: s where body == "b" for 1h
}
""",
    # Every left item waits for a right one that never comes.
    "correlation": """
stream s = logs lateness 1s
correlate c {
  a: s where body == "a"
  b: s where body == "b"
} on k within [0s, 1h] pick first
aggregate left from c.left_only over tumbling(1d) select { n: count() }
""",
    # Beside them, groups of an aggregate.
    "aggregate": """
stream s = logs lateness 1s
aggregate g from s by k over tumbling(1h) select { n: count() }
""",
}
MIB = 1 << 20
# What a rule may hold at its bounds, and the engine beside it.
RSS_MAX = 4096 * MIB
LINES_A_WRITE = 10_000


def write(pipe, keys):
    """All keys within 1 000 s of event time, so that none has run out before the last came."""
    try:
        for first in range(0, keys, LINES_A_WRITE):
            lines = []
            for key in range(first, min(first + LINES_A_WRITE, keys)):
                ms = 1_767_225_600_000 + key * 1_000_000 // keys
                lines.append(
                    f'{{"time":{ms},"service":"s","body":"a","k":"key-{key}"}}\n'
                )
            pipe.write("".join(lines).encode())
        pipe.close()
    except BrokenPipeError:
        pass


def peak_rss(pid):
    """The most memory that a process has had so far, in bytes."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
            return int(found.group(1)) * 1024 if found else 0
    except FileNotFoundError:
        return 0


def run(binary, name, rules, keys):
    command = [binary, "replay", "-", "-e", "edition 1\n" + rules, "--workers", "2", "--open"]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    writer = threading.Thread(target=write, args=(process.stdin, keys))
    writer.start()
    rss = 0
    said = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read().decode()))
    reader.start()
    while process.poll() is None:
        rss = max(rss, peak_rss(process.pid))
        time.sleep(0.1)
    writer.join()
    reader.join()
    seconds = time.monotonic() - begun
    text = said[0]
    print(f"{name}: {keys} keys in {seconds:.0f} s, at most {rss / MIB:.0f} MiB")
    print("  " + text.strip().replace("\n", "\n  "))
    if process.returncode != 0 or "unaccounted 0" not in text:
        sys.exit(f"{name}: ended with {process.returncode}, or items are unaccounted for")
    if rss > RSS_MAX:
        sys.exit(f"{name}: more than {RSS_MAX // MIB} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--binary", default=os.path.join("target", "release", "tailwater"))
    parser.add_argument("rules", nargs="*", help="some of: " + ", ".join(RULES))
    arguments = parser.parse_args()
    for name in arguments.rules or RULES:
        run(arguments.binary, name, RULES[name], arguments.keys)


if __name__ == "__main__":
    main()
