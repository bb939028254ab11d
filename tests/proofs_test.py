#!/usr/bin/env python3
"""What is trained is what is served: proofs by the commands, on models of random weights.

usage: tests/proofs_test.py BANTAM WRITE_RANDOM_MODELS
"""

import json
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time
import unittest

from peft_files import write_peft

WRITER = sys.argv.pop() if len(sys.argv) > 2 else "build/release/tests/support/write_random_models"
BINARY = sys.argv.pop() if len(sys.argv) > 1 else "build/release/bantam"


def run(*words, **options):
    done = subprocess.run([BINARY, *map(str, words), "--json"], capture_output=True, text=True,
                          timeout=120, check=False, stdin=subprocess.DEVNULL, **options)
    return done, json.loads(done.stdout)


class ProofsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.models = tempfile.TemporaryDirectory()
        subprocess.run([WRITER, cls.models.name], check=True, timeout=60)

    @classmethod
    def tearDownClass(cls):
        cls.models.cleanup()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rows = self.write("rows.jsonl", self.some_rows(0, 24))
        self.held_out = self.write("held_out.jsonl", self.some_rows(24, 30))

    @staticmethod
    def model(name):
        return pathlib.Path(ProofsTest.models.name) / f"random-dense-{name}.gguf"

    @staticmethod
    def some_rows(first, last):
        return "".join(json.dumps({"prompt": f"Count to {i}: ", "completion": f"{i} times {i * i}"})
                       + "\n" for i in range(first, last))

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def tune_words(self, model, folder, *words):
        usual = {"--validation": self.held_out, "--epochs": "2", "--batch": "128", "--rank": "2",
                 "--seed": "3", "--rate": "0.003", "--threads": "1"}
        pairs = [word for pair in usual.items() if pair[0] not in words for word in pair]
        return ["tune", self.model(model), self.rows, self.folder / folder, *pairs, *words]

    def tune(self, model, folder, *words):
        done, document = run(*self.tune_words(model, folder, *words))
        self.assertEqual(done.returncode, 0, done.stderr)
        return document

    def losses(self, folder):
        lines = map(json.loads, (self.folder / folder / "log.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    def refused(self, code, exit_code, *words, **options):
        done, document = run(*words, **options)
        self.assertEqual((document.get("error", document).get("code"), done.returncode),
                         (code, exit_code), done.stderr)
        return done.stderr

    def test_the_trainers_loss_is_the_scorers_on_the_saved_file(self):
        for kind in ("F16", "Q8_0", "Q4_K", "Q2_K"):
            with self.subTest(kind):
                base = self.model(kind)
                adapted = self.tune(kind, f"lora-{kind}")
                _, served = run("score", "-m", base, "--adapter", adapted["path"], "--rows",
                                self.held_out, "--threads", "2")
                self.assertEqual(served["score"], adapted["best_score"])
                _, plain = run("score", "-m", base, "--rows", self.held_out)
                self.assertNotEqual(plain["score"], served["score"])

                whole = self.tune(kind, f"full-{kind}", "--full")
                _, served = run("score", "-m", whole["path"], "--rows", self.held_out)
                self.assertEqual(served["score"], whole["best_score"])
                self.assertNotEqual(plain["score"], served["score"])

                # The loss of the first step is that of the weights that came: of one row, whose sum
                # has one order.
                one = self.write("one.jsonl", self.some_rows(5, 6))
                for name, model, adapter in (("a", base, []), ("b", whole["path"], ["--full"])):
                    run("tune", model, one, self.folder / f"first-{name}-{kind}", "--epochs", "1",
                        "--validation-share", "0", "--threads", "1", *adapter)
                    _, scored = run("score", "-m", model, "--rows", one)
                    self.assertEqual(self.losses(f"first-{name}-{kind}")[0], scored["loss"])

                for words in ([base, adapted["path"]], [whole["path"]]):
                    done, report = run("parity", *words, self.held_out, "--threads", "1")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertTrue(report["same"])
                    self.assertEqual((report["largest"], report["prompts"]), (0, 6))

    def test_one_seed_makes_one_file(self):
        for words in ([], ["--full"]):
            name = "model.gguf" if words else "adapter.gguf"
            files = set()
            for threads in ("1", "2"):
                folder = f"{name}-{threads}"
                self.tune("Q8_0", folder, *words, "--threads", threads)
                files.add((self.folder / folder / name).read_bytes())
            self.assertEqual(len(files), 1, name)
            self.tune("Q8_0", f"{name}-other", *words, "--seed", "4")
            files.add((self.folder / f"{name}-other" / name).read_bytes())
            self.assertEqual(len(files), 2, name)

    def test_twenty_kills_leave_the_weights_of_none(self):
        words = ["--epochs", "8", "--checkpoint", "0", "--validate-every", "3"]
        start = time.monotonic()
        self.tune("Q8_0", "whole", *words)
        seconds = time.monotonic() - start
        generator, kills, late = random.Random(20), 0, 0
        command = [BINARY, *map(str, self.tune_words("Q8_0", "killed", *words)), "--json"]
        log = self.folder / "killed" / "log.jsonl"
        while kills < 20:
            before = log.stat().st_size if log.exists() else 0
            with subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as run_:
                # Anywhere from its start to some steps on, so that twenty do not reach the end.
                if kills % 2 == 1:
                    deadline = time.monotonic() + 60
                    while (run_.poll() is None and time.monotonic() < deadline and
                           (not log.exists() or log.stat().st_size == before)):
                        time.sleep(0.0005)
                    time.sleep(generator.uniform(0, seconds / 100))
                else:
                    time.sleep(generator.uniform(0, seconds / 4))
                run_.kill()
                late += run_.wait(timeout=60) == 0
            kills += 1
        self.assertLess(late, 10, "most kills met a run at work")
        self.assertEqual(self.tune("Q8_0", "killed", *words)["end"], "done")
        for name in ("adapter.gguf", "checkpoint.safetensors"):
            one, other = ((self.folder / f / name).read_bytes() for f in ("whole", "killed"))
            if name == "adapter.gguf":
                self.assertEqual(one, other)
            else:  # times are in its header
                self.assertEqual(one[-4096:], other[-4096:])
        self.assertEqual(self.losses("whole"), self.losses("killed"))

    def test_parity_refuses_what_would_be_served_otherwise(self):
        base, adapter = self.model("Q8_0"), self.folder / "run" / "adapter.gguf"
        self.tune("Q8_0", "run")
        # One bit of a weight.
        data = bytearray(base.read_bytes())
        data[-100] ^= 1
        spoiled = self.folder / "spoiled.gguf"
        spoiled.write_bytes(data)
        said = self.refused("parity_failed", 65, "parity", base, self.held_out, "--export", spoiled)
        self.assertRegex(said, r"line 1, logprobs at position \d+: expected -\d")
        run("parity", base, self.held_out, "--export", spoiled, "--tolerance", "1")
        # An adapter with a template of its own: it was trained with another text.
        peft = self.folder / "peft"
        write_peft(BINARY, base, peft, 0.1)
        done, report = run("parity", base, peft, self.held_out)
        self.assertTrue(report["same"], done.stderr)
        (peft / "chat_template.jinja").write_text(
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
            "{% if add_generation_prompt %}<assistant>{% endif %}")
        said = self.refused("parity_failed", 65, "parity", base, peft, self.held_out)
        self.assertIn("line 1, ids at position", said)
        self.assertTrue(adapter.exists())

    def test_bad_rows_are_named(self):
        base, folder = self.model("Q8_0"), self.folder / "run"
        tune = ["tune", base, "ROWS", folder, "--threads", "1", "--epochs", "1"]

        def with_rows(text, *words, name="bad.jsonl"):
            return [self.write(name, text) if word == "ROWS" else word for word in tune] + [*words]

        good = '{"prompt":"a","completion":"b"}\n'
        said = self.refused("row_invalid", 65, *with_rows(good + "{]\n"))
        self.assertIn("bad.jsonl:2", said)
        self.assertIn("--skip-bad", said)
        _, document = run(*with_rows(good + "{]\n" + good.replace("a", "c"), "--skip-bad",
                                     "--validation-share", "0", "--plan"))
        self.assertEqual(document["plan"]["data"]["skipped"], 1)
        # Nothing to learn.
        self.refused("data_empty", 65, *with_rows('{"prompt":"a","completion":" "}\n'))
        _, document = run(*with_rows(good + '{"prompt":"a","completion":" "}\n', "--plan",
                                     "--validation-share", "0"))
        self.assertEqual(document["plan"]["data"]["empty_targets"], 1)
        # Longer than the context.
        long = json.dumps({"prompt": "word " * 100, "completion": "b"}) + "\n"
        said = self.refused("row_too_long", 65, *with_rows(good + long, "--validation-share", "0"))
        self.assertIn("line 2", said)
        self.assertIn("--too-long", said)
        _, document = run(*with_rows(good + long, "--too-long", "drop", "--plan",
                                     "--validation-share", "0"))
        self.assertEqual(document["plan"]["data"]["too_long"], 1)
        # A label that training never sees.
        labelled = "text,label\n" + "".join(f"x{i},{'ab'[i % 2]}\n" for i in range(20))
        unseen = self.write("unseen.csv", "text,label\nz,c\n")
        _, document = run(*with_rows(labelled, "--validation", str(unseen), "--plan", "--metric",
                                     "label", name="labels.csv"))
        self.assertTrue(any("never occur in training" in warning and '"c"' in warning
                            for warning in document["plan"]["data"]["warnings"]), document)
        self.assertFalse(folder.exists(), "a plan changes nothing")
        # A conversation for a model without a template.
        self.refused("no_template", 64, *with_rows(
            '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n',
            "--validation-share", "0"))

    def test_an_adapter_of_another_base_names_both(self):
        self.tune("Q8_0", "run")
        adapter = self.folder / "run" / "adapter.gguf"
        said = self.refused("adapter_base", 65, "score", "-m", self.model("F16"), "--adapter",
                            adapter, "--rows", self.held_out)
        self.assertRegex(said, r"[0-9a-f]{8}.*[0-9a-f]{8}")

    def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(self):
        # Values that a step makes too large for the sixteen bits that they are kept in.
        words = ["--alpha", "1000000", "--rate", "1", "--clip", "0", "--checkpoint", "0",
                 "--validate-every", "1000"]
        said = self.refused("model_numerics", 70, *self.tune_words("Q8_0", "run", *words))
        self.assertRegex(said, r"step \d+.*(line|row|example) \d+")
        self.assertRegex(said, r"checkpoint of step \d+ is kept")
        self.assertTrue((self.folder / "run" / "checkpoint.safetensors").exists())
        self.assertFalse((self.folder / "run" / "adapter.gguf").exists())

    def test_a_full_disk_is_an_error_and_no_loss(self):
        # A limit on the size of files is what a test can have of a full disk.
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        words = self.tune_words("Q8_0", "run", "--checkpoint", "0")
        done = subprocess.run(
            ["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", BINARY, *map(str, words), "--json"],
            capture_output=True, text=True, timeout=120, check=False, preexec_fn=small_files)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "storage_full", done.stderr)
        self.assertEqual(done.returncode, 73)
        self.assertFalse((self.folder / "run" / "adapter.gguf").exists())
        self.tune("Q8_0", "run", "--checkpoint", "0")
        self.tune("Q8_0", "whole")
        self.assertEqual((self.folder / "run" / "adapter.gguf").read_bytes(),
                         (self.folder / "whole" / "adapter.gguf").read_bytes())

    def test_two_runs_do_not_share_a_folder(self):
        words = self.tune_words("Q8_0", "run", "--epochs", "2000")
        with subprocess.Popen([BINARY, *map(str, words)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as first:
            log = self.folder / "run" / "log.jsonl"
            deadline = time.monotonic() + 60
            while not log.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            said = self.refused("run_locked", 75, *words)
            self.assertIn(str(first.pid), said)
            first.kill()

    def test_what_is_learned_is_shown(self):
        done, document = run("render", "-m", self.model("Q8_0"), "--show-mask", self.rows, "--most",
                             "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(document["examples"]), 2)
        self.assertIn("Count to 0: ⟦0 times 0", document["examples"][0]["text"])
        learned = [weight > 0 for weight in document["examples"][0]["weights"]]
        self.assertEqual(sum(learned), len("0 times 0"), "a byte each; the vocabulary has no EOS")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
