"""Questions about a given paragraph, to be answered "yes", "no" or "not stated".

A paragraph states facts of a made-up world (who, what, where, when, how many), so nothing but
reading answers; a question asks a stated fact, a changed one, or one that is not there.
"""

import words
from slot_values import DAYS, NUMBERS

SYSTEM = "Answer yes, no or not stated."
_JOBS = "baker teacher doctor farmer painter driver nurse singer tailor pilot gardener cook clerk plumber judge".split()
_COLORS = "red blue green yellow white black brown grey orange purple".split()
_PETS = "dog cat horse parrot rabbit goat turtle snake hamster donkey".split()
_FOODS = "rice soup fish bread cheese apples noodles beans cake salad eggs potatoes".split()
_SPORTS = "football tennis chess golf hockey cricket volleyball boxing darts rugby".split()
_THINGS = "car house bike boat coat door hat tent bag piano".split()

# Fact -> (values, statements, questions). {n} is a name, {v} the value.
_FACTS = {
    "job": (
        _JOBS,
        ["{n} is a {v}.", "{n} works as a {v}.", "For years {n} has been a {v}."],
        ["Is {n} a {v}?", "Does {n} work as a {v}?"],
    ),
    "city": (
        words.CITIES,
        ["{n} lives in {v}.", "{n} comes from {v}.", "{n} has a home in {v}."],
        ["Does {n} live in {v}?", "Is {v} where {n} lives?"],
    ),
    "pet": (
        _PETS,
        ["{n} has a {v}.", "{n} owns a {v}.", "A {v} belongs to {n}."],
        ["Does {n} have a {v}?", "Is a {v} {n}'s pet?"],
    ),
    "food": (
        _FOODS,
        ["{n} likes {v} best.", "{n} eats {v} every day.", "{n} loves {v}."],
        ["Does {n} like {v}?", "Is {v} what {n} likes to eat?"],
    ),
    "sport": (
        _SPORTS,
        ["{n} plays {v}.", "On weekends {n} plays {v}.", "{n} is good at {v}."],
        ["Does {n} play {v}?", "Is {v} a game that {n} plays?"],
    ),
    "day": (
        [day.title() for day in DAYS],
        ["{n} arrived on {v}.", "{n} came back on {v}.", "It was {v} when {n} came."],
        ["Did {n} come on {v}?", "Was it {v} when {n} arrived?"],
    ),
    "children": (
        NUMBERS[2:10],
        ["{n} has {v} children.", "{n} and {v} children share a flat."],
        ["Does {n} have {v} children?", "Are there {v} children with {n}?"],
    ),
    "color": (
        _COLORS,
        ["{n}'s {t} is {v}.", "{n} bought a {v} {t}.", "The {t} of {n} is {v}."],
        ["Is {n}'s {t} {v}?", "Does {n} have a {v} {t}?"],
    ),
}


def _row(rng):
    names = rng.sample(words.FIRST_NAMES, rng.pick((1, 2, 2, 3)))
    if rng.chance(0.3):
        names[0] = words.made_up_word(rng).title()
    thing = rng.pick(_THINGS)
    world, sentences = {}, []
    for _ in range(rng.between(2, 6)):
        name, fact = rng.pick(names), rng.pick(sorted(_FACTS))
        if (name, fact) in world:
            continue
        values, statements, _ = _FACTS[fact]
        world[name, fact] = rng.pick(values)
        sentences.append(rng.pick(statements).format(n=name, v=world[name, fact], t=thing))
    name, fact = rng.pick(sorted(world))
    values, _, questions = _FACTS[fact]
    stated = world[name, fact]
    answer = rng.pick(["yes", "no", "not stated"])
    asked = stated
    if answer == "no":
        # Half of the false values stand in the paragraph, for somebody else.
        others = sorted(
            {value for (who, what), value in world.items() if what == fact and value != stated}
        )
        asked = (
            rng.pick(others)
            if others and rng.chance(0.5)
            else rng.pick([v for v in values if v != stated])
        )
    elif answer == "not stated":
        free = sorted((who, what) for who in names for what in _FACTS if (who, what) not in world)
        name, fact = rng.pick(free)
        values, _, questions = _FACTS[fact]
        known = sorted({value for (_, what), value in world.items() if what == fact})
        asked = rng.pick(known) if known and rng.chance(0.5) else rng.pick(values)
    question = rng.pick(questions).format(n=name, v=asked, t=thing)
    return SYSTEM, " ".join(sentences) + "\n\n" + question, answer


def generate(rng, count):
    """`count` different rows."""
    seen, rows = set(), []
    while len(rows) < count:
        row = _row(rng)
        if row[1] not in seen:
            seen.add(row[1])
            rows.append(row)
    return rows
