#include "tune/answer_sampler.h"

#include <memory>

#include "runtime/sampler.h"
#include "tune/question.h"

namespace bantam {
namespace {

class SampleQuestion final : public Question {
 public:
  SampleQuestion(const AnswerWish& wish, const SamplingOptions& sampling,
                 const KernelTable& kernels, const Tokenizer& tokenizer, SampledAnswer& answer)
      : wish_(wish),
        tokenizer_(tokenizer),
        sampler_(kernels, sampling, wish.seed, {}),
        ids_(wish.prompt),
        answer_(answer) {}

  std::span<const std::int32_t> ids() const override { return ids_; }
  std::int64_t most_ids() const override {
    return static_cast<std::int64_t>(wish_.prompt.size()) + wish_.most;
  }

  Result<void> take(std::span<const std::span<const float>> logits) override {
    const std::int32_t id = TRY(sampler_.sample(logits.back(), ids_, -1)).id;
    ids_.push_back(id);
    answer_.ids.push_back(id);
    answer_.ended = tokenizer_.specials().ends_generation(id);
    if (answer_.ended || static_cast<std::int64_t>(answer_.ids.size()) >= wish_.most) ids_.clear();
    return {};
  }

 private:
  const AnswerWish& wish_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  std::vector<std::int32_t> ids_;
  SampledAnswer& answer_;
};

}  // namespace

Result<std::vector<SampledAnswer>> sample_answers(const Decoder& decoder,
                                                  const EngineOptions& options,
                                                  const Tokenizer& tokenizer,
                                                  const SamplingOptions& sampling,
                                                  std::span<const AnswerWish> wishes) {
  TRY(validate(sampling, tokenizer.vocab_size()));
  const KernelTable* kernels = TRY(choose_kernels(options.isa));
  std::vector<SampledAnswer> answers(wishes.size());
  std::vector<std::unique_ptr<Question>> questions;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    CHECK(!wishes[i].prompt.empty() && wishes[i].most >= 1 &&
          static_cast<std::int64_t>(wishes[i].prompt.size()) + wishes[i].most <=
              decoder.spec().context_length);
    questions.push_back(
        std::make_unique<SampleQuestion>(wishes[i], sampling, *kernels, tokenizer, answers[i]));
  }
  TRY(ask(decoder, options, questions, {}));
  return answers;
}

}  // namespace bantam
