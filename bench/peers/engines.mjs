// The engines that are compared. Each takes a job, {file, threads, prompt, gen, repeats} or
// {file, threads, gen, batch, repeats}, and gives {prompt, gen} or {batch} in tokens a second, the
// best of the repeats; bantam gives the peaks of that minute besides.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, "../..");

// {stdout, stderr}. Where programs leave log files is none of the caller's folders.
const execute = promisify(execFile);
function start(program, words) {
  const limits = { maxBuffer: 1 << 26, timeout: 1800e3, cwd: os.tmpdir() };
  return execute(path.resolve(program), words.map(String), limits);
}
export async function output(program, words) {
  return (await start(program, words)).stdout;
}

export function bantam(binary) {
  return {
    name: "bantam",
    async run({ file, threads, prompt, gen, batch, repeats }) {
      const report = JSON.parse(await output(binary, [
        "bench", "--json", "--quiet", "-m", file, "--threads", threads, "--prompt", prompt ?? 0,
        "--gen", gen, "--batch", (batch ?? [1]).join(","), "--repeats", repeats]));
      const { isa, peaks } = report;
      const kept = ({ n, tokens_per_s, share_of_limit, limit_tokens_per_s }) =>
        ({ n, tokens_per_s, share_of_limit, limit_tokens_per_s });
      if (batch) return { isa, peaks, batch: report.batch.map(kept) };
      return {
        isa, peaks, prompt: report.prompt.tokens_per_s, gen: report.gen.tokens_per_s,
        prompt_share: report.prompt.share_of_int8_peak ?? report.prompt.share_of_f32_peak,
        gen_share: report.gen.share_of_read_bandwidth,
        prompt_limit: report.prompt.limit_tokens_per_s, gen_limit: report.gen.limit_tokens_per_s,
      };
    },
  };
}

export function llamaCpp() {
  if (!existsSync(path.join(here, "node_modules/node-llama-cpp"))) return null;
  return {
    name: "llama.cpp",
    // A process of its own, so that each run starts as a user's does.
    run: async (job) => JSON.parse(await output(process.execPath,
      [path.join(here, "llama_cpp.mjs"), JSON.stringify(job)])),
  };
}

// S_TG of each line of a table of llama-batched-bench, by its number of sequences B.
function batchedTable(text) {
  const rows = text.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const header = rows.find((row) => row.includes("B"));
  if (!header) throw new Error(`llama-batched-bench printed no table: ${text.slice(-300)}`);
  const n = header.indexOf("B"), speed = header.findIndex((cell) => cell.startsWith("S_TG"));
  return rows.filter((row) => /^\d+$/.test(row[n]))
    .map((row) => ({ n: Number(row[n]), tokens_per_s: Number(row[speed]) }));
}

// An ik_llama.cpp (or llama.cpp) build: the path of its llama-bench. Its llama-batched-bench, for
// batches, is looked for in the same folder.
export function ik(bench, words) {
  const batched = path.join(path.dirname(bench), "llama-batched-bench");
  return {
    name: "ik_llama.cpp",
    async run({ file, threads, prompt, gen, batch, repeats }) {
      if (batch) {
        if (!existsSync(batched)) throw new Error(`there is no ${batched}`);
        const longest = Math.max(...batch);
        let best = [];
        for (let i = 0; i < repeats; ++i) {
          const { stdout, stderr } = await start(batched, [
            "-m", file, "-t", threads, "-c", longest * (gen + 16), "-b", 512, "-npp", 4,
            "-ntg", gen, "-npl", batch.join(","), ...words]);
          const table = batchedTable(`${stdout}\n${stderr}`);  // some print it here, some there
          best = table.map((row, at) =>
            ({ ...row, tokens_per_s: Math.max(row.tokens_per_s, best[at]?.tokens_per_s ?? 0) }));
        }
        return { batch: best };
      }
      const text = await output(bench, [
        "-m", file, "-t", threads, "-p", prompt, "-n", gen, "-r", repeats, "-o", "json", ...words]);
      const tests = JSON.parse(text.slice(text.indexOf("[\n")));  // after what it says at the start
      const best = (test) => Math.max(...(test.samples_ts ?? [test.avg_ts]));
      return {
        version: tests[0].build_commit,
        prompt: best(tests.find((test) => test.n_prompt > 0 && test.n_gen === 0)),
        gen: best(tests.find((test) => test.n_gen > 0 && test.n_prompt === 0)),
      };
    },
  };
}
