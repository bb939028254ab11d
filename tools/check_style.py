#!/usr/bin/env python3
"""Holds the sources to the rules of docs/architecture.md that a machine can check.

usage: tools/check_style.py [checkout]

Files stop at 800 lines and functions at 100; a header opens with the comment that is its manual and
has #pragma once; libraries neither print nor exit nor start programs nor use std::regex; no line is
longer than 100 columns (literals aside), ends in a blank or holds a word that marks unfinished
work. An exception is one line of tools/style_exceptions.txt: path, rule, reason. An exception that
nothing needs is a breach too. Prints one line a breach and exits 1 if there is any.
"""

import re
import sys
from pathlib import Path

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 100
MAX_COLUMNS = 100
FOLDERS = ("src", "tests", "tools", "bench", "cmake", "models")
SKIPPED = {"node_modules", "corpus", "__pycache__"}
CODE = {".h", ".cpp", ".inl"}
TEXT = CODE | {".py", ".sh", ".mjs", ".js", ".cmake", ".txt"}
LITERAL = re.compile(r'"(?:\\.|[^"\\])*"')
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")

# What a library must not do, by rule. The command line is the one that prints and exits.
FORBIDDEN = {
    "regex": re.compile(r"\bstd::w?regex\b|#\s*include\s*<regex>"),
    "process": re.compile(r"(?<![\w.>:])(?:std::)?(?:system|popen|execv?p?e?|execlp?)\s*\("),
    "print": re.compile(r"(?<![\w.>])(?:std::)?(?:f?printf|puts|fputs|putchar)\s*\(|"
                        r"\bstd::(?:cout|cerr|clog)\b|\bfmt::print\s*\("),
    "exit": re.compile(r"(?<![\w.>])(?:std::)?(?:exit|_Exit|quick_exit|abort)\s*\("),
}


def without_comments_and_strings(text):
    """The same text, same line breaks, with what comments and literals hold blanked out."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^()\s]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.S)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def functions(text):
    """(first line, number of lines) of every function body that is not inside another one."""
    opener = re.compile(r"[{};]")
    stack, start = [], 0  # stack: True for a scope in which functions are defined
    for found in opener.finditer(text):
        at, char = found.start(), found.group()
        in_scope = all(kind == "scope" for kind, _ in stack)
        if char == "{":
            head = text[start:at].strip()
            head = re.sub(r"(?m)^\s*#.*$", "", head).strip()
            is_scope = re.match(r"(?:inline\s+)?namespace\b|extern\s*$|"
                                r"(?:template\s*<.*>\s*)?(?:class|struct|union)\b", head, re.S)
            if is_scope and "(" not in re.sub(r"alignas\s*\([^)]*\)", "", head):
                stack.append(("scope", 0))
            elif in_scope and ")" in head:
                leading = len(text[start:at]) - len(text[start:at].lstrip())
                stack.append(("function", text.count("\n", 0, start + leading) + 1))
            else:
                stack.append(("other", 0))
        elif char == "}" and stack:
            kind, first = stack.pop()
            if kind == "function":
                yield first, text.count("\n", 0, at) + 2 - first
        if not any(kind == "function" for kind, _ in stack):
            start = at + 1


def check_code(path, lines, in_library, is_test):
    """(rule, line, message) for C++ files only."""
    if path.suffix == ".h":
        if not lines or not lines[0].startswith("//"):
            yield "header", 1, "a header opens with the comment that is its manual"
        if "#pragma once" not in lines:
            yield "header", 1, "a header has #pragma once"
    plain = without_comments_and_strings("\n".join(lines))
    for first, count in functions(plain):
        if count > MAX_FUNCTION_LINES:
            yield "function", first, f"a function of {count} lines (at most {MAX_FUNCTION_LINES})"
    if not in_library or is_test:
        return
    for number, line in enumerate(plain.splitlines(), 1):
        for rule, pattern in FORBIDDEN.items():
            if pattern.search(line):
                yield rule, number, f"not in a library: {line.strip()[:60]}"


def check_file(path, relative):
    """(rule, line, message) for every breach in one file."""
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        yield "encoding", 1, "not UTF-8"
        return
    lines = text.split("\n")
    if lines.pop() != "":
        yield "newline", len(lines), "the file does not end in a line break"
    if len(lines) > MAX_FILE_LINES:
        yield "file", 1, f"{len(lines)} lines (at most {MAX_FILE_LINES})"
    for number, line in enumerate(lines, 1):
        # A literal that cannot be broken may stick out; clang-format leaves raw ones alone.
        if len(LITERAL.sub('""', line)) > MAX_COLUMNS and 'R"(' not in line:
            yield "columns", number, f"{len(line)} columns (at most {MAX_COLUMNS})"
        if line != line.rstrip() or "\t" in line:
            yield "blanks", number, "a tab, or blanks at the end of the line"
        if UNFINISHED.search(line):
            yield "unfinished", number, "a word that marks unfinished work"
    if path.suffix in CODE:
        is_test = path.name.endswith("_test.cpp")
        in_library = relative.parts[0] == "src" and relative.parts[1] != "cli"
        yield from check_code(path, lines, in_library, is_test)


def read_exceptions(root):
    """{(path, rule): reason}."""
    exceptions = {}
    file = root / "tools/style_exceptions.txt"
    for line in file.read_text().splitlines() if file.exists() else ():
        if line.strip() and not line.startswith("#"):
            path, rule, reason = line.split(None, 2)
            exceptions[path, rule] = reason
    return exceptions


def check(root):
    """All breaches, as lines for people."""
    exceptions = read_exceptions(root)
    needed, breaches = set(), []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix not in TEXT or not path.is_file() or SKIPPED & set(relative.parts):
                continue
            for rule, number, message in check_file(path, relative):
                if (str(relative), rule) in exceptions:
                    needed.add((str(relative), rule))
                else:
                    breaches.append(f"{relative}:{number}: {message} [{rule}]")
    for path, rule in sorted(exceptions.keys() - needed):
        breaches.append(f"tools/style_exceptions.txt: {path} no longer needs [{rule}]")
    return breaches


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    breaches = check(root)
    print("\n".join(breaches) or "style: nothing to mend")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
