#!/usr/bin/env python3
"""All held-out tables of a model, with 95 % intervals, as Markdown and as JSON.

usage: evaluate.py MODEL TEXTS [--bantam PROGRAM] [--out FOLDER] [--baseline FILE] [--only KIND,...]
[--threads N]

MODEL is a GGUF file or a name that bantam knows; TEXTS is what prepare.py wrote. `bantam score
--rows` answers every held-out row: greedily ("exact", "json"), or with the likeliest of all labels
that there are ("label"). FOLDER gets tables.md, tables.json and, per measure, every answer as JSON
lines. The column beside comes from what baseline.py --json wrote: baseline.json here.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import tasks
from intervals import percent, wilson

# Kind, metric, what is counted: see MEASURES below.
GOALS = {"banking77": 90.0, "CLINC150, in scope": 93.0, "SNIPS, exact frame": 88.0}


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Scorer:
    """Runs `bantam score` and keeps what each row got."""

    def __init__(self, args, scratch):
        self._args, self._scratch = args, scratch

    def _run(self, rows, metric, out, more=()):
        command = [
            self._args.bantam,
            "score",
            "-m",
            self._args.model,
            "--rows",
            str(rows),
            "--metric",
            metric,
            "--json",
            "--quiet",
            "--out",
            str(out),
            "--threads",
            str(self._args.threads),
            "--too-long",
            "drop",
            *more,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr or done.stdout}")
        return json.loads(done.stdout)

    def answers(self, kind, metric):
        """[(row as prepared, what was found)] of a kind's held-out rows; a row that did not fit
        found nothing."""
        source = self._args.texts / f"{kind}.dev.jsonl"
        rows = rows_of(source)
        out = self._args.out / f"{kind}.{metric}.jsonl"
        asked, more = source, []
        if metric == "label":
            asked, more = self._labelled(kind, rows)
        self._run(asked, metric, out, more)
        found = {answer["line"]: answer for answer in rows_of(out)}
        return [
            (row["messages"], found.get(line, {}).get("found", ""))
            for line, row in enumerate(rows, 1)
        ]

    def _labelled(self, kind, rows):
        asked, labels = self._scratch / f"{kind}.jsonl", self._scratch / f"{kind}.labels"
        asked.write_text(
            "".join(
                json.dumps(
                    {"text": row["messages"][1]["content"], "label": row["messages"][2]["content"]}
                )
                + "\n"
                for row in rows
            ),
            encoding="utf-8",
        )
        known = {
            row["messages"][2]["content"] for row in rows_of(self._args.texts / f"{kind}.jsonl")
        }
        known |= {row["messages"][2]["content"] for row in rows}
        labels.write_text("".join(label + "\n" for label in sorted(known)), encoding="utf-8")
        return asked, ["--label-system", rows[0]["messages"][0]["content"], "--labels", str(labels)]

    def loss(self, kind):
        """(nats a token, its interval, bits a byte, tokens) of texts."""
        source = self._args.texts / f"{kind}.dev.jsonl"
        document = self._run(source, "loss", self._args.out / f"{kind}.loss.jsonl")
        size = sum(len(row["text"].encode("utf-8")) for row in rows_of(source))
        bits = document["loss"] * document["tokens"] / math.log(2) / size
        return document["loss"], (-document["high"], -document["low"]), bits, document["tokens"]


def frame(text):
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def slot_counts(pairs):
    """(right, found, wanted) slots of frames."""
    right = given = wanted = 0
    for messages, text in pairs:
        want = {(k, v) for k, v in json.loads(messages[2]["content"]).items() if k != "intent"}
        have = {(k, str(v)) for k, v in (frame(text) or {}).items() if k != "intent"}
        right, given, wanted = right + len(want & have), given + len(have), wanted + len(want)
    return right, given, wanted


class Tables:
    def __init__(self):
        self.shares, self.others = [], []

    def share(self, name, rights):
        rights = list(rights)
        self.shares.append(
            {
                "task": name,
                "hits": sum(rights),
                "rows": len(rights),
                "interval": wilson(sum(rights), len(rights)),
            }
        )

    def other(self, name, value, text):
        self.others.append({"measure": name, "value": value, "text": text})


def same(pairs):
    return [found.strip() == messages[2]["content"] for messages, found in pairs]


def classification(scorer, tables, kind, name):
    for metric, how in (("exact", ""), ("label", " (likeliest label)")):
        pairs = scorer.answers(kind, metric)
        inside = [pair for pair in pairs if pair[0][2]["content"] != tasks.OUT_OF_SCOPE]
        outside = [pair for pair in pairs if pair[0][2]["content"] == tasks.OUT_OF_SCOPE]
        tables.share(name + (", in scope" if outside else "") + how, same(inside))
        if outside:
            tables.share(name + ", out of scope found" + how, same(outside))


def snips(scorer, tables):
    pairs = scorer.answers("snips", "json")
    wanted = [json.loads(messages[2]["content"]) for messages, _ in pairs]
    found = [frame(text) for _, text in pairs]
    tables.share("SNIPS, exact frame", [a == b for a, b in zip(found, wanted)])
    tables.share(
        "SNIPS, intent", [(a or {}).get("intent") == b["intent"] for a, b in zip(found, wanted)]
    )
    tables.share("SNIPS, valid JSON", [a is not None for a in found])
    right, given, all_wanted = slot_counts(pairs)
    value = 2 * right / max(given + all_wanted, 1)
    tables.other(
        "SNIPS, slot F1",
        value,
        f"{100 * value:.1f} % ({right} right of {given} given and {all_wanted} wanted)",
    )


def own(scorer, tables):
    for kind, name in (("extract", "fields as JSON"), ("tickets", "tickets as JSON")):
        pairs = scorer.answers(kind, "json")
        tables.share(
            f"own: {name}, all right",
            [frame(text) == json.loads(messages[2]["content"]) for messages, text in pairs],
        )
    for field in ("category", "priority"):
        tables.share(
            f"own: tickets, {field}",
            [
                (frame(text) or {}).get(field) == json.loads(messages[2]["content"])[field]
                for messages, text in pairs
            ],
        )
    for kind, name in (
        ("arithmetic", "arithmetic in words"),
        ("yesno", "yes, no or not stated"),
        ("router", "local or remote"),
        ("nlupp", "NLU++, all intents (fold 14)"),
    ):
        tables.share(
            name if kind == "nlupp" else f"own: {name}", same(scorer.answers(kind, "exact"))
        )


def stories(scorer, tables):
    loss, (low, high), bits, tokens = scorer.loss("stories")
    tables.other(
        "stories, nats a token", loss, f"{loss:.3f} ({low:.3f}–{high:.3f}) over {tokens:.0f} tokens"
    )
    tables.other("stories, bits a byte", bits, f"{bits:.3f}")


def markdown(name, tables, baseline):
    lines = [
        f"Held-out figures of `{name}`, with 95 % intervals (Wilson):",
        "",
        "| task | model | TF-IDF and linear | goal |",
        "|---|---|---|---|",
    ]
    beside = {
        "banking77": "banking77 dev",
        "CLINC150, in scope": "CLINC150 val, in scope",
        "CLINC150, out of scope found": "CLINC150 val, out of scope found",
        "SNIPS, intent": "SNIPS intent, every tenth row",
    }
    for row in tables.shares:
        other = baseline.get(beside.get(row["task"]))
        goal = GOALS.get(row["task"])
        lines.append(
            f"| {row['task']} | {percent(row['hits'], row['rows'])} | {percent(*other) if other else ''} | "
            f"{f'{goal:.0f} %' if goal else ''} |"
        )
    lines += ["", "| measure | value |", "|---|---|"] + [
        f"| {row['measure']} | {row['text']} |" for row in tables.others
    ]
    return "\n".join(lines) + "\n"


MEASURES = {
    "banking": lambda s, t: classification(s, t, "banking", "banking77"),
    "clinc": lambda s, t: classification(s, t, "clinc", "CLINC150"),
    "snips": snips,
    "own": own,
    "stories": stories,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument(
        "--bantam", default=str(Path(__file__).resolve().parents[2] / "build/release/bantam")
    )
    parser.add_argument("--out", type=Path, default=Path("evaluation"))
    parser.add_argument(
        "--baseline", type=Path, default=Path(__file__).resolve().parent / "baseline.json"
    )
    parser.add_argument("--only", default=",".join(MEASURES), help=", ".join(MEASURES))
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    baseline = {}
    if args.baseline.exists():
        baseline = {
            row["task"]: (row["hits"], row["rows"])
            for row in json.loads(args.baseline.read_text(encoding="utf-8"))
        }
    tables = Tables()
    with tempfile.TemporaryDirectory() as scratch:
        scorer = Scorer(args, Path(scratch))
        for kind in args.only.split(","):
            if kind not in MEASURES:
                sys.exit(f"there is no measure {kind}: {', '.join(MEASURES)}")
            MEASURES[kind](scorer, tables)
    text = markdown(Path(args.model).stem, tables, baseline)
    (args.out / "tables.md").write_text(text, encoding="utf-8")
    (args.out / "tables.json").write_text(
        json.dumps(
            {"model": args.model, "shares": tables.shares, "others": tables.others}, indent=1
        )
        + "\n",
        encoding="utf-8",
    )
    print(text, end="")


if __name__ == "__main__":
    main()
