// What machine this is, and how busy it was with other things.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { root } from "./engines.mjs";

function first(...tries) {
  for (const attempt of tries) {
    try {
      return attempt();
    } catch {
      // The next one, then.
    }
  }
  return "unknown";
}

export function machine() {
  return {
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memory_gib: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    bantam: first(() => execFileSync("git", ["-C", root, "describe", "--always", "--dirty"],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()),
  };
}

// Jiffies of all processors: {all, idle, stolen by the host}.
function jiffies() {
  const line = first(() => readFileSync("/proc/stat", "utf8")).split("\n")[0];
  const [user, nice, system, idle, wait, irq, soft, steal] = line.split(/\s+/).slice(1).map(Number);
  return { all: user + nice + system + idle + wait + irq + soft + steal, idle: idle + wait, steal };
}

// Starts watching; the function returned says what went on since: the load that was there before,
// and the share of the processors' time that a host took away.
export function watch() {
  const load = os.loadavg()[0], before = jiffies();
  return () => {
    const after = jiffies(), all = Math.max(1, after.all - before.all);
    return { load_before: load, stolen: (after.steal - before.steal) / all };
  };
}
