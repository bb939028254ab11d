#include "tune/validation_questions.h"

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "runtime/logits.h"
#include "runtime/sampler.h"

namespace bantam {
namespace {

// Tokens that an answer may have more than the wanted one: other cuts of the same text; of JSON
// blanks and another order, too.
constexpr std::int64_t kRoom = 8, kJsonRoom = 32;

class LossQuestion final : public Question {
 public:
  LossQuestion(const Example& example, const KernelTable& kernels, std::int64_t most_rows,
               RowAnswer& answer)
      : example_(example), kernels_(kernels), most_rows_(most_rows), answer_(answer) {
    next(1);
  }
  std::span<const std::int32_t> ids() const override {
    return std::span(example_.ids).first(static_cast<std::size_t>(end_));
  }
  std::int64_t rows() const override { return end_ - begin_; }
  std::int64_t most_ids() const override { return static_cast<std::int64_t>(example_.ids.size()); }

  Result<void> take(std::span<const std::span<const float>> logits) override {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const std::size_t next = static_cast<std::size_t>(begin_) + i + 1;
      const auto weight = static_cast<double>(example_.weights[next]);
      if (weight == 0) continue;
      answer_.logprob += weight * log_probability(kernels_, logits[i], example_.ids[next]);
      answer_.weight += weight;
    }
    next(static_cast<std::size_t>(end_) + 1);
    return {};
  }

 private:
  // The next stretch, from the first id that is learned at or after `from`.
  void next(std::size_t from) {
    const std::vector<float>& weights = example_.weights;
    while (from < weights.size() && weights[from] == 0) ++from;
    begin_ = static_cast<std::int64_t>(from) - 1;
    std::size_t last = from;
    for (std::size_t i = from;
         i < weights.size() && static_cast<std::int64_t>(i) - begin_ <= most_rows_; ++i)
      if (weights[i] != 0) last = i;
    if (from >= weights.size()) begin_ = 0;
    end_ = from < weights.size() ? static_cast<std::int64_t>(last) : 0;
  }

  const Example& example_;
  const KernelTable& kernels_;
  std::int64_t most_rows_;
  RowAnswer& answer_;
  std::int64_t begin_ = 0, end_ = 0;  // ids after which logits are wanted
};

class LabelQuestion final : public Question {
 public:
  LabelQuestion(std::span<const std::int32_t> prompt, const LabelTrie& trie,
                std::span<const std::string> labels, const KernelTable& kernels, RowAnswer& answer)
      : search_(trie, kernels),
        labels_(labels),
        prompt_(prompt.size()),
        most_ids_(static_cast<std::int64_t>(prompt.size()) + trie.depth()),
        ids_(prompt.begin(), prompt.end()),
        answer_(answer) {
    follow();
  }
  std::span<const std::int32_t> ids() const override { return ids_; }
  std::int64_t rows() const override { return search_.rows(); }
  std::int64_t most_ids() const override { return most_ids_; }

  Result<void> take(std::span<const std::span<const float>> logits) override {
    search_.take(logits);
    if (!search_.done()) {
      follow();
      return {};
    }
    ids_.clear();
    answer_.found = labels_[search_.label()];
    answer_.logprob = search_.logprob();
    return {};
  }

 private:
  void follow() {
    ids_.resize(prompt_);
    ids_.insert(ids_.end(), search_.path().begin(), search_.path().end());
  }

  LabelSearch search_;
  std::span<const std::string> labels_;
  std::size_t prompt_;
  std::int64_t most_ids_;
  std::vector<std::int32_t> ids_;
  RowAnswer& answer_;
};

class AnswerQuestion final : public Question {
 public:
  AnswerQuestion(Metric metric, const Example& example, const Tokenizer& tokenizer,
                 const KernelTable& kernels, std::int64_t context, RowAnswer& answer)
      : metric_(metric),
        tokenizer_(tokenizer),
        sampler_(kernels, {.temperature = 0}, 0, {}),
        answer_(answer) {
    const Turn turn = last_turn(example);
    const auto at = [&](std::size_t index) {
      return example.ids.begin() + static_cast<std::ptrdiff_t>(index);
    };
    prompt_ = turn.begin;
    ids_.assign(at(0), at(turn.begin));
    std::vector<std::int32_t> wanted(at(turn.begin), at(turn.end));
    while (!wanted.empty() && tokenizer.specials().ends_generation(wanted.back()))
      wanted.pop_back();
    answer_.wanted = tokenizer.decode(wanted, false);
    const auto size = static_cast<std::int64_t>(wanted.size());
    left_ = std::min(metric == Metric::kJson ? 2 * size + kJsonRoom : size + kRoom,
                     context - static_cast<std::int64_t>(turn.begin));
    most_ids_ = static_cast<std::int64_t>(turn.begin) + left_;
    if (left_ <= 0) finish();
  }
  std::span<const std::int32_t> ids() const override { return ids_; }
  std::int64_t most_ids() const override { return most_ids_; }

  Result<void> take(std::span<const std::span<const float>> logits) override {
    const std::int32_t id = TRY(sampler_.sample(logits.back(), ids_, -1)).id;
    const bool ended = tokenizer_.specials().ends_generation(id);
    if (!ended) ids_.push_back(id);
    if (ended || --left_ <= 0) finish();
    return {};
  }

 private:
  void finish() {
    const std::vector<std::int32_t> answer(ids_.begin() + static_cast<std::ptrdiff_t>(prompt_),
                                           ids_.end());
    answer_.found = tokenizer_.decode(answer, false);
    answer_.right = answer_.found == answer_.wanted;
    if (metric_ == Metric::kJson) {
      const auto found = parse_json(answer_.found), wanted = parse_json(answer_.wanted);
      answer_.right = found && wanted && *found == *wanted;
    }
    ids_.clear();
  }

  Metric metric_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  RowAnswer& answer_;
  std::size_t prompt_ = 0;
  std::int64_t left_ = 0, most_ids_ = 0;
  std::vector<std::int32_t> ids_;
};

}  // namespace

Turn last_turn(const Example& example) {
  Turn turn{.end = example.weights.size()};
  while (turn.end > 0 && example.weights[turn.end - 1] == 0) --turn.end;
  turn.begin = turn.end;
  while (turn.begin > 1 && example.weights[turn.begin - 1] != 0) --turn.begin;
  return turn;
}

std::unique_ptr<Question> ask_loss(const Example& example, const KernelTable& kernels,
                                   std::int64_t most_rows, RowAnswer& answer) {
  return std::make_unique<LossQuestion>(example, kernels, most_rows, answer);
}

std::unique_ptr<Question> ask_label(std::span<const std::int32_t> prompt, const LabelTrie& trie,
                                    std::span<const std::string> labels, const KernelTable& kernels,
                                    RowAnswer& answer) {
  return std::make_unique<LabelQuestion>(prompt, trie, labels, kernels, answer);
}

std::unique_ptr<Question> ask_answer(Metric metric, const Example& example,
                                     const Tokenizer& tokenizer, const KernelTable& kernels,
                                     std::int64_t context, RowAnswer& answer) {
  return std::make_unique<AnswerQuestion>(metric, example, tokenizer, kernels, context, answer);
}

}  // namespace bantam
