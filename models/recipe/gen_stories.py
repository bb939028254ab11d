"""Stories by a grammar: who, where, what is wanted, what is in the way, who helps, what is learned.

A plot is a list of beats; a beat has many wordings, and wordings have slots. No sentence is in
every story: beats are left out, doubled and told in another order of clauses. About 10^12 stories;
the lexicon is a small child's.
"""

import re

import words

_ARTICLE = re.compile(r"(\b[Aa])( [aeio])")
_ANIMALS = """bear rabbit fox mouse duck frog cat dog bird fish turtle squirrel hedgehog owl pony
lamb goat deer bee ant
snail whale penguin monkey lion elephant beaver kitten puppy otter pig cow hen crab dragon
bat""".split()
_TRAITS = "little tiny brave shy curious kind clever sleepy funny gentle quiet cheerful proud careful silly".split()
_PLACES = [
    "by the river",
    "in a green forest",
    "on a farm",
    "near the sea",
    "in a small town",
    "under an old tree",
    "on top of a hill",
    "in a red house",
    "at the edge of the woods",
    "beside a quiet lake",
    "in a big city",
    "in a warm cave",
    "next to a mill",
    "on a little island",
    "behind the school",
    "in a windy valley",
]
_THINGS = """ball kite boat drum hat book lamp bell basket cake key map shell blanket bike balloon
flower apple box
ribbon whistle spoon scarf pebble feather puzzle wagon bucket mirror ring button cookie lantern
clock""".split()
_COLORS = "red blue yellow green purple orange white golden silver pink shiny soft round old new striped".split()
_WEATHER = [
    ("sunny", "The sky was clear and bright."),
    ("rainy", "Drops fell on the roof all morning."),
    ("windy", "The leaves danced in the air."),
    ("snowy", "Everything was white and still."),
    ("foggy", "It was hard to see the path."),
    ("warm", "The grass smelled sweet."),
    ("cold", "A thin layer of ice covered the puddles."),
    ("cloudy", "The sun was hiding."),
]
_RELATIVES = ["mom", "dad", "grandma", "grandpa", "big sister", "big brother", "uncle", "aunt"]
_HOBBIES = [
    "to paint",
    "to sing",
    "to count the stars",
    "to bake bread",
    "to climb trees",
    "to collect stones",
    "to dance",
    "to build towers",
    "to read stories",
    "to plant seeds",
    "to swim",
    "to run fast",
    "to draw maps",
    "to fix broken things",
    "to watch the clouds",
    "to play the drum",
]
_FOODS = "soup bread berries cheese honey cookies pears nuts carrots pie milk jam noodles pancakes rice".split()

# Plots: (what goes wrong, ways out, what is learned). {h} hero, {f} friend, {o} owner form, {t}
# thing, {p} place.
_PLOTS = [
    (
        [
            "One day the {c} {t} was gone. {H} looked under the bed and behind the door, but it was not there.",
            "Then {h} could not find the {c} {t} anywhere.",
            "When {h} woke up, the {c} {t} had disappeared.",
        ],
        [
            '{F} said, "Let us think. Where did you have it last?" They walked back {p} and there it was, in the grass.',
            "{F} followed some tiny steps {p}. At the end of them sat a bird with the {t} in its nest.",
            '"I will help you look," said {f}. They searched for a long time, and at last {f} saw something shine {p}.',
        ],
        [
            "{H} learned that looking is easier with a friend.",
            "From then on, {h} always put the {t} in its place.",
            '"Thank you," said {h}. "Two pairs of eyes see more than one."',
        ],
    ),
    (
        [
            "{H} wanted the {c} {t}, but {f} wanted it too. They pulled and pulled until it fell on the floor.",
            '"It is mine!" cried {h}. "No, it is mine!" cried {f}. Nobody was happy.',
            "Both friends reached for the {c} {t} at the same time, and they began to argue.",
        ],
        [
            '{R} came and asked, "What would be fair?" After a while {h} said, "We can take turns."',
            'Then {h} saw that {f} was sad. "You can have it first," {h} said softly.',
            'They sat down and thought. "If we share it, we can play together," said {f}.',
        ],
        [
            "Sharing made the game twice as much fun.",
            "They played until the sun went down, and nobody cried.",
            "{H} felt warm inside. Being kind was better than winning.",
        ],
    ),
    (
        [
            "{H} was afraid of the dark. Every night the shadows looked like monsters.",
            "{H} was afraid of deep water and never went in with the others.",
            "{H} was scared of loud noises, and a storm was coming.",
            "Everybody could climb the tall tree, but {h} was too scared to try.",
        ],
        [
            '{F} held on tight and said, "I am scared sometimes too. We can try it slowly."',
            '{R} said, "Being brave means that you are afraid and still take one small step." So {h} took one small step.',
            "{H} took a deep breath and counted to {n}. Then {h} opened {o} eyes. It was not so bad.",
        ],
        [
            "That night {h} was proud.",
            "The next day it was a little easier, and the day after that it was fun.",
            '"I did it!" said {h}, and everybody clapped.',
        ],
    ),
    (
        [
            'A {a} was stuck between two rocks {p}. "Please help me," it said.',
            "On the way {h} met a {a} with a hurt leg.",
            "{H} heard someone crying {p}. It was a lost {a}.",
        ],
        [
            "{H} was not very strong, so {h} called {f}. Together they pushed with all their might.",
            "{H} shared some {d} with the {a} and stayed until help came.",
            "{H} used the {c} {t} to help, and soon the {a} could smile again.",
        ],
        [
            "The {a} became a good friend and visited every week.",
            '"You are small, but your heart is big," said the {a}.',
            "Later, when {h} needed help, the {a} came at once.",
        ],
    ),
    (
        [
            "{H} wanted to make {d} for {r}, but there was nothing left in the kitchen.",
            "{H} tried to build a boat, but it sank right away.",
            "{H} planted a seed, but nothing came out of the ground.",
            "{H} practiced every day, but the song still sounded wrong.",
        ],
        [
            '"Try again," said {f}. So {h} tried again, and again, and {n} times more.',
            "{R} showed {h} how to go slowly, one part at a time.",
            "{H} wanted to give up. Then {f} had an idea, and they worked on it together all afternoon.",
        ],
        [
            "In the end it worked, and {r} gave {h} a big hug.",
            "It was not perfect, but {h} had made it, and that was the best part.",
            "{H} learned that good things take time.",
        ],
    ),
    (
        [
            '{R} said, "Do not touch the {c} {t}." But {h} wanted to see it so much that {h} took it, and it broke.',
            "{H} ate all the {d} that were for the party. Then {r} asked who had done it.",
            "{H} ran too fast and knocked over the {c} {t}.",
        ],
        [
            '{H} thought about hiding. But {o} tummy hurt, so {h} told the truth. "I am sorry," {h} said.',
            'At first {h} said nothing. Then {f} whispered, "You should tell." And {h} did.',
            "{H} cried and told {r} everything.",
        ],
        [
            '{R} was not angry. "Thank you for being honest," {r} said, and they fixed it together.',
            "They cleaned up together, and {h} felt light again.",
            "After that, {h} always told the truth, even when it was hard.",
        ],
    ),
]
_OPENINGS = [
    "Once upon a time, there was a {j} {k} named {h}. {H} lived {p} with {r}.",
    "There once was a {j} {k} called {h} who loved {b}.",
    "{H} was a {j} {k}. Every day {h} liked {b} {p}.",
    "One {w} morning, a {j} {k} named {h} went out to play. {W}",
    "In a house {p} lived {h}, a {j} {k}.",
    "{H} and {f} were best friends. They lived {p} and liked {b}.",
    "It was a {w} day. {W} {H}, a {j} {k}, was bored.",
    "Long ago, {p}, a {j} {k} named {h} found a {c} {t}.",
]
_WISHES = [
    "{H} had a {c} {t}. It was a present from {r}.",
    "More than anything, {h} loved the {c} {t} that {f} had made.",
    "{H} took the {c} {t} everywhere.",
    "That day {r} gave {h} a {c} {t}.",
    "{H} and {f} played with a {c} {t}.",
    'At the market {h} saw a {c} {t}. "How pretty!" said {h}.',
]
_FILLERS = [
    '{F} laughed. "You are funny, {h}!"',
    "They ate some {d} and rested for a while.",
    "The sun went behind a cloud.",
    "{H} looked up at the sky and made a wish.",
    "A {a} watched them from far away.",
    '"What should we do now?" asked {f}.',
    "{H} jumped up and down.",
    "It was {w} again. {W}",
    '"Wait for me!" called {f}.',
    "They sang a song about {d}.",
]
_ENDINGS = [
    "They all lived happily ever after.",
    "And that night {h} slept very well.",
    "{H} smiled and went home to {r}.",
    "The end.",
    "The two friends waved good night to the moon.",
    "It was the best day {h} could remember.",
    "And if you go there, you may still see the {c} {t} {p}.",
    "Then they shared some {d} and laughed.",
    "",
]


def _story(rng, names):
    is_child = rng.chance(0.45)
    hero = rng.pick(names)
    other = rng.pick([name for name in words.FIRST_NAMES if name != hero])
    friend = other if rng.chance(0.5) else f"the {rng.pick(_ANIMALS)}"
    boyish = not hero.endswith(("a", "e", "i", "y")) if rng.chance(0.9) else rng.chance(0.5)
    relative = f"{'his' if boyish else 'her'} {rng.pick(_RELATIVES)}"
    weather, remark = rng.pick(_WEATHER)
    values = {
        "h": hero,
        "f": friend,
        "r": relative,
        "k": ("boy" if boyish else "girl") if is_child else rng.pick(_ANIMALS),
        "o": "his" if boyish else "her",
        "j": rng.pick(_TRAITS),
        "t": rng.pick(_THINGS),
        "c": rng.pick(_COLORS),
        "b": rng.pick(_HOBBIES),
        "d": rng.pick(_FOODS),
        "a": rng.pick(_ANIMALS),
        "w": weather,
        "W": remark,
        "n": rng.pick(["three", "five", "seven", "ten", "twenty"]),
        "p": "",
    }
    for small, big in (("h", "H"), ("f", "F"), ("r", "R")):
        values[big] = values[small][0].upper() + values[small][1:]
    trouble, help_, moral = rng.pick(_PLOTS)

    def tell(wordings):
        # Every mention of a place is another place, and the hero is sometimes "he" or "she".
        text = rng.pick(wordings).format(**{**values, "p": rng.pick(_PLACES)})
        first, *rest = text.split(f" {hero} ")
        for part in rest:
            named = rng.chance(0.5) or not (first[-1].islower() or first[-1] == ",")
            first += (f" {hero} " if named else f" {'he' if boyish else 'she'} ") + part
        return first

    beats = [
        [rng.pick(_OPENINGS).format(**{**values, "p": rng.pick(_PLACES)}), tell(_WISHES)],
        [tell(trouble)],
        [tell(help_)],
        [tell(moral), tell(_ENDINGS)],
    ]
    for beat in beats[:3]:
        if rng.chance(0.4):
            beat.append(tell(_FILLERS))
    if rng.chance(0.25):
        more = rng.pick([plot for plot in _PLOTS if plot[0] is not trouble])
        beats.insert(3, ["The next day something else happened. " + tell(more[0]), tell(more[1])])
    joint = rng.pick(["\n\n", "\n\n", " "])
    text = joint.join(" ".join(part for part in beat if part) for beat in beats)
    return _ARTICLE.sub(r"\1n\2", text).strip()


def generate(rng, count):
    """`count` different stories."""
    names = words.FIRST_NAMES + [
        words.made_up_word(rng, rng.pick(["english", "japanese", "romance"])).title()
        for _ in range(200)
    ]
    seen, stories = set(), []
    while len(stories) < count:
        story = _story(rng, names)
        if story not in seen:
            seen.add(story)
            stories.append(story)
    return stories
