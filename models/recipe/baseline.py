#!/usr/bin/python3
"""What the shipped model has to beat: TF-IDF and a linear classifier, on the same rows.

usage: baseline.py DATA [--json FILE] [--penalty X]

Words and pairs of words, and runs of two to five characters inside words; sublinear counts times
inverse document frequency, each of the two groups scaled to length one; multinomial logistic
regression with an L2 penalty, fitted by L-BFGS. The penalty is chosen on a tenth of the training
rows, or given. Needs python3-numpy; prints a table with Wilson's 95 % intervals. CLINC150's
training rows out of scope count as one more class; accuracy is over the rows in scope.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

import tasks
from intervals import percent, wilson
from rng import stable_hash

PENALTIES = (3e-6, 1e-5, 3e-5)
ITERATIONS = 60


def features(text):
    """({gram: count} of words, the same of characters)."""
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    grams = words + [f"{a} {b}" for a, b in zip(words, words[1:])]
    runs = []
    for word in words:
        padded = f" {word} "
        runs += [padded[i : i + n] for n in range(2, 6) for i in range(len(padded) - n + 1)]
    return tuple({gram: many.count(gram) for gram in many} for many in (grams, runs))


class Sparse:
    """Rows of (column, value), and the same by columns, so that both products are gathers and
    sums."""

    def __init__(self, rows, columns):
        self.shape = (len(rows), columns)
        lengths = np.array([len(row) for row in rows])
        column = np.array([c for row in rows for c, _ in row], dtype=np.int32)
        value = np.array([v for row in rows for _, v in row], dtype=np.float32)
        row = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        by_column = np.argsort(column, kind="stable")
        self._by_row = (np.concatenate(([0], np.cumsum(lengths))), column, value)
        counts = np.bincount(column, minlength=columns)
        self._by_column = (
            np.concatenate(([0], np.cumsum(counts))),
            row[by_column],
            value[by_column],
        )

    def times(self, dense):
        return self._sums(self._by_row, dense)

    def transposed_times(self, dense):
        return self._sums(self._by_column, dense)

    @staticmethod
    def _sums(compressed, dense, step=2048):
        starts, index, value = compressed
        out = np.zeros((len(starts) - 1, dense.shape[1]), np.float32)
        for first in range(0, len(out), step):
            last = min(first + step, len(out))
            low, high = starts[first], starts[last]
            if low == high:
                continue
            filled = first + np.flatnonzero(starts[first:last] < starts[first + 1 : last + 1])
            products = dense[index[low:high]]
            products *= value[low:high, None]
            out[filled] = np.add.reduceat(products, starts[filled] - low, axis=0)
        return out


class TfIdf:
    """Columns are the grams that two or more training texts have."""

    def __init__(self, texts):
        self._columns, self._weights = [], []
        counted = [features(text) for text in texts]
        self.columns = 0
        for group in (0, 1):
            documents = {}
            for parts in counted:
                for gram in parts[group]:
                    documents[gram] = documents.get(gram, 0) + 1
            kept = sorted(gram for gram in documents if documents[gram] > 1)
            self._columns.append({gram: self.columns + i for i, gram in enumerate(kept)})
            self._weights.append(
                {gram: np.log((1 + len(texts)) / (1 + documents[gram])) + 1 for gram in kept}
            )
            self.columns += len(kept)

    def rows(self, texts):
        return Sparse([self._row(text) for text in texts], self.columns)

    def _row(self, text):
        row = []
        for group, counts in enumerate(features(text)):
            column, weight = self._columns[group], self._weights[group]
            part = [
                (column[gram], (1 + np.log(n)) * weight[gram])
                for gram, n in counts.items()
                if gram in column
            ]
            norm = np.sqrt(sum(v * v for _, v in part)) or 1.0
            row += [(c, v / norm) for c, v in part]
        return row


def fit(x, y, classes, penalty):
    """Weights [columns, classes] that minimise mean cross entropy + penalty / 2 * their squares."""
    target = np.zeros((x.shape[0], classes), np.float32)
    target[np.arange(len(y)), y] = 1

    def loss_and_gradient(weights):
        logits = x.times(weights)
        logits -= logits.max(axis=1, keepdims=True)
        exp = np.exp(logits)
        total = exp.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(total[:, 0]) - np.sum(logits * target, axis=1)))
        exp /= total
        exp -= target
        gradient = x.transposed_times(exp) / len(y) + penalty * weights
        return loss + 0.5 * penalty * float(np.vdot(weights, weights)), gradient

    return _lbfgs(loss_and_gradient, np.zeros((x.shape[1], classes), np.float32))


def _lbfgs(function, weights, memory=6):
    """Nocedal's two loops, with halving of the step until the loss falls enough."""
    loss, gradient = function(weights)
    history = []
    for iteration in range(ITERATIONS):
        direction = -gradient
        alphas = []
        for step, change, rho in reversed(history):
            alpha = rho * float(np.vdot(step, direction))
            alphas.append(alpha)
            direction -= np.float32(alpha) * change
        if history:
            step, change, _ = history[-1]
            direction *= np.float32(np.vdot(step, change) / np.vdot(change, change))
        for (step, change, rho), alpha in zip(history, reversed(alphas)):
            direction += np.float32(alpha - rho * float(np.vdot(change, direction))) * step
        slope = float(np.vdot(gradient, direction))
        length = 1.0 if history else 1.0 / float(np.sqrt(np.vdot(gradient, gradient)))
        for _ in range(20):
            tried = weights + np.float32(length) * direction
            new_loss, new_gradient = function(tried)
            if new_loss <= loss + 1e-4 * length * slope:
                break
            length /= 2
        step, change = tried - weights, new_gradient - gradient
        curvature = float(np.vdot(step, change))
        if curvature > 0:
            history = (history + [(step, change, 1.0 / curvature)])[-memory:]
        done = loss - new_loss < 1e-5 * loss
        weights, loss, gradient = tried, new_loss, new_gradient
        if done:
            break
    return weights


def classify(train, dev, penalties=PENALTIES):
    """(guesses for dev, the penalty chosen). Rows are (text, label)."""
    labels = sorted({label for _, label in train})
    number = {label: i for i, label in enumerate(labels)}
    inner = [row for row in train if stable_hash("choice:" + row[0]) % 10]
    choice = [row for row in train if not stable_hash("choice:" + row[0]) % 10]

    def guesses(rows, asked, penalty):
        encoder = TfIdf([text for text, _ in rows])
        weights = fit(
            encoder.rows([text for text, _ in rows]),
            [number[label] for _, label in rows],
            len(labels),
            penalty,
        )
        return [
            labels[i]
            for i in encoder.rows([text for text, _ in asked]).times(weights).argmax(axis=1)
        ]

    hits = (
        {
            penalty: sum(a == b for a, (_, b) in zip(guesses(inner, choice, penalty), choice))
            for penalty in penalties
        }
        if len(penalties) > 1
        else {penalties[0]: 0}
    )
    best = max(penalties, key=lambda penalty: (hits[penalty], penalty))
    return guesses(train, dev, best), best


def tables(data, penalties):
    """[(name, hits, rows, penalty)]"""
    pairs = lambda rows: [(user, answer) for _, user, answer in rows]
    intent = lambda rows: [(user, json.loads(answer)["intent"]) for _, user, answer in rows]
    train, dev, _ = tasks.clinc(data)
    sets = [
        ("banking77 dev", *map(pairs, tasks.banking(data))),
        ("CLINC150 val", pairs(train), pairs(dev)),
        ("SNIPS intent, every tenth row", *map(intent, tasks.snips(data))),
    ]
    found = []
    for name, learned, asked in sets:
        guessed, penalty = classify(learned, asked, penalties)
        right = [guess == label for guess, (_, label) in zip(guessed, asked)]
        inside = [label != tasks.OUT_OF_SCOPE for _, label in asked]
        found.append(
            (
                name + (", in scope" if not all(inside) else ""),
                sum(r for r, i in zip(right, inside) if i),
                sum(inside),
                penalty,
            )
        )
        if not all(inside):
            found.append(
                (
                    name + ", out of scope found",
                    sum(r for r, i in zip(right, inside) if not i),
                    len(inside) - sum(inside),
                    penalty,
                )
            )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--penalty", type=float, help="instead of choosing one, which is slow")
    args = parser.parse_args()
    found = tables(args.data, (args.penalty,) if args.penalty else PENALTIES)
    print("| task | TF-IDF and linear | penalty |\n|---|---|---|")
    for name, hits, rows, penalty in found:
        print(f"| {name} | {percent(hits, rows)} | {penalty:g} |")
    if args.json:
        document = [
            {
                "task": name,
                "hits": hits,
                "rows": rows,
                "interval": wilson(hits, rows),
                "penalty": penalty,
            }
            for name, hits, rows, penalty in found
        ]
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
