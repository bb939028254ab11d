#include "runtime/kl_divergence.h"

#include <algorithm>
#include <cmath>

namespace bantam {
namespace {

double log_sum_exp(std::span<const float> logits) {
  const double largest{*std::ranges::max_element(logits)};
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - largest);
  return largest + std::log(sum);
}

// Σ p log(p / q). Equal logits give exactly 0.
double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const double total_p = log_sum_exp(p), total_q = log_sum_exp(q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = double{p[i]} - total_p, log_q = double{q[i]} - total_q;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return sum;
}

}  // namespace

Result<KlDivergence> measure_kl_divergence(Engine& p, Engine& q,
                                           std::span<const std::vector<std::int32_t>> texts,
                                           std::stop_token stop) {
  const auto vocabulary = static_cast<std::size_t>(p.spec().vocab);
  if (p.spec().vocab != q.spec().vocab)
    return fail(ErrorKind::kConfiguration, "vocabularies_differ",
                "the models have {} and {} tokens", p.spec().vocab, q.spec().vocab);
  KlDivergence result;
  double sum = 0, squares = 0, same = 0;
  for (const std::vector<std::int32_t>& text : texts) {
    const auto length = std::min(
        text.size(), static_cast<std::size_t>(std::min(p.context_length(), q.context_length())));
    const std::span<const std::int32_t> ids = std::span(text).first(length);
    std::vector<float> rows;
    TRY(p.score(ids, false, stop, [&](std::int64_t, std::span<const float> logits) {
      rows.insert(rows.end(), logits.begin(), logits.end());
      return true;
    }));
    TRY(q.score(ids, false, stop, [&](std::int64_t position, std::span<const float> logits) {
      const auto of_p =
          std::span(rows).subspan(static_cast<std::size_t>(position) * vocabulary, vocabulary);
      const double kl = kl_divergence(of_p, logits);
      sum += kl;
      squares += kl * kl;
      same += std::ranges::max_element(of_p) - of_p.begin() ==
                      std::ranges::max_element(logits) - logits.begin()
                  ? 1
                  : 0;
      ++result.positions;
      return true;
    }));
  }
  if (result.positions == 0) return result;
  const auto count = static_cast<double>(result.positions);
  result.mean = sum / count;
  result.same_choice = same / count;
  if (result.positions > 1)
    result.error =
        std::sqrt(std::max(0.0, squares / count - result.mean * result.mean) / (count - 1));
  return result;
}

}  // namespace bantam
