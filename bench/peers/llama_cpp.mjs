// node llama_cpp.mjs JOB: one measurement of llama.cpp as node-llama-cpp packs it; JOB and what is
// printed are JSON. Times are taken around sequence.evaluate, which costs it about 0.3 ms a token.
//
//   {"file", "threads", "prompt", "gen", "repeats"}  → {"prompt": tokens/s, "gen": tokens/s}
//   {"file", "threads", "gen", "batch": [1, 4, …], "repeats"}  → {"batch": [{"n", "tokens_per_s"}]}
import { getLlama } from "node-llama-cpp";

const job = JSON.parse(process.argv[2]);
const llama = await getLlama({
  gpu: false, build: "never", skipDownload: true, maxThreads: job.threads, logLevel: "error",
});
const model = await llama.loadModel({ modelPath: job.file });

// Some tokens of the vocabulary, not the same twice in a row.
const tokens = (count, from) =>
  Array.from({ length: count }, (_, i) => 300 + ((i + from) * 7919) % 20000);
const common = { threads: job.threads, batchSize: 512, flashAttention: true };

// Calls `at` with the time of each token of one sequence.
async function generate(sequence, ids, count, at) {
  let made = 0;
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    at(performance.now(), made);
    if (++made > count) break;
  }
}

async function single() {
  const context = await model.createContext({ contextSize: job.prompt + job.gen + 64, ...common });
  let prompt = 0, gen = 0;
  for (let run = 0; run < job.repeats; ++run) {
    const sequence = context.getSequence();
    let first = 0, last = 0;
    const start = performance.now();
    await generate(sequence, tokens(job.prompt, run), job.gen, (time, made) => {
      if (made === 0) first = time;
      last = time;
    });
    prompt = Math.max(prompt, job.prompt / (first - start) * 1000);
    gen = Math.max(gen, job.gen / (last - first) * 1000);
    sequence.dispose();
  }
  return { prompt, gen };
}

// All sequences of one context at once. What counts is the time in which all of them are at work:
// from the first token of the last to begin to the last token of the first to end.
async function together(n) {
  let best = 0;
  for (let run = 0; run < job.repeats; ++run) {
    // A context for each run: sequences that were given back are free again only some time later.
    const context =
        await model.createContext({ contextSize: job.gen + 64, sequences: n, ...common });
    const times = await Promise.all(Array.from({ length: n }, async (_, i) => {
      const sequence = context.getSequence(), of = [];
      await generate(sequence, tokens(4, 31 * i + run), job.gen, (time) => of.push(time));
      sequence.dispose();
      return of;
    }));
    const begin = Math.max(...times.map((of) => of[0]));
    const end = Math.min(...times.map((of) => of.at(-1)));
    const made = times.flat().filter((time) => time > begin && time <= end).length;
    best = Math.max(best, made / (end - begin) * 1000);
    await context.dispose();
  }
  return { n, tokens_per_s: best };
}

const result = { version: `llama.cpp ${llama.llamaCppRelease?.release ?? "?"}` };
if (job.batch) {
  result.batch = [];
  for (const n of job.batch) result.batch.push(await together(n));
} else {
  Object.assign(result, await single());
}
console.log(JSON.stringify(result));
process.exit(0);
