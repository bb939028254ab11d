#!/usr/bin/env bash
# tools/test_aarch64.sh RESULTS [whole]: builds for 64-bit ARM, and tests that under qemu-aarch64.
#
# The kernels: every table gives the bits of the scalar one, and each processor gets its table. With
# `whole` the lowest folders' tests and the program too, which must answer as build/release/bantam
# does, to the last bit of the logits. Results go to RESULTS/aarch64/. Installs nothing; where
# something is missing the reason goes to RESULTS/aarch64.skipped, and that is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh
results=$(realpath -m "${1:?usage: tools/test_aarch64.sh RESULTS [whole]}")
whole=${2:-}
root=$PWD/build/arm64-root
mkdir -p "$results/aarch64"

skip() {
  echo "skipped: $1"
  echo "$1" >"$results/aarch64.skipped"
  exit 0
}
command -v qemu-aarch64 >/dev/null || skip "qemu-user is not installed"
logged build/arm64-root.log timeout 400 tools/arm64_sysroot.sh "$root" ||
  skip "Debian's arm64 libraries cannot be fetched, see build/arm64-root.log"

say "Building (build/aarch64)"
configure aarch64 -DBANTAM_TESTS=ON
targets=(kernels_test)
[ -z "$whole" ] || targets+=(bantam base_test tensor_test codec_test)
build aarch64 "${targets[@]}"

say "Testing under qemu-aarch64"
emulated() { qemu-aarch64 -L "$root" "$@"; }
cases=0
: >"$results/aarch64/tests.tap"
# check NAME COMMAND...: one line of a TAP file; what a failure printed is shown.
check() {
  local name=$1 verdict=ok
  shift
  cases=$((cases + 1))
  "$@" >"$results/aarch64/$cases.log" 2>&1 || verdict="not ok"
  echo "$verdict $cases - $name" | tee -a "$results/aarch64/tests.tap"
  [ "$verdict" = ok ] || tail -n 20 "$results/aarch64/$cases.log"
}

# A share for each core. What compares the scalar table with double precision says nothing new here.
kernels_tests() {
  local shares=() share
  for share in $(seq 0 $(($(nproc) - 1))); do
    GTEST_TOTAL_SHARDS=$(nproc) GTEST_SHARD_INDEX=$share \
      emulated build/aarch64/src/kernels/kernels_test --gtest_brief=1 \
      --gtest_filter='-*AgreesWithDoublePrecision*:*WithinTheStatedBound*' &
    shares+=($!)
  done
  local failed=0
  for share in "${shares[@]}"; do wait "$share" || failed=1; done
  return "$failed"
}
check "the kernels' tests" kernels_tests

takes_table() {  # PROCESSOR TABLE
  QEMU_CPU=$1 BANTAM_EXPECTED_ISA=$2 emulated build/aarch64/src/kernels/kernels_test \
    --gtest_brief=1 --gtest_filter='ChooseKernels.*'
}
check "a Cortex-A53 gets neon" takes_table cortex-a53 neon
check "a Cortex-A76 gets neon-dotprod" takes_table cortex-a76 neon-dotprod
check "a processor with everything gets neon-i8mm" takes_table max neon-i8mm

model=models/seed-Q8_0.gguf
same_output() {  # PROCESSOR COMMAND...: of both programs, but for what time it took
  local processor=$1 here there
  shift
  here=$(build/release/bantam "$@" | sed 's/"timings":.*//')
  there=$(QEMU_CPU=$processor emulated build/aarch64/bantam "$@" | sed 's/"timings":.*//')
  printf 'here:  %.2000s\nthere: %.2000s\n' "$here" "$there"
  [ -n "$here" ] && [ "$here" = "$there" ]
}
if [ -n "$whole" ]; then
  for folder in base tensor codec; do
    check "the tests of $folder" emulated "build/aarch64/src/$folder/${folder}_test" --gtest_brief=1
  done
fi
if [ -n "$whole" ] && [ -x build/release/bantam ]; then
  for processor in cortex-a53 cortex-a76; do
    check "$processor: the same tokens as here" same_output "$processor" \
      generate -m "$model" --prompt "Once upon a time" --max-tokens 24 --temperature 0 --json
    check "$processor: the same bits of all logits as here" same_output "$processor" \
      score -m "$model" --text "The little dog ran to the river, but it was too wide for him." \
      --logits all --json
  done
fi
