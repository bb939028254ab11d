#include "support/random_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "codec/codec.h"
#include "support/reference_model.h"
#include "tokenizer/byte_vocabulary.h"

namespace bantam::support {
namespace {

TEST(RandomModel, SameSpecSameBytes) {
  const auto a = make_random_model({}), b = make_random_model({}),
             c = make_random_model({.seed = 2});
  ASSERT_EQ(a->tensors().size(), b->tensors().size());
  for (std::size_t i = 0; i < a->tensors().size(); ++i) {
    const NamedTensor &left = a->tensors()[i], &right = b->tensors()[i], &other = c->tensors()[i];
    EXPECT_EQ(left.name, right.name);
    EXPECT_EQ(std::memcmp(left.view.data, right.view.data, left.view.bytes()), 0) << left.name;
    EXPECT_NE(std::memcmp(left.view.data, other.view.data, left.view.bytes()), 0) << left.name;
  }
}

TEST(RandomModel, HasTheTensorsOfItsShape) {
  const auto model = make_random_model({.width = 96,
                                        .layers = 3,
                                        .heads = 3,
                                        .kv_heads = 1,
                                        .head_width = 20,
                                        .value_width = 10,
                                        .experts = 5,
                                        .tied = true,
                                        .biases = true,
                                        .rope_divisors = true});
  const auto shape = [&model](const char* name) {
    const TensorView* view = model->find(name);
    return view == nullptr ? "none" : view->shape.to_string();
  };
  EXPECT_EQ(shape("token_embd.weight"), "(320, 96)");
  EXPECT_EQ(shape("blk.2.attn_q.weight"), "(60, 96)");
  EXPECT_EQ(shape("blk.2.attn_k.weight"), "(20, 96)");
  EXPECT_EQ(shape("blk.2.attn_v.bias"), "(10)");
  EXPECT_EQ(shape("blk.2.attn_output.weight"), "(96, 30)");
  EXPECT_EQ(shape("blk.0.ffn_gate_inp.weight"), "(5, 96)");
  EXPECT_EQ(shape("blk.0.ffn_down_exps.weight"), "(5, 96, 160)");
  EXPECT_EQ(shape("rope_freqs.weight"), "(10)");
  EXPECT_EQ(shape("output.weight"), "none");
  EXPECT_EQ(shape("blk.3.attn_q.weight"), "none");
}

// Weights of every type that can be decoded have the deviation asked for.
TEST(RandomModel, WeightsOfEveryTypeHaveTheirDeviation) {
  for (const DTypeInfo& info : all_dtypes()) {
    const Codec* codec = find_codec(info.type);
    if (codec == nullptr) continue;
    WeightFile file;
    const TensorView view = add_random_matrix(file, "w", {16, 512}, info.type, 0.05, 3);
    std::vector<float> values(512);
    double squares = 0;
    for (std::int64_t row = 0; row < 16; ++row) {
      codec->decode(view.row(row), values);
      for (const float value : values) squares += static_cast<double>(value) * value;
    }
    // The nearest of two or three levels is nearer to zero than a Gaussian weight.
    const double bits = 8.0 * static_cast<double>(info.block_bytes) / info.block_elements;
    EXPECT_NEAR(std::sqrt(squares / 8192), 0.05, bits < 2.2 ? 0.012 : 0.003) << info.name;
  }
}

void expect_spread_logits(const RandomModelSpec& spec) {
  const ReferenceModel model(*make_random_model(spec));
  const std::vector<std::int32_t> ids = {1, 50, 200, 7, 7, 130};
  for (const auto& row : model.logits(ids)) {
    double mean = 0, square = 0;
    for (const double value : row) {
      ASSERT_TRUE(std::isfinite(value));
      mean += value / static_cast<double>(row.size());
      square += value * value / static_cast<double>(row.size());
    }
    const double deviation = std::sqrt(square - mean * mean);
    EXPECT_GT(deviation, 1.2);
    EXPECT_LT(deviation, 4);
  }
  const auto text = model.greedy(ids, 12);
  EXPECT_GT(std::set<std::int32_t>(text.begin(), text.end()).size(), 1u);
}

TEST(RandomModel, LogitsAreSpreadWhateverTheShape) {
  expect_spread_logits({});
  expect_spread_logits({.tied = true});
  expect_spread_logits({.width = 72, .heads = 3, .kv_heads = 3, .ffn_width = 100});
  expect_spread_logits({.heads = 5, .kv_heads = 5, .head_width = 16, .biases = true});
  expect_spread_logits({.experts = 4, .window = 3});
  expect_spread_logits({.layers = 8, .rope_linear_factor = 4, .rope_divisors = true});
  expect_spread_logits({.width = 256, .ffn_width = 512, .dtype = DType::kQ4_K});
  expect_spread_logits({.width = 256, .ffn_width = 512, .dtype = DType::kQ2_K});
}

TEST(RandomModel, VocabularyIsComplete) {
  const auto model = make_random_model({.vocab = kLeastByteVocabulary});
  const auto tokens = model->metadata.strings("tokenizer.ggml.tokens");
  ASSERT_TRUE(tokens);
  ASSERT_NE(*tokens, nullptr);
  EXPECT_EQ((*tokens)->size(), static_cast<std::size_t>(kLeastByteVocabulary));
  EXPECT_EQ(std::set<std::string>((*tokens)->begin(), (*tokens)->end()).size(), (*tokens)->size());
  EXPECT_EQ((**tokens)['A'], "A");
  EXPECT_EQ((**tokens)[' '], "\u0120");
  EXPECT_EQ((**tokens)['\n'], "\u010A");
  EXPECT_EQ((**tokens)[0xAD], "\u0143");
  EXPECT_EQ((**tokens)[0xFF], "\u00FF");
  EXPECT_EQ((**tokens)[kByteBeginToken], "<|begin|>");
  EXPECT_EQ((**tokens)[kByteEndToken], "<|end|>");
  // Each merge joins two tokens that exist into one that exists.
  const auto merges = model->metadata.strings("tokenizer.ggml.merges");
  ASSERT_TRUE(merges && *merges != nullptr);
  const std::set<std::string> known((*tokens)->begin(), (*tokens)->end());
  for (const std::string& merge : **merges) {
    const std::size_t space = merge.find(' ');
    EXPECT_TRUE(known.contains(merge.substr(0, space))) << merge;
    EXPECT_TRUE(known.contains(merge.substr(space + 1))) << merge;
    EXPECT_TRUE(known.contains(merge.substr(0, space) + merge.substr(space + 1))) << merge;
  }
}

}  // namespace
}  // namespace bantam::support
