// How fast a model runs here, in tokens per second and as a share of what the memory can read.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/engine.h"

namespace bantam {

struct BenchmarkOptions {
  std::int64_t prompt = -1;               // tokens; 0: not measured; -1: 512 or the whole context
  std::int64_t generate = 64;             // tokens a sequence; 0: not measured
  std::vector<std::int64_t> batch = {1};  // sequences that generate together
  std::int64_t repeats = 3;               // the best counts: other programs only ever slow one down
  EngineOptions engine;
};

struct BenchmarkRate {
  std::int64_t sequences = 1;
  double tokens_per_second = 0;        // of all sequences together
  double weight_bytes_per_second = 0;  // weights read, once a step
  double share_of_read_bandwidth = 0;  // of the rate measured just before; 0 to 1
};

struct BenchmarkReport {
  std::string isa;
  std::size_t threads = 0;
  double read_bytes_per_second = 0;  // all threads summing a buffer far larger than the caches
  double prompt_tokens_per_second = 0;
  std::vector<BenchmarkRate> generate;  // one an entry of options.batch
  std::uint64_t weight_bytes = 0;       // read by a token: all weights but unused embedding rows
  std::uint64_t kv_bytes = 0;           // of the longest run
  std::uint64_t resident_bytes = 0;     // of the process after a run, mapped weights included
};

// Runs the model on random tokens. `progress` gets a phrase before each part.
Result<BenchmarkReport> run_benchmark(const std::shared_ptr<const Decoder>& decoder,
                                      const BenchmarkOptions& options,
                                      const std::function<void(std::string_view)>& progress);

// Bytes a second that `pool` reads from memory, best of a few passes.
double measure_read_bandwidth(ThreadPool& pool);

}  // namespace bantam
