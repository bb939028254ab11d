#!/usr/bin/env bash
# ./test.sh: installs what the tests need, builds, runs every test and sums up.
#
# Safe to run again: nothing is installed or built twice. BANTAM_TEST_ASAN=0 leaves out the run
# under the sanitizers, BANTAM_TEST_NPM=0 the tests against programs from npm, BANTAM_TEST_AARCH64=0
# those for 64-bit ARM; BANTAM_TEST_AARCH64=whole builds the whole program for it.
set -euo pipefail
cd "$(dirname "$0")"
. tools/setup.sh

results=build/test-results
started=$SECONDS

install_packages packages.txt packages-test.txt
rm -rf "$results"
mkdir -p "$results"

# run_ctest PRESET [ctest option...]: one preset's tests; the summary reads what they leave.
run_ctest() {
  local preset=$1
  shift
  mkdir -p "$results/$preset"
  GTEST_OUTPUT="xml:$PWD/$results/$preset/" ctest --test-dir "build/$preset" \
    --output-on-failure --no-tests=error -j "$(nproc)" --timeout 600 \
    --output-junit "$PWD/$results/$preset.xml" "$@" || true
}

say "Building (build/release)"
configure release -DBANTAM_TESTS=ON
build release all
say "Testing"
run_ctest release

# The folders that read untrusted bytes, once more with address and undefined-behaviour checks.
parsers='^(base|formats|tokenizer|chat|server|fuzz_.*)$'
if [ "${BANTAM_TEST_ASAN:-1}" = 1 ]; then
  say "Building the readers of untrusted bytes with sanitizers (build/asan)"
  # The kernels' tables read no files, and instrumented they compile longer than all the rest.
  configure asan -DBANTAM_TESTS=ON -DBANTAM_SANITIZE_KERNELS=OFF
  targets=()
  for folder in base formats tokenizer chat server; do
    if ls "src/$folder"/*_test.cpp >/dev/null 2>&1; then targets+=("${folder}_test"); fi
  done
  for file in tests/fuzz/*_fuzz.cpp; do targets+=("$(basename "$file" .cpp)"); done
  build asan "${targets[@]}"
  say "Testing with sanitizers"
  UBSAN_OPTIONS=print_stacktrace=1 run_ctest asan -R "$parsers"
else
  echo "the run under the sanitizers is left out: BANTAM_TEST_ASAN=0" >"$results/asan.skipped"
fi

if [ "${BANTAM_TEST_NPM:-1}" = 1 ]; then
  say "Testing against programs from npm"
  tests/npm/run.sh "$PWD/$results/npm" || true  # the summary tells
else
  echo "the tests against programs from npm are left out: BANTAM_TEST_NPM=0" >"$results/npm.skipped"
fi

aarch64=${BANTAM_TEST_AARCH64:-1}
if [ "$aarch64" != 0 ]; then
  tools/test_aarch64.sh "$PWD/$results" "${aarch64#1}" ||
    echo "not ok 1 - builds for 64-bit ARM" >"$results/aarch64/build.tap"
else
  echo "the tests for 64-bit ARM are left out: BANTAM_TEST_AARCH64=0" >"$results/aarch64.skipped"
fi

say "Summary, after $((SECONDS - started)) s"
python3 -B tools/sum_up_tests.py "$results"
