#!/usr/bin/env bash
# tests/npm/run.sh RESULTS: the tests against programs that are not ours, from npm.
#
# Every *_test.mjs here is a test of node's own runner; its result goes to RESULTS/NAME.tap. Where
# node, npm or the registry are missing, the reason goes to RESULTS.skipped and that is no failure.
set -euo pipefail
cd "$(dirname "$0")"
results=${1:?usage: tests/npm/run.sh RESULTS}

skip() {
  echo "skipped: $1"
  echo "$1" >"$results.skipped"
  exit 0
}

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$major" -ge 20 ] || skip "node 20 or newer is needed, this is $(node --version)"

# The exact versions and digests of the lock file; no install scripts, none of the optional builds.
# (`npm ci` insists on entries for every optional build, also of systems that nobody here has.)
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  timeout 300 npm install --no-save --ignore-scripts --omit=optional --no-audit --no-fund \
      >npm.log 2>&1 || {
    tail -n 3 npm.log
    skip "npm cannot install what package-lock.json lists (no registry?)"
  }
fi

mkdir -p "$results"
failed=0
shopt -s nullglob
for file in *_test.mjs; do
  name=${file%.mjs}
  if timeout 300 node --test-reporter=tap "$file" >"$results/$name.tap" 2>"$results/$name.log"; then
    echo "ok      $name"
  else
    echo "FAILED  $name, see $results/$name.tap and .log"
    failed=1
  fi
done
exit $failed
