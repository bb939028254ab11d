// llama.cpp (the node-llama-cpp package) and bantam on the same file.
//
// Both keep keys and values in F32. What is left is rounding, and its size depends on what each
// program rounds. With F32 weights both sum floats. With F16 weights llama.cpp rounds the
// activations to F16 (2^-11) before each product and bantam does not. With packed weights both
// round the activations to eight bits with a scale for 32 (or, for K types, 256) elements: half a
// step is 1/254 of the largest, in each of a few dozen products a token. The bounds below are in
// nats: on |log p - log q| where p >= 1e-4, and on the mean KL divergence, about half its square.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

import { bantam } from "./bantam.mjs";

const BOUNDS = {
  F32: { logprob: 5e-5, kl: 5e-7 },
  F16: { logprob: 2e-2, kl: 2e-5 },
  packed: { logprob: 0.5, kl: 2e-3 },
};

export function boundsOf(file) {
  const types = Object.keys(bantam("show", file).bytes_by_type);
  if (types.some((type) => !["F32", "F16", "BF16"].includes(type))) return BOUNDS.packed;
  return types.some((type) => type !== "F32") ? BOUNDS.F16 : BOUNDS.F32;
}

export const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  maxThreads: 2,
  logLevel: LlamaLogLevel.error,
});

// log p of the whole vocabulary after each of `ids`, by llama.cpp.
export async function llamaLogProbabilities(sequence, ids) {
  await sequence.clearHistory();
  const wanted = { generateNext: { probabilities: true, options: { temperature: 0 } } };
  const steps = await sequence.controlledEvaluate(ids.map((id) => [id, wanted]));
  return steps.map((step) => step.next.probabilities);
}

// The same, by bantam, as arrays indexed by id.
export function bantamLogProbabilities(file, ids, ...options) {
  const document = bantam("score", "-m", file, "--kv", "f32", "--ids", ids.join(","),
    "--logits", "all", ...options);
  return document.logits.map((row) => {
    const top = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - top), 0);
    return row.map((logit) => logit - top - Math.log(sum));
  });
}

// The largest |log p - log q| where p >= 1e-4, with its place, and the KL divergence of q from p.
export function compare(p, q) {
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

// Runs `run` with the model and a sequence of a context that has these options, too.
export async function open(file, run, options = {}) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({
    contextSize: 256,
    batchSize: 256,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
    threads: 2,
    ...options,
  });
  try {
    await run(model, context.getSequence());
  } finally {
    await model.dispose();
  }
}
