#!/usr/bin/env python3
"""Holds `bantam render` to what Python's jinja2 makes of published chat templates.

usage: tests/templates_test.py BANTAM DATA

DATA/templates is not part of the checkout; without it the test is skipped (exit code 77).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

# When the recordings were made, as far as their templates were told.
RECORDED_AT = "2025-03-07 09:05"


def cases(data):
    """(name, template, inputs, expected text, or None where jinja2 raised an error)."""
    for file in sorted((data / "expected").glob("*.json")):
        recording = json.loads(file.read_text())
        # newline="": a template keeps its carriage returns.
        with open(data / "jinja" / recording["template"], newline="", encoding="utf8") as template:
            text = template.read()
        for case in recording["cases"]:
            yield f"{file.stem}: {case['name']}", text, case["inputs"], case.get("output")
    for line in (data / "jinja-units.jsonl").read_text().splitlines():
        unit = json.loads(line)
        yield f"unit: {unit['name']}", unit["template"], unit["vars"], unit["expected"]


def main():
    binary, data = sys.argv[1], Path(sys.argv[2]) / "templates"
    if not data.is_dir():
        print(f"needs shared data: {data}")
        return 77
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        template, inputs = Path(folder) / "template.jinja", Path(folder) / "inputs.json"
        for name, text, variables, expected in cases(data):
            count += 1
            template.write_bytes(text.encode())
            inputs.write_text(json.dumps(variables))
            done = subprocess.run([binary, "render", "--now", RECORDED_AT, "-t", template, inputs],
                                  capture_output=True, check=False, timeout=60)
            if expected is None:
                right = done.returncode == 65
            else:
                right = done.returncode == 0 and done.stdout == expected.encode()
            if not right:
                wrong.append(name)
                print(f"{name}: exit {done.returncode} {done.stderr.decode()[:200]}")
    print(f"{count - len(wrong)} of {count} renderings are right")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
