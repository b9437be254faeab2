#!/usr/bin/env python3
"""Whether the JSON Schema of a configuration says what the program says.

    python3 tests/check/config_schema.py PROGRAM       needs jsonschema and PyYAML from PyPI

Every configuration in docs/operating.md, and the one that `print-config` prints, must fit the schema
and be read. Then each of their values is replaced by each of some others: what the program reads must
fit the schema, and what it refuses must not, but for what no schema says: fields that need each
other, sums of memory. YAML takes a bare number for a text; the schema, which has TOML to serve as
well, does not: such are left out.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
OTHERS = [5, -1, 0, 1.5, True, None, "", "x", "5s", "64MiB", "10", "127.0.0.1:1", "[::1]:1", "none",
          "localhost:1", "http://a:1", "ftp://a", "99%", [], ["x"], {}, {"nope": "x"}]
BEYOND = re.compile(r"needs `|of memory or more|parts of `limits.memory`")


def documented():
    text = (ROOT / "docs/operating.md").read_text()
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]


def paths(value, path=()):
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], path + (key,))


def replaced(document, path, other):
    document = copy.deepcopy(document)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = other
    return document


class Program:
    def __init__(self, program, folder):
        self.program, self.file = program, folder / "config.yaml"
        (folder / "token").write_text("hush")
        self.token = str(folder / "token")
        self.environment = {**os.environ, "ALERTS_TOKEN": "hush", "HOME": str(folder)}

    def print(self, *arguments):
        command = [self.program, "print-config", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment,
                              cwd=self.file.parent)

    def mistakes(self, document):
        text = json.dumps(document).replace("/run/secrets/token", self.token)
        self.file.write_text(text)
        return self.print("--config", str(self.file)).stderr


def is_text_as_number(document, path, other, schema):
    """Whether the other value would fit as a text."""
    return isinstance(other, (int, float)) and fits(replaced(document, path, str(other)), schema)


def fits(document, schema):
    return schema.is_valid(document)


def main():
    schema = Draft202012Validator(json.loads((ROOT / "docs/config.schema.json").read_text()))
    schema.check_schema(schema.schema)
    with tempfile.TemporaryDirectory() as folder:
        program = Program(os.path.abspath(sys.argv[1]), pathlib.Path(folder))
        sinks = ["--otlp", "http://a", "--webhook", "http://b", "--alertmanager", "http://c"]
        printed = json.loads(program.print("--format", "json", *sinks).stdout)["config"]
        documents = [printed, *documented()]
        wrong, tried = [], 0
        for document in documents:
            told = program.mistakes(document)
            assert not told and fits(document, schema), (document, told)
            for path in paths(document):
                for other in OTHERS:
                    changed = replaced(document, path, other)
                    told, is_fit = program.mistakes(changed), fits(changed, schema)
                    tried += 1
                    if bool(told) != is_fit or BEYOND.search(told):
                        continue
                    if not is_fit and is_text_as_number(document, path, other, schema):
                        continue
                    first = told.splitlines()[0] if told else "is read"
                    wrong.append((".".join(map(str, path)), other, first))
    for path, other, told in wrong:
        print(f"{path}: {other!r}: the program: {told}; the schema says otherwise")
    print(f"{len(documents)} configurations, {tried} changes, {len(wrong)} differences")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
