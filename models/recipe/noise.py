"""What people do to text when they type: lower case, missing marks, slips of the finger, polite
filler."""

_NEIGHBOURS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "sqwz vghn xdfv serfcx wrsd drtgvc ftyhbv gyujnb uojk huikmn jiolm kop njk bhjm ipkl ol wa "
        "etdf awedxz ryfg yihj cfgb qeas zsdc tugh asx".split(),
    )
)
_OPENERS = [
    "hi, ",
    "hello, ",
    "hey, ",
    "please ",
    "hi there, ",
    "ok ",
    "so ",
    "um, ",
    "excuse me, ",
    "quick question: ",
    "hey ",
    "good morning, ",
    "sorry, ",
]
_CLOSERS = [
    " please",
    " thanks",
    ", thanks",
    " thank you",
    " asap",
    ", please help",
    " ok?",
    "!",
    "??",
    "...",
    " now",
]


def typo(rng, word):
    """One slip: a letter doubled, lost, swapped with the next, or hit beside its key."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = 1 + rng.below(len(word) - 2)
    form = rng.below(4)
    if form == 0:
        return word[:at] + word[at] + word[at:]
    if form == 1:
        return word[:at] + word[at + 1 :]
    if form == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    beside = _NEIGHBOURS.get(word[at].lower())
    return word[:at] + rng.pick(beside) + word[at + 1 :] if beside else word


def noisy(rng, text):
    """A variant of an utterance that means the same; at least one thing differs, most of the
    time."""
    text = text.strip()
    if rng.chance(0.5):
        text = text.lower()
    elif rng.chance(0.3):
        text = text[:1].upper() + text[1:]
    if rng.chance(0.4):
        text = text.rstrip("?.! ") or text
    elif rng.chance(0.15) and text[-1].isalnum():
        text += rng.pick("?.!")
    if rng.chance(0.15):
        text = text.replace("'", "")
    words = text.split(" ")
    if rng.chance(0.35):
        at = rng.below(len(words))
        words[at] = typo(rng, words[at])
    if len(words) > 5 and rng.chance(0.3):
        del words[rng.below(len(words))]
    text = " ".join(words)
    if rng.chance(0.15):
        text = rng.pick(_OPENERS) + (text if text.startswith("I ") else text[:1].lower() + text[1:])
    if rng.chance(0.12):
        text = text.rstrip("?.!") + rng.pick(_CLOSERS)
    return text
