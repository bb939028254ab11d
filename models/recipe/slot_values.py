"""Values for the slots of SNIPS, drawn so widely that nothing but the utterance itself can give
them."""

import words
from words import made_up_word, person, town

MONTHS = (
    "january february march april may june july august september october november december".split()
)
SHORT_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen
seventeen eighteen nineteen twenty""".split()
ORDINALS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
thirteenth fourteenth
fifteenth sixteenth seventeenth eighteenth nineteenth twentieth""".split()
_UNITS = ["second", "minute", "hour", "day", "week", "month", "year"]


def number(rng, low, high):
    """In digits or, up to twenty, in letters."""
    value = rng.between(low, high)
    return NUMBERS[value] if value <= 20 and rng.chance(0.5) else str(value)


def ordinal(rng):
    day = rng.between(1, 31)
    if day <= 20 and rng.chance(0.5):
        return ORDINALS[day - 1]
    ending = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def month(rng):
    return (
        rng.pick(MONTHS) if rng.chance(0.55) else rng.pick(SHORT_MONTHS) + rng.pick([".", ".", ""])
    )


def clock(rng):
    half = rng.pick(
        ["am", "pm", "a.m.", "p.m.", "AM", "PM", "A.M.", "P.M.", "Pm", "Am", "p.m", "a.m", "am."]
    )
    form = rng.below(8)
    hour = rng.between(1, 12)
    if form < 3:
        return f"{hour} {half}" if rng.chance(0.8) else f"{hour}{half}"
    if form < 5:
        return f"{NUMBERS[hour]} {rng.pick([half, half, 'oclock', 'o clock', chr(111) + chr(39) + 'clock'])}"
    if form < 7:
        return f"{hour:02d}:{rng.below(60):02d}" + rng.pick(
            ["", f" {half}", f":{rng.below(60):02d} {half}"]
        )
    return rng.pick(
        ["noon", "midnight", "half past " + NUMBERS[hour], "quarter to " + NUMBERS[hour]]
    )


def span(rng):
    unit = rng.pick(_UNITS)
    count = number(rng, 1, 60 if rng.chance(0.3) else 20)
    text = f"{count} {unit}" + ("" if count in ("1", "one") else "s")
    if rng.chance(0.12):
        text += f" and {number(rng, 2, 50)} {rng.pick(_UNITS)}s"
    return rng.pick(
        [f"in {text}", f"in {text}", f"{text} from now", f"in a {unit}", f"in {text} from now"]
    )


def calendar_day(rng):
    form = rng.below(8)
    year = rng.between(2017, 2040)
    if form < 2:
        return f"{month(rng)} {ordinal(rng)}" + rng.pick(["", f", {year}", f" {year}"])
    if form < 4:
        return f"{month(rng)} the {ordinal(rng)}" + rng.pick(["", f", {year}", f" {year}"])
    if form == 4:
        return f"{rng.between(1, 12)}/{rng.between(1, 28)}/{year}"
    if form == 5:
        return f"{month(rng)} {rng.between(1, 30)}" + rng.pick(["", f", {year}", f" {year}"])
    if form == 6:
        return f"{rng.pick(['next', 'this', 'last'])} {rng.pick(DAYS + MONTHS)}"
    return f"the {ordinal(rng)} of {month(rng)}"


def time_range(rng):
    form = rng.below(20)
    if form < 6:
        text = calendar_day(rng)
    elif form < 11:
        text = span(rng)
    elif form < 15:
        text = clock(rng)
    elif form < 17:
        text = rng.pick(
            DAYS
            + [
                "today",
                "tomorrow",
                "tonight",
                "this week",
                "this year",
                "next week",
                "next month",
                "next year",
                "this month",
                "this evening",
                "this afternoon",
                "this morning",
                "the day after tomorrow",
                "next weekend",
                "this weekend",
                "next fall",
                "this winter",
                "next summer",
                "later",
                "in the morning",
                "later today",
                "tomorrow night",
            ]
        )
    elif form < 19:
        text = rng.pick(
            [
                "now",
                "now",
                "right now",
                "breakfast",
                "brunch",
                "lunch",
                "dinner",
                "supper",
                "tea time",
                "sunrise",
                "sunset",
                "night",
                "noon",
                "midday",
                "midnight",
                "dawn",
                "dusk",
            ]
        )
    else:
        text = rng.pick(
            [
                f"{calendar_day(rng)} at {clock(rng)}",
                f"{rng.pick(DAYS)} at {clock(rng)}",
                f"{rng.pick(DAYS)}, {calendar_day(rng)}",
            ]
        )
    return text[:1].upper() + text[1:] if rng.chance(0.3) else text


def geographic_poi(rng, lexicon):
    name = rng.pick(
        [
            made_up_word(rng).title(),
            made_up_word(rng).title(),
            rng.pick(words.LAST_NAMES),
            town(rng),
            rng.pick(lexicon.content).title() + " " + rng.pick(lexicon.content).title(),
        ]
    )
    if rng.chance(0.15):
        return (
            rng.pick(
                [
                    "Parc national de ",
                    "Nationaal park ",
                    "Parque Nacional ",
                    "Reserva Nacional ",
                    "Nationalpark ",
                    "Parc régional de ",
                    "Parco nazionale ",
                ]
            )
            + name
        )
    return (
        name
        + " "
        + rng.pick(
            [
                "National Park",
                "State Park",
                "National Forest",
                "National Wildlife Refuge",
                "Wildlife Sanctuary",
                "National Monument",
                "State Forest",
                "Nature Reserve",
                "National Historic Site",
                "State Recreation Area",
                "National Preserve",
                "Lake",
                "Wilderness",
                "Regional Park",
                "Nature Center",
                "Forest Preserve",
                "River State Park",
                "National Reservation",
                "Botanical Garden",
                "Wildlife Management Area",
                "County Park",
                "National Seashore",
                "Natural Area",
                "Provincial Park",
            ]
        )
    )


def restaurant_name(rng, lexicon):
    word = rng.pick(lexicon.content).title()
    other = rng.pick(lexicon.content).title()
    kind = rng.pick(
        [
            "Steakhouse",
            "Grill",
            "Diner",
            "Cafe",
            "Lounge",
            "Tavern",
            "Kitchen",
            "Bistro",
            "Inn",
            "House",
            "Pizzeria",
            "Room",
            "Bar",
            "Club",
            "Company",
            "Table",
            "Works",
            "Restaurant",
            "Hall",
            "Garden",
        ]
    )
    return rng.pick(
        [
            f"{rng.pick(words.LAST_NAMES)}'s {kind}",
            f"The {word} {kind}",
            f"{word} {kind}",
            f"The {word} {other}",
            f"{made_up_word(rng).title()}",
            f"{rng.pick(words.FIRST_NAMES)}'s {word} {kind}",
            f"{word} & {other}",
            f"{made_up_word(rng).title()} {kind}",
            f"Le {made_up_word(rng).title()}",
            f"{word} by {person(rng)}",
            f"{rng.pick(words.LAST_NAMES)} {word}s",
            f"{rng.pick(words.CITIES)} {kind}",
            f"The {word}",
            f"{word}",
        ]
    )


def poi(rng, lexicon):
    owner = rng.pick(
        [
            "my",
            "our",
            "their",
            "your",
            "his",
            "her",
            rng.pick(words.OLD_NAMES) + "'s",
            "my "
            + rng.pick(
                [
                    "mum",
                    "mom",
                    "girlfriend",
                    "boyfriend",
                    "gf",
                    "bf",
                    "son",
                    "daughter",
                    "wife",
                    "husband",
                    "brother",
                    "sister",
                    "boss",
                    "aunt",
                    "colleague",
                ]
            )
            + "'s",
        ]
    )
    place = rng.pick(
        [
            "hotel",
            "house",
            "airbnb",
            "hostel",
            "chalet",
            "university",
            "college",
            "office",
            "school",
            "work location",
            "current location",
            "position",
            "current position",
            "apartment",
            "place",
            "secondary residence",
            "workplace",
            "home",
            "cabin",
            "bungalow",
            "dorm",
        ]
    )
    if rng.chance(0.65):
        return f"{owner} {place}"
    return rng.pick(
        [
            town(rng),
            geographic_poi(rng, lexicon),
            town(rng) + " " + rng.pick(["Borough", "Station", "Square"]),
        ]
    )


def party(rng):
    relative = rng.pick(
        [
            "grandfather",
            "grandmother",
            "child",
            "children",
            "mother",
            "father",
            "colleagues",
            "niece",
            "great grandfather",
            "step mother",
            "roommates",
            "cousin",
            "uncle",
            "wife",
            "boyfriend",
        ]
    )
    names = [
        rng.pick(words.OLD_NAMES)
        + (" " + rng.pick(words.LAST_NAMES).lower() if rng.chance(0.25) else "")
        for _ in range(3)
    ]
    return rng.pick(
        [
            f"me and my {relative}",
            f"my {relative} and I",
            f"{names[0]} and {names[1]}",
            f"{names[0]}, {names[1]} and {names[2]}",
            f"me, {names[0]} and {names[1]}",
            f"{names[0]}, {names[1]} and I",
            f"me and {names[0]}",
            f"{names[0]} and I",
        ]
    )


def playlist(rng, lexicon):
    word = rng.pick(lexicon.content)
    genre = rng.pick(words.GENRES)
    mood = rng.pick(
        """chill morning workout party sleepy evening road trip summer rainy day focus study
        cleaning
        dinner romantic happy sad lazy sunday running gaming retro throwback fresh new global
        acoustic deep
        best of all out women of this is top power epic ultimate essential classic indie""".split()
    )
    kind = rng.pick(
        [
            "classics",
            "hits",
            "mania",
            "bangers",
            "party",
            "top tracks",
            "movement",
            "radio",
            "vibes",
            "nation",
            "mix",
            "essentials",
        ]
    )
    text = rng.pick(
        [
            word,
            f"{mood} {word}",
            f"{genre} {word}",
            genre,
            f"{mood} {genre}",
            f"{genre} {kind}",
            f"{word} {rng.pick(lexicon.content)}",
            f"this is {rng.pick(lexicon.content)}",
            f"{made_up_word(rng)}",
            f"{made_up_word(rng)} {made_up_word(rng)}",
            f"{rng.between(2, 100)} {word}s",
            f"{word} & {word}",
            f"{made_up_word(rng)} de {made_up_word(rng)}",
            f"the {word} {rng.pick(lexicon.content)}",
            f"{word} {mood} {rng.between(1980, 2030)}",
            lexicon.title(rng),
        ]
    )
    return text.title() if rng.chance(0.4) else text


def artist(rng, lexicon):
    if rng.chance(0.75):
        name = person(rng)
    else:
        word = rng.pick(lexicon.content).title()
        name = rng.pick(
            [
                f"The {word}s",
                made_up_word(rng).title(),
                f"{rng.pick(words.LAST_NAMES)} {word}",
                f"DJ {made_up_word(rng).title()}",
                f"{word} {rng.pick(lexicon.content).title()}",
                f"Mc {made_up_word(rng).title()}",
                f"Lil {word}",
                rng.pick(words.LAST_NAMES),
            ]
        )
    return name.lower() if rng.chance(0.25) else name


def city(rng):
    return town(rng)


def state(rng):
    return rng.pick(words.STATES) if rng.chance(0.55) else rng.pick(words.STATE_CODES)


def makers(lexicon):
    """Slot name -> function of a generator, for the slots that are open: closed ones keep the
    values of the rows."""

    def title(rng):
        text = lexicon.title(rng)
        return text.lower() if rng.chance(0.15) else text

    return {
        "entity_name": title,
        "playlist": lambda rng: playlist(rng, lexicon),
        "artist": lambda rng: artist(rng, lexicon),
        "track": title,
        "album": title,
        "object_name": title,
        "movie_name": title,
        "city": city,
        "state": state,
        "country": lambda rng: rng.pick(words.COUNTRIES),
        "timeRange": time_range,
        "restaurant_name": lambda rng: restaurant_name(rng, lexicon),
        "poi": lambda rng: poi(rng, lexicon),
        "geographic_poi": lambda rng: geographic_poi(rng, lexicon),
        "party_size_description": party,
        "party_size_number": lambda rng: number(rng, 1, 20),
        "cuisine": lambda rng: rng.pick(words.CUISINES),
        "served_dish": lambda rng: rng.pick(words.DISHES),
        "genre": lambda rng: rng.pick(words.GENRES),
        "playlist_owner": lambda rng: "my" if rng.chance(0.8) else rng.pick(words.OLD_NAMES) + "'s",
        "year": lambda rng: rng.pick(
            [
                str(rng.between(1950, 2020)),
                str(rng.between(1950, 2020)),
                rng.pick(
                    "twenties thirties forties fourties fifties sixties seventies eighties nineties".split()
                ),
            ]
        ),
    }
