#include "train/dynamic_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace bantam {
namespace {

constexpr DynamicSign kSigns[] = {DynamicSign::kSigned, DynamicSign::kUnsigned};

// Values with magnitudes from 1e-9 to 1, evenly by exponent, the first of them 1.
std::vector<float> spread_values(DynamicSign sign, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values = {1.0F};
  while (values.size() < kDynamicBlock) {
    const double value = std::pow(10.0, -9 * random.next_double());
    const bool negative = sign == DynamicSign::kSigned && random.next_below(2) == 1;
    values.push_back(static_cast<float>(negative ? -value : value));
  }
  return values;
}

TEST(DynamicCode, IsATreeOfDecadesAndLines) {
  EXPECT_EQ(dynamic_value(DynamicSign::kUnsigned, 0xFF), 1.0F);
  EXPECT_FLOAT_EQ(dynamic_value(DynamicSign::kUnsigned, 0x80), 0.1F + 0.9F / 128);
  EXPECT_FLOAT_EQ(dynamic_value(DynamicSign::kUnsigned, 0x7F), 0.1F);
  EXPECT_FLOAT_EQ(dynamic_value(DynamicSign::kUnsigned, 0b00000110), 1e-5F * (0.1F + 0.9F * 3 / 4));
  EXPECT_FLOAT_EQ(dynamic_value(DynamicSign::kUnsigned, 1), 1e-7F);
  EXPECT_EQ(dynamic_value(DynamicSign::kUnsigned, 0), 0.0F);
  EXPECT_EQ(dynamic_value(DynamicSign::kSigned, 0xFF), -1.0F);
  EXPECT_EQ(dynamic_value(DynamicSign::kSigned, 0x7F), 1.0F);
  EXPECT_FLOAT_EQ(dynamic_value(DynamicSign::kSigned, 0x81), -1e-6F);
  for (std::size_t c = 1; c < 256; ++c)
    EXPECT_LT(dynamic_value(DynamicSign::kUnsigned, static_cast<std::uint8_t>(c - 1)),
              dynamic_value(DynamicSign::kUnsigned, static_cast<std::uint8_t>(c)));
}

TEST(DynamicCode, EveryCodeComesBackAsItself) {
  for (const DynamicSign sign : kSigns) {
    for (const float largest : {1.0F, 3e-5F, 1e-30F, 7e20F}) {
      std::vector<std::uint8_t> codes;
      for (std::size_t c = 0; c < 256; ++c)
        if (sign == DynamicSign::kUnsigned || c != 0x80)
          codes.push_back(static_cast<std::uint8_t>(c));
      std::vector<float> values(codes.size());
      decode_dynamic(sign, largest, codes, values.data());
      std::vector<std::uint8_t> again(codes.size());
      EXPECT_EQ(encode_dynamic(sign, values, again.data()), largest);
      EXPECT_EQ(again, codes) << largest;
    }
  }
}

TEST(DynamicCode, EveryNumberTakesTheNearestCode) {
  for (const DynamicSign sign : kSigns) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      const std::vector<float> values = spread_values(sign, seed);
      std::vector<std::uint8_t> codes(values.size());
      ASSERT_EQ(encode_dynamic(sign, values, codes.data()), 1.0F);
      for (std::size_t i = 0; i < values.size(); ++i) {
        float nearest = 2;
        for (std::size_t c = 0; c < 256; ++c)
          nearest = std::min(
              nearest, std::abs(dynamic_value(sign, static_cast<std::uint8_t>(c)) - values[i]));
        const float off = std::abs(dynamic_value(sign, codes[i]) - values[i]);
        if (sign == DynamicSign::kUnsigned && values[i] < 0.5e-7F) {
          EXPECT_EQ(codes[i], 1) << values[i];
        } else {
          EXPECT_LE(off, nearest * 1.00001F + 1e-14F) << values[i];
        }
      }
    }
  }
}

TEST(DynamicCode, LargestMagnitudeIsKeptToTheBit) {
  for (const float largest : {0x1p-149F, 1.7e-12F, 0.3333333F, 3.4e38F}) {
    const std::vector<float> values = {largest / 3, -largest, 0};
    std::vector<std::uint8_t> codes(3);
    std::vector<float> back(3);
    const float scale = encode_dynamic(DynamicSign::kSigned, values, codes.data());
    decode_dynamic(DynamicSign::kSigned, scale, codes, back.data());
    EXPECT_EQ(back[1], -largest);
    EXPECT_EQ(back[2], 0.0F);
  }
}

TEST(DynamicCode, ZerosAndNumbersThatAreNoneHaveCodes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::uint8_t> codes(4, 9);
  EXPECT_EQ(encode_dynamic(DynamicSign::kSigned, std::vector<float>(4, 0.0F), codes.data()), 0.0F);
  EXPECT_EQ(codes, std::vector<std::uint8_t>(4, 0));
  EXPECT_EQ(encode_dynamic(DynamicSign::kSigned, {}, codes.data()), 0.0F);
  for (const DynamicSign sign : kSigns) {
    const std::vector<float> values = {nan, kInfinity, 1, 0};
    EXPECT_EQ(encode_dynamic(sign, values, codes.data()), kInfinity);
    std::vector<float> back(4);
    decode_dynamic(sign, kInfinity, codes, back.data());
    EXPECT_FALSE(std::isfinite(back[1]));
  }
}

}  // namespace
}  // namespace bantam
