// How fast a model trains here: steps on random examples, in tokens a second and as a share of what
// the machine can do.
//
// Operations are those that the mathematics asks for (a multiply-add is two): of each matrix a
// product forward, one for its inputs' gradient and, where it trains, one for its own; of attention
// two products forward and five back. What is computed twice to save memory, norms, activations,
// the optimizer's work count as time and not as operations.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/weight_file.h"
#include "runtime/benchmark_peaks.h"
#include "train/memory_plan.h"
#include "train/optimizer.h"
#include "train/trainable.h"

namespace bantam {

struct TrainBenchmarkOptions {
  // Full training, of parameters with images of this type (is_trained_type()), or an adapter.
  std::optional<DType> full;
  AdapterOptions adapter;
  AdamwOptions adamw;
  std::optional<MuonOptions> muon;   // for matrices, instead of AdamW for all
  std::int64_t batch_tokens = 4096;  // of a step
  std::int64_t length = 256;         // tokens of an example; the model's context if that is less
  std::int64_t repeats = 3;          // the best counts: other programs only ever slow one down
  LearnerOptions learner;            // micro_tokens: the most
  std::uint64_t memory = 0;          // bytes; 0: nine tenths of what is free
  std::size_t threads = 0;           // 0: one a usable core
  std::string isa;                   // "": the best there is
};

// What a step asks of the machine.
struct TrainWork {
  double forward_int8 = 0, forward_f32 = 0;  // operations
  double backward = 0;                       // all in F32
  double operations() const { return forward_int8 + forward_f32 + backward; }
  double seconds_at(const Peaks& peaks) const;
};

// Of examples of `length` tokens each, every one but the first predicted.
TrainWork train_work(const TrainableModel& model, std::int64_t examples, std::int64_t length);

struct TrainBenchmarkReport {
  std::string isa;
  std::size_t threads = 0;
  Peaks peaks;      // the best that was seen before or after the steps
  MemoryPlan plan;  // by which the step was cut
  std::int64_t parameters = 0;
  std::int64_t examples = 0, length = 0;
  // Of the best step. Forward is what scoring the same examples takes, backward the rest of the
  // gradients' time, with what is computed again.
  double forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
  TrainWork work;
  double loss = 0;                   // of the last step, nats a token
  std::uint64_t resident_bytes = 0;  // most at once during the steps, mapped weights included

  std::int64_t tokens() const { return examples * length; }
  double seconds() const { return forward_seconds + backward_seconds + optimizer_seconds; }
  double tokens_per_second() const { return static_cast<double>(tokens()) / seconds(); }
  double operations_per_second() const { return work.operations() / seconds(); }
};

// `progress` gets a phrase before each part. Errors: those of the parts, "memory_budget"; kUsage
// "type_not_trained".
Result<TrainBenchmarkReport> run_train_benchmark(
    std::shared_ptr<const WeightFile> base, const TrainBenchmarkOptions& options,
    const std::function<void(std::string_view)>& progress);

}  // namespace bantam
