// Every decoder against the one of plain_decoder.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "codec/plain_decoder.h"

namespace bantam {
namespace {

// All dtypes that can be decoded, for TEST_P.
std::vector<DType> decodable() {
  std::vector<DType> types;
  for (const DTypeInfo& row : all_dtypes())
    if (find_codec(row.type) != nullptr) types.push_back(row.type);
  return types;
}

std::string test_name(const testing::TestParamInfo<DType>& param) {
  return std::string(dtype_info(param.param).name);
}

class Decode : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(EveryType, Decode, testing::ValuesIn(decodable()), test_name);

void fill(Random& random, std::span<std::byte> bytes) {
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next_u64() >> 56);
}

// Random bytes: every kind of scale comes up, NaNs and infinities too. Equal to the last bit,
// since the formula in double is exact and decoding rounds once.
TEST_P(Decode, EqualsTheFormulaOnRandomBytes) {
  const DTypeInfo& info = dtype_info(GetParam());
  // Many rows, for the sake of the headers that some have.
  constexpr std::size_t kRows = 100, kBlocks = 30;
  std::vector<float> values(kBlocks * info.block_elements);
  const std::size_t bytes_a_row = *row_bytes(info.type, values.size());
  // One byte off, so that nothing is aligned.
  std::vector<std::byte> bytes(1 + kRows * bytes_a_row);
  Random random(static_cast<std::uint64_t>(GetParam()));
  fill(random, bytes);
  for (std::size_t r = 0; r < kRows; ++r) {
    const std::byte* row = bytes.data() + 1 + r * bytes_a_row;
    find_codec(GetParam())->decode(row, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto expected = static_cast<float>(plain::plain_element(GetParam(), row, i));
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(values[i])) << "row " << r << ", element " << i;
      } else {
        ASSERT_EQ(values[i], expected) << "row " << r << ", element " << i;
      }
    }
  }
}

// Every element depends on some byte, and every byte of the block on which any element depends
// lies inside the block: flipping one changes nothing in the neighbours.
TEST_P(Decode, BlocksAreIndependent) {
  const DTypeInfo& info = dtype_info(GetParam());
  std::vector<std::byte> bytes(info.row_header_bytes + 3 * info.block_bytes);
  Random random(99);
  fill(random, bytes);
  // A row's scale that is a number, whether it is an f16 or a float.
  for (std::size_t i = 0; i < info.row_header_bytes; ++i) bytes[i] = std::byte{0x3C};
  const auto decode = [&] {
    std::vector<float> values(3 * info.block_elements);
    find_codec(GetParam())->decode(bytes.data(), values);
    return values;
  };
  const auto before = decode();
  fill(random,
       std::span(bytes).subspan(info.row_header_bytes + info.block_bytes, info.block_bytes));
  const auto after = decode();
  const auto same = [&](std::size_t block) {
    return std::memcmp(before.data() + block * info.block_elements,
                       after.data() + block * info.block_elements,
                       info.block_elements * sizeof(float)) == 0;
  };
  EXPECT_TRUE(same(0));
  EXPECT_FALSE(same(1));
  EXPECT_TRUE(same(2));
}

TEST_P(Decode, NothingIsAValidLength) { find_codec(GetParam())->decode(nullptr, {}); }

TEST(Codec, EveryFormulaHasADecoderAndTheOtherWayRound) {
  for (const DTypeInfo& row : all_dtypes())
    EXPECT_EQ(find_codec(row.type) != nullptr, plain::has_formula(row.type)) << row.name;
}

TEST(Codec, TypesWithoutCodecSayWhichHaveOne) {
  const auto decoder = decoder_for(DType::kIQ2_XXS);
  ASSERT_FALSE(decoder);
  EXPECT_EQ(decoder.error().code, "dtype_unsupported");
  EXPECT_EQ(decoder.error().kind, ErrorKind::kUnsupported);
  EXPECT_NE(decoder.error().message.find("IQ2_XXS"), std::string::npos);
  EXPECT_NE(decoder.error().message.find("table of points"), std::string::npos);
  EXPECT_NE(decoder.error().hint.find("Q3_K"), std::string::npos);
  EXPECT_LE(decoder.error().to_string().size(), 1024u);
  EXPECT_EQ(decoder_for(DType::kI8).error().message.find("table of points"), std::string::npos);
  const auto encoder = encoder_for(DType::kQ3_K);
  ASSERT_FALSE(encoder);
  EXPECT_EQ(encoder.error().code, "dtype_unsupported");
  EXPECT_NE(encoder.error().message.find("Q4_K"), std::string::npos);
  EXPECT_EQ(encoder.error().message.find("IQ2_KT"), std::string::npos);
  EXPECT_TRUE(decoder_for(DType::kQ3_K));
  EXPECT_TRUE(encoder_for(DType::kQ6_K));
}

}  // namespace
}  // namespace bantam
