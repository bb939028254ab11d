// Adapters that bantam writes, in llama.cpp (the node-llama-cpp package): they load, and change the
// log-probabilities of the whole vocabulary at every position in the same way. The bounds are those
// of the models alone (llama.mjs), so that a layer left out or a scale mistaken would be seen.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { randomModels, root } from "./bantam.mjs";
import {
  bantamLogProbabilities, boundsOf, compare, llamaLogProbabilities, open,
} from "./llama.mjs";

const PROMPT = "One day, a little duck found a red boat by the pond.";
const LEAST_CHANGE = 1; // nats, of some log-probability

const folder = mkdtempSync(path.join(tmpdir(), "bantam-adapters-"));
after(() => rmSync(folder, { recursive: true }));

const files = randomModels(folder).filter((file) =>
  ["dense-F32", "experts-F32", "qwen3-F32", "dense-F16", "dense-Q8_0"].some((name) =>
    file.includes(`-${name}.`)));

for (const file of files) {
  const name = path.basename(file, ".gguf");

  test(`${name}: an adapter changes the same probabilities`, async (context) => {
    const adapter = path.join(folder, `${name}-lora.gguf`);
    execFileSync(path.join(root, "build/release/tests/support/write_random_adapter"),
      [file, adapter]);
    await open(file, async (model, sequence) => {
      const bounds = boundsOf(file);
      const ids = [...model.tokenize(PROMPT, false)];
      const theirs = await llamaLogProbabilities(sequence, ids);
      const ours = bantamLogProbabilities(file, ids, "--adapter", adapter);
      const plain = bantamLogProbabilities(file, ids);
      let worst = 0, change = 0;
      theirs.forEach((p, position) => {
        worst = Math.max(worst, compare(p, ours[position]).worst);
        change = Math.max(change, compare(p, plain[position]).worst);
      });
      assert.ok(worst <= bounds.logprob, `${worst} > ${bounds.logprob}`);
      assert.ok(change >= LEAST_CHANGE, `the adapter changed nothing by more than ${change}`);
      context.diagnostic(`changed by up to ${change} nats, worst difference ${worst}`);
    }, { lora: adapter });
  });
}
