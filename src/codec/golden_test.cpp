// Decoded values as llama.cpp's and ik_llama.cpp's own decoders give them, of random rows: for each
// type the hash over kGoldenRows rows of golden_row(), the hash of the first four blocks of the
// first, and these blocks themselves (with the row's header before them).
//
// The values of Q8_K and Q8_1, which hold activations only, are published nowhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "codec/codec.h"
#include "codec/golden_blocks.h"
#include "codec/golden_rows.h"

namespace bantam {
namespace {

std::vector<std::byte> bytes_of(std::string_view hex) {
  const auto digit = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return bytes;
}

class Golden : public testing::TestWithParam<GoldenBlocks> {};
INSTANTIATE_TEST_SUITE_P(EveryType, Golden, testing::ValuesIn(kGoldenTypes), [](const auto& param) {
  return std::string(dtype_info(param.param.type).name);
});

TEST_P(Golden, FourBlocksDecodeToThePublishedValues) {
  const DTypeInfo& info = dtype_info(GetParam().type);
  const std::vector<std::byte> row = bytes_of(GetParam().hex);
  std::vector<float> values(4 * info.block_elements);
  ASSERT_EQ(row.size(), *row_bytes(info.type, values.size()));
  find_codec(info.type)->decode(row.data(), values);
  EXPECT_EQ(hash_of(values), GetParam().hash_of_four);
}

TEST_P(Golden, RandomRowsDecodeToThePublishedValues) {
  const DTypeInfo& info = dtype_info(GetParam().type);
  std::uint64_t hash = kEmptyHash;
  for (std::size_t r = 0; r < kGoldenRows; ++r) {
    std::vector<float> values(kGoldenBlocks * info.block_elements);
    find_codec(info.type)->decode(golden_row(info.type, r).data(), values);
    hash = hash_of(values, hash);
  }
  EXPECT_EQ(hash, GetParam().hash_of_rows);
}

TEST(GoldenTable, HasEveryTypeOfBlocksThatFilesHold) {
  for (const DTypeInfo& info : all_dtypes()) {
    const bool expected = info.block_elements > 1 && find_codec(info.type) != nullptr &&
                          info.type != DType::kQ8_1 && info.type != DType::kQ8_K;
    EXPECT_EQ(std::ranges::count(kGoldenTypes, info.type, &GoldenBlocks::type), expected ? 1 : 0)
        << info.name;
  }
}

}  // namespace
}  // namespace bantam
