#include "compress/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bantam {
namespace {

using testing::HasSubstr;

const Recipe& recipe(std::string_view name) { return **find_recipe(name); }

// A llama of 16 layers with rows of 256; only names and shapes count here.
WeightFile llama(std::uint32_t experts = 0, std::int64_t row = 256) {
  WeightFile file;
  file.metadata.set_string("general.architecture", "llama");
  if (experts > 0) file.metadata.set_u32("llama.expert_count", experts);
  const auto add = [&](std::string name, Shape shape, DType type = DType::kF16) {
    file.add_tensor(std::move(name), {type, shape, nullptr});
  };
  add("token_embd.weight", Shape{512, row});
  add("output.weight", Shape{512, row});
  add("output_norm.weight", Shape{row}, DType::kF32);
  add("rope_freqs.weight", Shape{64}, DType::kF32);
  for (int layer = 0; layer < 16; ++layer) {
    const auto block = [&](std::string_view name) { return fmt::format("blk.{}.{}", layer, name); };
    for (const char* name : {"attn_q.weight", "attn_k.weight", "attn_v.weight",
                             "attn_output.weight", "ffn_up.weight", "ffn_down.weight"})
      add(block(name), Shape{256, row});
    add(block("attn_norm.weight"), Shape{row});
    add(block("attn_q.bias"), Shape{256});
    if (experts > 0) add(block("ffn_gate_inp.weight"), Shape{experts, row});
  }
  return file;
}

DType planned(const Recipe& recipe, const WeightFile& file, std::string_view name) {
  const auto types = plan_types(recipe, file);
  for (std::size_t i = 0; i < types.size(); ++i)
    if (file.tensors()[i].name == name) return types[i];
  ADD_FAILURE() << name;
  return DType::kBool;
}

// The layers whose tensor of this name gets this type.
std::vector<int> layers_of(const Recipe& recipe, const WeightFile& file, std::string_view name,
                           DType type) {
  std::vector<int> layers;
  for (int layer = 0; layer < 16; ++layer)
    if (planned(recipe, file, fmt::format("blk.{}.{}", layer, name)) == type)
      layers.push_back(layer);
  return layers;
}

TEST(Recipe, NamesAreFoundInAnyCase) {
  EXPECT_EQ(recipe("q4_k_m").file_type, 15u);
  EXPECT_EQ(recipe("Q4_K").name, "Q4_K_M");
  EXPECT_EQ(recipe("f16").base, DType::kF16);
  const auto unknown = find_recipe("Q4_K_L");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "unknown_recipe");
  EXPECT_THAT(unknown.error().message, HasSubstr("Q4_K_"));
  EXPECT_THAT(unknown.error().hint, HasSubstr("Q8_0"));
}

TEST(Recipe, MixesPutBitsWhereTheyArePublishedToBe) {
  const WeightFile file = llama();
  // First two, last two, and 4, 7, 10, 13 between.
  const auto more = testing::ElementsAre(0, 1, 4, 7, 10, 13, 14, 15);
  for (const char* name : {"Q4_K_M", "Q5_K_M"}) {
    EXPECT_THAT(layers_of(recipe(name), file, "attn_v.weight", DType::kQ6_K), more);
    EXPECT_THAT(layers_of(recipe(name), file, "ffn_down.weight", DType::kQ6_K), more);
    EXPECT_THAT(layers_of(recipe(name), file, "attn_v.weight", recipe(name).base),
                testing::SizeIs(8));
    EXPECT_THAT(layers_of(recipe(name), file, "ffn_up.weight", recipe(name).base),
                testing::SizeIs(16));
  }
  EXPECT_THAT(layers_of(recipe("Q4_K_S"), file, "attn_v.weight", DType::kQ5_K),
              testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(layers_of(recipe("Q4_K_S"), file, "ffn_down.weight", DType::kQ5_K),
              testing::ElementsAre(0, 1));
  EXPECT_THAT(layers_of(recipe("Q5_K_S"), file, "attn_v.weight", DType::kQ5_K),
              testing::SizeIs(16));
}

TEST(Recipe, TheOutputGetsQ6K) {
  const WeightFile file = llama();
  for (const char* name : {"Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K"}) {
    EXPECT_EQ(planned(recipe(name), file, "output.weight"), DType::kQ6_K) << name;
    EXPECT_EQ(planned(recipe(name), file, "token_embd.weight"), recipe(name).base) << name;
  }
  EXPECT_EQ(planned(recipe("Q8_0"), file, "output.weight"), DType::kQ8_0);
  WeightFile tied;
  tied.add_tensor("token_embd.weight", {DType::kF16, Shape{512, 256}, nullptr});
  EXPECT_EQ(planned(recipe("Q4_K_M"), tied, "token_embd.weight"), DType::kQ6_K);
}

TEST(Recipe, VectorsAndRoutersStayF32) {
  const WeightFile file = llama(8);
  for (const Recipe& each : all_recipes())
    for (const char* name : {"output_norm.weight", "rope_freqs.weight", "blk.3.attn_norm.weight",
                             "blk.3.attn_q.bias", "blk.3.ffn_gate_inp.weight"})
      EXPECT_EQ(planned(each, file, name), DType::kF32) << each.name << name;
  EXPECT_EQ(planned(recipe("F16"), file, "blk.3.attn_q.weight"), DType::kF16);
  EXPECT_EQ(planned(recipe("BF16"), file, "output.weight"), DType::kBF16);
}

TEST(Recipe, EightExpertsGetBetterAttention) {
  const WeightFile file = llama(8);
  EXPECT_EQ(planned(recipe("Q4_K_M"), file, "blk.5.attn_v.weight"), DType::kQ8_0);
  EXPECT_EQ(planned(recipe("Q4_K_M"), file, "blk.5.attn_k.weight"), DType::kQ8_0);
  EXPECT_EQ(planned(recipe("Q4_K_M"), file, "blk.5.attn_output.weight"), DType::kQ5_K);
}

TEST(Recipe, ShortRowsFallBack) {
  const WeightFile narrow = llama(0, 96), odd = llama(0, 100);
  EXPECT_EQ(planned(recipe("Q4_K_M"), narrow, "blk.5.attn_q.weight"), DType::kQ8_0);
  EXPECT_EQ(planned(recipe("Q4_0"), narrow, "blk.5.attn_q.weight"), DType::kQ4_0);
  EXPECT_EQ(planned(recipe("Q4_0"), narrow, "output.weight"), DType::kQ8_0);
  EXPECT_EQ(planned(recipe("Q4_K_M"), odd, "blk.5.attn_q.weight"), DType::kF16);
  EXPECT_EQ(planned(recipe("Q8_0"), odd, "blk.5.attn_q.weight"), DType::kF16);
}

TEST(Recipe, IntegersAreLeftAlone) {
  WeightFile file;
  file.add_tensor("table.weight", {DType::kI32, Shape{4, 4}, nullptr});
  EXPECT_EQ(planned(recipe("Q4_K_M"), file, "table.weight"), DType::kI32);
}

}  // namespace
}  // namespace bantam
