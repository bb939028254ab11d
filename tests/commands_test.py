#!/usr/bin/env python3
"""Holds every command of the program to what all of them promise.

usage: tests/commands_test.py BANTAM
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from peft_files import write_peft

BINARY = sys.argv.pop() if len(sys.argv) > 1 else "build/release/bantam"
MPI = pathlib.Path(BINARY).resolve().parent / "bantam_mpi.so"
SEED = pathlib.Path(__file__).resolve().parent.parent / "models" / "seed-Q8_0.gguf"


def run(*words, **options):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60,
                          check=False, stdin=subprocess.DEVNULL, **options)


def commands():
    """The commands that `bantam help` lists."""
    text = run("help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\S+) ", text, re.M)


def tune(folder, rows, *words):
    return [BINARY, "tune", str(SEED), str(rows), str(folder), "--epochs", "2", "--batch", "96",
            "--validation-rows", "4", "--rank", "2", "--threads", "1", "--json", *words]


def pretrain(folder, rows, *words):
    sizes = ("--layers", "2", "--width", "32", "--heads", "2", "--kv-heads", "1", "--head-width",
             "16", "--ffn", "64", "--vocab", "288", "--context", "64")
    return [BINARY, "pretrain", str(folder), str(rows), *sizes, "--name", "tiny", "--epochs", "3",
            "--batch", "128", "--average", "0.9", "--threads", "1", "--json", *words]


class CommandsTest(unittest.TestCase):
    def test_there_are_commands(self):
        self.assertTrue({"list", "show", "doctor"} <= set(commands()))

    def test_the_page_about_tune_names_options_that_there_are(self):
        page = (pathlib.Path(__file__).parents[1] / "docs" / "tune.md").read_text()
        known = run("tune", "--help").stdout + run("score", "--help").stdout
        named = set(re.findall(r"--[a-z][a-z0-9-]+", page)) - {"--strict"}  # of a user's program
        self.assertGreater(len(named), 40)
        self.assertEqual([o for o in sorted(named) if not re.search(rf"{o}\b", known)], [])

    def test_a_stopped_tune_goes_on_and_leaves_the_same_adapter(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            rows = folder / "rows.jsonl"
            rows.write_text("".join(
                json.dumps({"text": f"ticket {i} about a {word}", "label": word}) + "\n"
                for i in range(20) for word in ("parcel", "refund")))
            whole = run(*tune(folder / "whole", rows)[1:])
            self.assertEqual(whole.returncode, 0, whole.stderr)
            document = json.loads(whole.stdout)
            self.assertEqual(document["end"], "done")
            self.assertEqual(document["step"], document["plan"]["steps"])
            log = folder / "stopped" / "log.jsonl"
            with subprocess.Popen(tune(folder / "stopped", rows), stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True) as child:
                while child.poll() is None and not (log.exists() and log.stat().st_size > 0):
                    time.sleep(0.001)
                child.terminate()
                document = json.loads(child.communicate(timeout=60)[0])
            self.assertEqual(child.returncode, 0)
            self.assertEqual(document["end"], "stopped")
            self.assertLess(document["step"], document["plan"]["steps"])
            rest = run(*tune(folder / "stopped", rows)[1:])
            self.assertEqual(json.loads(rest.stdout)["end"], "done")
            self.assertEqual((folder / "stopped" / "adapter.gguf").read_bytes(),
                             (folder / "whole" / "adapter.gguf").read_bytes())
            other = run(*tune(folder / "whole", rows, "--rate", "0.5")[1:])
            self.assertEqual(other.returncode, 78)
            self.assertEqual(json.loads(other.stdout)["error"]["code"], "checkpoint_other_run")

    def test_a_killed_pretraining_goes_on_and_leaves_the_same_model(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            rows = folder / "rows.jsonl"
            places = ("river", "mountain", "garden", "market")
            rows.write_text("".join(
                json.dumps({"text": f"Day {i}: the wanderer went to the {place} and slept there."})
                + "\n" for i in range(60) for place in places))
            whole = run(*pretrain(folder / "whole", rows)[1:])
            self.assertEqual(whole.returncode, 0, whole.stderr)
            document = json.loads(whole.stdout)
            self.assertEqual(document["end"], "done")
            self.assertLess(document["held_out"][0]["bits_per_byte"], 2)
            log = folder / "killed" / "log.jsonl"
            # Ended once politely, with a checkpoint, and once not.
            for end in (signal.SIGTERM, signal.SIGKILL):
                before = log.read_text() if log.exists() else ""
                with subprocess.Popen(pretrain(folder / "killed", rows), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL) as child:
                    while child.poll() is None and (
                            not log.exists() or log.stat().st_size < len(before) + 400):
                        time.sleep(0.001)
                    child.send_signal(end)
                self.assertEqual(child.returncode, 0 if end == signal.SIGTERM else -end)
            rest = run(*pretrain(folder / "killed", rows)[1:])
            self.assertEqual(json.loads(rest.stdout)["end"], "done")
            self.assertEqual((folder / "killed" / "model.gguf").read_bytes(),
                             (folder / "whole" / "model.gguf").read_bytes())
            said = run("generate", "-m", str(folder / "whole" / "model.gguf"), "--prompt",
                       "Day 3: the", "--max-tokens", "8", "--json")
            self.assertIn("w", json.loads(said.stdout)["text"])

    @unittest.skipUnless(shutil.which("mpirun") and MPI.exists(), "Open MPI is not installed")
    def test_two_ranks_give_the_bits_of_one(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            rows = folder / "rows.jsonl"
            rows.write_text("".join(json.dumps({"prompt": f"Say {i}:", "completion": str(i)}) +
                                    "\n" for i in range(40)))
            adapters = []
            # Pinning would put both on one core; the rest is what it wants of a test run by root.
            mpirun = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"]
            root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
            for start in ([], mpirun):
                run_folder = folder / f"run{len(adapters)}"
                done = subprocess.run(start + tune(run_folder, rows, "--shards", "4"),
                                      capture_output=True, text=True, timeout=60, check=False,
                                      env=os.environ | root)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["end"], "done")
                adapters.append((run_folder / "adapter.gguf").read_bytes())
            self.assertEqual(adapters[0], adapters[1])
            models = []
            texts = folder / "texts.jsonl"
            texts.write_text("".join(json.dumps({"text": f"Day {i}: the wanderer went to the {word} "
                                                         "and slept there."}) + "\n"
                                     for i in range(40) for word in ("river", "market", "garden")))
            for start in ([], mpirun):
                run_folder = folder / f"model{len(models)}"
                done = subprocess.run(start + pretrain(run_folder, texts, "--shards", "2"),
                                      capture_output=True, text=True, timeout=60, check=False,
                                      env=os.environ | root)
                self.assertEqual(done.returncode, 0, done.stderr)
                models.append((run_folder / "model.gguf").read_bytes())
            self.assertEqual(models[0], models[1])
            # Fewer shards than ranks: all end, and rank 0 says why.
            done = subprocess.run(mpirun + tune(folder / "one", rows), capture_output=True,
                                  text=True, timeout=60, check=False, env=os.environ | root)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], "shards_invalid")

    def test_each_explains_itself_with_an_example(self):
        for command in commands():
            done = run(command, "--help")
            self.assertEqual(done.returncode, 0, command)
            self.assertRegex(done.stdout, rf"(?s)Usage: bantam {command} .*Example:\n.*bantam "
                                          rf"{command}\b", command)
            self.assertEqual(done.stdout, run("help", command).stdout)
            for line in done.stdout.splitlines():
                self.assertLessEqual(len(line), 110, line)

    def test_each_answers_a_wrong_option_with_one_document(self):
        for command in commands():
            done = run(command, "--json", "--no-such-option")
            self.assertEqual(done.returncode, 64, command)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], "unknown_option", command)
            self.assertIn("--no-such-option", done.stderr, command)

    def test_a_missing_model_is_named(self):
        for command in set(commands()) & {"show", "tokenize", "generate", "score", "bench"}:
            model = ["/no/such/model.gguf"] if command == "show" else ["-m", "/no/such/model.gguf"]
            text = {"generate": ["--prompt", "x"], "score": ["--text", "x"], "tokenize": ["x"]}
            done = run(command, *model, *text.get(command, []), "--json")
            self.assertEqual(done.returncode, 66, f"{command}: {done.stderr}")
            self.assertIn("/no/such/model.gguf", done.stderr, command)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], "file_not_found", command)

    def test_peaks_are_measured_without_a_model(self):
        document = json.loads(run("bench", "--peaks", "--threads", "1", "--json").stdout)
        (one,) = document["peaks"]["by_threads"]
        for peak in ("read_bytes_per_s", "int8_ops_per_s", "bf16_ops_per_s", "f32_ops_per_s"):
            self.assertGreater(one[peak], 0, peak)
            self.assertEqual(document["peaks"][peak], one[peak], peak)
        done = run("bench", "--json")
        self.assertEqual(done.returncode, 64)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "missing_argument")

    def test_training_is_measured(self):
        for words in (["--full", "--type", "Q8_0", "--optimizer", "muon"], ["--rank", "4"]):
            document = json.loads(run("bench", "--train", "-m", "seed", "--tokens", "128", "--length",
                                      "64", "--repeats", "1", "--threads", "1", "--json",
                                      *words).stdout)
            train = document["train"]
            self.assertEqual(train["tokens"], 128)
            seconds = train["forward_s"] + train["backward_s"] + train["optimizer_s"]
            self.assertAlmostEqual(train["tokens_per_s"] * seconds, 128, delta=1)
            self.assertAlmostEqual(train["share_of_f32_peak"] * document["peaks"]["f32_ops_per_s"],
                                   train["ops_per_s"], delta=1e-6 * train["ops_per_s"])
            self.assertGreater(document["memory"]["resident_bytes"], 0)
        for words, status, code in ((["--train"], 64, "missing_argument"),
                                    (["--full", "-m", "seed"], 64, "missing_argument"),
                                    (["--train", "--full", "-m", "seed", "--type", "Q4_K_M"], 64,
                                     "type_not_trained"),
                                    (["--train", "-m", "seed", "--mem", "0.001"], 65,
                                     "memory_budget")):
            done = run("bench", "--json", *words)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], code, words)
            self.assertEqual(done.returncode, status, words)

    def test_thread_counts_out_of_range_are_refused(self):
        for count in ("10000", "-1", "1025", "two"):
            done = run("generate", "-m", "seed", "--prompt", "x", "--threads", count, "--json")
            self.assertEqual(done.returncode, 64, count)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], "invalid_value", count)
            self.assertIn("1024", done.stderr, count)

    def test_selftest_lists_and_runs(self):
        self.assertEqual(json.loads(run("selftest", "--json").stdout), {"tests": ["determinism"]})
        self.assertEqual(run("selftest", "determinism").returncode, 64)
        done = run("selftest", "determinism", "-m", str(SEED), "--quick", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        self.assertTrue(document["same"])
        self.assertEqual(len({prompt["hash"] for prompt in document["prompts"]}), 8)
        self.assertGreater(len(document["settings"]), 6)

    def test_a_broken_weight_is_found_first_or_ends_the_request(self):
        data = bytearray(SEED.read_bytes())
        # In the last tensor, one of Q8_0 blocks of 34 bytes: a scale that is not a number.
        data[-34 * 100:-34 * 100 + 2] = b"\x00\x7e"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "broken.gguf"
            path.write_bytes(data)
            model = ["-m", str(path)]
            whole = run("generate", "-m", str(SEED), "--prompt", "once", "--max-tokens", "1",
                        "--check")
            self.assertEqual(whole.returncode, 0, whole.stderr)
            for command in (["generate", "--prompt", "once"], ["score", "--text", "once upon"]):
                done = run(*command, *model, "--json")
                self.assertEqual(done.returncode, 70, done.stderr)
                self.assertEqual(json.loads(done.stdout)["error"]["code"], "model_numerics")
                done = run(*command, *model, "--check", "--json")
                self.assertEqual(done.returncode, 65, done.stderr)
                self.assertEqual(json.loads(done.stdout)["error"]["code"], "weights_not_finite")

    def test_an_adapter_changes_what_a_model_says(self):
        def score(*words):
            done = run("score", "--text", "Once upon a time", "--json", *words)
            document = json.loads(done.stdout)
            return document.get("logprobs") or document["error"]["code"]

        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for style, size in (("loud", 1.0), ("mute", 0.0)):
                write_peft(BINARY, SEED, folder / style, size)
            plain = score("-m", str(SEED))
            self.assertEqual(score("-m", str(SEED), "--adapter", str(folder / "mute")), plain)
            loud = score("-m", str(SEED), "--adapter", str(folder / "loud"))
            self.assertGreater(max(abs(a - b) for a, b in zip(loud, plain)), 1e-3)
            self.assertEqual(score("-m", f"{SEED}:{folder / 'loud'}", "--check"), loud)
            self.assertEqual(score("-m", f"{SEED}:{folder / 'loud'}", "--adapter", "x"),
                             "conflicting_options")
            adapted = ["--adapter", str(folder / "loud"), "--temperature", "0"]
            for words in (["run", str(SEED), "Hello"], ["generate", "-m", str(SEED), "--prompt",
                                                        "Hello"]):
                texts = {run(*words, *adapter, "--max-tokens", "8").stdout
                         for adapter in (["--temperature", "0"], adapted)}
                self.assertEqual(len(texts), 2, words)
            (folder / "loud/adapter_config.json").write_text('{"peft_type": "IA3"}')
            self.assertEqual(score("-m", f"{SEED}:{folder / 'loud'}"), "adapter_unsupported")
            self.assertEqual(score("-m", str(SEED), "--adapter", str(SEED)), "adapter_invalid")

    def test_a_merged_model_says_what_base_and_adapter_say(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_peft(BINARY, SEED, folder / "loud", 1.0)
            model, out = f"{SEED}:{folder / 'loud'}", str(folder / "merged.gguf")
            text = pathlib.Path(name) / "text"
            text.write_text("Once upon a time there was a little duck. " * 8)
            kl = {}
            for kind in ("F16", "Q8_0", "Q4_0"):
                done = run("merge", model, out, "--type", kind, "--compare", "64", "--calibrate",
                           "256", "--json", *(["--file", str(text)] if kind == "F16" else []))
                self.assertEqual(done.returncode, 0, done.stderr)
                document = json.loads(done.stdout)
                self.assertEqual((document["tokens"], document["type"]), (64, kind))
                kl[kind] = document["kl"]
                self.assertEqual(run("generate", "-m", out, "--prompt", "Hi", "--max-tokens",
                                     "1").returncode, 0)
            # The base is Q8_0: only the activations are rounded in another place.
            self.assertLess(kl["F16"], 1e-2)
            self.assertLess(kl["Q8_0"], kl["Q4_0"])
            for words, status, code in (([str(SEED), out], 64, "missing_argument"),
                                        ([model, out, "--type", "Q9"], 64, "unknown_recipe"),
                                        ([model, out, "--file", str(text), "--type", "Q4_0"], 65,
                                         "text_too_short"),
                                        ([model, "/no/such/out.gguf"], 73, "folder_not_found")):
                done = run("merge", *words, "--json")
                self.assertEqual(json.loads(done.stdout)["error"]["code"], code, words)
                self.assertEqual(done.returncode, status, words)

    def test_shapes_are_listed_and_unknown_ones_refused(self):
        shapes = json.loads(run("bench", "--list-shapes", "--json").stdout)["shapes"]
        can_run = {shape["name"]: shape["can_run"] for shape in shapes}
        self.assertTrue(can_run["llama-3.2-1b"])
        for shape in shapes:
            self.assertEqual(shape["can_run"], shape["why_not"] == "", shape["name"])
        cannot = next(name for name, can in can_run.items() if not can)
        for words, status, code in (
                (["--shape", "lama-3.2-1b"], 64, "unknown_shape"),
                (["--shape", cannot], 65, "shape_unsupported"),
                (["--shape", "llama-3.2-1b", "--type", "Q4_Z"], 64, "unknown_recipe"),
                (["--shape", "llama-3.2-1b", "--batch", "256", "--gen", "100000"], 65,
                 "out_of_memory"),
                (["--shape", "llama-3.2-1b", "-m", "seed"], 64, "conflicting_options"),
                (["--save", "x.gguf"], 64, "missing_argument")):
            done = run("bench", "--json", *words)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], code, words)
            self.assertEqual(done.returncode, status, words)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w", encoding="utf8") as full:
            done = subprocess.run([BINARY, "help"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=60, check=False)
        self.assertEqual(done.returncode, 73)
        self.assertIn("cannot write the answer", done.stderr)

    def test_doctor_and_list_give_documents(self):
        self.assertIn("checks", json.loads(run("doctor", "--json").stdout))
        self.assertIn("models", json.loads(run("list", "--json").stdout))


if __name__ == "__main__":
    unittest.main()
