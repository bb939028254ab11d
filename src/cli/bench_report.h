// What `bantam bench` found, as text and as a document.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "runtime/benchmark.h"
#include "tune/train_benchmark.h"

namespace bantam {

// One line a thread count.
std::string peaks_text(std::string_view isa, std::span<const Peaks> peaks);

// Every figure with its shares of the peaks, the limit that follows from them and what is left to
// it.
std::string report_text(const BenchmarkReport& report, const BenchmarkOptions& options);

// {"read_bytes_per_s", "int8_ops_per_s", "bf16_ops_per_s", "f32_ops_per_s", "threads"}.
JsonObject peaks_document(const Peaks& peaks);

// {"prompt": {…}, "gen": {…}, "batch": [{"n", …}], "peaks": {…}, …}; "gen" is the first of "batch",
// and what was not measured is not there.
JsonObject report_document(const BenchmarkReport& report, const BenchmarkOptions& options);

// What --train found: {"train": {"tokens_per_s", "forward_s", "backward_s", "optimizer_s", …}, …}.
std::string training_text(const TrainBenchmarkReport& report);
JsonObject training_document(const TrainBenchmarkReport& report);

// The shapes that `bantam bench --shape` knows, and what stands in the way of the others.
std::string shapes_text();
JsonObject shapes_document();

}  // namespace bantam
