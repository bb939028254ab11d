// Measures bantam and its peers alternately on the same files; `--help` says how.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { bantam, ik, llamaCpp, output, root } from "./engines.mjs";
import { machine, watch } from "./machine.mjs";
import { report } from "./report.mjs";

const BATCH = [1, 4, 8, 16, 32];
const FILES = {
  "1b-q4_k_m": { shape: "llama-3.2-1b", type: "Q4_K_M" },
  "1b-q4_0": { shape: "llama-3.2-1b", type: "Q4_0" },
  "1b-q8_0": { shape: "llama-3.2-1b", type: "Q8_0" },
  "3b-q4_k_m": { shape: "llama-3.2-3b", type: "Q4_K_M" },
  "gemma-3-4b-q4_k_m": { shape: "gemma-3-4b", type: "Q4_K_M" },
  "1b-batch": { shape: "llama-3.2-1b", type: "Q4_K_M", batch: BATCH },
};

const HELP = `bench/peers/run.sh [options]: bantam and its peers in turn, on the same files

  --files A,B     of: ${Object.keys(FILES).join(", ")}
                  (default: all that bantam can run); any "SHAPE:TYPE" of bantam's too
  --rounds N      runs of each engine on each file (default 5)
  --threads N     default: all cores
  --prompt N      tokens of the prompt (default 512)
  --gen N         tokens generated (default 64)
  --repeats N     of a run, the best counts (default 2)
  --engines A,B   of bantam, llama.cpp, ik_llama.cpp (default: those that are there)
  --ik PATH       llama-bench of an ik_llama.cpp build; it joins
  --ik-args "…"   further words for it, e.g. "-rtr 1"
  --bantam PATH   default build/release/bantam
  --dir FOLDER    where the files are made and kept (default: bantam-peers in the temporary folder)
  --out FILE      JSON lines, one a run (default: results.jsonl in that folder); runs that are in
                  it already are not made again, so an interrupted call goes on where it was
  --fresh         begin the JSON lines anew
  --report        only print the tables of what is there
`;

const { values: options } = parseArgs({
  options: {
    files: { type: "string" }, rounds: { type: "string", default: "5" },
    threads: { type: "string", default: String(os.availableParallelism()) },
    prompt: { type: "string", default: "512" }, gen: { type: "string", default: "64" },
    repeats: { type: "string", default: "2" }, engines: { type: "string" },
    ik: { type: "string" }, "ik-args": { type: "string", default: "" },
    bantam: { type: "string", default: path.join(root, "build/release/bantam") },
    dir: { type: "string", default: path.join(os.tmpdir(), "bantam-peers") },
    out: { type: "string" }, fresh: { type: "boolean" }, report: { type: "boolean" },
    help: { type: "boolean" },
  },
});

function stop(message) {
  console.error(`peers: ${message}`);
  process.exit(64);
}

function count(name) {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1)
    stop(`--${name} wants a whole number, not ${options[name]}`);
  return value;
}

function plannedFiles() {
  const names = options.files ? options.files.split(",") : Object.keys(FILES);
  return names.map((name) => {
    const [shape, type] = name.split(":");
    const known = FILES[name] ?? (type ? { shape, type } : null);
    if (!known) stop(`there is no file "${name}"; known: ${Object.keys(FILES).join(", ")}`);
    return { name, ...known };
  });
}

function engines() {
  if (options.ik && !existsSync(options.ik)) stop(`there is no ${options.ik}`);
  if (!existsSync(options.bantam))
    stop(`there is no ${options.bantam}; build it, or give --bantam`);
  const words = options["ik-args"].split(" ").filter(Boolean);
  const joined = options.ik ? ik(options.ik, words) : null;
  const all = [bantam(options.bantam), llamaCpp(), joined].filter(Boolean);
  if (!options.engines) return all;
  return options.engines.split(",").map((name) => all.find((engine) => engine.name === name) ??
    stop(`${name} is not there; there are: ${all.map((engine) => engine.name).join(", ")}`));
}

// The file's path, made if it is not there; null if bantam cannot make it.
async function prepare({ shape, type }) {
  const file = path.join(options.dir, `${shape}-${type}.gguf`);
  if (existsSync(file)) return file;
  try {
    const words = ["bench", "--quiet", "--shape", shape, "--type", type, "--save", file];
    await output(options.bantam, words);
    return file;
  } catch (error) {
    console.error(`left out: ${shape} ${type}: ${error.stderr?.trim() ?? error.message}`);
    return null;
  }
}

function readRecords(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").split("\n").filter(Boolean).flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];  // cut short by an interruption
    }
  });
}

async function measure(engine, file, round) {
  const job = { file: file.path, threads: count("threads"), repeats: count("repeats") };
  Object.assign(job, file.batch ? { batch: file.batch, gen: 32 }
    : { prompt: count("prompt"), gen: count("gen") });
  const noise = watch(), start = Date.now();
  const record = { time: new Date().toISOString(), file: file.name, engine: engine.name, round,
    threads: job.threads };
  try {
    Object.assign(record, await engine.run(job));
  } catch (error) {
    record.error = (error.stderr || error.message).trim().slice(-300);
  }
  return { ...record, seconds: (Date.now() - start) / 1000, noise: noise() };
}

function describe(record) {
  if (record.error) return `failed: ${record.error}`;
  if (record.batch)
    return record.batch.map((one) => `${one.n}: ${one.tokens_per_s.toFixed(1)}`).join("  ") + " t/s";
  return `prompt ${record.prompt.toFixed(1)}, gen ${record.gen.toFixed(1)} t/s`;
}

async function main() {
  if (options.help) return console.log(HELP);
  options.dir = path.resolve(options.dir);
  mkdirSync(options.dir, { recursive: true });
  const out = options.out ?? path.join(options.dir, "results.jsonl");
  if (options.fresh) rmSync(out, { force: true });
  const records = readRecords(out).filter((record) => !record.error);
  const done = new Set(records.map((record) => `${record.file} ${record.engine} ${record.round}`));
  const planned = plannedFiles();
  if (!options.report) {
    const there = engines(), rounds = count("rounds"), files = [];
    for (const file of planned) {
      file.path = await prepare(file);
      if (file.path) files.push(file);
    }
    for (let round = 1; round <= rounds; ++round) {
      for (const file of files) {
        // Whoever goes first may find the machine cooler: take turns.
        const turn = round % 2 ? there : [...there].reverse();
        for (const engine of turn) {
          if (done.has(`${file.name} ${engine.name} ${round}`)) continue;
          const record = await measure(engine, file, round);
          appendFileSync(out, JSON.stringify(record) + "\n");
          records.push(record);
          console.error(`${round}/${rounds} ${file.name} ${engine.name}: ${describe(record)}`);
        }
      }
    }
  }
  const wanted = new Set(planned.map((file) => file.name));
  console.log(report(machine(), records.filter((record) => wanted.has(record.file))));
  console.error(`\nall runs: ${out}`);
}

await main();
