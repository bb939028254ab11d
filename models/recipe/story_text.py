"""TinyStories as the data folder has it: cut into stories, repaired, given capitals back, split.

Two files: 0.9 MB in the original case, and 3.3 MB in lower case whose beginning is the first file.
Both are UTF-8 that was once read as Windows-1252, so that a closing quote is "â€" with its last
byte lost. The first file gives the text where they overlap; for the rest it teaches a small model
of where capitals go.
"""

import re

from rng import stable_hash

_REPAIRS = (
    ("â€œ", '"'),
    ("â€™", "'"),
    ("â€˜", "'"),
    ("â€“", " - "),
    ("â€”", " - "),
    ("â€¦", "..."),
    ("â€", '"'),
    ("ã©", "é"),
    ("ã±", "ñ"),
    ("ã¡", "á"),
    ("ã³", "ó"),
    ("â»", ""),
    ("â«", ""),
    ("“", '"'),
    ("”", '"'),
    ("’", "'"),
)
_OPENER = re.compile(
    r"(?i)(once|one (sunny |day|morning|night|cold|hot)|there (was|were|once)|long ago|in a |"
    r"\w+ and \w+ (were|was|are|like|love|play|go|went|had)|\w+ (was|is|liked|likes|loved|had) )"
)
_SPEECH = set(
    """said asked replied shouted cried answered whispered yelled exclaimed called says asks replies
    laughed
smiled giggled thought sang screamed told added begged""".split()
)
_ALL_CAPITALS = {"ok": "OK", "tv": "TV"}
_TOKEN = re.compile(r"[A-Za-zéñáóï]+(?:'[A-Za-z]+)*|\d+|\s+|.", re.S)
_NEVER_NAMES = set(
    """a an the his her their its my your our some this that he she it they we you and or but so
    then
one two three little big old who which when to""".split()
)


def repair(text):
    for broken, whole in _REPAIRS:
        text = text.replace(broken, whole)
    text = re.sub(r"[«»±¡¦©³ãâ€œ™˜]", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" ?\n ?", "\n", text)


def cut(text):
    """Stories. Paragraphs are two line breaks apart and stories one, but some stories hold single
    ones too."""
    stories = []
    for part in re.split(r"(?<!\n)\n(?!\n)", text):
        part = re.sub(r"\n{2,}", "\n\n", part).strip()
        if not part:
            continue
        if stories and not _OPENER.match(part) and (len(part) < 250 or part[0] in "\"'-"):
            stories[-1] += "\n" + part
        else:
            stories.append(part)
    return stories


class CaseModel:
    """Where capitals go, learned from text that has them: by the word before and after, by the
    word, by rule."""

    def __init__(self, stories):
        self._around, self._before, self._word = {}, {}, {}
        for story in stories:
            for before, word, after, starts in _in_context(story):
                if starts or not word[0].isalpha():
                    continue
                low, is_capital = word.lower(), word[0].isupper()
                for table, key in (
                    (self._around, (before, low, after)),
                    (self._before, (before, low)),
                    (self._word, low),
                ):
                    seen = table.setdefault(key, [0, 0])
                    seen[is_capital] += 1

    def restore(self, story):
        names = self._names_in(story)
        out = []
        for before, word, after, starts in _in_context(story):
            if word[0].isalpha() and (
                starts
                or word in _ALL_CAPITALS
                or word == "i"
                or word.startswith("i'")
                or self._is_capital(before, word, after, names)
            ):
                word = _ALL_CAPITALS.get(word) or word[0].upper() + word[1:]
            out.append(word)
        return "".join(out)

    def _names_in(self, story):
        """What this story calls somebody and the cased text never writes small."""
        found = set()
        for match in re.finditer(r"\b(?:named|called|name (?:was|is)) ([a-z]+)", story):
            lower, upper = self._word.get(match.group(1), (0, 0))
            if match.group(1) not in _NEVER_NAMES and lower <= 3 * upper + 6:
                found.add(match.group(1))
        return found

    def _is_capital(self, before, word, after, names):
        base = word[:-2] if word.endswith("'s") else word
        if base in names:
            return before not in ("a", "an", "the", "his", "her", "their", "my")
        if before == '"':  # a closing quote: what follows goes on with the sentence
            lower, upper = self._word.get(word, (0, 0))
            return upper > lower
        for table, key, least in (
            (self._around, (before, word, after), 2),
            (self._before, (before, word), 2),
            (self._word, word, 1),
            (self._word, base, 1),
        ):
            lower, upper = table.get(key, (0, 0))
            if lower + upper >= least:
                return upper > lower
        return False


def _in_context(story):
    """(word before, token, word after, does it start a sentence) of every token; words in lower
    case as context."""
    tokens = _TOKEN.findall(story)
    words = [(i, token) for i, token in enumerate(tokens) if not token.isspace()]
    order = {i: n for n, (i, _) in enumerate(words)}
    inside = False
    starts = True
    for i, token in enumerate(tokens):
        if token.isspace():
            if "\n" in token:
                starts, inside = True, False
            yield "", token, "", False
            continue
        n = order[i]
        before = words[n - 1][1].lower() if n else ""
        after = words[n + 1][1].lower() if n + 1 < len(words) else ""
        yield before, token, after, starts and token[0].isalpha()
        if token == '"':
            if not inside:
                inside, starts = True, True
            else:
                inside = False
                starts = before in (".", "!", "?") and not _is_tag(words, n + 1, before)
        elif token in ".!?":
            starts = True
        elif token[0].isalnum():
            starts = False


def _is_tag(words, n, mark):
    """Do the words at n say who spoke? "Yes!" he said. A full stop inside the quotes ends the
    sentence."""
    if mark == ".":
        return False
    for _, word in words[n : n + 5]:
        if word.lower() in _SPEECH:
            return True
        if word in '.!?,"':
            return False
    return False


def load(folder):
    """(stories, cased): all stories, repaired and cased, each once; and how many kept their own
    capitals."""
    cased = cut(repair((folder / "tinystories-0.9MB.txt").read_text(encoding="utf-8")))
    lower = cut(repair((folder / "tinystories-lower-3.3MB.txt").read_text(encoding="utf-8")))
    sample = (folder / "tinystories_sample.txt").read_text(encoding="utf-8").split("<|endoftext|>")
    cased += [re.sub(r"\n+", "\n\n", repair(story).strip()) for story in sample if len(story) > 200]
    model = CaseModel(cased)
    seen, stories = set(), []
    for story in cased + [model.restore(story) for story in lower[:-1]]:  # the last one is cut off
        key = fingerprint(story)
        if key not in seen and len(story) >= 120:
            seen.add(key)
            stories.append(story)
    return stories, len(cased)


def fingerprint(text):
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def is_held_out(story, percent=5):
    """By a hash of the letters alone, so that a better repair or casing never moves a story across
    the split."""
    return stable_hash("story:" + fingerprint(story)) % 100 < percent


if __name__ == "__main__":
    import sys
    from pathlib import Path

    source = Path(sys.argv[1])
    text = cut(repair((source / "tinystories-0.9MB.txt").read_text(encoding="utf-8")))
    learned = CaseModel(text[: len(text) * 3 // 4])
    wrong, total, shown = 0, 0, {}
    for original in text[len(text) * 3 // 4 :]:
        again = learned.restore(original.lower())
        for a, b in zip(re.findall(r"\S+", original), re.findall(r"\S+", again)):
            total += 1
            if a != b:
                wrong += 1
                shown[(a, b)] = shown.get((a, b), 0) + 1
    print(f"{wrong} of {total} words with wrong capitals ({wrong / total:.3%})")
    for pair in sorted(shown, key=lambda p: (-shown[p], p))[:40]:
        print(shown[pair], *pair)
