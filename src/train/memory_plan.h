// Whether a run fits, before it starts: bytes by part, and the choice of what to compute twice.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "models/spec.h"
#include "train/learner.h"

namespace bantam {

struct MemoryPlan {
  std::uint64_t weights = 0;      // frozen ones: mapped, but they want to stay in memory
  std::uint64_t parameters = 0;   // values, gradients, optimizer, shards in waiting
  std::uint64_t activations = 0;  // and their gradients
  std::uint64_t logits = 0;       // of the rows that are there at once, and their gradients
  std::uint64_t kv = 0;
  LearnerOptions learner;  // as wished, with micro_tokens and forgotten_layers decided

  std::uint64_t total() const { return weights + parameters + activations + logits + kv; }
};

struct MemoryWish {
  std::uint64_t budget = 0;       // bytes that may be taken
  std::int64_t longest = 0;       // tokens of the longest group, which is never cut
  std::int64_t batch_tokens = 0;  // of a batch: a micro-batch need not be larger
  std::int64_t parameters = 0;
  int bytes_per_parameter = 16;  // float value and gradient, AdamW's two moments
  std::uint64_t weight_bytes = 0;
};

// What a step holds with these options, estimated: where it was measured, 6 % too low at worst and
// half too high.
MemoryPlan memory_of(const ArchSpec& spec, const MemoryWish& wish, const LearnerOptions& options);

// The plan that should take least time: of micro-batches of options.micro_tokens, a half, a quarter
// and so on down to the longest group, each with as few layers forgotten as will do, the one that
// costs least. Smaller micro-batches unpack the weights more often; forgotten layers are computed
// twice. kTooLarge "memory_budget" says what the least is and which part takes most of it.
Result<MemoryPlan> plan_memory(const ArchSpec& spec, const MemoryWish& wish,
                               const LearnerOptions& options);

}  // namespace bantam
