#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

namespace bantam {
namespace {

TEST(DType, NamesAndIdsAreUnique) {
  std::set<std::string_view> names;
  std::set<int> ids;
  for (const DTypeInfo& row : all_dtypes()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    if (row.gguf_id >= 0) EXPECT_TRUE(ids.insert(row.gguf_id).second) << row.name;
    EXPECT_GT(row.block_elements, 0u);
    EXPECT_GT(row.block_bytes, 0u);
  }
}

TEST(DType, EveryRowIsFoundByEachOfItsNames) {
  for (const DTypeInfo& row : all_dtypes()) {
    EXPECT_EQ(dtype_info(row.type).name, row.name);
    EXPECT_EQ(dtype_from_name(row.name), row.type);
    std::string lower(row.name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(dtype_from_name(lower), row.type);
    if (row.gguf_id >= 0)
      EXPECT_EQ(dtype_from_gguf(static_cast<std::uint32_t>(row.gguf_id)), row.type);
    if (!row.safetensors_name.empty())
      EXPECT_EQ(dtype_from_safetensors(row.safetensors_name), row.type);
  }
}

// Ids 4, 5, 31 to 33 and 36 to 38 were taken back; llama.cpp's list ends at 42. Of ik_llama.cpp's,
// 136 and 147 to 150 are activations only, 142 and 143 were taken back, and those from 200 on are
// rows interleaved in memory.
TEST(DType, EveryLiveGgufIdIsKnownAndNoOther) {
  const std::set<std::uint32_t> dead = {4, 5, 31, 32, 33, 36, 37, 38};
  for (std::uint32_t id = 0; id <= 42; ++id)
    EXPECT_EQ(dtype_from_gguf(id).has_value(), !dead.contains(id)) << id;
  const std::set<std::uint32_t> no_weights = {136, 142, 143, 147, 148, 149, 150};
  for (std::uint32_t id = 43; id <= 400; ++id)
    EXPECT_EQ(dtype_from_gguf(id).has_value(), id >= 133 && id <= 158 && !no_weights.contains(id))
        << id;
  EXPECT_FALSE(dtype_from_gguf(std::numeric_limits<std::uint32_t>::max()));
}

TEST(DType, UnknownNamesGiveNothing) {
  EXPECT_FALSE(dtype_from_name(""));
  EXPECT_FALSE(dtype_from_name("Q4_"));
  EXPECT_FALSE(dtype_from_name("Q4_0 "));
  EXPECT_FALSE(dtype_from_safetensors(""));
  EXPECT_FALSE(dtype_from_safetensors("f32"));  // safetensors spells in capitals
}

TEST(DType, BitsAWeight) {
  const auto bits = [](DType type) {
    const DTypeInfo& row = dtype_info(type);
    return 8.0 * row.block_bytes / row.block_elements;
  };
  EXPECT_EQ(bits(DType::kQ4_0), 4.5);
  EXPECT_EQ(bits(DType::kQ5_K), 5.5);
  EXPECT_EQ(bits(DType::kQ6_K), 6.5625);
  EXPECT_EQ(bits(DType::kIQ2_XXS), 2.0625);
  EXPECT_EQ(bits(DType::kMXFP4), 4.25);
  EXPECT_EQ(bits(DType::kIQ1_BN), 1.625);
  EXPECT_EQ(bits(DType::kIQ3_KS), 3.1875);
  EXPECT_EQ(bits(DType::kIQ6_K), 6.625);
}

TEST(DType, RowBytesOfWholeBlocksOnly) {
  EXPECT_EQ(row_bytes(DType::kF32, 3), 12u);
  EXPECT_EQ(row_bytes(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(row_bytes(DType::kQ4_0, 0), 0u);
  EXPECT_EQ(row_bytes(DType::kQ4_0, 33), std::nullopt);
  EXPECT_EQ(row_bytes(DType::kQ4_K, 128), std::nullopt);
  EXPECT_EQ(row_bytes(DType::kF64, std::uint64_t{1} << 61), std::nullopt);
  EXPECT_EQ(row_bytes(DType::kQ4_K, std::uint64_t{1} << 63), std::uint64_t{144} << 55);
}

TEST(DType, RowBytesCountTheHeaderOncePerRow) {
  EXPECT_EQ(row_bytes(DType::kIQ4_KS, 256), 136u + 4);
  EXPECT_EQ(row_bytes(DType::kIQ4_KS, 1024), 4 * 136u + 4);
  EXPECT_EQ(row_bytes(DType::kIQ1_BN, 640), 10 * 13u + 2);
  EXPECT_EQ(row_bytes(DType::kQ8_KV, 96), 96u + 8);
  EXPECT_EQ(row_bytes(DType::kIQ2_BN, std::uint64_t{1} << 63), (std::uint64_t{1} << 61) + 4);
}

}  // namespace
}  // namespace bantam
