"""No training row may hold what a held-out row says: 13-grams of words, and whole texts that are
shorter.

The unit is what the user says (and, for stories, the text). Words are runs of letters and digits in
lower case, so case, marks and spacing hide nothing.
"""

import re

N = 13


def grams(text):
    """The set of 13-grams of words; of a shorter text the text itself, marked so that it equals no
    13-gram."""
    words = re.findall(r"[^\W_]+", text.lower().replace("'", ""))
    if len(words) < N:
        return {"=" + " ".join(words)}
    return {" ".join(words[i : i + N]) for i in range(len(words) - N + 1)}


class Screen:
    """The grams of all held-out rows, and which kind each is of."""

    def __init__(self):
        self._kinds = {}

    def add(self, kind, texts):
        for text in texts:
            for gram in grams(text):
                self._kinds.setdefault(gram, kind)

    def shared(self, text):
        """The kinds of held-out rows that share a gram with the text, one entry a gram."""
        return [self._kinds[gram] for gram in grams(text) if gram in self._kinds]


def filtered(screen, kind, rows, text_of, allowed, report):
    """The rows that share at most `allowed` grams with held-out rows.

    0 for all but stories, where "once upon a time there was a little girl named lily she loved to
    play" is in many that have nothing else in common. report: {kind: how many rows share anything
    with what, how many left}
    """
    kept, touched = [], {}
    for row in rows:
        shared = screen.shared(text_of(row))
        for other in set(shared):
            touched[other] = touched.get(other, 0) + 1
        if len(shared) <= allowed:
            kept.append(row)
    report[kind] = {
        "rows": len(rows),
        "rows_that_share": dict(sorted(touched.items())),
        "grams_allowed": allowed,
        "left": len(rows) - len(kept),
    }
    return kept
