// Medians, ratios and noise of the records, as tables for people.

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// (largest - smallest) / median.
export function spread(values) {
  const some = values.filter(Number.isFinite);
  return some.length ? (Math.max(...some) - Math.min(...some)) / median(some) : NaN;
}

const figure = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(0)} %` : "–");
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (header, rows) => [row(header), row(header.map(() => "---")), ...rows.map(row)].join("\n");

// The figures of one engine, and of bantam its ratio to it: the median of the rounds' own ratios,
// since what two runs of one round have in common is the noise of those minutes.
function compare(records, pick) {
  const engines = [...new Set(records.map((record) => record.engine))];
  const of = (engine) => records.filter((record) => record.engine === engine);
  const ours = new Map(of("bantam").map((record) => [record.round, pick(record)]));
  return engines.map((engine) => {
    const values = of(engine).map(pick);
    const ratios = of(engine).map((record) => ours.get(record.round) / pick(record));
    return { engine, rounds: values.length, median: median(values), spread: spread(values),
      ratio: engine === "bantam" ? NaN : median(ratios) };
  });
}

function singleTable(files, records) {
  const rows = [];
  for (const file of files) {
    const mine = records.filter((record) => record.file === file);
    const prompts = compare(mine, (record) => record.prompt);
    const gens = compare(mine, (record) => record.gen);
    prompts.forEach((prompt, i) => {
      const own = mine.filter((record) => record.engine === prompt.engine);
      rows.push([file, prompt.engine, prompt.rounds, figure(prompt.median), percent(prompt.spread),
        figure(prompt.ratio, 2), figure(gens[i].median), percent(gens[i].spread),
        figure(gens[i].ratio, 2), percent(median(own.map((record) => record.prompt_share))),
        percent(median(own.map((record) => record.gen_share)))]);
    });
  }
  return table(["file", "engine", "rounds", "prompt t/s", "spread", "bantam is ×", "gen t/s",
    "spread", "bantam is ×", "of int8 peak", "of read rate"], rows);
}

function batchTable(file, records) {
  const mine = records.filter((record) => record.file === file);
  const seen = mine.flatMap((record) => record.batch.map((one) => one.n));
  const sizes = [...new Set(seen)].sort((a, b) => a - b);
  const at = (n) => (record) => record.batch.find((one) => one.n === n)?.tokens_per_s ?? NaN;
  const rows = [...new Set(mine.map((record) => record.engine))].map((engine) => [
    engine, ...sizes.map((n) => {
      const found = compare(mine, at(n)).find((one) => one.engine === engine);
      const ratio = Number.isFinite(found.ratio) ? ` (bantam × ${figure(found.ratio, 2)})` : "";
      return `${figure(found.median)} ±${percent(found.spread / 2)}${ratio}`;
    })]);
  return table([file, ...sizes.map((n) => `${n} at once, t/s`)], rows);
}

// Of one peak over all the runs of bantam.
function peak(records, key, unit, name) {
  const values = records.flatMap((record) => (record.peaks ? [record.peaks[key] / unit] : []));
  return `${name} ${figure(median(values))} ±${percent(spread(values) / 2)}`;
}

export function report(machine, records) {
  const good = records.filter((record) => !record.error);
  const single = good.filter((record) => !record.batch);
  const batch = good.filter((record) => record.batch);
  const names = (some) => [...new Set(some.map((record) => record.file))];
  const loads = good.map((record) => record.noise.load_before);
  const stolen = good.map((record) => record.noise.stolen);
  const lines = [
    `${machine.processor}, ${machine.cores} cores, ${machine.memory_gib} GiB, ${machine.system}; ` +
      `bantam ${machine.bantam}`,
    "peaks just before each run of bantam, median and spread: " + [
      peak(good, "read_bytes_per_s", 1e9, "memory GB/s"),
      peak(good, "int8_ops_per_s", 1e9, "int8 Gop/s"),
      peak(good, "f32_ops_per_s", 1e9, "F32 GFLOP/s")].join(", "),
    `noise: load before a run ${figure(median(loads))}, ` +
      `at most ${figure(Math.max(0, ...loads))}; stolen by the host ${percent(median(stolen))}`,
  ];
  if (single.length) lines.push("", singleTable(names(single), single));
  for (const file of names(batch)) lines.push("", batchTable(file, batch));
  for (const { engine, file, round, error } of records.filter((record) => record.error))
    lines.push(`failed: ${engine} on ${file}, round ${round}: ${error}`);
  return lines.join("\n");
}
