#include "train/objective.h"

#include <cmath>

namespace bantam {

std::optional<double> Objective::weigh(std::span<const Example>,
                                       std::span<const std::vector<double>>,
                                       std::span<std::vector<float>>) {
  return std::nullopt;
}

Result<void> Objective::begin(std::span<const Example>, std::span<const RowTarget>) { return {}; }

void Objective::begin_rows(std::span<const RowTarget>) {}

double Objective::row(const KernelTable& kernels, const RowTarget& target, double total,
                      std::span<float> logits) {
  const double logprob = static_cast<double>(logits[static_cast<std::size_t>(target.id)]) - total;
  // The kernel subtracts a float: what that lacks is made up for by the factor.
  const auto shift = static_cast<float>(total);
  const double factor = target.weight * std::exp(static_cast<double>(shift) - total);
  kernels.exponential_shifted(logits.data(), shift, static_cast<float>(factor),
                              static_cast<std::int64_t>(logits.size()));
  logits[static_cast<std::size_t>(target.id)] -= static_cast<float>(target.weight);
  return target.weight * -logprob;
}

}  // namespace bantam
