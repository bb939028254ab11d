#include "tune/on_policy.h"

#include <algorithm>

#include "base/random.h"
#include "tune/answer_sampler.h"
#include "tune/validation_questions.h"

namespace bantam {

Result<std::vector<Example>> answered_by(const Decoder& student, const EngineOptions& options,
                                         const Tokenizer& tokenizer,
                                         std::span<const Example> examples, std::uint64_t seed) {
  Random random(seed);
  std::vector<AnswerWish> wishes;
  for (const Example& example : examples) {
    const Turn turn = last_turn(example);
    const auto begin = static_cast<std::int64_t>(turn.begin);
    const auto length = static_cast<std::int64_t>(turn.end - turn.begin);
    wishes.push_back(
        {.prompt = {example.ids.begin(), example.ids.begin() + begin},
         .most = std::min(2 * length + kOnPolicyRoom, student.spec().context_length - begin),
         .seed = random.next_u64()});
  }
  const auto answers = TRY(sample_answers(student, options, tokenizer, {}, wishes));
  std::vector<Example> out;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Example& example = out.emplace_back();
    example.source = examples[i].source;
    example.number = examples[i].number;
    example.ids = std::move(wishes[i].prompt);
    example.weights.assign(example.ids.size(), 0.0F);
    example.ids.insert(example.ids.end(), answers[i].ids.begin(), answers[i].ids.end());
    example.weights.resize(example.ids.size(), 1.0F);
  }
  return out;
}

}  // namespace bantam
