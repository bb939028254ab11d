// From gradients to new parameters.
//
// An optimizer's state is a list of byte spans that a checkpoint writes and reads back: after that
// it goes on with the same bits. Updates are elementwise or of one tensor at a time, so they do not
// depend on threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "train/parameters.h"

namespace bantam {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Step number `step`, from one. Gradients are multiplied by `scale` first (clipping); `rate` is
  // what the schedule says, before the parameters' own factors.
  virtual void step(std::int64_t step, float rate, float scale) = 0;

  struct State {
    std::string_view name;
    std::span<std::byte> bytes;
  };
  virtual std::vector<State> state() = 0;
};

struct AdamwOptions {
  float beta1 = 0.9F, beta2 = 0.999F, epsilon = 1e-8F;
  float decay = 0.01F;  // of matrices and embeddings; vectors have none
  // Moments of tensors of at least 4096 elements in blocks of 256 (dynamic_code.h): 2.03 bytes a
  // parameter in place of 8.
  bool eight_bits = false;
};
// Keeps references to the parameters, kernels and pool. kTooLarge "out_of_memory".
Result<std::unique_ptr<Optimizer>> make_adamw(Parameters& parameters, const KernelTable& kernels,
                                              ThreadPool& pool, const AdamwOptions& options);

// Learning rate by step: a straight rise over `warmup` steps, then `hold` of the steps that are
// left at `peak`, then a straight line or half a cosine down to floor · peak at step `steps`, and
// that from there on.
struct Schedule {
  float peak = 1e-4F, floor = 0;
  std::int64_t warmup = 0, steps = 1;
  double hold = 0;
  bool cosine = false;
  float rate(std::int64_t step) const;  // from one
};

}  // namespace bantam
