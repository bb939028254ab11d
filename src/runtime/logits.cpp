#include "runtime/logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/finite.h"

namespace bantam {

Result<void> check_logits(std::span<const float> logits) {
  bool broken = false, possible = false;
  for (const float logit : logits) {
    broken |= !(logit < std::numeric_limits<float>::infinity());
    possible |= logit > -std::numeric_limits<float>::infinity();
  }
  if (!broken && possible) return {};
  return fail(ErrorKind::kInternal, "model_numerics",
              "the model's logits are {}: its weights are damaged, or a value overflowed",
              broken ? "not all finite" : "all minus infinity");
}

Result<void> check_model_logits(std::span<const float> logits, std::int64_t position) {
  const std::optional<std::size_t> broken = first_not_finite(logits);
  if (!broken) return {};
  return std::unexpected(
      fail(ErrorKind::kInternal, "model_numerics",
           "after the token at position {} the model's logit of token {} is {}: its weights are "
           "damaged, or a value overflowed",
           position, *broken, logits[*broken])
          .error()
          .with_hint("--check names weights that are not finite numbers"));
}

double log_probability(const KernelTable& kernels, std::span<const float> logits, std::int32_t id) {
  return static_cast<double>(logits[static_cast<std::size_t>(id)]) -
         kernels.log_sum_exp(logits.data(), static_cast<std::int64_t>(logits.size()));
}

TokenChoice token_choice(const KernelTable& kernels, std::span<const float> logits, std::int32_t id,
                         int top_count) {
  TokenChoice choice{.id = id, .logprob = std::numeric_limits<float>::quiet_NaN(), .top = {}};
  if (top_count < 0) return choice;
  const double total = kernels.log_sum_exp(logits.data(), static_cast<std::int64_t>(logits.size()));
  const auto logprob = [&](std::int32_t token) {
    return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(token)]) - total);
  };
  choice.logprob = logprob(id);
  if (top_count == 0) return choice;
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count = std::min(ids.size(), static_cast<std::size_t>(top_count));
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](std::int32_t a, std::int32_t b) {
                      const float x = logits[static_cast<std::size_t>(a)];
                      const float y = logits[static_cast<std::size_t>(b)];
                      return x > y || (x == y && a < b);
                    });
  for (std::size_t i = 0; i < count; ++i) choice.top.emplace_back(ids[i], logprob(ids[i]));
  return choice;
}

}  // namespace bantam
