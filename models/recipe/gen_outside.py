"""Requests that are none of CLINC150's 150 intents, for its answer "oos": CLINC150 itself trains on
a hundred only."""

import words
from gen_extract import product
from tasks import CLINC, OUT_OF_SCOPE

_ASKS = """who won the {year} {sport} championship|who is the {role} of {country}
how tall is {person}|when was {person} born
how do i remove {stain} from a {thing}|what is the stock price of {company}
who wrote the book {title}|when did the {war} end
why is {thing} {color}|how many people live in {city}|what is the tallest building in {city}
how do i train a {pet} to sit
what are the rules of {sport}|teach me how to play {sport}|which team does {person} play for
how do i tie a {knot}
how do i get rid of {pest} in my {room}|what size {thing} should i buy
can you recommend a good {craftsman} in {city}
what year was {company} founded|how do i fix a leaking {fixture}|who sings {title}
how do planes stay in the air
what is the boiling point of {stuff}|how does a {machine} work|draw me a {thing}
what is the best way to clean a {thing}
what should i name my {pet}|is {title} on netflix|how many {unit} are in a ream
how do i apply for a job at {company}
what is the minimum wage in {country}|post a picture of my {pet}
who is leading in the polls in {country}|when does school start
write an email to {person}|open the {fixture} manual|what channel is the {sport} game on
how much is a {product} on ebay
how old do you have to be to drive in {country}|what did {person} say about {company}
how do i plant {plant}|when do {plant} bloom
give me tips on losing weight|how can i sleep better|what are the symptoms of {illness}
is {illness} contagious
how do i write a resume|where did {person} go to college|what is the plot of {title}
how many moons does {planet} have
how far is {planet} from the sun|who discovered {stuff}|what is {stuff} made of
how long do {pet}s live|are {pest} dangerous
what is the difference between a {pet} and a {pet2}|how do i build a {thing}
what language do they speak in {country}
is {company} a good place to work|who are the candidates for {role}
what are people saying about {title}|print this page
find me a {pet} for adoption|how do i start a small business|read me the latest posts of {person}
how do i delete my {company} profile
what is the score of the {sport} game|what time does {company} close|show me pictures of {plant}
what is a good gift for a {role}
how do i become a {role}|what does a {craftsman} earn in {country}|why do {pet}s chase {pest}
which {machine} uses the least power"""
_ASKS = [one.strip() for line in _ASKS.split("\n") for one in line.split("|")]
_LISTS = {
    "sport": "football baseball basketball hockey tennis golf rugby cricket volleyball chess poker curling boxing",
    "role": "president mayor king governor senator judge chancellor teacher nurse pilot chef lawyer dentist",
    "stain": "ink wine blood grease rust coffee mud wax paint grass",
    "thing": "carpet shirt sofa bookshelf fence table kite bridge tent birdhouse wall helmet mattress canvas",
    "color": "blue red green yellow white black pink",
    "war": "cold_war civil_war first_world_war gulf_war thirty_years_war",
    "pet": "dog cat parrot hamster rabbit horse turtle goldfish ferret",
    "knot": "bow_tie scarf square_knot noose tie bowline",
    "pest": "ants mice moths roaches spiders wasps fleas mosquitoes",
    "room": "kitchen garage attic basement garden bathroom",
    "craftsman": "plumber roofer painter carpenter tailor electrician gardener barber",
    "fixture": "faucet sink toilet pipe " "dishwasher boiler washing_machine shower",
    "stuff": "helium iron plastic gold oxygen lead glass concrete uranium",
    "machine": "microwave dishwasher laser telescope engine printer fridge camera compass",
    "unit": "sheets pages pieces",
    "plant": "roses tomatoes tulips cucumbers oaks lilies carrots orchids",
    "illness": "flu measles pneumonia strep_throat " "chickenpox malaria eczema migraine",
    "planet": "mars jupiter saturn venus neptune mercury uranus",
}
_LISTS = {key: [item.replace("_", " ") for item in text.split()] for key, text in _LISTS.items()}


def generate(rng, lexicon, count):
    """`count` different rows."""
    seen, rows = set(), []
    while len(rows) < count:
        values = {key: rng.pick(_LISTS[key]) for key in sorted(_LISTS)}
        values.update(
            year=rng.between(1950, 2024),
            country=rng.pick(words.COUNTRIES),
            city=words.town(rng),
            person=words.person(rng),
            title=lexicon.title(rng),
            product=product(rng),
            pet2=rng.pick(_LISTS["pet"]),
            company=rng.pick(words.LAST_NAMES)
            + rng.pick(["", " inc", " motors", " foods", " software"]),
        )
        text = rng.pick(_ASKS).format(**values).lower()
        text += "?" if rng.chance(0.2) else ""
        if text not in seen:
            seen.add(text)
            rows.append((CLINC, text, OUT_OF_SCOPE))
    return rows
