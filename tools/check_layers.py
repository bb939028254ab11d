#!/usr/bin/env python3
"""Holds every #include and every CMake link line to src/LAYERS.

usage: tools/check_layers.py [checkout]

A folder of src/ includes only itself and folders of a lower layer; what it includes, it also links
(directly or through what it links). Only kernels/ includes intrinsics. Prints one line a breach and
exits 1 if there is any.
"""

import re
import sys
from pathlib import Path

SOURCES = {".h", ".cpp", ".inl"}
INTRINSICS = {"immintrin.h", "x86intrin.h", "arm_neon.h", "emmintrin.h", "smmintrin.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
FOLDER_CALL = re.compile(r"bantam_folder\(\s*(\w+)([^)]*)\)", re.S)


def read_layers(root):
    """{folder: layer} from src/LAYERS."""
    layers = {}
    for number, line in enumerate((root / "src/LAYERS").read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not words[0].isdigit() or words[1] in layers:
            raise ValueError(f"src/LAYERS:{number}: expected a layer and a new folder: {line!r}")
        layers[words[1]] = int(words[0])
    return layers


def read_links(folder):
    """The folders that the library of `folder` links, for its own code and for its tests."""
    links = {"DEPS": set(), "TEST_DEPS": set()}
    file = folder / "CMakeLists.txt"
    if not file.exists():
        return links
    text = re.sub(r"#.*", "", file.read_text())
    for _, arguments in FOLDER_CALL.findall(text):
        keyword = None
        for word in arguments.split():
            if word.isupper() and not word.startswith("BANTAM_"):
                keyword = word
            elif keyword in links and word.startswith("bantam_"):
                links[keyword].add(word.removeprefix("bantam_"))
    return links


def reachable(start, links):
    """Folders that `start` links, directly or not."""
    seen, rest = set(), list(start)
    while rest:
        folder = rest.pop()
        if folder not in seen:
            seen.add(folder)
            rest += links.get(folder, {"DEPS": ()})["DEPS"]
    return seen


def check_include(path, place, folder, target, layers, linked):
    """The breach that one quoted include is, or None."""
    if "/" not in target or target.startswith("."):
        return f"{place}: include \"{target}\" from src/, as \"{folder}/{Path(target).name}\""
    other = target.split("/")[0]
    if path.name.endswith("_test.cpp") and other in ("support", "tests"):
        return None
    if other == folder:
        return None
    if other not in layers:
        return f"{place}: {other}/ has no layer in src/LAYERS"
    if layers[other] >= layers[folder]:
        return (f"{place}: {folder}/ (layer {layers[folder]}) includes {other}/ "
                f"(layer {layers[other]}); only lower layers may be included")
    if other not in linked:
        return f"{place}: {folder}/ includes {other}/ and does not link bantam_{other}"
    return None


def check(root):
    """All breaches, as lines for people."""
    layers = read_layers(root)
    folders = sorted(path for path in (root / "src").iterdir() if path.is_dir())
    links = {path.name: read_links(path) for path in folders}
    breaches = []
    for path in folders:
        folder = path.name
        if folder not in layers:
            breaches.append(f"src/{folder}: has no layer in src/LAYERS")
            continue
        for other in sorted(links[folder]["DEPS"] | links[folder]["TEST_DEPS"]):
            if other in layers and layers[other] >= layers[folder]:
                breaches.append(f"src/{folder}/CMakeLists.txt: links bantam_{other} of layer "
                                f"{layers[other]}, which is not below {layers[folder]}")
        own = reachable(links[folder]["DEPS"], links)
        tests = own | reachable(links[folder]["TEST_DEPS"], links)
        for file in sorted(path.rglob("*")):
            if file.suffix not in SOURCES:
                continue
            linked = tests if file.name.endswith("_test.cpp") else own
            for number, line in enumerate(file.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                place = f"{file.relative_to(root)}:{number}"
                quote, target = found.groups()
                if quote == "<":
                    if target in INTRINSICS and folder != "kernels":
                        breaches.append(f"{place}: intrinsics belong in src/kernels")
                    continue
                breach = check_include(file, place, folder, target, layers, linked)
                if breach:
                    breaches.append(breach)
    return breaches


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    breaches = check(root)
    print("\n".join(breaches) or "layers: every include and link goes down")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
