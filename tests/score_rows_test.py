#!/usr/bin/env python3
"""Holds `bantam score --rows` to what its numbers mean, by counting again.

usage: tests/score_rows_test.py BANTAM
"""

import collections
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

BINARY = sys.argv.pop() if len(sys.argv) > 1 else "build/release/bantam"
SEED = pathlib.Path(__file__).resolve().parent.parent / "models" / "seed-Q8_0.gguf"


def score(rows, *words, model=SEED):
    done = subprocess.run([BINARY, "score", "-m", str(model), "--rows", str(rows), "--threads", "1",
                           "--json", *words],
                          capture_output=True, text=True, timeout=60, check=False)
    return done, json.loads(done.stdout)


def wilson(right, rows):
    z = 1.959963984540054
    share = right / rows
    middle = share + z * z / (2 * rows)
    width = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return (middle - width) / (1 + z * z / rows), (middle + width) / (1 + z * z / rows)


class ScoreRowsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def test_labels_are_counted_and_told_apart(self):
        labels = ["card_arrival", "card_linking", "exchange_rate"]
        rows = self.write("rows.csv", "text,label\n" + "".join(
            f"where is my {word} {i},{label}\n" for i in range(4)
            for word, label in zip(("card", "linked card", "rate of exchange"), labels)))
        out = self.folder / "out.jsonl"
        done, document = score(rows, "--metric", "label", "--out", str(out))
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual([answer["line"] for answer in answers], list(range(2, 14)))
        right = sum(answer["right"] for answer in answers)
        for answer in answers:
            self.assertIn(answer["found"], labels)
            self.assertEqual(answer["right"], answer["found"] == answer["wanted"])
        self.assertEqual((document["rows"], document["right"]), (12, right))
        self.assertEqual(document["score"], right / 12)
        for bound, expected in zip(("low", "high"), wilson(right, 12)):
            self.assertAlmostEqual(document[bound], expected, 12)
        pairs = collections.Counter((answer["wanted"], answer["found"]) for answer in answers
                                    if not answer["right"])
        self.assertEqual({(c["wanted"], c["found"]): c["rows"] for c in document["confusions"]},
                         dict(pairs))
        for label in document["labels"]:
            self.assertEqual(label["rows"], 4 if label["label"] in labels else 0)

        # Each by itself: the likeliest of the continuations.
        one = self.write("one.csv", "text,label\nwhere is my card 0,card_arrival\n")
        text = self.write("labels.txt", "\r\n".join(labels) + "\n\n")
        _, alone = score(one, "--metric", "label", "--labels", str(text), "--out", str(out))
        self.assertEqual(json.loads(out.read_text()), answers[0])
        self.assertEqual(alone["rows"], 1)
        # Rows can lend their labels; a label that is not among them is never right.
        _, other = score(self.write("odd.csv", "text,label\nwhere is my card,nothing\n"),
                         "--metric", "label", "--labels", str(rows))
        self.assertEqual((other["rows"], other["right"]), (1, 0))

    def test_the_loss_is_that_of_the_text(self):
        texts = ["Once upon a time there was a fox.", "The end.", "A b c d e f g h i j k."]
        rows = self.write("rows.jsonl", "".join(json.dumps({"text": t}) + "\n" for t in texts))
        out = self.folder / "out.jsonl"
        _, document = score(rows, "--out", str(out))
        self.assertEqual(document["loss"], -document["score"])
        self.assertLess(document["low"], document["score"])
        self.assertGreater(document["high"], document["score"])
        total = tokens = 0
        for line in out.read_text().splitlines():
            total, tokens = total + json.loads(line)["logprob"], tokens + json.loads(line)["tokens"]
        self.assertEqual(document["score"], total / tokens)
        self.assertEqual(document["tokens"], tokens)
        # Half of the rows.
        self.assertEqual(score(rows, "--most", "2")[1]["rows"], 2)

    def test_what_cannot_be_measured_is_refused_or_said(self):
        rows = self.write("rows.jsonl", '{"text":"one two"}\nnonsense\n{"text":" "}\n')
        done, document = score(rows)
        self.assertEqual(done.returncode, 65)
        self.assertEqual(document["error"]["code"], "row_invalid")
        self.assertIn("rows.jsonl:2", done.stderr)
        self.assertIn("--skip-bad", done.stderr)
        done, document = score(rows, "--skip-bad")
        self.assertEqual((document["rows"], document["skipped"], document["empty_targets"]),
                         (1, 1, 1))
        self.assertIn("rows.jsonl:2", done.stderr)
        done, document = score(rows, "--skip-bad", "--metric", "exact")
        self.assertEqual((done.returncode, document["error"]["code"]), (64, "metric_invalid"))
        done, document = score(rows, "--skip-bad", "--context", "2")
        self.assertGreater(document["rows"], 1, "a long document is cut into examples")
        done, document = score(self.write("long.jsonl", json.dumps(
            {"prompt": "word " * 50, "completion": "yes"})), "--context", "16")
        self.assertEqual((done.returncode, document["error"]["code"]), (65, "row_too_long"))
        self.assertIn("--too-long", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
