#include "compress/random_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "codec/codec.h"

namespace bantam {
namespace {

// Eight layers of width 256, as a recipe sees them.
WeightFile outline() {
  WeightFile file;
  file.metadata.set_string("general.architecture", "llama");
  const auto add = [&](const std::string& name, const Shape& shape) {
    file.add_tensor(name, {DType::kF32, shape, nullptr});
  };
  add("token_embd.weight", {512, 256});
  for (int layer = 0; layer < 8; ++layer) {
    const std::string prefix = fmt::format("blk.{}.", layer);
    add(prefix + "attn_norm.weight", {256});
    add(prefix + "attn_v.weight", {64, 256});
    add(prefix + "ffn_up.weight", {768, 256});
    add(prefix + "ffn_down.weight", {256, 768});
  }
  add("output_norm.weight", {256});
  return file;
}

const Recipe& recipe(std::string_view name) { return **find_recipe(name); }

TEST(RandomWeights, TypesAreThoseOfTheRecipe) {
  const WeightFile file = outline();
  ThreadPool pool(2);
  const auto made = random_weights(file, recipe("Q4_K_M"), pool).value();
  const std::vector<DType> types = plan_types(recipe("Q4_K_M"), file);
  std::map<DType, int> count;
  ASSERT_EQ(made->tensors().size(), types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    EXPECT_EQ(made->tensors()[i].view.dtype, types[i]) << made->tensors()[i].name;
    EXPECT_EQ(made->tensors()[i].name, file.tensors()[i].name);
    EXPECT_EQ(made->tensors()[i].view.shape, file.tensors()[i].view.shape);
    ++count[types[i]];
  }
  // First and last layer and every third between: 0, 3, 6 and 7 of attn_v and ffn_down.
  EXPECT_EQ(count[DType::kQ6_K], 1 + 8);
  EXPECT_EQ(count[DType::kQ4_K], 8 + 8);
  EXPECT_EQ(made->tensor_bytes(), planned_bytes(file, recipe("Q4_K_M")).value());
  EXPECT_EQ(made->metadata.integer("general.file_type", 0, 99).value(), 15u);
}

TEST(RandomWeights, HaveTheDeviationThatKeepsActivationsInSize) {
  const WeightFile file = outline();
  ThreadPool pool(1);
  for (const char* name : {"F32", "F16", "BF16", "Q8_0", "Q6_K", "Q4_K_M", "Q4_0"}) {
    const auto made = random_weights(file, recipe(name), pool).value();
    for (const NamedTensor& tensor : made->tensors()) {
      const auto count = static_cast<std::size_t>(tensor.view.shape.elements());
      std::vector<float> values(count);
      find_codec(tensor.view.dtype)->decode(tensor.view.data, values);
      double sum = 0, squares = 0;
      for (const float value : values) {
        ASSERT_TRUE(std::isfinite(value)) << name << " " << tensor.name;
        sum += value;
        squares += static_cast<double>(value) * value;
      }
      const double mean = sum / static_cast<double>(count);
      const double deviation = std::sqrt(squares / static_cast<double>(count) - mean * mean);
      const bool norm = tensor.view.shape.rank() == 1;
      const double wanted =
          norm ? 0.1 : 1 / std::sqrt(static_cast<double>(tensor.view.shape.last()));
      EXPECT_NEAR(deviation / wanted, 1, norm ? 0.15 : 0.05) << name << " " << tensor.name;
      EXPECT_NEAR(mean, norm ? 1 : 0, 0.05) << name << " " << tensor.name;
    }
  }
}

TEST(RandomWeights, AreTheSameWhateverTheThreadsAndDifferFromRowToRow) {
  const WeightFile file = outline();
  ThreadPool one(1), three(3);
  const auto a = random_weights(file, recipe("Q4_0"), one).value();
  const auto b = random_weights(file, recipe("Q4_0"), three).value();
  for (std::size_t i = 0; i < a->tensors().size(); ++i) {
    const TensorView &left = a->tensors()[i].view, &right = b->tensors()[i].view;
    EXPECT_EQ(std::memcmp(left.data, right.data, left.bytes()), 0) << a->tensors()[i].name;
  }
  const TensorView& matrix = *a->find("blk.0.ffn_up.weight");
  for (std::int64_t row = 1; row < matrix.shape.rows(); ++row)
    EXPECT_NE(std::memcmp(matrix.row(0), matrix.row(row), matrix.bytes_per_row()), 0) << row;
  EXPECT_NE(std::memcmp(matrix.data, a->find("blk.1.ffn_up.weight")->data, matrix.bytes()), 0);
}

TEST(RandomWeights, WhatTheOutlineHoldsIsCopied) {
  WeightFile file = outline();
  auto* divisors = reinterpret_cast<float*>(file.own_buffer(2 * sizeof(float)));
  divisors[0] = 1;
  divisors[1] = 32;
  file.add_tensor("rope_freqs.weight",
                  {DType::kF32, {2}, reinterpret_cast<const std::byte*>(divisors)});
  ThreadPool pool(1);
  const auto made = random_weights(file, recipe("Q8_0"), pool).value();
  EXPECT_EQ(std::memcmp(made->find("rope_freqs.weight")->data, divisors, 8), 0);
}

TEST(RandomWeights, HaveAVocabularyOfTheEmbeddingsSize) {
  ThreadPool pool(1);
  const auto made = random_weights(outline(), recipe("F16"), pool).value();
  const auto tokens = made->metadata.strings("tokenizer.ggml.tokens");
  ASSERT_TRUE(tokens && *tokens != nullptr);
  EXPECT_EQ((*tokens)->size(), 512u);
}

}  // namespace
}  // namespace bantam
