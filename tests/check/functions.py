#!/usr/bin/env python3
"""The examples of docs/functions.md, computed without the engine.

    python3 tests/check/functions.py

Every `call == value` of the page is evaluated by the functions below, which are written from the
page's sentences on Python's standard library. Prints how many agree; the first that does not ends
it with 1. xxh3, which Python lacks, is compared with the published test vector of an empty input.
"""
import base64, datetime, hashlib, ipaddress, json, math, re, sys, urllib.parse, zlib

UTC = datetime.timezone.utc
UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SIZES = {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Duration(float):
    """Seconds."""


class Size(float):
    """Bytes."""


def duration(x):
    if not isinstance(x, str):
        return Duration(x / 1e9)
    return Duration(sum(float(n) * UNITS_S[u] for n, u in re.findall(r"([\d.]+)([a-zµ]+)", x)))


def size(x):
    number, unit = re.fullmatch(r"([\d.]+) ?(\w*)", x).groups()
    return Size(float(number) * SIZES[unit])


def time(x):
    return datetime.datetime.fromisoformat(x) if isinstance(x, str) else datetime.datetime.fromtimestamp(x, UTC)


def data(x):
    return x.encode() if isinstance(x, str) else x


def fnv1a(x):
    h = 0xCBF29CE484222325
    for byte in data(x):
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h - 2**64 if h >= 2**63 else h


def shown(x):
    return x if isinstance(x, str) else {True: "true", False: "false"}[x] if isinstance(x, bool) else str(x)


def type_of(x):
    kinds = {bool: "bool", int: "int", Duration: "duration", Size: "size", float: "float", str: "string"}
    return kinds[type(x)]


def extract(text, pattern, group=None):
    found = re.search(python(pattern), text)
    return found and found.group((1 if found.re.groups else 0) if group is None else group)


def python(pattern):
    return pattern.replace("(?<", "(?P<")


def parse_pairs(x):
    return {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S*)', x)}


def snake_case(x):
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", x)
    return "_".join(words).lower()


def camel_case(x):
    first, *others = snake_case(x).split("_")
    return first + "".join(map(str.capitalize, others))


def is_luhn(x):
    digits = [int(c) for c in reversed(re.sub("[ -]", "", x))]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def url_query(url, name=None):
    query = urllib.parse.urlsplit(url).query
    return query if name is None else urllib.parse.parse_qs(query)[name][0]


def unix_ns(t):
    return round((t - datetime.datetime(1970, 1, 1, tzinfo=UTC)) / datetime.timedelta(microseconds=1)) * 1000


FUNCTIONS = {
    "true": True, "false": False,
    "lower": str.lower, "upper": str.upper, "trim": str.strip, "snake_case": snake_case,
    "trim_prefix": str.removeprefix, "trim_suffix": str.removesuffix, "contains": lambda a, b: b in a,
    "starts_with": str.startswith, "ends_with": str.endswith, "before": lambda a, b: a.partition(b)[0],
    "after": lambda a, b: a.partition(b)[2], "index_of": str.index, "split": str.split,
    "join": lambda items, by: by.join(map(shown, items)), "concat": lambda *v: "".join(map(shown, v)),
    "replace": str.replace, "substring": lambda s, at, n=10**6: s[at:at + n], "truncate": lambda s, n: s[:n],
    "before_last": lambda a, b: a.rpartition(b)[0], "after_last": lambda a, b: a.rpartition(b)[2],
    "camel_case": camel_case, "strip_ansi": lambda s: re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", s),
    "len": len, "first_filled": lambda *v: next(filter(None, v)),
    "matches": lambda s, p: re.search(python(p), s) is not None, "extract": extract,
    "extract_all": lambda s, p: re.findall(python(p), s),
    "extract_named": lambda s, p: re.search(python(p), s).groupdict(),
    "count_matches": lambda s, p: len(re.findall(python(p), s)),
    "replace_matches": lambda s, p, by: re.sub(python(p), lambda _: by, s),
    "abs": abs, "floor": math.floor, "ceil": math.ceil, "round": lambda x: math.floor(x + 0.5),
    "mod": lambda a, b: a % b,
    "round_to": lambda x, step: math.floor(x / step + 0.5) * step, "floor_to": lambda x, step: x // step * step,
    "pow": math.pow, "sqrt": math.sqrt, "exp": math.exp, "ln": math.log,
    "log10": math.log10, "log2": math.log2, "sign": lambda x: (x > 0) - (x < 0),
    "clamp": lambda x, low, high: min(max(x, low), high), "least": min, "greatest": max,
    "year": lambda t: t.year, "month": lambda t: t.month, "day": lambda t: t.day, "hour": lambda t: t.hour,
    "minute": lambda t: t.minute, "second": lambda t: t.second, "weekday": lambda t: t.isoweekday(),
    "day_of_year": lambda t: t.timetuple().tm_yday, "unix": lambda t: unix_ns(t) // 10**9,
    "unix_ms": lambda t: unix_ns(t) // 10**6, "unix_ns": unix_ns,
    "floor_time": lambda t, step: time(unix_ns(t) / 1e9 // step * step),
    "format_time": lambda t, f: t.astimezone(UTC).strftime(f), "parse_time": datetime.datetime.strptime,
    "seconds": float, "milliseconds": lambda d: d * 1e3, "nanoseconds": lambda d: d * 1e9,
    "at": lambda items, at: items[at], "includes": lambda items, x: x in items, "sort": sorted,
    "unique": lambda items: sorted(set(items)), "reverse": lambda items: items[::-1],
    "slice": lambda items, at, n=10**6: items[at:at + n],
    "append": lambda a, b: a + (b if isinstance(b, list) else [b]),
    "flatten": lambda items: [y for x in items for y in (x if isinstance(x, list) else [x])],
    "filled": lambda items: [x for x in items if x not in (None, "")],
    "get": dict.get, "has_key": lambda m, k: k in m, "keys": sorted, "values": lambda m: [m[k] for k in sorted(m)],
    "merge": lambda a, b: a | b, "without": lambda m, *k: {x: m[x] for x in m if x not in k},
    "only": lambda m, *k: {x: m[x] for x in m if x in k},
    "parse_json": json.loads, "to_json": lambda x: json.dumps(x, separators=(",", ":")),
    "parse_pairs": parse_pairs,
    "in_cidr": lambda a, n: ipaddress.ip_address(a) in ipaddress.ip_network(n),
    "is_ip": lambda a: bool(ipaddress.ip_address(a)), "is_private_ip": lambda a: ipaddress.ip_address(a).is_private,
    "ip_version": lambda a: ipaddress.ip_address(a).version,
    "ip_network": lambda a, bits: str(ipaddress.ip_network(f"{a}/{bits}", strict=False)),
    "url_scheme": lambda u: urllib.parse.urlsplit(u).scheme, "url_host": lambda u: urllib.parse.urlsplit(u).hostname,
    "url_path": lambda u: urllib.parse.urlsplit(u).path, "url_query": url_query,
    "url_port": lambda u: urllib.parse.urlsplit(u).port, "parse_query": lambda q: dict(urllib.parse.parse_qsl(q)),
    "parse_traceparent": lambda t: (lambda v, i, s, f: {"version": int(v, 16), "trace_id": i, "span_id": s,
        "sampled": bool(int(f, 16) & 1), "random": bool(int(f, 16) & 2)})(*t.split("-")),
    "parse_tracestate": lambda t: dict(m.strip().split("=", 1) for m in t.split(",")),
    "parse_baggage": lambda t: {m.split("=", 1)[0].strip(): urllib.parse.unquote(m.split("=", 1)[1].split(";")[0].strip())
        for m in t.split(",")},
    "percent_decode": urllib.parse.unquote, "percent_encode": lambda s: urllib.parse.quote(s, safe=""),
    "sha256": lambda x: hashlib.sha256(data(x)).hexdigest(), "sha512": lambda x: hashlib.sha512(data(x)).hexdigest(),
    "sha1": lambda x: hashlib.sha1(data(x)).hexdigest(), "md5": lambda x: hashlib.md5(data(x)).hexdigest(),
    "is_luhn": is_luhn, "crc32": lambda x: zlib.crc32(data(x)), "fnv1a": fnv1a,
    "xxh3": lambda x: {"": 0x2D06800538D394C2}[x], "hex": lambda x: data(x).hex(),
    "from_hex": lambda x: bytes.fromhex(x).hex(), "base64_encode": lambda x: base64.b64encode(data(x)).decode(),
    "base64_decode": lambda x: base64.b64decode(x).decode(),
    "int": int, "float": float, "string": shown, "bool": lambda x: x == "true" if isinstance(x, str) else x != 0,
    "duration": duration, "size": size, "time": time,
    "ratio_of": lambda x: float(x[:-1]) / 100 if isinstance(x, str) else float(x), "type_of": type_of,
}


def evaluate(text):
    """Literals with units become calls; everything else is Python already."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', text)
    for at in range(0, len(parts), 2):
        part = re.sub(r"(?<![\w.])((?:[\d.]+(?:ns|us|ms|s|m|h|d|w))+)(?!\w)", r"duration('\1')", parts[at])
        part = re.sub(r"(?<![\w.])([\d.]+(?:kB|MB|GB|KiB|MiB|GiB))(?!\w)", r"size('\1')", part)
        parts[at] = re.sub(r"([\d.]+)%", r"(\1 / 100)", part)
    return eval("".join(parts), dict(FUNCTIONS))


def main():
    page = open("docs/functions.md", encoding="utf-8").read()
    examples = re.findall(r"`(\w+)\((.*)\) == (.*)`$", page, re.M)
    for name, arguments, value in examples:
        found, wanted = evaluate(f"{name}({arguments})"), evaluate(value)
        same = math.isclose(found, wanted) if isinstance(found, float) else found == wanted
        if not same:
            sys.exit(f"{name}({arguments}) is {found!r}, the page says {value}")
    print(f"{len(examples)} examples agree")


main()
