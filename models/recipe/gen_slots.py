"""Utterances in the manner of SNIPS with their frames.

Two sources. The rows of the training part with other values in their slots (of other rows, or made
up): the way people ask is theirs, and the values are new each time. And a grammar of our own for
the same intents, for ways of asking that 270 rows an intent do not show.
"""

import re

from slot_values import NUMBERS, makers
from tasks import frame_row

# Closed slots of the grammar; open ones come from slot_values.
_CLOSED = {
    "music_item": ["song", "album", "track", "tune", "artist"],
    "heard_item": [
        "song",
        "album",
        "track",
        "tune",
        "record",
        "ep",
        "soundtrack",
        "symphony",
        "concerto",
        "melody",
    ],
    "restaurant_type": [
        "restaurant",
        "bar",
        "pub",
        "cafe",
        "bakery",
        "bistro",
        "steakhouse",
        "diner",
        "tavern",
        "brasserie",
        "food truck",
        "gastropub",
        "tea house",
        "pizzeria",
        "oyster bar",
        "food court",
        "fast food restaurant",
        "coffeehouse",
        "delicatessen",
        "joint",
        "osteria",
        "taverna",
        "cafeteria",
    ],
    "sort": ["best", "popular", "top-rated", "highly rated", "highly-rated"],
    "music_sort": [
        "best",
        "latest",
        "newest",
        "top",
        "most popular",
        "greatest",
        "last",
        "new",
        "popular",
        "good",
    ],
    "near": [
        "nearby",
        "near",
        "close to",
        "close by",
        "not far from",
        "within walking distance of",
        "far from",
        "neighboring",
        "within the same area as",
        "close-by",
        "faraway from",
    ],
    "facility": [
        "wifi",
        "parking",
        "a pool",
        "outdoor seating",
        "indoor",
        "outdoor",
        "smoking room",
        "spa",
        "internet",
    ],
    "condition_description": [
        "rain",
        "snow",
        "windy",
        "foggy",
        "cloudy",
        "sunny",
        "humid",
        "overcast",
        "stormy",
        "hail",
        "snowy",
        "a blizzard",
        "fog",
        "rainy",
        "a storm",
        "snowstorm",
        "sunny",
        "wind",
    ],
    "condition_temperature": [
        "hot",
        "cold",
        "colder",
        "hotter",
        "warm",
        "warmer",
        "chilly",
        "freezing",
        "chillier",
    ],
    "current_location": [
        "here",
        "my current location",
        "current place",
        "current spot",
        "current position",
    ],
    "service": [
        "spotify",
        "youtube",
        "itunes",
        "pandora",
        "deezer",
        "lastfm",
        "vimeo",
        "groove shark",
        "slacker",
        "google music",
        "zvooq",
        "netflix",
        "Spotify",
        "Itunes",
        "Last Fm",
        "Google Music",
        "Youtube",
        "Iheart",
    ],
    "object_select": ["this", "current", "this current"],
    "object_type": ["book", "novel", "textbook", "essay", "album"],
    "object_part_of_series_type": ["series", "saga", "chronicle"],
    "rating_value": NUMBERS[:6] + ["0", "1", "2", "3", "4", "5"],
    "best_rating": ["6"],
    "rating_unit": ["stars", "points"],
    "work_type": [
        "movie",
        "picture",
        "game",
        "show",
        "photograph",
        "television show",
        "album",
        "saga",
        "trailer",
        "book",
        "novel",
        "painting",
        "TV series",
        "song",
        "video game",
        "TV show",
        "program",
        "soundtrack",
    ],
    "schedule": ["movie schedule", "movie times", "movie schedules", "schedule"],
    "movie_type": ["movies", "films", "animated movies", "movie", "film", "animated movie"],
    "where": [
        "nearest",
        "closest",
        "in the neighborhood",
        "nearby",
        "in the area",
        "close by",
        "around here",
        "in the neighbourhood",
    ],
    "object_location_type": ["movie theatre", "cinema", "movie house", "theatre"],
    "location_name": [
        "Pacific Theatres",
        "Landmark Theatres",
        "Loews Cineplex",
        "Malco Theatres",
        "Bow Tie Cinemas",
        "Santikos Theatres",
        "IMAX Corporation",
        "Cinemark Theatres",
        "Goodrich Quality Theaters",
        "Marcus Corporation",
        "Regal Entertainment Group",
        "Star Theatres",
        "Warren Theatres",
    ],
}
# Names that are not slots of SNIPS: what they stand for.
_ALIAS = {
    "heard_item": "music_item",
    "music_sort": "sort",
    "near": "spatial_relation",
    "where": "spatial_relation",
    "work_type": "object_type",
    "schedule": "object_type",
}

_GRAMMAR = {
    "AddToPlaylist": """add {entity_name} to {playlist_owner} {playlist} playlist
    put {entity_name} in the {playlist} list
        add {artist} to {playlist_owner} {playlist}
        i want the {music_item} by {artist} in {playlist_owner} {playlist} list
        add this {music_item} to {playlist}
        please put this {music_item} by {artist} on {playlist_owner} {playlist} playlist
        can you add {artist} to the playlist called {playlist}
        {entity_name} should be on {playlist_owner} {playlist} playlist
        i'd like {artist} added to {playlist_owner} playlist {playlist}
        include {entity_name} in the list {playlist}
        save the {music_item} {entity_name} to {playlist_owner} {playlist} playlist
        add another {music_item} to {playlist}
        add a {artist} {music_item} to {playlist_owner} {playlist}|append {artist} to {playlist}""",
    "BookRestaurant": """book a table for {party_size_number} at {restaurant_name}
    i need a table for {party_size_number}
        book a {restaurant_type} in {city} {state} for {timeRange}
        find a {cuisine} {restaurant_type} in {city}, {country}
        reserve a spot at a {sort} {restaurant_type} {near} {poi}
        we want {served_dish} in {city} for {party_size_description}
        make a reservation at {restaurant_name} in {state} for {timeRange}
        book a {cuisine} place in {country} for {party_size_number} people
        a table for {party_size_description} at a {restaurant_type} with {facility}
        book me a {restaurant_type} that serves {served_dish} in {state}
        can you get us into {restaurant_name} at {timeRange}
        i would like a {restaurant_type} {near} {city} for {party_size_description}
        {party_size_description} want to eat at a {sort} {cuisine} {restaurant_type} {timeRange}
        book a {restaurant_type} {timeRange} in {country}""",
    "GetWeather": """will it be {condition_temperature} in {city} {state}
    what is the weather in {country} {timeRange}
        is there going to be {condition_description} in {city}, {country} {timeRange}
        how {condition_temperature} is it in {geographic_poi}
        weather {timeRange} in {state}|give me the forecast for {city}
        what's it like outside in {current_location}
        will {timeRange} be {condition_temperature} in {current_location}
        do i need a coat in {city} {state} {timeRange}
        tell me the forecast {near} {geographic_poi}|is it {condition_description} in {country}
        what will {timeRange} bring in {city}
        when will it be {condition_temperature} in {city}
        forecast for {timeRange} at {geographic_poi}
        should i expect {condition_description} in {state} on {timeRange}
        is {city} {condition_temperature} {timeRange}""",
    "PlayMusic": """play {track} by {artist}|play some {genre}|put on {album} by {artist}
    i want to hear {artist} on {service}
        play the {music_sort} {heard_item} by {artist}|let me listen to {genre} from the {year}
        play {playlist} on {service}
        play music from {year} on {service}|start {track} on {service}|can you play {artist}
        i feel like {genre} on {service}
        put on a {heard_item} from {year} by {artist}|play the {music_sort} {artist} on {service}
        use {service} to play {artist}
        play the {album} {heard_item}|open {service} and play {track} by {artist}
        play {artist} from the {year}|play {year} music""",
    "RateBook": """rate {object_name} {rating_value} out of {best_rating}
    give {object_name} {rating_value} {rating_unit}
        i give {object_select} {object_type} {rating_value} of {best_rating} {rating_unit}
        {object_name} gets {rating_value} {rating_unit} out of {best_rating}
        rate the {object_select} {object_part_of_series_type} {rating_value}
        i would rate {object_name} a {rating_value}
        give the {object_select} {object_type} a rating of {rating_value} out of {best_rating}
        i think {object_name} deserves {rating_value} of {best_rating} {rating_unit}
        the {object_type} {object_name} is worth {rating_value} {rating_unit}
        mark {object_select} {object_type} with {rating_value} {rating_unit}
        the {object_name} {object_part_of_series_type} gets a {rating_value} from me""",
    "SearchCreativeWork": """find {object_name}|find the {work_type} {object_name}
    where can i see the {work_type} {object_name}
        show me the {object_name} {work_type}|look up {object_name}
        search for the {work_type} called {object_name}
        i am looking for a {work_type} named {object_name}
        can you get me the {work_type} {object_name}
        please find the work {object_name}|what is {object_name}
        is there a {work_type} titled {object_name}
        i'd like to watch the {object_name} {work_type}|get me {object_name}, the {work_type}
        where is the {object_name} {work_type}""",
    "SearchScreeningEvent": """when is {movie_name} playing|find {schedule} for {location_name}
    what {movie_type} are on at {location_name}
        is {movie_name} showing at the {where} {object_location_type}|give me the {schedule} {where}
        which {movie_type} are playing at the {where} {object_location_type}
        find {movie_type} {where}
        i want to see {movie_name} at {location_name} at {timeRange}
        when can i watch {movie_name} at the {object_location_type}
        show {schedule} for {movie_type} {where}|what time is {movie_name} on at {location_name}
        is {movie_name} on {timeRange} at {location_name}
        find me the {where} {object_location_type} with {movie_type}""",
}
_SLOT = re.compile(r"\{(\w+)\}")


def _from_grammar(rng, templates, open_slots):
    intent = rng.pick(sorted(templates))
    template = rng.pick(templates[intent])
    parts, at = [], 0
    for match in _SLOT.finditer(template):
        if match.start() > at:
            parts.append((template[at : match.start()], None))
        name = match.group(1)
        value = rng.pick(_CLOSED[name]) if name in _CLOSED else open_slots[name](rng)
        if name == "near" and value.endswith((" of", " as", " from", " to")):
            value, joint = value.rsplit(" ", 1)
            parts += [(value, "spatial_relation"), (" " + joint, None)]
        else:
            parts.append((value, _ALIAS.get(name, name)))
        at = match.end()
    if template[at:]:
        parts.append((template[at:], None))
    if rng.chance(0.3):
        parts = (
            [(parts[0][0].capitalize(), parts[0][1])] + parts[1:] if parts[0][1] is None else parts
        )
    if rng.chance(0.35):
        parts.append((rng.pick([".", "?", ".", "!", " please", ", please."]), None))
    return intent, parts


class Recombination:
    """Training frames, and all values that their slots hold, by intent and slot."""

    def __init__(self, frames, lexicon):
        self._frames = frames
        self._open = makers(lexicon)
        self._values = {}
        for intent, parts in frames:
            for text, slot in parts:
                if slot:
                    self._values.setdefault((intent, slot), []).append(text)

    def frame(self, rng):
        intent, parts = rng.pick(self._frames)
        # One draw for the row: some rows stay in the world of the data, some leave it.
        made_up = rng.chance(0.6)
        return intent, [
            (self._value(rng, intent, slot, text, made_up) if slot else text, slot)
            for text, slot in parts
        ]

    def _value(self, rng, intent, slot, text, made_up):
        if rng.chance(0.15):
            return text
        if made_up and slot in self._open and rng.chance(0.8):
            return self._open[slot](rng)
        return rng.pick(self._values[(intent, slot)])


def generate(rng, frames, lexicon, count, own_share=0.25):
    """`count` different rows."""
    templates = {
        intent: [one.strip() for line in text.split("\n") for one in line.split("|") if one.strip()]
        for intent, text in _GRAMMAR.items()
    }
    recombination = Recombination(frames, lexicon)
    open_slots = makers(lexicon)
    seen, rows = set(), []
    while len(rows) < count:
        intent, parts = (
            _from_grammar(rng, templates, open_slots)
            if rng.chance(own_share)
            else recombination.frame(rng)
        )
        if rng.chance(0.12):
            parts = [(text.lower(), slot) for text, slot in parts]
        row = frame_row(intent, parts)
        if row[1] not in seen:
            seen.add(row[1])
            rows.append(row)
    return rows
