// The same GGUF files in llama.cpp (the node-llama-cpp package) and in bantam: token ids, the
// log-probabilities of the whole vocabulary at every position, and greedy continuations.
//
// Both keep keys and values in F32. What is left is rounding, and its size depends on what each
// program rounds. With F32 weights both sum floats. With F16 weights llama.cpp rounds the
// activations to F16 (2^-11) before each product and bantam does not. With packed weights both
// round the activations to eight bits with a scale for 32 (or, for K types, 256) elements: half a
// step is 1/254 of the largest, in each of a few dozen products a token. The bounds below are in
// nats: on |log p - log q| where p >= 1e-4, and on the mean KL divergence, about half its square.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { getLlama, LlamaLogLevel } from "node-llama-cpp";

import { bantam, randomModels, sharedVocabularies, shippedModels } from "./bantam.mjs";

const BOUNDS = {
  F32: { logprob: 5e-5, kl: 5e-7 },
  F16: { logprob: 2e-2, kl: 2e-5 },
  packed: { logprob: 0.5, kl: 2e-3 },
};

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
let llama;

before(async () => {
  llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    maxThreads: 2,
    logLevel: LlamaLogLevel.error,
  });
});

after(() => rmSync(folder, { recursive: true }));

// log p of the whole vocabulary after each of `ids`, by llama.cpp.
async function llamaLogProbabilities(sequence, ids) {
  await sequence.clearHistory();
  const wanted = { generateNext: { probabilities: true, options: { temperature: 0 } } };
  const steps = await sequence.controlledEvaluate(ids.map((id) => [id, wanted]));
  return steps.map((step) => step.next.probabilities);
}

// The same, by bantam, as arrays indexed by id.
function bantamLogProbabilities(file, ids) {
  const document = bantam("score", "-m", file, "--kv", "f32", "--ids", ids.join(","),
    "--logits", "all");
  return document.logits.map((row) => {
    const top = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - top), 0);
    return row.map((logit) => logit - top - Math.log(sum));
  });
}

// The largest |log p - log q| where p >= 1e-4, with its place, and the KL divergence of q from p.
function compare(p, q) {
  let worst = 0, id = -1, kl = 0;
  for (const [token, probability] of p) {
    if (probability <= 0) continue;
    const difference = Math.log(probability) - q[token];
    kl += probability * difference;
    if (probability >= 1e-4 && Math.abs(difference) > worst) {
      worst = Math.abs(difference);
      id = token;
    }
  }
  return { worst, id, kl };
}

function assertSameTokens(file, model) {
  for (const text of TEXTS) {
    for (const special of [false, true]) {
      const flags = special ? ["--parse-specials"] : [];
      const ours = bantam("tokenize", "-m", file, ...flags, "--", text).ids;
      assert.deepEqual(ours, [...model.tokenize(text, special)], `${special} ${text}`);
    }
  }
}

async function open(file, run) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({
    contextSize: 256,
    batchSize: 256,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
    threads: 2,
  });
  try {
    await run(model, context.getSequence());
  } finally {
    await model.dispose();
  }
}

function boundsOf(file) {
  const types = Object.keys(bantam("show", file).bytes_by_type);
  if (types.some((type) => !["F32", "F16", "BF16"].includes(type))) return BOUNDS.packed;
  return types.some((type) => type !== "F32") ? BOUNDS.F16 : BOUNDS.F32;
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
