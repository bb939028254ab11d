#include "tune/held_out.h"

#include <algorithm>
#include <numbers>
#include <utility>

namespace bantam {

HeldOut::HeldOut(std::vector<HeldOutText> texts, const Tokenizer& tokenizer) {
  for (HeldOutText& text : texts) {
    Text made{.text = std::move(text)};
    for (const Example& example : made.text.examples)
      for (std::size_t i = 1; i < example.ids.size(); ++i) {
        const auto weight = static_cast<double>(example.weights[i]);
        if (weight == 0) continue;
        made.weight += weight;
        made.bytes +=
            weight * static_cast<double>(tokenizer.piece_bytes(example.ids[i], false).size());
      }
    if (made.weight > 0) texts_.push_back(std::move(made));
  }
}

std::int64_t HeldOut::tokens() const {
  std::int64_t sum = 0;
  for (const Text& text : texts_)
    for (const Example& example : text.text.examples)
      sum += std::ranges::count_if(example.weights, [](float weight) { return weight > 0; });
  return sum;
}

std::int64_t HeldOut::longest() const {
  std::size_t longest = 0;
  for (const Text& text : texts_)
    for (const Example& example : text.text.examples)
      longest = std::max(longest, example.ids.size());
  return static_cast<std::int64_t>(longest);
}

Result<double> HeldOut::score(Learner& learner) {
  scores_.clear();
  HeldOutScore mean{.name = "all"};
  double shares = 0;
  for (const Text& text : texts_) {
    const auto logprobs = TRY(learner.logprobs(text.text.examples));
    double nats = 0;
    for (std::size_t e = 0; e < logprobs.size(); ++e)
      for (std::size_t i = 0; i < logprobs[e].size(); ++i) {
        const auto weight = static_cast<double>(text.text.examples[e].weights[i + 1]);
        if (weight > 0) nats -= weight * logprobs[e][i];
      }
    HeldOutScore score{.name = text.text.name, .nats = nats / text.weight};
    if (text.bytes > 0) score.bits_per_byte = nats / std::numbers::ln2 / text.bytes;
    mean.nats += text.text.share * score.nats;
    mean.bits_per_byte += text.text.share * score.bits_per_byte;
    shares += text.text.share;
    scores_.push_back(std::move(score));
  }
  mean.nats /= shares;
  mean.bits_per_byte /= shares;
  const double result = -mean.nats;
  if (scores_.size() > 1) scores_.push_back(std::move(mean));
  return result;
}

JsonObject scores_json(std::span<const HeldOutScore> scores) {
  JsonArray texts;
  for (const HeldOutScore& score : scores)
    texts.push_back(JsonObject{
        {"name", score.name}, {"nats", score.nats}, {"bits_per_byte", score.bits_per_byte}});
  return {{"texts", std::move(texts)}};
}

}  // namespace bantam
