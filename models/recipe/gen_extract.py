"""Fields out of messages into JSON: names, dates, amounts, numbers. The system prompt names the
fields wanted.

Values are drawn so widely (made-up names, random codes and amounts) that copying from the message
is the only way to be right; the fields asked for, and their order, change from row to row.
"""

import json

import words
from slot_values import DAYS, MONTHS, ordinal, clock


def code(rng):
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    digits = "".join(str(rng.below(10)) for _ in range(rng.between(3, 8)))
    prefix = "".join(rng.pick(letters) for _ in range(rng.between(1, 3)))
    return rng.pick(
        [
            digits,
            f"{prefix}-{digits}",
            f"{prefix}{digits}",
            f"#{digits}",
            f"{digits[:3]}-{digits[3:]}{prefix}",
        ]
    )


def amount(rng):
    whole = rng.pick([rng.between(1, 99), rng.between(1, 999), rng.between(100, 9999)])
    cents = f".{rng.below(100):02d}" if rng.chance(0.6) else ""
    return rng.pick(
        [
            f"${whole}{cents}",
            f"{whole}{cents} euros",
            f"£{whole}{cents}",
            f"{whole}{cents} USD",
            f"€{whole}{cents}",
            f"{whole}{cents} dollars",
            f"{whole} pounds",
        ]
    )


def date(rng):
    month = rng.pick(MONTHS).title()
    return rng.pick(
        [
            f"{month} {rng.between(1, 30)}",
            f"{rng.between(1, 28)} {month} {rng.between(2018, 2031)}",
            f"{rng.between(2018, 2031)}-{rng.between(1, 12):02d}-{rng.between(1, 28):02d}",
            f"{rng.between(1, 12)}/{rng.between(1, 28)}/{rng.between(2018, 2031)}",
            f"the {ordinal(rng)} of {month}",
            f"next {rng.pick(DAYS).title()}",
            f"last {rng.pick(DAYS).title()}",
        ]
    )


def _email(rng):
    user = rng.pick([words.made_up_word(rng, "english"), rng.pick(words.FIRST_NAMES).lower()])
    user += rng.pick(["", ".", "_"]) + rng.pick(
        [words.made_up_word(rng, "slavic"), str(rng.between(1, 999))]
    )
    return f"{user}@{words.made_up_word(rng, 'english')}.{rng.pick(['com', 'org', 'net', 'io', 'de', 'co.uk', 'fr'])}"


def _phone(rng):
    digits = "".join(str(rng.below(10)) for _ in range(10))
    return rng.pick(
        [
            f"{digits[:3]}-{digits[3:6]}-{digits[6:]}",
            f"+{rng.between(1, 99)} {digits[:3]} {digits[3:]}",
            f"({digits[:3]}) {digits[3:6]} {digits[6:]}",
            f"0{digits[:9]}",
        ]
    )


def _company(rng):
    name = rng.pick([words.made_up_word(rng).title(), rng.pick(words.LAST_NAMES)])
    return name + rng.pick(
        [
            " Ltd",
            " Inc.",
            " GmbH",
            " & Sons",
            " Group",
            " Labs",
            " Systems",
            "",
            " Trading",
            " Foods",
        ]
    )


_PRODUCTS = """laptop, desk lamp, coffee machine, office chair, pair of shoes, rain jacket,
phone case, toaster, router,
keyboard, headphones, backpack, water bottle, blender, monitor, printer, charger, garden hose,
tent, bicycle pump, rug,
mattress, camera, vacuum cleaner, set of knives, cookbook, winter coat, kettle, board game,
wall clock, bookshelf"""
_PRODUCTS = [" ".join(item.split()) for item in _PRODUCTS.split(",")]


def product(rng):
    color = rng.pick(
        ["red ", "blue ", "black ", "white ", "small ", "large ", "", "", "", "wooden ", "green "]
    )
    model = rng.pick(
        ["", "", f" {words.made_up_word(rng).title()}", f" {rng.pick('ABXZ')}{rng.between(1, 990)}"]
    )
    return f"{color}{rng.pick(_PRODUCTS)}{model}"


_MAKERS = {
    "name": words.person,
    "order": code,
    "invoice": code,
    "amount": amount,
    "date": date,
    "email": _email,
    "phone": _phone,
    "city": words.town,
    "company": _company,
    "product": product,
    "time": clock,
    "recipient": words.person,
    "quantity": lambda rng: str(rng.between(2, 60)),
    "flight": lambda rng: rng.pick("ABDEFKLQSU") + rng.pick("AFHLSXZ") + str(rng.between(10, 9999)),
    "origin": words.town,
    "destination": words.town,
    "reason": lambda rng: rng.pick(
        [
            "it arrived broken",
            "the color is wrong",
            "I ordered twice",
            "it never arrived",
            "a part is missing",
            "I was charged twice",
            "it does not fit",
            "it stopped working",
            "the wrong item came",
            "I changed my mind",
        ]
    ),
}

# A message is two to four of these, in any order where that reads well.
_MESSAGES = """Hello, my name is {name} and my order {order} has not arrived.
I paid {amount} on {date} for order {order}.
This is {name} from {company}. Invoice {invoice} over {amount} is still open.
Please send {amount} to {recipient} on {date}.
My {product} from order {order} must go back because {reason}.
You can reach me at {email} or {phone}.|Call me at {phone}.
I want to fly from {origin} to {destination} on {date}.
Flight {flight} from {origin} leaves at {time}.
Can you ship {quantity} of the {product} to {city}?
We need {quantity} pieces of the {product} by {date}.
{name} here. Please cancel order {order}, {reason}.
The bill {invoice} says {amount}, but that is wrong.
Meet {recipient} in {city} at {time}.|Our office in {city} ordered {quantity} times the {product}.
On {date} I bought a {product} for {amount}.|Transfer {amount} to {recipient}, please.
Write to {email}.
Best regards, {name}|Thanks, {name}, {company}|Hi, I am {name}.
Book a table in {city} on {date} at {time}.
{recipient} from {company} will call on {date}.|Number: {order}.|I live in {city} now.
It was delivered on {date}.
The parcel for {recipient} went to {city}.|Refund the {amount} for my {product}.
Order {order} is late.
I was told that {company} pays {amount} a month.|Could somebody look at invoice {invoice}?
Regards {name} ({email})
My train gets to {destination} at {time}.|Remind {recipient} about {product} at {time}.
name: {name}, tel {phone}
The reason: {reason}.|{company}, {city}|We met on {date} in {city}.
Is {date} at {time} fine for you?"""
_MESSAGES = [one.strip() for line in _MESSAGES.split("\n") for one in line.split("|")]
_IDLE = [
    "Thank you.",
    "Please help.",
    "I have waited long enough.",
    "This is urgent.",
    "Sorry for the trouble.",
    "Hope you are well.",
    "Nobody answers the phone.",
    "I looked everywhere.",
    "What can I do?",
    "Greetings!",
    "See you soon.",
    "Any news?",
]


def _fields_of(template):
    return [part.split("}")[0] for part in template.split("{")[1:]]


def _row(rng):
    values, lines = {}, []
    for _ in range(rng.pick((1, 2, 2, 3))):
        line = rng.pick(_MESSAGES)
        fields = _fields_of(line)
        if any(field in values for field in fields):
            continue
        for field in fields:
            values[field] = _MAKERS[field](rng)
        lines.append(line.format(**values))
    if rng.chance(0.4):
        lines.insert(rng.below(len(lines) + 1), rng.pick(_IDLE))
    message = " ".join(lines)
    wanted = rng.sample(sorted(values), rng.between(1, min(4, len(values))))
    if rng.chance(0.2):
        wanted.insert(
            rng.below(len(wanted) + 1),
            rng.pick([name for name in sorted(_MAKERS) if name not in values]),
        )
    if rng.chance(0.15):
        message = message.lower()
        values = {field: value.lower() for field, value in values.items()}
    answer = {field: values.get(field) for field in wanted}
    return f"Extract {', '.join(wanted)} as JSON.", message, json.dumps(answer, ensure_ascii=False)


def generate(rng, count):
    """`count` different rows; a field that the message does not have is null."""
    seen, rows = set(), []
    while len(rows) < count:
        row = _row(rng)
        if row[1] not in seen:
            seen.add(row[1])
            rows.append(row)
    return rows
