"""Support tickets with category, priority and a one-line summary, as JSON."""

import json

import words
from gen_extract import amount, code, date, product

SYSTEM = "Sort the ticket as JSON."

# Category -> (what happened, its summary, how bad it is at least: 0 low, 1 normal, 2 high).
_PROBLEMS = {
    "billing": [
        ("I was charged {amount} twice", "charged {amount} twice", 1),
        ("my invoice {code} shows {amount} too much", "invoice {code} too high by {amount}", 1),
        ("I need a copy of invoice {code}", "wants a copy of invoice {code}", 0),
        ("my card was declined when I paid {amount}", "card declined for {amount}", 1),
        ("please change the address on my bill", "change of billing address", 0),
        ("I still have not got my refund of {amount}", "refund of {amount} missing", 1),
    ],
    "shipping": [
        ("my {product} has not arrived", "{product} has not arrived", 1),
        (
            "the parcel {code} was sent to the wrong address",
            "parcel {code} sent to the wrong address",
            2,
        ),
        ("can you tell me when the {product} comes", "asks when the {product} comes", 0),
        ("the box with my {product} came open and empty", "{product} missing from an open box", 2),
        ("I would like to change the delivery to {date}", "move delivery to {date}", 0),
    ],
    "technical": [
        ("the app crashes when I open it", "app crashes when opened", 1),
        ("the {product} does not turn on", "{product} does not turn on", 1),
        ("your website shows error {code}", "website shows error {code}", 1),
        ("all our {number} machines are down", "{number} machines are down", 2),
        ("the screen stays black after the update", "black screen after the update", 1),
        ("how do I connect the {product} to my phone", "asks how to connect the {product}", 0),
        (
            "nobody in the office can log in and work has stopped",
            "nobody in the office can log in",
            2,
        ),
    ],
    "account": [
        ("I forgot my password", "forgot the password", 1),
        ("I want to close my account", "wants to close the account", 0),
        ("somebody else has changed my password and my email", "account taken over", 2),
        ("please change my name to {name}", "change name to {name}", 0),
        ("I am locked out of account {code}", "locked out of account {code}", 1),
        ("I do not get the code by text message", "login code does not arrive", 1),
    ],
    "returns": [
        ("I want to send the {product} back", "wants to return the {product}", 0),
        ("the {product} came broken", "{product} came broken", 1),
        ("I got a {product} that I never ordered", "got a {product} not ordered", 1),
        ("the {product} caught fire and burned my table", "{product} caught fire", 2),
        ("the size of the {product} is wrong", "wrong size of the {product}", 0),
    ],
    "sales": [
        ("do you sell the {product} in other colors", "asks for other colors of the {product}", 0),
        (
            "we would like an offer for {number} pieces of the {product}",
            "wants an offer for {number} of the {product}",
            1,
        ),
        ("is there a discount for schools", "asks for a school discount", 0),
        ("what does the {product} cost with shipping", "asks for the price of the {product}", 0),
    ],
}
_PRIORITIES = ["low", "normal", "high"]
_BEFORE = [
    "Hello, ",
    "Hi, ",
    "Good morning. ",
    "",
    "",
    "Dear team, ",
    "Hi there! ",
    "To whom it may concern: ",
    "Hey, ",
    "Sorry to bother you, ",
]
_AROUND = [
    "I am a customer since {year}.",
    "I wrote to you on {date}.",
    "My number is {code}.",
    "I tried everything in the manual.",
    "My colleague {name} had the same thing.",
    "I like your shop.",
    "It started on {date}.",
    "This is my second message.",
]
_URGENT = [
    "This is urgent!",
    "We lose money every hour.",
    "I need this today.",
    "Please act at once.",
    "It cannot wait.",
]
_CALM = [
    "There is no hurry.",
    "Whenever you have time.",
    "It can wait until next week.",
    "Nothing urgent.",
]
_AFTER = ["Thanks, {name}", "Regards, {name}", "Thank you!", "{name}", "", "", "Best, {name}"]


def generate(rng, count):
    """`count` different rows. A sentence about the hurry moves the priority by one step."""
    kinds = [
        (category, problem) for category in sorted(_PROBLEMS) for problem in _PROBLEMS[category]
    ]
    seen, rows = set(), []
    while len(rows) < count:
        category, (text, summary, priority) = rng.pick(kinds)
        values = {
            "amount": amount(rng),
            "code": code(rng),
            "date": date(rng),
            "product": product(rng),
            "name": words.person(rng),
            "number": rng.between(2, 400),
            "year": rng.between(2005, 2026),
        }
        sentence = text.format(**values)
        opener = rng.pick(_BEFORE)
        if not opener.endswith(", "):
            sentence = sentence[0].upper() + sentence[1:]
        parts = [
            opener
            + sentence
            + rng.pick(
                [".", ".", ".", "!", "?"]
                if text.startswith(("do ", "is ", "what ", "how ", "can "))
                else [".", ".", ".", "!", ""]
            )
        ]
        if rng.chance(0.5):
            parts.append(
                rng.pick(_AROUND).format(
                    **{**values, "code": code(rng), "date": date(rng), "name": words.person(rng)}
                )
            )
        hurry = rng.below(5)
        if hurry == 0:
            parts.append(rng.pick(_URGENT))
            priority = min(2, priority + 1)
        elif hurry == 1:
            parts.append(rng.pick(_CALM))
            priority = max(0, priority - 1)
        parts.append(rng.pick(_AFTER).format(**values))
        ticket = " ".join(part for part in parts if part)
        if ticket not in seen:
            seen.add(ticket)
            rows.append(
                (
                    SYSTEM,
                    ticket,
                    json.dumps(
                        {
                            "category": category,
                            "priority": _PRIORITIES[priority],
                            "summary": summary.format(**values),
                        },
                        ensure_ascii=False,
                    ),
                )
            )
    return rows
