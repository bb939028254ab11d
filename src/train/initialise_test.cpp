#include "train/initialise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "tokenizer/byte_vocabulary.h"
#include "train/learner.h"
#include "train/optimizer.h"
#include "train/trainable.h"

namespace bantam {
namespace {

constexpr ModelShape kSmall{.layers = 2,
                            .width = 64,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_width = 16,
                            .ffn_width = 96,
                            .vocab = 320,
                            .context = 128,
                            .family = "qwen3",
                            .name = "small"};

std::shared_ptr<WeightFile> weights_of(const ModelShape& shape, const InitOptions& options = {},
                                       std::size_t threads = 1) {
  ThreadPool pool(threads);
  auto made = initial_weights(shape, {}, pool, options);
  CHECK(made.has_value(), "{}", made.error().to_string());
  return *made;
}

std::span<const float> values_of(const WeightFile& file, std::string_view name) {
  const TensorView* view = file.find(name);
  CHECK(view != nullptr, "{}", name);
  return {reinterpret_cast<const float*>(view->data),
          static_cast<std::size_t>(view->shape.elements())};
}

double deviation(std::span<const float> values) {
  double square = 0;
  for (const float value : values) square += std::pow(static_cast<double>(value), 2);
  return std::sqrt(square / static_cast<double>(values.size()));
}

bool same(const WeightFile& a, const WeightFile& b, std::string_view name) {
  return std::ranges::equal(values_of(a, name), values_of(b, name));
}

TEST(InitialWeights, HaveTheDeviationsThatWereAskedFor) {
  const auto file = weights_of(kSmall, {.embedding_deviation = 0.8, .head_deviation = 0.001});
  EXPECT_NEAR(deviation(values_of(*file, "token_embd.weight")), 0.8, 0.02);
  EXPECT_NEAR(deviation(values_of(*file, "output.weight")), 0.001, 2e-5);
  EXPECT_NEAR(deviation(values_of(*file, "blk.0.attn_q.weight")), 0.125, 0.005);
  EXPECT_NEAR(deviation(values_of(*file, "blk.1.ffn_up.weight")), 0.125, 0.005);
  EXPECT_EQ(deviation(values_of(*file, "blk.1.ffn_down.weight")), 0.0);
  EXPECT_EQ(deviation(values_of(*file, "blk.0.attn_output.weight")), 0.0);
  for (const char* name : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.1.ffn_norm.weight",
                           "blk.0.attn_q_norm.weight", "blk.1.attn_k_norm.weight"})
    for (const float value : values_of(*file, name)) ASSERT_EQ(value, 1.0F) << name;
  const auto grown = weights_of(kSmall, {.zero_outputs = false});
  EXPECT_NEAR(deviation(values_of(*grown, "blk.1.ffn_down.weight")), 1 / std::sqrt(96.0), 0.005);
}

TEST(InitialWeights, FollowFromTheSeedAndTheName) {
  const auto one = weights_of(kSmall), two = weights_of(kSmall, {}, 2);
  for (const NamedTensor& tensor : one->tensors())
    EXPECT_TRUE(same(*one, *two, tensor.name)) << tensor.name;
  const auto other = weights_of(kSmall, {.seed = 2});
  EXPECT_FALSE(same(*one, *other, "blk.0.attn_q.weight"));
  EXPECT_FALSE(std::ranges::equal(values_of(*one, "blk.0.attn_q.weight"),
                                  values_of(*one, "blk.1.attn_q.weight")));
  ModelShape deeper = kSmall;
  deeper.layers = 3, deeper.tied = true;
  EXPECT_TRUE(same(*one, *weights_of(deeper), "blk.1.attn_q.weight"));
}

// Dense and with experts, tied and not: what comes out loads, trains, and first knows nothing.
TEST(InitialWeights, AreAModelThatGuessesEvenlyAndLearns) {
  ModelShape tied = kSmall, experts = kSmall, divided = kSmall;
  tied.tied = true;
  experts.family = divided.family = "llama";
  experts.experts = 4, experts.experts_used = 2;
  divided.rope_stretch = 32;
  for (const ModelShape& shape : {kSmall, tied, experts, divided}) {
    const TrainableModel model = train_tensors(weights_of(shape), {}).value();
    const KernelTable& kernels = **choose_kernels("");
    ThreadPool pool(1);
    Learner learner(*model.decoder, *model.parameters, kernels, pool, {.kv_type = DType::kF32});
    const auto optimizer = make_adamw(*model.parameters, kernels, pool, {}).value();
    Random random(5);
    Example example{.weights = std::vector<float>(40, 1.0F)};
    for (int i = 0; i < 40; ++i)
      example.ids.push_back(static_cast<std::int32_t>(random.next_below(320)));
    Objective objective;
    std::vector<double> losses;
    for (std::int64_t step = 1; step <= 20; ++step) {
      model.parameters->zero_gradients();
      losses.push_back(
          learner.accumulate(std::span(&example, 1), objective, 1.0 / 39).value()[0].loss / 39);
      model.parameters->join(kernels);
      optimizer->step(step, 3e-3F, 1);
    }
    EXPECT_NEAR(losses.front(), std::log(320.0), 0.1);
    EXPECT_LT(losses.back(), 0.5 * losses.front());
  }
}

TEST(InitialWeights, HaveTheTokenizersKeysAndNoOthers) {
  ThreadPool pool(1);
  Metadata tokenizer;
  add_byte_vocabulary(tokenizer, 320);
  tokenizer.set_string("general.name", "another");
  const auto file = initial_weights(kSmall, tokenizer, pool, {}).value();
  EXPECT_EQ((**file->metadata.strings("tokenizer.ggml.tokens")).size(), 320U);
  EXPECT_NE(file->metadata.string_or("general.name", "").value(), "another");
  EXPECT_EQ(file->metadata.string("general.architecture").value(), "qwen3");

  ModelShape smaller = kSmall;
  smaller.vocab = 319;
  const auto refused = initial_weights(smaller, tokenizer, pool, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "tokenizer_too_large");
}

TEST(InitialWeights, RefuseWhatIsNoShapeOrNoDeviation) {
  ThreadPool pool(1);
  ModelShape headless = kSmall, wordless = kSmall, unknown = kSmall;
  headless.heads = 0, wordless.vocab = 0, unknown.family = "abacus";
  for (const ModelShape& shape : {headless, wordless, unknown})
    EXPECT_FALSE(initial_weights(shape, {}, pool, {}).has_value());
  for (const double deviation : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(initial_weights(kSmall, {}, pool, {.embedding_deviation = deviation}).error().code,
              "deviation_invalid");
    EXPECT_EQ(initial_weights(kSmall, {}, pool, {.head_deviation = deviation}).error().code,
              "deviation_invalid");
  }
}

}  // namespace
}  // namespace bantam
