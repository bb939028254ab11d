#include "tune/byte_distillation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/random.h"
#include "support/random_model.h"
#include "tune/text_model.h"

namespace bantam {
namespace {

using testing::ElementsAre;

// A vocabulary by hand: id 0 ends, id 1 says nothing.
class FewTokens final : public Tokenizer {
 public:
  explicit FewTokens(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {
    pieces_.insert(pieces_.begin(), {"", ""});
    specials_.eos = 0;
    specials_.end_of_generation = {0};
  }
  std::vector<TokenId> encode(std::string_view, const EncodeOptions&) const override { return {}; }
  std::string piece_bytes(TokenId id, bool) const override {
    return pieces_[static_cast<std::size_t>(id)];
  }
  bool drops_leading_space() const override { return false; }
  std::size_t vocab_size() const override { return pieces_.size(); }
  std::string_view piece(TokenId id) const override {
    return pieces_[static_cast<std::size_t>(id)];
  }
  TokenType type(TokenId) const override { return TokenType::kNormal; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  const SpecialTokens& specials() const override { return specials_; }
  std::string_view description() const override { return "few"; }

 private:
  std::vector<std::string> pieces_;
  SpecialTokens specials_;
};

TEST(ByteVocabulary, FindsWhatGoesOnAfterBytes) {
  const ByteVocabulary few(FewTokens({"b", "a", "ab", "abc", "\xff", "ac"}));
  const auto after = [&](std::string_view prefix) {
    std::map<TokenId, std::size_t> found;
    few.for_each(prefix, [&](TokenId id, std::size_t outcome) { found[id] = outcome; });
    return found;
  };
  using Found = std::map<TokenId, std::size_t>;
  EXPECT_EQ(after(""),
            (Found{{0, kEndOutcome}, {2, 'b'}, {3, 'a'}, {4, 'a'}, {5, 'a'}, {6, 0xff}, {7, 'a'}}));
  EXPECT_EQ(after("a"), (Found{{3, kStopOutcome}, {4, 'b'}, {5, 'b'}, {7, 'c'}}));
  EXPECT_EQ(after("ab"), (Found{{4, kStopOutcome}, {5, 'c'}}));
  EXPECT_EQ(after("x"), Found{});
}

TEST(ByteAnswers, AreTheSameWhateverTheTokens) {
  const ByteVocabulary whole(FewTokens({"abc", "q"})), parts(FewTokens({"a", "bc", "q"}));
  const Example one{.ids = {3, 2, 0}, .weights = {0, 1, 1}};
  const Example other{.ids = {4, 4, 2, 3, 0}, .weights = {0, 0, 1, 1, 1}};
  const ByteAnswer answer = byte_answer(other, parts);
  EXPECT_EQ(answer.bytes, "abc");
  ASSERT_EQ(answer.tokens.size(), 3U);
  EXPECT_EQ(answer.tokens[1].begin, 1U);
  EXPECT_TRUE(answer.tokens[2].ends);
  EXPECT_TRUE(same_answers(byte_answer(one, whole), answer));
  Example unended = other;
  unended.weights.back() = 0;
  EXPECT_FALSE(same_answers(byte_answer(one, whole), byte_answer(unended, parts)));
}

// The student's vocabulary is the model's own of bytes, or one with longer tokens; the teacher's is
// that of bytes.
class ByteDistilling : public testing::Test {
 protected:
  ByteDistilling() {
    model_ = support::make_random_model({.dtype = DType::kF32});
    decoder_ = load_decoder(model_).value();
    tokenizer_ = make_tokenizer(model_->metadata).value();
    bytes_ = std::make_shared<ByteVocabulary>(*tokenizer_);
    std::vector<std::string> pieces = {"ab", "abc", "bc", "c!"};
    for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
    longer_ = std::make_shared<ByteVocabulary>(FewTokens(std::move(pieces)));
  }

  std::unique_ptr<Objective> objective(const DistillationOptions& options,
                                       std::shared_ptr<const ByteVocabulary> student) {
    Example of_teacher{.ids = tokenizer_->encode("q:abc!", {}), .number = 0};
    of_teacher.ids.push_back(tokenizer_->specials().end_of_generation.at(0));
    of_teacher.weights.assign(of_teacher.ids.size(), 1.0F);
    of_teacher.weights[0] = of_teacher.weights[1] = 0;
    return make_byte_distillation(
        options, std::move(student),
        {.pass = std::make_shared<ForwardPass>(decoder_, kernels_, pool_, LearnerOptions{}),
         .vocabulary = bytes_,
         .examples = {of_teacher}},
        pool_);
  }
  double row(Objective& objective, const RowTarget& target, std::vector<float>& logits) {
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double{logit});
    return objective.row(kernels_, target, std::log(sum), logits);
  }

  const KernelTable& kernels_ = *choose_kernels("").value();
  ThreadPool pool_{1};
  std::shared_ptr<const WeightFile> model_;
  std::shared_ptr<const Decoder> decoder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ByteVocabulary> bytes_, longer_;
};

TEST_F(ByteDistilling, HasTheDerivativesOfItsLoss) {
  const Example student{.ids = {9, 2, 5, 0}, .weights = {0, 1, 1, 1}, .number = 0};  // ab c! end
  const std::vector<RowTarget> targets = {{.example = 0, .position = 1, .id = 2, .weight = 0.5},
                                          {.example = 0, .position = 2, .id = 5, .weight = 1},
                                          {.example = 0, .position = 3, .id = 0, .weight = 2}};
  for (const Divergence kind : {Divergence::kForward, Divergence::kReverse,
                                Divergence::kJensenShannon, Divergence::kSkew}) {
    const auto objective =
        this->objective({.kind = kind, .mix = 0.3, .temperature = 1.5, .data_share = 0.2}, longer_);
    ASSERT_TRUE(objective->begin({&student, 1}, targets).has_value());
    Random random(5);
    std::vector<float> logits(longer_->size());
    for (float& logit : logits) logit = static_cast<float>(random.next_normal());
    for (const RowTarget& target : targets) {
      std::vector<float> derivatives = logits;
      EXPECT_GT(row(*objective, target, derivatives), 0);
      for (const std::size_t i : {0U, 1U, 2U, 3U, 5U, 6U + 'a', 6U + '!', 6U + 'z'}) {
        const auto slope = [&](float step) {
          std::vector<float> above = logits, below = logits;
          above[i] += step;
          below[i] -= step;
          const double apart = double{above[i]} - double{below[i]};
          return (row(*objective, target, above) - row(*objective, target, below)) / apart;
        };
        const double wanted = (4 * slope(0.01F) - slope(0.02F)) / 3;
        EXPECT_NEAR(double{derivatives[i]}, wanted, 2e-6) << i << " " << target.position;
      }
    }
  }
}

TEST_F(ByteDistilling, FromOneselfIsExactlyZero) {
  Example student{.ids = tokenizer_->encode("q:abc!", {}), .number = 0};
  student.ids.push_back(tokenizer_->specials().end_of_generation.at(0));
  student.weights.assign(student.ids.size(), 1.0F);
  student.weights[0] = student.weights[1] = 0;
  std::vector<RowTarget> targets;
  for (std::size_t i = 2; i < student.ids.size(); ++i)
    targets.push_back({.example = 0,
                       .position = static_cast<std::int64_t>(i),
                       .id = student.ids[i],
                       .weight = 1});
  ForwardPass pass(decoder_, kernels_, pool_, {});
  const std::span<const std::int32_t> input(student.ids.data(), student.ids.size() - 1);
  for (const Divergence kind :
       {Divergence::kForward, Divergence::kReverse, Divergence::kTotalVariation}) {
    const auto objective = this->objective({.kind = kind}, bytes_);
    ASSERT_TRUE(objective->begin({&student, 1}, targets).has_value());
    for (const RowTarget& target : targets) {
      const ForwardPass::Row wanted{.input = 0, .row = target.position - 1};
      ASSERT_TRUE(pass.run({&input, 1}, {&wanted, 1}).has_value());
      const auto values = pass.logits(0, 1).values();
      std::vector<float> logits(values.begin(), values.end());
      EXPECT_EQ(row(*objective, target, logits), 0.0);
      for (const float derivative : logits) EXPECT_EQ(derivative, 0.0F);
    }
  }
}

}  // namespace
}  // namespace bantam
