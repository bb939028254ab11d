"""Router questions: can a very small model take this request ("local"), or should a larger one
("remote")?

Local is what this model was taught: naming an intent, taking fields out of a short text, sums up to
a hundred, yes or no about a short paragraph, a short story, a greeting. Remote is what needs
knowledge, length, code, several steps, another language or judgement.
"""

import words
from gen_arithmetic import in_words
from gen_extract import amount, code, date, product
from noise import noisy

SYSTEM = "Answer local or remote."
_LOCAL = """which intent is this: "{ask}"|what does the customer want: "{ask}"
extract the order number from "my order {code} is late"
take the name and the amount out of "{name} paid {amount}"|is this ticket urgent: "{ask}"
what is {x} plus {y}?|what is {x} minus {y}?
how much is {x} times {z}?|tell a short story about a {thing}
tell me a story about {first} and a {thing}|hello, who are you?
yes or no: {first} has a {thing}. does {first} have a {thing}?
put "meet {name} on {date}" into JSON with name and date
sort this ticket: "{ask}"|thank you!|good morning|which category fits: "{ask}"
get the date from "delivered on {date}"
find the product in "I want to return my {product}"|name the intent of "{ask}"
label this message: "{ask}"|are you a bot?
what amount is in "please refund {amount}"?|is "{ask}" about billing or shipping?
copy the code {code}|goodbye, see you soon
who wrote this: "best regards, {name}"|make JSON of "{product}, {amount}"
write three sentences about a {thing} and a {thing2}"""
_REMOTE = """explain the history of {city}|write a {long} essay about {topic}
translate "{ask}" into {language}|prove that {theorem}
write a program in {code_language} that {job}|compare {topic} with {topic2} and give sources
what is the capital of {country}?
find the bug in this {code_language} function|what are the side effects of {drug}?
plan a {days} day trip to {city} with a budget of {amount}
summarize the attached {days} page contract|give me legal advice about {trouble}
who won the world cup in {year}?|what is {big1} times {big2}?
how does {topic} work?|write a poem in {language} in the style of {poet}|design a database for {job}
what happened in {country} in {year}?
compute the integral of {formula}|should I buy stocks of {company} now?
review this {code_language} pull request|what is the latest news on {topic}?
write a business plan for a shop that sells a {product}
draft a {long} answer to a customer who threatens to sue us over {trouble}
what are the chances of {topic} in the next {days} years?|explain {topic} to a student in {language}
solve this puzzle in {days} steps: {theorem}
why did the price of {topic} fall in {year}?|which medicine helps against {trouble}?
turn this {code_language} code into {code_language2}
analyse the attached spreadsheet and explain the trend in {topic}|write a {long} report on {city}
what does "{ask}" mean in {language}?"""
_LOCAL = [one.strip() for line in _LOCAL.split("\n") for one in line.split("|")]
_REMOTE = [one.strip() for line in _REMOTE.split("\n") for one in line.split("|")]
_LISTS = {
    "topic": """quantum computers, inflation, photosynthesis, nuclear fusion,
    the French Revolution, climate change, oil,
        machine learning, vaccines, black holes, the stock market, solar power, the Roman Empire,
        antibiotics, bitcoin,
        plate tectonics, general relativity, deep sea mining, the European Union, jazz,
        impressionism, wheat, gold""",
    "language": "French, German, Spanish, Chinese, Arabic, Hindi, Japanese, Russian, Turkish, Swahili, Latin, Korean",
    "code_language": "Python, C++, Java, Rust, SQL, JavaScript, Go, Haskell, Swift, Kotlin, Fortran",
    "theorem": """the square root of two is irrational,
    every even number above two is the sum of two primes, there
        are infinitely many primes, P is not NP, the halting problem cannot be decided,
        a tree has one edge less than nodes""",
    "job": """sorts a linked list, serves web pages, trains a neural network, books hotel rooms,
    parses dates, plays
        chess, tracks packages, manages a library, draws fractals, compresses files,
        schedules nurses""",
    "drug": "aspirin, ibuprofen, penicillin, insulin, warfarin, metformin, codeine, prednisone",
    "trouble": """a broken contract, back pain, a late delivery, a divorce, high blood pressure,
    a leaking roof, insomnia,
        unpaid wages, a car accident, a rash, noise from the neighbors, a lost passport""",
    "poet": "Goethe, Shakespeare, Rumi, Dickinson, Neruda, Basho, Homer, Pushkin, Dante",
    "formula": "x squared times sine x, e to the minus x squared, the logarithm of x over x, one over one plus x cubed",
    "long": "long, 2000 word, detailed, ten page, careful, formal",
}
_LISTS = {key: [" ".join(item.split()) for item in text.split(",")] for key, text in _LISTS.items()}
_THINGS = "dog cat boat kite bear rabbit moon train dragon garden robot fish castle duck lamp pony bridge snowman".split()


def generate(rng, utterances, count):
    """`count` different rows. utterances: texts of the training tasks, as what a customer said."""
    seen, rows = set(), []
    while len(rows) < count:
        answer = rng.pick(["local", "remote"])
        values = {key: rng.pick(_LISTS[key]) for key in sorted(_LISTS)}
        values.update(
            ask=rng.pick(utterances),
            code=code(rng),
            name=words.person(rng),
            amount=amount(rng),
            date=date(rng),
            product=product(rng),
            first=rng.pick(words.FIRST_NAMES),
            city=rng.pick(words.CITIES),
            thing=rng.pick(_THINGS),
            thing2=rng.pick(_THINGS),
            country=rng.pick(words.COUNTRIES),
            year=rng.between(1900, 2025),
            days=rng.between(2, 90),
            company=rng.pick(words.LAST_NAMES) + " Group",
            x=in_words(rng.between(1, 99)),
            y=rng.between(1, 99),
            z=in_words(rng.between(2, 12)),
            big1=rng.between(1000, 99999),
            big2=rng.between(1000, 99999),
            topic2=rng.pick(_LISTS["topic"]),
            code_language2=rng.pick(_LISTS["code_language"]),
        )
        text = rng.pick(_LOCAL if answer == "local" else _REMOTE).format(**values)
        text = noisy(rng, text) if rng.chance(0.3) else text[0].upper() + text[1:]
        if text not in seen:
            seen.add(text)
            rows.append((SYSTEM, text, answer))
    return rows
