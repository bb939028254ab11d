#!/usr/bin/env python3
"""Tests of the recipe: what every row of a generator must keep, and that nothing depends on luck.

usage: recipe_test.py [DATA]

The tests that read data sets are left out without DATA.
"""

import json
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import decontaminate  # noqa: E402
import evaluate  # noqa: E402
import gen_arithmetic  # noqa: E402
import gen_extract  # noqa: E402
import gen_slots  # noqa: E402
import gen_stories  # noqa: E402
import gen_tickets  # noqa: E402
import gen_yesno  # noqa: E402
import personalise  # noqa: E402
import prepare  # noqa: E402
import story_text  # noqa: E402
import tasks  # noqa: E402
from intervals import wilson  # noqa: E402
from noise import noisy  # noqa: E402
from rng import Rng, stable_hash  # noqa: E402
from words import Lexicon, made_up_word  # noqa: E402

DATA = None
_RNG = Rng(1, "lexicon")
LEXICON = Lexicon([" ".join(made_up_word(_RNG, "japanese") for _ in range(900))] * 3, [])


class Chance(unittest.TestCase):
    def test_draws_are_those_of_splitmix64(self):
        rng = Rng(0)
        rng._state = 1234567  # the published test vector
        self.assertEqual(
            [rng.bits() for _ in range(3)],
            [6457827717110365317, 3203168211198807973, 9817491932198370423],
        )

    def test_streams_and_splits_never_change(self):
        self.assertEqual(stable_hash("story:once"), 7468084882285730132)

    def test_ranges(self):
        rng = Rng(1, "ranges")
        self.assertEqual({rng.between(2, 4) for _ in range(200)}, {2, 3, 4})
        self.assertEqual(sorted(rng.shuffled(range(9))), list(range(9)))
        self.assertEqual(len(set(rng.sample(range(50), 20))), 20)


class Stories(unittest.TestCase):
    def test_broken_encodings_are_repaired(self):
        broken = "â€œNo,â€ said the fox. â€œIt wasnâ€™t me.â€"
        self.assertEqual(story_text.repair(broken), '"No," said the fox. "It wasn\'t me."')

    def test_stories_are_cut_at_single_line_breaks_that_open_one(self):
        text = 'Once upon a time a cat sat.\n\nThe end.\nOne day, a dog ran.\n"Stop!" it said.\n'
        self.assertEqual(len(story_text.cut(text)), 2)

    def test_capitals_come_back(self):
        learned = story_text.CaseModel(
            ["Then Lily saw her mom. We like Lily and Tom.", "Lily ran."]
        )
        low = 'one day, lily saw a frog named zip. "can i play?" she asked. zip and lily played.'
        self.assertEqual(
            learned.restore(low),
            'One day, Lily saw a frog named Zip. "Can I play?" she asked. Zip and Lily played.',
        )

    def test_a_better_casing_moves_no_story_across_the_split(self):
        story = "Once upon a time, there was a Cat."
        self.assertEqual(story_text.fingerprint(story), story_text.fingerprint(story.lower() + '"'))

    def test_made_stories_differ_and_leave_no_gap(self):
        stories = gen_stories.generate(Rng(1, "made"), 300)
        self.assertEqual(len(set(stories)), 300)
        for story in stories:
            self.assertNotRegex(story, r"[{}]|  |\ba [aeio]| \n")
        openings = {story[:25] for story in stories}
        self.assertGreater(len(openings), 150)


class Rows(unittest.TestCase):
    """What an answer says stands in what was asked: it can be copied, and only copied."""

    def test_fields_are_copied_or_null(self):
        for system, user, answer in gen_extract.generate(Rng(1, "extract"), 400):
            values = json.loads(answer)
            self.assertEqual(f"Extract {', '.join(values)} as JSON.", system)
            for value in values.values():
                if value is not None:
                    self.assertIn(value, user)

    def test_slots_are_copied_in_the_order_of_the_text(self):
        frames = [
            ("RateBook", [("rate ", None), ("This", "object_select"), (" saga", None)]),
            ("PlayMusic", [("play ", None), ("Blue", "track"), (" by ", None), ("Ann", "artist")]),
        ]
        rows = gen_slots.generate(Rng(1, "slots"), frames, LEXICON, 600)
        self.assertEqual(len({user for _, user, _ in rows}), 600)
        for _, user, answer in rows:
            slots = json.loads(answer)
            self.assertIn(slots.pop("intent"), gen_slots._GRAMMAR)
            at = 0
            for value in slots.values():
                at = user.find(" ".join(value.split()), at)
                self.assertGreaterEqual(at, 0, f"{value} in {user}")

    def test_a_slot_that_occurs_twice_keeps_its_first_value(self):
        row = tasks.frame_row("X", [("a", "s"), (" and ", None), ("b", "s")])
        self.assertEqual(row[1:], ("a and b", '{"intent": "X", "s": "a"}'))

    def test_sums_are_right(self):
        for _, _, answer in gen_arithmetic.generate(Rng(1, "sums"), 500):
            for step in answer.split(", "):
                a, sign, b, result = re.fullmatch(r"(\d+) ([-+x/]) (\d+) = (\d+)", step).groups()
                a, b, result = int(a), int(b), int(result)
                self.assertEqual(
                    {"+": a + b, "-": a - b, "x": a * b, "/": a // b if b else 0}[sign], result
                )

    def test_yes_and_no_are_about_what_is_stated(self):
        counts = {}
        for _, user, answer in gen_yesno.generate(Rng(1, "yesno"), 600):
            counts[answer] = counts.get(answer, 0) + 1
        self.assertEqual(sorted(counts), ["no", "not stated", "yes"])
        self.assertGreater(min(counts.values()), 150)

    def test_tickets_have_all_three_fields(self):
        for _, _, answer in gen_tickets.generate(Rng(1, "tickets"), 200):
            self.assertEqual(list(json.loads(answer)), ["category", "priority", "summary"])

    def test_noise_keeps_something(self):
        rng = Rng(1, "noise")
        texts = [noisy(rng, "Why was I charged twice for my coffee?") for _ in range(300)]
        self.assertTrue(all(text.strip() for text in texts))
        self.assertGreater(len(set(texts)), 100)


class Screening(unittest.TestCase):
    LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"

    def kept(self, rows, allowed=0):
        screen = decontaminate.Screen()
        screen.add("held", ["Short, one!", self.LONG])
        return decontaminate.filtered(screen, "kind", rows, lambda row: row, allowed, {})

    def test_the_same_words_leave_whatever_their_case_and_marks(self):
        self.assertEqual(self.kept(["short one", "short two", "SHORT; ONE"]), ["short two"])

    def test_thirteen_words_in_a_row_leave_and_twelve_stay(self):
        words = self.LONG.split()
        self.assertEqual(self.kept(["x " + " ".join(words[:13]) + " y"]), [])
        self.assertEqual(len(self.kept(["x " + " ".join(words[:12]) + " y"])), 1)
        self.assertEqual(len(self.kept([self.LONG], allowed=2)), 1)
        self.assertEqual(len(self.kept([self.LONG], allowed=1)), 0)


class Measures(unittest.TestCase):
    def test_wilson(self):
        low, high = wilson(90, 100)
        self.assertAlmostEqual(low, 0.8256, 4)
        self.assertAlmostEqual(high, 0.9448, 4)
        self.assertEqual(wilson(0, 0), (0.0, 1.0))

    def test_slots_are_counted_by_name_and_value(self):
        row = [{}, {}, {"content": '{"intent": "A", "x": "1", "y": "2"}'}]
        self.assertEqual(
            evaluate.slot_counts(
                [(row, '{"intent": "A", "x": "1", "y": "3", "z": "2"}'), (row, "{")]
            ),
            (1, 3, 4),
        )

    def test_examples_are_as_many_of_each_label_whatever_the_order(self):
        rows = [
            {"messages": [{}, {"content": f"t{i}"}, {"content": f"l{i % 3}"}]} for i in range(60)
        ]
        chosen = personalise.examples(rows, 5)
        self.assertEqual(chosen, personalise.examples(rows[::-1], 5))
        self.assertEqual([sum(label == f"l{k}" for _, label in chosen) for k in range(3)], [5] * 3)

    def test_told_stories_lose_no_word(self):
        ((system, first, rest),) = prepare.told(
            ["Once there was a small green frog. It sang. " + "La la. " * 9]
        )
        self.assertEqual((system, first), (prepare.TELL, "Once there was a small green frog."))
        self.assertTrue(rest.startswith("It sang."))


class Data(unittest.TestCase):
    def setUp(self):
        if DATA is None:
            self.skipTest("needs the data folder")

    def test_every_domain_has_its_fifteen_intents(self):
        train, _, _ = tasks.clinc(DATA)
        known = {label for _, _, label in train} - {tasks.OUT_OF_SCOPE}
        listed = [intent for domain in tasks.CLINC_DOMAINS.values() for intent in domain]
        self.assertEqual(sorted(listed), sorted(known))
        self.assertEqual({len(domain) for domain in tasks.CLINC_DOMAINS.values()}, {15})

    def test_a_domain_that_is_left_out_is_gone(self):
        train, _, withheld = tasks.clinc(DATA, "travel")
        self.assertEqual(len(withheld), 1500)
        self.assertFalse({row[2] for row in train} & set(tasks.CLINC_DOMAINS["travel"]))

    def test_every_tenth_row_of_each_intent_is_held_out(self):
        train, dev = tasks.snips(DATA)
        self.assertEqual((len(train), len(dev)), (1890, 210))
        self.assertEqual(len({json.loads(answer)["intent"] for _, _, answer in dev}), 7)


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        DATA = Path(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
