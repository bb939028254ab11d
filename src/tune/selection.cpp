#include "tune/selection.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/result.h"

namespace bantam {
namespace {

// The indices of the smallest.
std::vector<std::size_t> smallest(const std::vector<double>& values, double share) {
  CHECK(share > 0 && share <= 1);
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < values.size(); ++i) order.emplace_back(values[i], i);
  std::ranges::sort(order);
  const double kept = std::ceil(share * static_cast<double>(values.size()));
  order.resize(std::min(values.size(), static_cast<std::size_t>(kept)));
  std::vector<std::size_t> indices;
  for (const auto& [value, index] : order) indices.push_back(index);
  std::ranges::sort(indices);
  return indices;
}

}  // namespace

std::vector<std::size_t> select_middle(std::span<const double> losses, double share) {
  if (losses.empty()) return {};
  std::vector<double> sorted(losses.begin(), losses.end());
  std::ranges::sort(sorted);
  const double median = sorted[(sorted.size() - 1) / 2];
  std::vector<double> away;
  for (const double loss : losses) away.push_back(std::abs(loss - median));
  return smallest(away, share);
}

std::vector<std::size_t> select_largest(std::span<const double> losses, double share) {
  std::vector<double> negated;
  for (const double loss : losses) negated.push_back(-loss);
  return smallest(negated, share);
}

std::vector<double> group_losses(std::span<const Example> examples,
                                 std::span<const std::vector<double>> logprobs,
                                 std::int64_t group) {
  std::vector<double> losses;
  for (std::size_t e = 0; e < examples.size(); e += static_cast<std::size_t>(group)) {
    double sum = 0, weight = 0;
    for (std::size_t i = 0; i < logprobs[e].size(); ++i) {
      const auto part = static_cast<double>(examples[e].weights[i + 1]);
      sum -= part * logprobs[e][i];
      weight += part;
    }
    losses.push_back(weight > 0 ? sum / weight : 0);
  }
  return losses;
}

}  // namespace bantam
