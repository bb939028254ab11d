#!/usr/bin/env python3
"""How fast a model learns fifteen intents that it has never seen: twenty examples each, some
seconds, one command.

usage: personalise.py MODEL TEXTS [--seconds S] [--examples N] [--bantam PROGRAM] [--out FOLDER] [--
OPTIONS OF TUNE]

TEXTS was written by prepare.py --leave-out DOMAIN, and MODEL learned from those alone. The time is
that of `bantam tune` from its start to its end, loading and saving included. Then `bantam score`
names the intents of the domain's held-out rows: the likeliest of the fifteen, and the likeliest of
all 151 labels, before and after.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tasks
from evaluate import rows_of
from intervals import percent, wilson
from rng import stable_hash

# Found by trying: see README.md. Small batches matter more than the rank.
OPTIONS = ["--rank", "32", "--rate", "3e-3", "--batch", "128", "--epochs", "4"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr or done.stdout}")
    return done.stdout


def examples(rows, count):
    """`count` rows of each label, chosen and ordered by a hash of the text."""
    pairs = [(row["messages"][1]["content"], row["messages"][2]["content"]) for row in rows]
    pairs.sort(key=lambda pair: stable_hash("personalise:" + pair[0]))
    taken, chosen = {}, []
    for text, label in pairs:
        if taken.get(label, 0) < count:
            taken[label] = taken.get(label, 0) + 1
            chosen.append((text, label))
    return chosen


def write(path, pairs):
    path.write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs),
        encoding="utf-8",
    )


def main():
    mine, theirs = sys.argv[1:], []
    if "--" in mine:
        at = mine.index("--")
        mine, theirs = mine[:at], mine[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--examples", type=int, default=20)
    parser.add_argument(
        "--bantam", default=str(Path(__file__).resolve().parents[2] / "build/release/bantam")
    )
    parser.add_argument("--out", type=Path, default=Path("personalise"))
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(mine)
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    asked = [
        (row["messages"][1]["content"], row["messages"][2]["content"])
        for row in rows_of(args.texts / "domain.dev.jsonl")
    ]
    learned = examples(rows_of(args.texts / "domain.jsonl"), args.examples)
    fifteen = sorted({label for _, label in asked})
    everything = sorted(
        {label for domain in tasks.CLINC_DOMAINS.values() for label in domain}
        | {tasks.OUT_OF_SCOPE}
    )
    write(args.out / "learned.jsonl", learned)
    write(args.out / "asked.jsonl", asked)
    for name, labels in (("fifteen", fifteen), ("all", everything)):
        (args.out / f"{name}.labels").write_text(
            "".join(label + "\n" for label in labels), encoding="utf-8"
        )
    said = ["--label-system", tasks.CLINC, "--threads", str(args.threads), "--quiet"]

    def measured(when, model):
        shares = {}
        for name in ("fifteen", "all"):
            out = json.loads(
                run(
                    [
                        args.bantam,
                        "score",
                        "-m",
                        *model,
                        "--rows",
                        str(args.out / "asked.jsonl"),
                        "--metric",
                        "label",
                        "--labels",
                        str(args.out / f"{name}.labels"),
                        "--json",
                        *said,
                    ]
                )
            )
            shares[name] = {
                "hits": out["right"],
                "rows": out["rows"],
                "interval": wilson(out["right"], out["rows"]),
            }
            print(
                f"{when}, likeliest of {'15' if name == 'fifteen' else '151'}: {percent(out['right'], out['rows'])}",
                flush=True,
            )
        return shares

    before = measured("before", [args.model])
    start, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run(
        [
            args.bantam,
            "tune",
            args.model,
            str(args.out / "learned.jsonl"),
            str(args.out / "run"),
            "--validation-share",
            "0",
            "--minutes",
            str(args.seconds / 60),
            *said,
            *(theirs or OPTIONS),
        ]
    )
    seconds = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = usage.ru_utime + usage.ru_stime - used.ru_utime - used.ru_stime
    print(
        f"tuned on {len(learned)} rows in {seconds:.1f} s ({worked:.1f} s of processor time)",
        flush=True,
    )
    adapter, whole = args.out / "run" / "adapter.gguf", args.out / "run" / "model.gguf"
    learned_model = [str(whole)] if whole.exists() else [args.model, "--adapter", str(adapter)]
    after = measured("after", learned_model)
    document = {
        "model": args.model,
        "rows": len(learned),
        "seconds": seconds,
        "processor_seconds": worked,
        "options": theirs or OPTIONS,
        "before": before,
        "after": after,
    }
    (args.out / "personalise.json").write_text(
        json.dumps(document, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
