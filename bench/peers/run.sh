#!/usr/bin/env bash
# bench/peers/run.sh [options]: bantam and its peers in turn on the same files; `--help` lists the
# options. Installs the llama.cpp that node-llama-cpp packs beside this script the first time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Debian 12 packs node 18, for which node-llama-cpp is too new.
command -v node >/dev/null && command -v npm >/dev/null || {
  echo "run.sh: node 20 or newer, with npm, is needed: https://nodejs.org" >&2
  exit 69
}

if ! [ -d "$here/node_modules/node-llama-cpp" ]; then
  echo "installing node-llama-cpp" >&2
  # No install scripts, none of the optional builds; the versions are those of package.json.
  (cd "$here" && npm install --no-save --ignore-scripts --omit=optional --no-audit --no-fund \
      --no-package-lock >npm.log 2>&1) || {
    tail -n 3 "$here/npm.log" >&2
    echo "npm could not install it; going on without llama.cpp" >&2
  }
fi
exec node "$here/peers.mjs" "$@"
