// The same GGUF files in llama.cpp (the node-llama-cpp package) and in bantam: token ids, the
// log-probabilities of the whole vocabulary at every position, and greedy continuations.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";

import { bantam, randomModels, sharedVocabularies, shippedModels } from "./bantam.mjs";
import {
  bantamLogProbabilities, boundsOf, compare, llama, llamaLogProbabilities, open,
} from "./llama.mjs";

const TEXTS = [
  "Where is my card? I ordered it two weeks ago.",
  "  two leading spaces, a\ttab and\n\n\ntwo empty lines  ",
  "1234567890 3.14159 $1,000.00 50%",
  "naïve café — “quoted” … 日本語のテキスト 🦆🏳️‍🌈",
  "don't I'll you're WE'VE it's",
  "<|im_start|>user\nhello<|im_end|>",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "",
];

const PROMPT = "One day, a little duck found a red boat by the pond and wanted to sail.";
const GREEDY_TOKENS = 32;

const folder = mkdtempSync(path.join(tmpdir(), "bantam-parity-"));
const files = [...shippedModels(), ...randomModels(folder)];

after(() => rmSync(folder, { recursive: true }));

function assertSameTokens(file, model) {
  for (const text of TEXTS) {
    for (const special of [false, true]) {
      const flags = special ? ["--parse-specials"] : [];
      const ours = bantam("tokenize", "-m", file, ...flags, "--", text).ids;
      assert.deepEqual(ours, [...model.tokenize(text, special)], `${special} ${text}`);
    }
  }
}

for (const file of files) {
  const name = path.basename(file, ".gguf");

  test(`${name}: the same tokens`, () => open(file, (model) => assertSameTokens(file, model)));

  test(`${name}: the same probabilities`, (context) =>
    open(file, async (model, sequence) => {
      const bounds = boundsOf(file);
      const ids = [...model.tokenize(PROMPT, false)];
      const theirs = await llamaLogProbabilities(sequence, ids);
      const ours = bantamLogProbabilities(file, ids);
      assert.equal(ours.length, theirs.length);
      let kl = 0, worst = 0;
      theirs.forEach((p, position) => {
        const found = compare(p, ours[position]);
        kl += found.kl / theirs.length;
        worst = Math.max(worst, found.worst);
        assert.ok(found.worst <= bounds.logprob,
          `position ${position}, token ${found.id}: ${found.worst} > ${bounds.logprob}`);
      });
      assert.ok(kl <= bounds.kl, `mean KL divergence ${kl} > ${bounds.kl}`);
      context.diagnostic(`worst log-probability difference ${worst}, mean KL divergence ${kl}`);
    }));

  test(`${name}: the same greedy text`, () =>
    open(file, async (model, sequence) => {
      const bounds = boundsOf(file);
      const ids = [...model.tokenize(PROMPT, false)];
      const ours = bantam("generate", "-m", file, "--kv", "f32", "--ids", ids.join(","),
        "--max-tokens", String(GREEDY_TOKENS), "--temperature", "0").ids;
      // Every token of ours must be llama.cpp's best after the same beginning, or closer to the
      // best than the programs differ.
      const beginning = [...ids, ...ours];
      const theirs = await llamaLogProbabilities(sequence, beginning.slice(0, -1));
      let differences = 0;
      ours.forEach((token, i) => {
        const p = theirs[ids.length - 1 + i];
        const best = Math.max(...p.values());
        if (p.get(token) === best) return;
        ++differences;
        assert.ok(Math.log(best / p.get(token)) <= 2 * bounds.logprob,
          `token ${i}: ${token} has probability ${p.get(token)}, the best ${best}`);
      });
      assert.ok(ours.length > 0);
      assert.ok(differences <= 1 + ours.length / 16, `${differences} near ties in ${ours.length}`);
    }));
}

// Vocabularies of published models, which the checkout does not hold.
for (const file of sharedVocabularies()) {
  test(`${path.basename(file, ".gguf")}: the same tokens`, async () => {
    const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
    assertSameTokens(file, model);
    await model.dispose();
  });
}
if (sharedVocabularies().length === 0) {
  test("published vocabularies: the same tokens", { skip: "needs ../shared/data" }, () => {});
}
