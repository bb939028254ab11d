#include "runtime/scorer.h"

#include <algorithm>
#include <cmath>

#include "runtime/logits.h"

namespace bantam {

Result<std::vector<double>> score_tokens(
    Engine& engine, std::span<const std::int32_t> ids, std::stop_token stop,
    const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const auto total = static_cast<std::int64_t>(ids.size());
  const std::int64_t context = engine.context_length();
  const std::int64_t stride = std::max<std::int64_t>(1, context / 2);
  std::vector<double> logprobs;
  logprobs.reserve(ids.size());
  for (std::int64_t first = 0;; first += stride) {
    const std::int64_t end = std::min(first + context, total);
    const auto window =
        ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
    TRY(engine.score(
        window, false, stop, [&](std::int64_t position, std::span<const float> logits) {
          const std::int64_t next = first + position + 1;
          // The overlap was scored by the window before.
          if (next < total && next == static_cast<std::int64_t>(logprobs.size()) + 1) {
            logprobs.push_back(
                log_probability(engine.kernels(), logits, ids[static_cast<std::size_t>(next)]));
            progress(next, total);
          }
          return true;
        }));
    if (end == total) return logprobs;
  }
}

double perplexity(std::span<const double> logprobs) {
  double sum = 0;
  for (const double logprob : logprobs) sum -= logprob;
  return logprobs.empty() ? 1.0 : std::exp(sum / static_cast<double>(logprobs.size()));
}

Result<std::vector<ScoredChoice>> score_choices(
    Engine& engine, std::span<const std::vector<std::int32_t>> continuations, std::int64_t shared,
    std::stop_token stop) {
  std::vector<ScoredChoice> choices;
  for (const std::vector<std::int32_t>& ids : continuations) {
    CHECK(shared >= 1 && static_cast<std::size_t>(shared) <= ids.size());
    ScoredChoice choice{.tokens = static_cast<std::int64_t>(ids.size()) - shared};
    TRY(engine.score(ids, false, stop, [&](std::int64_t position, std::span<const float> logits) {
      const std::int64_t next = position + 1;
      if (next >= shared && static_cast<std::size_t>(next) < ids.size()) {
        choice.logprob +=
            log_probability(engine.kernels(), logits, ids[static_cast<std::size_t>(next)]);
      }
      return true;
    }));
    choices.push_back(choice);
  }
  double best = -INFINITY, sum = 0;
  for (const ScoredChoice& choice : choices) best = std::max(best, choice.logprob);
  for (const ScoredChoice& choice : choices) sum += std::exp(choice.logprob - best);
  for (ScoredChoice& choice : choices) choice.probability = std::exp(choice.logprob - best) / sum;
  return choices;
}

}  // namespace bantam
