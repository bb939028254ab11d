"""Arithmetic in words: numbers up to a hundred, one or two steps; the answer states the sum and its
result."""

import words
from slot_values import NUMBERS

SYSTEM = "Solve the problem."
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_THINGS = """apples books coins eggs stamps marbles pencils cookies shells tickets stickers buttons
cards flowers cups
chairs letters boxes oranges nails bottles candles photos plates socks pears bricks songs pages
seats""".split()


def in_words(value):
    if value <= 20:
        return NUMBERS[value]
    if value == 100:
        return "one hundred"
    tens, ones = divmod(value, 10)
    return _TENS[tens - 2] + (f"-{NUMBERS[ones]}" if ones else "")


_PLUS = [
    "{n} has {a} {t} and gets {b} more. How many {t} does {n} have?",
    "What is {a} plus {b}?",
    "Add {b} to {a}.",
    "There are {a} {t} in one box and {b} in another. How many {t} are there?",
    "{n} found {a} {t} on Monday and {b} on Tuesday. How many is that?",
    "How much is {a} and {b} together?",
    "{b} people join a group of {a}. How many are they now?",
    "{n} walked {a} miles, then {b} miles more. How far is that?",
    "The sum of {a} and {b} is what?",
    "{n} reads {a} pages before lunch and {b} after. How many pages?",
]
_MINUS = [
    "{n} had {a} {t} and gave away {b}. How many {t} are left?",
    "What is {a} minus {b}?",
    "Take {b} away from {a}.",
    "Of {a} {t}, {b} are broken. How many are whole?",
    "{n} is {a} years old and {m} is {b}. How many years older is {n}?",
    "A rope is {a} meters long. {n} cuts off {b} meters. How long is the rest?",
    "Subtract {b} from {a}.",
    "{a} birds sit in a tree and {b} fly off. How many stay?",
    "{n} needs {a} {t} and has {b}. How many are missing?",
    "What is the difference between {a} and {b}?",
]
_TIMES = [
    "What is {a} times {b}?",
    "{n} buys {a} bags with {b} {t} each. How many {t} is that?",
    "There are {a} rows of {b} seats. How many seats are there?",
    "Multiply {a} by {b}.",
    "One ticket costs {b} dollars. What do {a} tickets cost?",
    "{n} runs {b} miles a day. How many miles in {a} days?",
    "{a} children have {b} {t} each. How many {t} do they have?",
    "How much is {a} groups of {b}?",
]
_SHARE = [
    "{n} shares {a} {t} among {b} friends. How many does each get?",
    "What is {a} divided by {b}?",
    "{a} {t} fit in {b} boxes of the same size. How many are in each box?",
    "Divide {a} by {b}.",
    "{b} tickets cost {a} dollars. What does one ticket cost?",
    "How many times does {b} go into {a}?",
]
_TWICE = [
    ("{n} has {a} {t}, buys {b} more and loses {c}. How many {t} are left?", 1, -1),
    (
        "There were {a} people on the bus. {b} got off and {c} got on. How many are on the bus?",
        -1,
        1,
    ),
    (
        "{n} had {a} {t}. {m} gave {n} {b} and {k} gave {n} {c}. How many {t} does {n} have now?",
        1,
        1,
    ),
    ("What is {a} plus {b} minus {c}?", 1, -1),
    ("What is {a} minus {b} plus {c}?", -1, 1),
    (
        "A shop has {a} {t}. It sells {b} in the morning and {c} in the afternoon. How many are left?",
        -1,
        -1,
    ),
]


def _row(rng):
    kind = rng.below(5)
    if kind == 4:
        template, first, second = rng.pick(_TWICE)
        a, b, c = rng.between(2, 60), rng.between(1, 40), rng.between(1, 30)
        middle = a + first * b
        result = middle + second * c
        if min(middle, result) < 0:
            return None
        sign = {1: "+", -1: "-"}
        answer = f"{a} {sign[first]} {b} = {middle}, {middle} {sign[second]} {c} = {result}"
    else:
        c = 0
        if kind == 0:
            template, (a, b), sign = rng.pick(_PLUS), (rng.between(0, 99), rng.between(0, 99)), "+"
            result = a + b
        elif kind == 1:
            template, a, sign = rng.pick(_MINUS), rng.between(1, 100), "-"
            b = rng.between(0, a)
            result = a - b
        elif kind == 2:
            template, (a, b), sign = rng.pick(_TIMES), (rng.between(2, 12), rng.between(2, 12)), "x"
            result = a * b
        else:
            template, b, sign = rng.pick(_SHARE), rng.between(2, 12), "/"
            result = rng.between(1, 12)
            a = b * result
        answer = f"{a} {sign} {b} = {result}"
    spelled = rng.chance(0.6)
    show = [in_words(value) if spelled and value <= 100 else str(value) for value in (a, b, c)]
    n, m, k = rng.sample(words.FIRST_NAMES, 3)
    question = template.format(a=show[0], b=show[1], c=show[2], n=n, m=m, k=k, t=rng.pick(_THINGS))
    question = question[0].upper() + question[1:]
    return SYSTEM, question.lower() if rng.chance(0.15) else question, answer


def generate(rng, count):
    """`count` different rows."""
    seen, rows = set(), []
    while len(rows) < count:
        row = _row(rng)
        if row and row[1] not in seen:
            seen.add(row[1])
            rows.append(row)
    return rows
