#include "tune/kto_point.h"

#include <algorithm>

#include "tune/validation_questions.h"

namespace bantam {

std::vector<Example> mismatched(std::span<const Example> examples, std::int64_t context) {
  std::vector<Example> pairs;
  for (std::size_t e = 0; e < examples.size(); ++e) {
    const Example &asked = examples[e], &answered = examples[(e + 1) % examples.size()];
    const Turn question = last_turn(asked), answer = last_turn(answered);
    Example& pair = pairs.emplace_back();
    pair.source = asked.source;
    const std::size_t length = question.begin + answer.end - answer.begin;
    if (static_cast<std::int64_t>(length) > context || length < 2) continue;
    const auto ids = std::span(answered.ids).subspan(answer.begin, answer.end - answer.begin);
    pair.ids.assign(asked.ids.begin(),
                    asked.ids.begin() + static_cast<std::ptrdiff_t>(question.begin));
    pair.weights.assign(pair.ids.size(), 0.0F);
    pair.ids.insert(pair.ids.end(), ids.begin(), ids.end());
    pair.weights.resize(pair.ids.size(), 1.0F);
  }
  return pairs;
}

double weighted_logprob(const Example& example, std::span<const double> logprobs) {
  double sum = 0;
  for (std::size_t i = 0; i < logprobs.size(); ++i)
    sum += static_cast<double>(example.weights[i + 1]) * logprobs[i];
  return sum;
}

double reference_point(std::span<const Example> pairs,
                       std::span<const std::vector<double>> logprobs) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].ids.empty()) continue;
    sum += weighted_logprob(pairs[i], logprobs[i]) - pairs[i].reference;
    ++count;
  }
  return count > 0 ? std::max(0.0, sum / count) : 0;
}

}  // namespace bantam
