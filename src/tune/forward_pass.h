// Some rows of some examples under a model that is not trained: a teacher.
//
//   TRY(pass.run(inputs, rows));
//   const FloatTensor logits = pass.logits(first, count);   // of rows [first, first + count)
//
// The decoder's own serving calls: the same bits as any other way to compute them (law 3).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "models/decoder.h"
#include "nn/cpu_ops.h"
#include "runtime/kv_pool.h"
#include "tensor/arena.h"
#include "train/learner.h"

namespace bantam {

// One thread: the one that may use the pool.
class ForwardPass {
 public:
  // Keeps references to kernels and pool. Of the options the type of keys and values and the mode.
  ForwardPass(std::shared_ptr<const Decoder> decoder, const KernelTable& kernels, ThreadPool& pool,
              const LearnerOptions& options);
  ForwardPass(const ForwardPass&) = delete;
  ForwardPass& operator=(const ForwardPass&) = delete;

  // Row `row` of input `input` predicts what follows its first row + 1 tokens.
  struct Row {
    std::size_t input = 0;
    std::int64_t row = 0;
  };
  // Each input is a sequence of its own, of at least one token. Errors: "kv_full", "out_of_memory",
  // kMalformed "example_invalid" for an input that the model's context does not hold.
  Result<void> run(std::span<const std::span<const std::int32_t>> inputs,
                   std::span<const Row> rows);
  // Of the last run; valid until the next call.
  FloatTensor logits(std::int64_t first, std::int64_t count);

  const Decoder& decoder() const { return *decoder_; }
  std::int64_t vocabulary() const { return decoder_->spec().vocab; }

 private:
  std::shared_ptr<const Decoder> decoder_;
  KvLayout layout_;
  Arena arena_;
  CpuOps ops_;
  std::unique_ptr<KvPool> blocks_;
  std::vector<KvSequence> caches_;
  FloatTensor hidden_;
  Arena::Mark after_hidden_{};
};

}  // namespace bantam
