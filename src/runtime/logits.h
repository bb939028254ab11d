// Log-probabilities of the model's own distribution: natural logarithm, temperature 1, before any
// rule of sampling.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernels/kernels.h"

namespace bantam {

struct TokenChoice {
  std::int32_t id = 0;
  float logprob = 0;                                // NaN if it was not asked for
  std::vector<std::pair<std::int32_t, float>> top;  // ids and log-probabilities, best first; ties
                                                    // go to the lower id
};

// kInternal "model_numerics" if a logit is NaN or +inf, or if all are -inf: the weights are broken
// or overflow.
Result<void> check_logits(std::span<const float> logits);

// The same error, with the place, if any of the logits that a model gave for the token at
// `position` is not a finite number.
Result<void> check_model_logits(std::span<const float> logits, std::int64_t position);

// The log-probability of `id`.
double log_probability(const KernelTable& kernels, std::span<const float> logits, std::int32_t id);

// `id` with its log-probability and the `top_count` most likely tokens. A negative count asks for
// no log-probability at all.
TokenChoice token_choice(const KernelTable& kernels, std::span<const float> logits, std::int32_t id,
                         int top_count);

}  // namespace bantam
