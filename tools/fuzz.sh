#!/usr/bin/env bash
# tools/fuzz.sh SECONDS [target...]: builds the fuzz targets and runs each for that long.
#
# Without names it runs all. New inputs that reach new code stay in build/fuzz/corpus/NAME; the ones
# worth keeping belong in tests/fuzz/corpus/NAME, where every test run replays them. A crash leaves
# its input in build/fuzz/crashes/NAME and makes this script fail.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: tools/fuzz.sh SECONDS [target...]}
shift
if ! log=$(cmake --preset fuzz 2>&1); then echo "$log"; exit 1; fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in tests/fuzz/*_fuzz.cpp; do
    name=$(basename "$file" _fuzz.cpp)
    targets+=("$name")
  done
fi
ninja -C build/fuzz "${targets[@]/%/_fuzz}"

failed=()
for name in "${targets[@]}"; do
  found=build/fuzz/corpus/$name crashes=build/fuzz/crashes/$name log=build/fuzz/$name.log
  mkdir -p "$found" "$crashes"
  printf '%s: %s s ... ' "$name" "$seconds"
  # -timeout: seconds that one input may take; -rss_limit_mb: memory for the whole run.
  if "build/fuzz/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
      -max_len=65536 -print_final_stats=1 -artifact_prefix="$crashes/" \
      "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "clean, $runs runs"
  else
    echo "FAILED, see $log"
    failed+=("$name")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzzing found something in: ${failed[*]}"
  exit 1
fi
