// Sequences of tokens that go through a decoder together, with the memory that this takes: the one
// way from token ids to logits. The engine runs one sequence on it, the benchmark and the proof of
// determinism run many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "models/decoder.h"
#include "runtime/kv_pool.h"
#include "tensor/arena.h"

namespace bantam {

// What one sequence does in a step.
struct SequenceStep {
  std::size_t sequence = 0;              // each at most once a step
  std::span<const std::int32_t> tokens;  // at least one, each in [0, V); they follow what it has
  std::span<const std::int32_t> rows;    // of these tokens, whose logits are wanted
};

// How many of the `left` > 0 tokens the next step should take, if a step takes at most `most` > 0:
// steps as even as can be, since what a step does once costs the same for a short one.
inline std::int64_t next_chunk(std::int64_t left, std::int64_t most) {
  const std::int64_t steps = (left + most - 1) / most;
  return (left + steps - 1) / steps;
}

// Keeps references to the decoder, the kernels and the pool. One thread at a time: the one that
// may use the pool.
class BatchRunner {
 public:
  // `blocks`: most blocks of keys and values that all sequences may hold together.
  BatchRunner(const Decoder& decoder, const KernelTable& kernels, ThreadPool& pool,
              const KvType& kv_type, std::size_t sequences, std::int64_t blocks);
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  // → (rows, V) in the order of `steps` and of their rows; valid until the next step. "kv_full" and
  // "out_of_memory" as KvPool::reserve(): no sequence has advanced then.
  Result<FloatTensor> step(std::span<const SequenceStep> steps);

  // Tokens that a sequence has.
  std::int64_t length(std::size_t sequence) const { return lengths_[sequence]; }
  // Forgets all but the first `length` of them.
  void truncate(std::size_t sequence, std::int64_t length);

  const KvLayout& kv_layout() const { return kv_layout_; }
  std::uint64_t kv_bytes() const;  // held from the system so far

 private:
  const Decoder& decoder_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  Arena arena_;
  KvLayout kv_layout_;
  KvPool kv_pool_;
  std::vector<KvSequence> sequences_;
  std::vector<std::int64_t> lengths_;
};

}  // namespace bantam
