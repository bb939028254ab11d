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
// Of some parameters only; the others stay as they are.
Result<std::unique_ptr<Optimizer>> make_adamw(std::span<const Parameter* const> chosen,
                                              const KernelTable& kernels, ThreadPool& pool,
                                              const AdamwOptions& options);

// Muon (Jordan et al., 2024) for matrices, each of a stack by itself: the step is the gradient's
// momentum (Nesterov's) with its singular values brought to about one,
//   w = w - rate (√max(1, rows / columns) O + decay w where O and w have the same sign)
// by five polynomials (Amsel et al., "The Polar Express", 2025). Singular values from a thousandth
// of the Frobenius norm up end near one; smaller ones grow a thousandfold at most, so that what is
// only rounding stays small. Embeddings and vectors are left to AdamW.
struct MuonOptions {
  float momentum = 0.95F, first_momentum = 0.85F;
  std::int64_t momentum_steps = 300;  // from the first momentum to the other, in a straight line
  float decay = 0.1F;
  // A usual rate of the schedule is 0.02, which is the matrices'; the others' is this part of it.
  float others_rate = 0.15F;
  AdamwOptions others = {.decay = 0};
};
// As make_adamw().
Result<std::unique_ptr<Optimizer>> make_muon(Parameters& parameters, const KernelTable& kernels,
                                             ThreadPool& pool, const MuonOptions& options);

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
