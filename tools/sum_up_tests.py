#!/usr/bin/env python3
"""Counts what a test run left behind, case by case.

usage: tools/sum_up_tests.py RESULTS

RESULTS holds, as ./test.sh makes them: NAME.xml, what ctest ran (JUnit), with NAME/*.xml, the cases
of its GoogleTest programs; NAME/*.tap, the cases of the npm tests; NAME.skipped, the reason why a
part did not run. Names every case that failed or was skipped, then ends with the line
"N passed, N failed, N skipped". Exits 1 if a case failed or if there is none at all.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

TAP_LINE = re.compile(r"^(not ok|ok) \d+(?: -)? ?(.*?)(?:\s+# (SKIP|TO" r"DO)\b\s*(.*))?$")


class Tally:
    """Cases by outcome."""

    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def add(self, name, outcome, reason=""):
        getattr(self, outcome).append((name, reason))

    def add_gtest(self, part, file):
        """The cases of one GoogleTest program; returns whether any failed."""
        failures = len(self.failed)
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            name = f"{part}: {case.get('classname')}.{case.get('name')}"
            failure, skip = case.find("failure"), case.find("skipped")
            if failure is not None:
                self.add(name, "failed", first_lines(failure.get("message")))
            elif skip is not None:
                self.add(name, "skipped", first_lines(skip.get("message")))
            elif case.get("status") != "run":
                self.add(name, "skipped", "disabled in the source")
            else:
                self.add(name, "passed")
        return len(self.failed) > failures

    def add_ctest(self, part, junit, folder):
        """What ctest ran: the cases of a GoogleTest program, or the test itself."""
        for case in ElementTree.parse(junit).getroot().iter("testcase"):
            name, cases = case.get("name"), folder / f"{case.get('name')}_test.xml"
            has_failure = self.add_gtest(part, cases) if cases.exists() else False
            skip = case.find("skipped")
            if skip is not None and "SKIP_RETURN_CODE" in (skip.get("message") or ""):
                self.add(f"{part}: {name}", "skipped", (case.findtext("system-out") or "").strip())
            elif case.get("status") != "run":
                if not has_failure:
                    self.add(f"{part}: {name}", "failed", "see its output above")
            elif not cases.exists():
                self.add(f"{part}: {name}", "passed")

    def add_tap(self, part, file):
        """The cases of one npm test, as node's own test runner reports them."""
        lines = [TAP_LINE.match(line) for line in file.read_text().splitlines()]
        cases = [line for line in lines if line]
        for case in cases:
            result, name, directive, reason = case.groups()
            outcome = ("skipped" if directive else "passed") if result == "ok" else "failed"
            self.add(f"{part}: {file.stem}: {name}", outcome, reason or "")
        if not cases:
            self.add(f"{part}: {file.stem}", "failed", "ended without a result")


def first_lines(text):
    """The place, which GoogleTest puts on the first line, and the first line of the message."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return " ".join(lines[:2])[:200]


def sum_up(results):
    tally = Tally()
    for junit in sorted(results.glob("*.xml")):
        tally.add_ctest(junit.stem, junit, results / junit.stem)
    for file in sorted(results.glob("*/*.tap")):
        tally.add_tap(file.parent.name, file)
    for file in sorted(results.glob("*.skipped")):
        tally.add(file.stem, "skipped", file.read_text().strip())
    return tally


def main():
    tally = sum_up(Path(sys.argv[1]))
    for title, cases in (("skipped", tally.skipped), ("FAILED", tally.failed)):
        for name, reason in cases:
            print(f"{title}  {name}" + (f": {reason}" if reason else ""))
    print(f"{len(tally.passed)} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
