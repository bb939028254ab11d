// Runs bantam's commands for the tests here.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const binary = path.join(root, "build/release/bantam");

// The document that a command prints with --json; throws what it says on stderr when it fails.
export function bantam(verb, ...options) {
  const text = execFileSync(binary, [verb, "--json", "--quiet", ...options], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return JSON.parse(text);
}

function ggufFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".gguf"))
    .sort()
    .map((name) => path.join(folder, name));
}

// The models that the checkout ships.
export function shippedModels() {
  return ggufFiles(path.join(root, "models"));
}

// Vocabulary-only files that lie beside the checkout, where they do.
export function sharedVocabularies() {
  return ggufFiles(path.join(root, "../shared/data/tokenizers/ggml-vocab"));
}

// Random models of several shapes and types, written into `folder`.
export function randomModels(folder) {
  execFileSync(path.join(root, "build/release/tests/support/write_random_models"), [folder]);
  return ggufFiles(folder);
}
