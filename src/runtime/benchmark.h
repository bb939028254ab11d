// How fast a model runs here, in tokens per second and as a share of what the machine can do.
//
// The limit of a figure is what the same machine would do if nothing but the model's matrices
// cost anything: a step can be no faster than its weights are read from memory, nor than their
// products are computed at the peak of the arithmetic that their types use (int8 for the packed
// ones, F32 for the others). Attention and the functions of single rows are not in the limit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/benchmark_peaks.h"
#include "runtime/engine.h"

namespace bantam {

struct BenchmarkOptions {
  std::int64_t prompt = -1;               // tokens; 0: not measured; -1: 512 or the whole context
  std::int64_t generate = 64;             // tokens a sequence; 0: not measured
  std::vector<std::int64_t> batch = {1};  // sequences that generate together
  std::int64_t repeats = 3;               // the best counts: other programs only ever slow one down
  EngineOptions engine;
};

// What one step of a model asks of the machine.
struct StepWork {
  std::uint64_t weight_bytes = 0;                  // read once a step
  double int8_operations = 0, f32_operations = 0;  // a multiply-add is two
  // The least time of such a step: reading and computing go on side by side.
  double seconds_at(const Peaks& peaks) const;
  double compute_seconds_at(const Peaks& peaks) const;
};

// Of a step with `tokens` tokens of which `rows` want logits. Where there are experts their bytes
// are those that so many tokens use when all experts are equally likely. An embedding is read only
// as the head it may be tied to.
StepWork step_work(const Decoder& decoder, std::int64_t tokens, std::int64_t rows);

// Whether keys and values of the largest run, working memory and `weight_bytes` that have yet to be
// made fit into `available` bytes. If not: kTooLarge "out_of_memory" with both figures.
Result<void> check_memory(const ArchSpec& spec, const BenchmarkOptions& options,
                          std::uint64_t weight_bytes, std::uint64_t available);

struct BenchmarkFigure {
  std::int64_t sequences = 1;
  double tokens_per_second = 0;  // of all sequences together
  double weight_bytes_per_second = 0, operations_per_second = 0;
  double share_of_read_bandwidth = 0;  // 0 to 1; above 1 only through noise
  double share_of_arithmetic = 0;      // of the peak that the weights' types have
  double limit_tokens_per_second = 0;
  double share_of_limit = 0;
};

struct BenchmarkReport {
  std::string isa;
  std::size_t threads = 0;
  Peaks peaks;                 // the best that was seen before any of the figures
  bool float_weights = false;  // most products are of floats: shares are of the F32 peak
  std::optional<BenchmarkFigure> prompt;
  std::vector<BenchmarkFigure> generate;  // one an entry of options.batch
  std::uint64_t weight_bytes = 0;         // read by a token
  std::uint64_t kv_bytes = 0;             // of the longest run
  std::uint64_t resident_bytes = 0;       // of the process after a run, mapped weights included
};

// Runs the model on random tokens. `progress` gets a phrase before each part. Errors: those of
// choose_kernels() and check_memory().
Result<BenchmarkReport> run_benchmark(const std::shared_ptr<const Decoder>& decoder,
                                      const BenchmarkOptions& options,
                                      const std::function<void(std::string_view)>& progress);

}  // namespace bantam
