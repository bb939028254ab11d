// The arithmetic of bench/peers: what it reads from other programs, and what it makes of the runs.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ik } from "../../bench/peers/engines.mjs";
import { median, report, spread } from "../../bench/peers/report.mjs";

test("medians and spreads", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(median([1, NaN, 3]), 2);
  assert.ok(Number.isNaN(median([])));
  assert.equal(spread([8, 10, 13]), 0.5);
});

const machine = { processor: "P", cores: 2, memory_gib: 8, system: "S", bantam: "abc" };
const noise = { load_before: 1, stolen: 0 };

test("a ratio is the median of the rounds' own ratios", () => {
  // The machine was ten times slower in round 2; the ratio of medians would be 1.5, not 3.
  const runs = [[30, 10], [6, 2], [60, 40]];
  const records = runs.flatMap(([ours, theirs], at) => [
    { file: "f", engine: "bantam", round: at + 1, prompt: ours, gen: ours, noise },
    { file: "f", engine: "peer", round: at + 1, prompt: theirs, gen: theirs, noise }]);
  const line = report(machine, records).split("\n").find((one) => one.includes("| peer |"));
  assert.match(line, /\| 3 \| 10\.0 \| 380 % \| 3\.00 \|/);
});

test("batches stand side by side, and a failed run is told of and not counted", () => {
  const records = [
    { file: "b", engine: "bantam", round: 1, batch: [{ n: 4, tokens_per_s: 90 }], noise },
    { file: "b", engine: "peer", round: 1, batch: [{ n: 4, tokens_per_s: 30 }], noise },
    { file: "b", engine: "peer", round: 2, error: "out of luck", noise }];
  const text = report(machine, records);
  assert.match(text, /\| peer \| 30\.0 ±0 % \(bantam × 3\.00\) \|/);
  assert.match(text, /failed: peer on b, round 2: out of luck/);
});

test("programs of ik_llama.cpp are understood, wherever they print", async (context) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "peers-test-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const program = (name, script) => {
    const file = path.join(folder, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  const bench = program("llama-bench", `echo "a banner [1]"
cat <<END
[
  {"build_commit": "c", "n_prompt": 512, "n_gen": 0, "avg_ts": 10, "samples_ts": [9.5, 10.5]},
  {"build_commit": "c", "n_prompt": 0, "n_gen": 64, "avg_ts": 4, "samples_ts": [3.5, 4.5]}
]
END`);
  const engine = ik(bench, []);
  const job = { file: "m", threads: 2, prompt: 512, gen: 64, repeats: 2 };
  assert.deepEqual(await engine.run(job), { version: "c", prompt: 10.5, gen: 4.5 });

  const batches = { file: "m", threads: 2, gen: 32, batch: [1, 4], repeats: 1 };
  await assert.rejects(engine.run(batches), /there is no .*llama-batched-bench/);
  program("llama-batched-bench", `cat >&2 <<END
|    PP |     TG |    B |   N_KV | S_PP t/s |   T_TG s | S_TG t/s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|
|     4 |     32 |    1 |     36 |   100.00 |    1.000 |    32.00 |    35.64 |
|     4 |     32 |    4 |    144 |   100.00 |    2.000 |    64.00 |    70.58 |
END`);
  assert.deepEqual(await engine.run(batches),
    { batch: [{ n: 1, tokens_per_s: 32 }, { n: 4, tokens_per_s: 64 }] });
});
