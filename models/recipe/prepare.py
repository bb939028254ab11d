#!/usr/bin/env python3
"""Writes all that the shipped model is trained on, and all that it is measured by, as JSON lines.

usage: prepare.py DATA OUT [--seed N] [--scale X] [--variants N] [--leave-out DOMAIN]

DATA is the data folder (text/tinystories, tasks/banking77, ...; see README.md), which is never
changed. OUT gets KIND.jsonl (train), KIND.dev.jsonl (held out) and manifest.json: counts, bytes,
SHA-256, and how many rows left training because they share a 13-gram with something held out. The
same arguments give the same bytes, everywhere.

Kinds with {"text"}: stories (TinyStories), made (stories by a grammar), prose (books out of
copyright). All others are {"messages": [system, user, assistant]}.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

import decontaminate
import gen_arithmetic
import gen_extract
import gen_outside
import gen_router
import gen_slots
import gen_smalltalk
import gen_stories
import gen_tickets
import gen_yesno
import story_text
import tasks
from noise import noisy
from rng import Rng
from words import Lexicon

TELL = "Tell a story."
# Rows of the generators at --scale 1.
SIZES = {
    "slots": 48000,
    "extract": 14000,
    "tickets": 6000,
    "arithmetic": 12000,
    "yesno": 12000,
    "router": 6000,
    "smalltalk": 3000,
    "outside": 1500,
    "made": 5000,
}
DEV_ROWS = 300
# Rows of each kind in lessons.jsonl, which the second stage learns answers from: about 5 M tokens
# at --scale 1, half of them intents, two fifths slots and fields.
LESSONS = {
    "banking": 18000,
    "clinc": 24000,
    "outside": 1000,
    "snips": 1890,
    "slots": 20000,
    "extract": 5000,
    "tickets": 2500,
    "yesno": 5000,
    "arithmetic": 5000,
    "nlupp": 2000,
    "router": 2000,
    "smalltalk": 1500,
}
# Rows of each kind in lessons.dev.jsonl, by which its best moment is chosen.
LESSONS_DEV = {"banking": 100, "clinc": 100, "snips": 100, "extract": 30, "yesno": 30}
SHARED_GRAMS = {"stories": 8, "tell": 8, "made": 8}  # stock openings; see decontaminate.py
MAX_TELL = 1500  # characters: what fits a context of 512 tokens with room


def prose(data):
    """Paragraphs of books out of copyright. They widen the vocabulary; stories stay the main
    thing."""

    def joined(text):
        return (
            " ".join(text.split())
            .replace("“", '"')
            .replace("”", '"')
            .replace("’", "'")
            .replace("‘", "'")
        )

    novel = (data / "text/war-and-peace.txt").read_text(encoding="utf-8", errors="replace")
    start, end = novel.find("CHAPTER I"), novel.find("*** END")
    paragraphs = [
        joined(part)
        for part in re.split(r"\r?\n\s*\r?\n", novel[max(start, 0) : end if end > 0 else None])
    ]
    sentences = [
        joined(line)
        for line in (data / "text/botchan-en.txt").read_text(encoding="utf-8").splitlines()
    ]
    return [part for part in paragraphs if 120 <= len(part) <= 2000], [
        line for line in sentences if len(line) > 20
    ]


def told(stories):
    """Chat rows: the first sentence in, the rest of the story out."""
    rows = []
    for story in stories:
        match = re.match(r"(.{25,160}?[.!?]\"?)\s+(?=[\"A-Z])(.+)", story, re.S)
        if match and len(story) <= MAX_TELL:
            rows.append((TELL, match.group(1), match.group(2).strip()))
    return rows


def with_variants(rng, rows, count):
    """The rows, and `count` noisy variants of each, shuffled."""
    more = [
        (system, noisy(rng, user), answer) for system, user, answer in rows for _ in range(count)
    ]
    return rng.shuffled(list(dict.fromkeys(rows + more)))


def all_kinds(data, args):
    """({kind: train}, {kind: dev}): strings for texts, triples for chat rows. Nothing is screened
    yet."""
    rng = lambda name: Rng(args.seed, name)
    size = lambda kind: max(1, int(SIZES[kind] * args.scale))
    stories, _ = story_text.load(data / "text/tinystories")
    held = [story for story in stories if story_text.is_held_out(story)]
    stories = [story for story in stories if not story_text.is_held_out(story)]
    novel, sentences = prose(data)
    names = (data / "text/wikitext-2/raw-train-5k.txt").read_text(encoding="utf-8").splitlines()
    lexicon = Lexicon(stories, names)
    frames, dev_frames = tasks.snips_frames(data)
    train, dev = {}, {}
    train["stories"], dev["stories"] = rng("stories").shuffled(stories), held
    train["made"] = gen_stories.generate(rng("made"), size("made"))
    train["prose"] = novel + [" ".join(sentences[i : i + 8]) for i in range(0, len(sentences), 8)]
    train["tell"], dev["tell"] = rng("tell").shuffled(told(stories)), told(held)
    train["tell"] += told(train["made"][: len(train["tell"]) // 2])

    train["banking"], dev["banking"] = tasks.banking(data)
    train["clinc"], dev["clinc"], withheld = tasks.clinc(data, args.leave_out)
    if args.leave_out:
        gone = set(tasks.CLINC_DOMAINS[args.leave_out])
        dev["domain"] = [row for row in dev["clinc"] if row[2] in gone]
        dev["clinc"] = [row for row in dev["clinc"] if row[2] not in gone]
        train["domain"] = withheld
    train["nlupp"], dev["nlupp"] = tasks.nlupp(data)
    for kind in ("banking", "clinc"):
        train[kind] = with_variants(rng(kind + " noise"), train[kind], args.variants)
    train["nlupp"] = with_variants(rng("nlupp noise"), train["nlupp"], 1)
    train["outside"] = gen_outside.generate(rng("outside"), lexicon, size("outside"))
    train["snips"] = rng("snips").shuffled([tasks.frame_row(*frame) for frame in frames])
    dev["snips"] = [tasks.frame_row(*frame) for frame in dev_frames]
    train["slots"] = gen_slots.generate(rng("slots"), frames, lexicon, size("slots"))

    said = [row[1] for row in train["banking"] + train["clinc"]]
    makers = {
        "extract": gen_extract.generate,
        "tickets": gen_tickets.generate,
        "arithmetic": gen_arithmetic.generate,
        "yesno": gen_yesno.generate,
        "router": lambda r, n: gen_router.generate(r, said, n),
        "smalltalk": lambda r, n: gen_smalltalk.generate(r, lexicon, n),
    }
    for kind, make in makers.items():
        train[kind], dev[kind] = make(rng(kind), size(kind)), make(rng(kind + " dev"), DEV_ROWS)
    del dev["smalltalk"]  # its questions are few and short: nothing to measure
    return train, dev


def taken(kinds, counts):
    """So many rows of each kind, evenly from all of them; all, where there are fewer."""
    rows = []
    for kind, count in counts.items():
        have = kinds[kind]
        rows += [have[i * len(have) // count] for i in range(count)] if count < len(have) else have
    return rows


def said_in(row):
    """The text by which a row is compared with held-out rows."""
    return row if isinstance(row, str) else row[1] if row[0] != TELL else row[1] + " " + row[2]


def write(path, rows):
    """Writes one file and describes it."""

    def line(row):
        if isinstance(row, str):
            return {"text": row}
        return {
            "messages": [
                {"role": role, "content": content}
                for role, content in zip(("system", "user", "assistant"), row)
            ]
        }

    body = "".join(json.dumps(line(row), ensure_ascii=False) + "\n" for row in rows).encode("utf-8")
    path.write_bytes(body)
    return {"rows": len(rows), "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="rows of the generators, times this"
    )
    parser.add_argument(
        "--variants", type=int, default=3, help="noisy variants of each task utterance"
    )
    parser.add_argument(
        "--leave-out",
        choices=sorted(tasks.CLINC_DOMAINS),
        help="a CLINC150 domain kept out of training",
    )
    args = parser.parse_args()
    if not (args.data / "text/tinystories").is_dir():
        sys.exit(f"{args.data}: no text/tinystories in it; README.md says what the folder holds")
    train, dev = all_kinds(args.data, args)
    screen = decontaminate.Screen()
    for kind in sorted(dev):
        screen.add(kind, [said_in(row) for row in dev[kind]])
    report = {}
    for kind in sorted(train):
        train[kind] = decontaminate.filtered(
            screen, kind, train[kind], said_in, SHARED_GRAMS.get(kind, 0), report
        )
    order = Rng(args.seed, "lessons")
    train["lessons"] = order.shuffled(
        taken(train, {kind: int(rows * args.scale) for kind, rows in LESSONS.items()})
    )
    dev["lessons"] = taken(dev, LESSONS_DEV)
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = {
        "seed": args.seed,
        "scale": args.scale,
        "variants": args.variants,
        "leave_out": args.leave_out,
        "train": {},
        "dev": {},
        "decontamination": report,
    }
    for kind in sorted(train):
        manifest["train"][kind] = write(args.out / f"{kind}.jsonl", train[kind])
    for kind in sorted(dev):
        manifest["dev"][kind] = write(args.out / f"{kind}.dev.jsonl", dev[kind])
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for part in ("train", "dev"):
        for kind, facts in manifest[part].items():
            left = (
                manifest["decontamination"].get(kind, {}).get("left", 0) if part == "train" else 0
            )
            print(
                f"{part:5} {kind:10} {facts['rows']:7} rows {facts['bytes']:9} bytes"
                + (f"  {left} left" if left else "")
            )


if __name__ == "__main__":
    main()
