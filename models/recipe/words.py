"""Word lists that the generators draw from, and makers of names that no list holds.

Everything here is either common knowledge (countries, states, first names, dishes) or made up by
the functions below. `Lexicon` adds what the training texts hold: words, and the names that are
written with capitals in them.
"""

import re


def _list(text):
    """One item a comma; line breaks do not count."""
    return [" ".join(item.split()) for item in text.split(",") if item.strip()]


FIRST_NAMES = """Ada Alan Alice Amir Amy Ana Andre Anna Anya Arjun Astrid Ben Bella Bianca Boris
Bruno Carla Carlos
Chen Chiara Chloe Clara Dan Dana David Diego Dina Dmitri Elena Elias Ella Elif Emil Emma Erik Esther
Eva Fatima
Felix Femi Finn Fiona Frida Gabriel Gina Grace Greta Hana Hannah Hassan Heidi Helena Henry Hugo Ida
Igor Ines
Ingrid Ioana Isaac Ivan Jack Jamal James Jana Jan Jasmin Jin Joan Joao Johan Jonas Jose Julia Jun
Kai Karim Kate
Kenji Khadija Kim Kofi Lara Lars Laura Leah Leila Leo Liam Lila Lily Lin Linda Lucas Lucia Luis Luna
Mai Malik
Marco Maria Marie Marta Max Maya Mei Mia Mila Mina Mira Mohammed Molly Nadia Naomi Nia Nico Nina
Noah Nora Olaf
Olga Oliver Omar Oscar Otto Pablo Paula Pedro Petra Pia Priya Rafael Raj Rania Ravi Rita Robin Rosa
Ruth Sam
Samira Sara Sasha Selma Sofia Sven Tara Theo Tim Tina Tom Tomas Uma Vera Victor Viktor Wei Yara
Yusuf Zara Zoe""".split()

OLD_NAMES = """agnes alberta alfreda alma alyssa andrea angela arlene barbara bernice bertha bettye
beulah bonnie
brenda candice carissa cheryl christa cindy cora dale darla deanna denise desiree diann dolores
donna doris edith
edna eileen elsie erma esmeralda estelle ethel eugenia fay florence frances gail geneva gladys
glenda gwen harriet
hazel helene herminia hilda ilene imelda irma jeanette jeannie jodie josefa joyce juanita judith
june kenya
kristie krystal lacey lakeisha latasha laverne lela leona leslie lidia lilia lola loretta louise
lucille lynette
mabel marcella margie marianne marjorie marsha maxine melisa melva mildred muriel myrtle nanette
nelda nichole
noreen olive opal ora pearl phyllis rae ramona rhonda rosanna roxanne sherri shirley sonja stella
sylvia tamra
terri thelma tricia ursula velma verna viola wanda wilma winifred yolanda yvonne""".split()

LAST_NAMES = """Abbott Acosta Adeyemi Ahmed Andersen Arnold Baker Banerjee Barker Becker Bell
Bergman Bianchi Blake
Bose Brandt Brennan Brooks Burke Byrne Cabrera Carter Castillo Chan Chavez Clark Cohen Cole Conti
Cooper Costa
Cruz Dalton Davies Delgado Diaz Dixon Dubois Duran Eriksen Farrell Ferrari Fischer Fletcher Flores
Foster Fox
Fraser Garcia Gibson Gomez Grant Gray Green Gupta Haas Hale Hansen Harper Hassan Hayes Hill Hoffmann
Holm Hughes
Ibrahim Ito Ivanov Jansen Jensen Johansson Jones Kaya Keller Kelly Khan Kim King Klein Koch Kowalski
Kumar Kurz
Lang Larsen Lee Lehmann Lewis Li Lopez Lund Marino Martin Mason Mehta Mendes Meyer Mills Moore
Morales Moreau
Morgan Mori Murphy Nakamura Nguyen Nielsen Novak Nunez Okafor Olsen Ortiz Osei Park Patel Pereira
Perez Petrov
Popescu Price Quinn Ramirez Rao Reyes Ricci Rivera Roberts Rossi Roy Russo Sanchez Santos Sato
Schmidt Schneider
Shah Sharma Shaw Silva Singh Smith Sokolov Stewart Suzuki Svensson Tan Taylor Thomas Torres Tran
Turner Ueda
Vargas Vega Vogel Wagner Walsh Wang Ward Weber White Wolf Wong Wright Yamada Yilmaz Young Zhang
Ziegler""".split()

COUNTRIES = _list(
    """Afghanistan, Albania, Algeria, American Samoa, Andorra, Angola, Anguilla,
    Antigua and Barbuda,
Argentina, Armenia, Aruba, Australia, Austria, Azerbaijan, Bahamas, Bahrain, Bangladesh, Barbados,
Belarus, Belgium,
Belize, Benin, Bermuda, Bhutan, Bolivia, Bosnia and Herzegovina, Botswana, Brazil, Brunei,
Bulgaria, Burkina Faso,
Burundi, Cambodia, Cameroon, Canada, Cape Verde, Cayman Islands, Central African Republic, Chad,
Chile, China,
Colombia, Comoros, Congo, Cook Islands, Costa Rica, Croatia, Cuba, Cyprus, Czech Republic, Denmark,
Djibouti,
Dominica, Dominican Republic, East Timor, Ecuador, Egypt, El Salvador, Equatorial Guinea, Eritrea,
Estonia,
Ethiopia, Falkland Islands, Faroe Islands, Fiji, Finland, France, French Guiana, French Polynesia,
Gabon, Gambia,
Georgia, Germany, Ghana, Gibraltar, Greece, Greenland, Grenada, Guadeloupe, Guam, Guatemala,
Guernsey, Guinea,
Guinea-Bissau, Guyana, Haiti, Honduras, Hong Kong, Hungary, Iceland, India, Indonesia, Iran, Iraq,
Ireland,
Isle of Man, Israel, Italy, Ivory Coast, Jamaica, Japan, Jersey, Jordan, Kazakhstan, Kenya,
Kiribati, Kuwait,
Kyrgyzstan, Laos, Latvia, Lebanon, Lesotho, Liberia, Libya, Liechtenstein, Lithuania, Luxembourg,
Macao, Macedonia,
Madagascar, Malawi, Malaysia, Maldives, Mali, Malta, Marshall Islands, Martinique, Mauritania,
Mauritius, Mayotte,
Mexico, Micronesia, Moldova, Monaco, Mongolia, Montenegro, Montserrat, Morocco, Mozambique,
Myanmar, Namibia, Nauru,
Nepal, Netherlands, New Caledonia, New Zealand, Nicaragua, Niger, Nigeria, Niue, Norfolk Island,
North Korea,
Norway, Oman, Pakistan, Palau, Palestine, Panama, Papua New Guinea, Paraguay, Peru, Philippines,
Poland, Portugal,
Puerto Rico, Qatar, Romania, Russia, Rwanda, Saint Helena, Saint Kitts and Nevis, Saint Lucia,
Saint Vincent and the Grenadines, Samoa, San Marino, Sao Tome and Principe, Saudi Arabia, Senegal,
Serbia,
Seychelles, Sierra Leone, Singapore, Slovakia, Slovenia, Solomon Islands, Somalia, South Africa,
South Korea,
South Sudan, Spain, Sri Lanka, Sudan, Suriname, Svalbard and Jan Mayen, Swaziland, Sweden,
Switzerland, Syria,
Taiwan, Tajikistan, Tanzania, Thailand, Togo, Tokelau, Tonga, Trinidad and Tobago, Tunisia, Turkey,
Turkmenistan,
Turks and Caicos Islands, Tuvalu, Uganda, Ukraine, United Arab Emirates, United Kingdom,
United States, Uruguay,
Uzbekistan, Vanuatu, Venezuela, Vietnam, Virgin Islands, Wallis and Futuna, Western Sahara, Yemen,
Zambia,
Zimbabwe"""
)

STATES = _list(
    """Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware,
District Of Columbia, Florida, Georgia, Guam, Hawaii, Idaho, Illinois, Indiana, Iowa, Kansas,
Kentucky, Louisiana,
Maine, Maryland, Massachusetts, Michigan, Minnesota, Mississippi, Missouri, Montana, Nebraska,
Nevada,
New Hampshire, New Jersey, New Mexico, New York, North Carolina, North Dakota,
Northern Mariana Islands, Ohio,
Oklahoma, Oregon, Palau, Pennsylvania, Puerto Rico, Rhode Island, South Carolina, South Dakota,
Tennessee, Texas,
Utah, Vermont, Virgin Islands, Virginia, Washington, West Virginia, Wisconsin, Wyoming"""
)

STATE_CODES = """AL AK AZ AR CA CO CT DC DE FL GA GU HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MP
MT NE NV NH NJ
NM NY NC ND OH OK OR PA PR RI SC SD TN TX UT VT VA VI WA WV WI WY""".split()

CITIES = _list(
    """Accra, Amsterdam, Ankara, Antwerp, Athens, Atlanta, Auckland, Austin, Baghdad, Bangkok,
    Barcelona,
Beijing, Beirut, Belfast, Berlin, Bogota, Bologna, Boston, Brussels, Bucharest, Budapest,
Buenos Aires, Cairo,
Cape Town, Caracas, Casablanca, Chicago, Cologne, Copenhagen, Dakar, Dallas, Delhi, Denver,
Detroit, Dhaka, Dublin,
Edinburgh, Florence, Frankfurt, Geneva, Genoa, Glasgow, Hamburg, Hanoi, Havana, Helsinki, Houston,
Istanbul,
Jakarta, Karachi, Kiev, Krakow, Kyoto, Lagos, Lahore, Lima, Lisbon, London, Los Angeles, Lyon,
Madrid, Manila,
Marseille, Melbourne, Mexico City, Miami, Milan, Minsk, Montreal, Moscow, Mumbai, Munich, Nairobi,
Naples,
New Orleans, New York City, Osaka, Oslo, Ottawa, Oxford, Palermo, Paris, Perth, Philadelphia,
Phoenix, Porto,
Prague, Quito, Reykjavik, Riga, Rio de Janeiro, Rome, Rotterdam, Salzburg, San Diego,
San Francisco, Santiago,
Sao Paulo, Seattle, Seoul, Seville, Shanghai, Sofia, Stockholm, Stuttgart, Sydney, Tallinn, Tehran,
Tokyo, Toronto,
Toulouse, Tunis, Turin, Utrecht, Valencia, Vancouver, Venice, Vienna, Vilnius, Warsaw, Zagreb,
Zurich"""
)

GENRES = _list(
    """acid jazz, afrobeat, alternative rock, ambient, bachata, bebop, black metal, bluegrass,
    blues,
bossa nova, chamber music, chillout, classical, country, cumbia, dance pop, death metal, disco,
doom metal,
drum and bass, dub, dubstep, electro swing, electronica, emo, fado, flamenco, folk, free jazz,
funk, garage rock,
glam rock, gospel, grime, grunge, hard rock, heavy metal, hip hop, house, indie folk, indie pop,
industrial,
jazz, jazz fusion, klezmer, latin jazz, lounge, mambo, merengue, metal, minimal techno, neo soul,
new age, new wave,
opera, polka, pop, post-punk, power metal, prog rock, psychedelic rock, psytrance, punk, r&b, rap,
reggae, reggaeton,
rock, rockabilly, salsa, samba, shoegaze, ska, soft rock, soul, southern rock, surf rock, swing,
symphonic metal,
synthpop, tango, techno, thrash metal, trance, trap, trip hop, vallenato, world music, zouk"""
)

CUISINES = _list(
    """afghan, algerian, american, andalusian, argentinian, armenian, austrian, basque, belgian,
    bengali,
brazilian, british, bulgarian, burmese, cajun, cantonese, caribbean, chilean, chinese, corsican,
creole, cuban,
czech, danish, dutch, egyptian, ethiopian, filipino, finnish, french, georgian, german, greek,
gujarati, hawaiian,
hungarian, indian, indonesian, irish, israeli, italian, jamaican, japanese, jewish, korean, latin,
lebanese,
macedonian, malaysian, mediterranean, mexican, middle eastern, mongolian, moroccan, nepalese,
nordic, pakistani,
persian, peruvian, polish, portuguese, punjabi, rajasthani, romanian, russian, sicilian, soul food,
south indian,
spanish, swedish, swiss, syrian, szechuan, thai, tibetan, tunisian, turkish, tuscan, ukrainian,
vegan, vegetarian,
vietnamese, welsh"""
)

DISHES = _list(
    """apple pie, baklava, bibimbap, borscht, bouillabaisse, bruschetta, burgers, burrito, calamari,
caesar salad, carbonara, ceviche, cheese fondue, cheesecake, chicken wings, chili, chimichanga,
clam chowder,
corn bread, couscous, crab cakes, crepes, croissants, croquembouche, curry, dim sum, doughnuts,
dumplings,
empanadas, enchiladas, falafel, fish and chips, fish tacos, french fries, fried rice, gazpacho,
gelato, gnocchi,
goulash, gumbo, gyros, haggis, hot dog, hummus, jambalaya, kebab, kimchi, lamb stew, lasagna,
lobster, macaroni,
meatballs, meatloaf, moussaka, mussels, nachos, noodle soup, omelette, onion rings, oysters,
pad thai, paella,
pancakes, pasta salad, pastrami, pho, pierogi, pizza, poutine, pretzels, pulled pork, quesadilla,
quiche, ramen,
ratatouille, ravioli, ribs, risotto, samosa, sashimi, schnitzel, shepherd's pie, souvlaki,
spring rolls, steak,
stuffed peppers, sushi, tacos, tapas, tempura, tiramisu, tortilla soup, udon, waffles, wontons,
yakitori"""
)

# Parts of made-up words, by the sound of the language they remind of.
_SOUNDS = {
    "romance": (
        "b c d f g l m n p r s t v br cr tr gr fl pr".split(),
        "a e i o u a e o ia io ua".split(),
        "n r l s nte lla ndo zo ri ta no ro ma".split(),
    ),
    "german": (
        "b d f g h k l m n r s sch st str w z br kr".split(),
        "a e i o u ei au ie ö ü ä".split(),
        "n r l s mann berg stein burg er en feld ler ner".split(),
    ),
    "slavic": (
        "b d g k l m n p r s t v z dr kr pr st zd sv".split(),
        "a e i o u a o y".split(),
        "n v k sky ov ic ina enko ovich ak ek slav".split(),
    ),
    "japanese": (
        "k s t n h m y r w g z d b sh ch ts".split(),
        "a i u e o".split(),
        ["", "", "n", "", ""],
    ),
    "english": (
        "b c d f g h j k l m n p r s t w bl br ch cl cr dr fl gr pl pr sh sl st th tr wh".split(),
        "a e i o u a e i o ee oo ai ea".split(),
        "n r l s t d m ck ll ss nd rt st th ng ton ley field wood ford well by er".split(),
    ),
    "arabic": (
        "b d f h j k kh l m n q r s sh t z gh".split(),
        "a i u a aa ou".split(),
        "d f h m n r s b id im ar an in ah".split(),
    ),
    "nordic": (
        "b d f g h j k l m n r s t v br fr gr kr sk st sv".split(),
        "a e i o u å ø y ä ö".split(),
        "n r l d s sen son gard dal vik heim lund strom".split(),
    ),
}
_SOUND_NAMES = sorted(_SOUNDS)


def made_up_word(rng, sound=None):
    """A word that no list holds: what can only be copied."""
    onsets, vowels, codas = _SOUNDS[sound or rng.pick(_SOUND_NAMES)]
    word = "".join(rng.pick(onsets) + rng.pick(vowels) for _ in range(rng.pick((1, 1, 2, 2, 3))))
    return word + rng.pick(codas)


def person(rng):
    """A full name: listed, made up, or a mixture; in one of the ways people type names."""
    first = rng.pick(FIRST_NAMES) if rng.chance(0.6) else rng.pick(OLD_NAMES).title()
    if rng.chance(0.15):
        first = made_up_word(rng).title()
    last = rng.pick(LAST_NAMES) if rng.chance(0.5) else made_up_word(rng).title()
    middle = ""
    if rng.chance(0.12):
        middle = rng.pick(
            ["de ", "van ", "von ", "Al-", "Mc", "O'", "J. ", "la ", "St. ", "R. ", "Lee ", "Jane "]
        )
    return f"{first} {middle}{last}"


def town(rng):
    """A small place, as there are tens of thousands."""
    if rng.chance(0.25):
        return rng.pick(CITIES)
    stem = made_up_word(
        rng, rng.pick(["english", "english", "romance", "german", "slavic"])
    ).title()
    if rng.chance(0.35):
        stem = rng.pick(LAST_NAMES)
    form = rng.below(10)
    if form < 3:
        return stem + rng.pick(
            [
                "ville",
                "ton",
                "burg",
                "dale",
                "field",
                "ford",
                "wood",
                "boro",
                "port",
                "mont",
                "view",
            ]
        )
    if form < 5:
        return (
            stem
            + " "
            + rng.pick(
                [
                    "City",
                    "Heights",
                    "Springs",
                    "Valley",
                    "Lake",
                    "Park",
                    "Falls",
                    "Beach",
                    "Island",
                    "Creek",
                    "Hills",
                    "Grove",
                    "Point",
                    "Junction",
                    "Center",
                    "Bay",
                    "Ridge",
                ]
            )
        )
    if form < 7:
        return (
            rng.pick(
                [
                    "North",
                    "South",
                    "East",
                    "West",
                    "New",
                    "Saint",
                    "Fort",
                    "Lake",
                    "Mount",
                    "Port",
                    "Old",
                    "San",
                    "Santa",
                    "El",
                    "La",
                    "Los",
                ]
            )
            + " "
            + stem
        )
    return stem


class Lexicon:
    """Words and capitalised names of the training texts, most frequent first; ties by spelling."""

    def __init__(self, stories, prose):
        counts, names = {}, {}
        for text in stories + prose:
            for word in re.findall(r"[a-z]+", text):
                if len(word) > 1:
                    counts[word] = counts.get(word, 0) + 1
        for text in prose:
            for name in _capitalised(text):
                names[name] = names.get(name, 0) + 1
        common = sorted(counts, key=lambda word: (-counts[word], word))
        self.words = [word for word in common if counts[word] >= 3]
        self.content = [word for word in self.words[150:] if len(word) > 3]
        self.names = sorted(name for name in names if " " in name and len(name) < 40)

    def title(self, rng):
        """What a film, a book, a song or a painting could be called."""
        if self.names and rng.chance(0.25):
            return rng.pick(self.names)
        return _title(
            rng, lambda: rng.pick(self.content).title(), lambda: made_up_word(rng).title()
        )


_JOINTS = "of|the|and|in|de|la|le|du|von|van|for|on|at|to|a"


def _capitalised(text):
    """Runs of capitalised words inside a sentence, with the small words between them."""
    run = re.compile(
        r"(?<=[a-z,] )[A-Z][\w'-]+(?: (?:(?:" + _JOINTS + r") ){0,2}[A-Z][\w'-]+){0,5}"
    )
    return [match.group() for match in run.finditer(text)]


def _title(rng, word, foreign):
    forms = (
        lambda: word(),
        lambda: f"{word()} {word()}",
        lambda: f"The {word()}",
        lambda: f"The {word()} {word()}",
        lambda: f"The {word()} of {word()}",
        lambda: f"The {word()} of the {word()}",
        lambda: f"{word()} in the {word()}",
        lambda: f"{word()} and the {word()} {word()}",
        lambda: f"A {word()} for {rng.pick(FIRST_NAMES)}",
        lambda: f"{rng.pick(FIRST_NAMES)} and the {word()}",
        lambda: f"{word()} {rng.between(2, 5)}: The {word()}",
        lambda: f"{word()}, {word()}",
        lambda: f"{word()}: {word()} {word()} {word()}",
        lambda: f"I {word()} the {word()}",
        lambda: f"My {word()} {word()}",
        lambda: f"{word()} Without {word()}",
        lambda: f"No {word()} for {word()}",
        lambda: f"{rng.pick(['Live', 'Night', 'Death', 'Summer', 'Return', 'Lost', 'Back'])} in {rng.pick(CITIES)}",
        lambda: f"{word()} {rng.between(1, 2030)}",
        lambda: f"{foreign()}",
        lambda: f"{foreign()} {foreign()}",
        lambda: f"{rng.pick(['La', 'El', 'Le', 'Il', 'Der', 'Die', 'Los', 'O', 'Das'])} {foreign()}",
        lambda: f"{foreign()} {rng.pick(['de', 'di', 'na', 'und', 'et', 'y', 'no', 'i'])} {foreign()}",
        lambda: f"{word()} {foreign()}",
        lambda: f"{rng.pick(LAST_NAMES)}'s {word()}",
        lambda: f"{word()} vs. {word()}",
        lambda: f"{word()}!",
    )
    return rng.pick(forms)()
