#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "base/random.h"
#include "tensor/storage_types_iqk.h"

namespace bantam {
namespace {

template <typename Block>
void expect_table_size() {
  EXPECT_EQ(sizeof(Block), dtype_info(Block::kType).block_bytes) << dtype_info(Block::kType).name;
  EXPECT_EQ(row_header_size<Block>(), dtype_info(Block::kType).row_header_bytes)
      << dtype_info(Block::kType).name;
  EXPECT_EQ(alignof(Block), 1u) << dtype_info(Block::kType).name;
}
template <typename... Blocks>
void expect_table_sizes() {
  (expect_table_size<Blocks>(), ...);
}

TEST(StorageTypes, BlocksHaveTheSizesOfTheTable) {
  expect_table_sizes<BlockQ4_0, BlockQ4_1, BlockQ5_0, BlockQ5_1, BlockQ8_0, BlockQ8_1, BlockIQ4_NL,
                     BlockMXFP4, BlockNVFP4, BlockQ1_0, BlockQ2_0, BlockQ2_K, BlockQ3_K, BlockQ4_K,
                     BlockQ5_K, BlockQ6_K, BlockQ8_K, BlockIQ4_XS, BlockTQ1_0, BlockTQ2_0>();
  expect_table_sizes<BlockQ6_0, BlockIQ1_BN, BlockIQ2_BN, BlockQ8_KV, BlockIQ2_K, BlockIQ3_K,
                     BlockIQ4_K, BlockIQ5_K, BlockIQ6_K, BlockIQ2_KS, BlockIQ3_KS, BlockIQ4_KS,
                     BlockIQ4_KSS, BlockIQ5_KS, BlockIQ1_KT, BlockIQ2_KT, BlockIQ3_KT,
                     BlockIQ4_KT>();
}

// Values come from four bytes of six bits, less their mean.
TEST(StorageTypes, TrellisValuesFitASignedByte) {
  EXPECT_EQ(trellis_value(0), -126);
  EXPECT_EQ(trellis_value(~0u), 126);
  EXPECT_EQ(trellis_value(0xC1C2C3C4u), 1 + 2 + 3 + 4 - 126);
}

// The two ways to write the levels of IQ6_K agree, and they rise.
TEST(StorageTypes, LevelsOfIQ6_KAreTheCubic) {
  EXPECT_EQ(kIQ6Levels[0], -127.0f);
  for (std::size_t q = 0; q < 64; ++q) {
    const double x = static_cast<double>(q);
    EXPECT_NEAR(kIQ6Levels[q], -127 + 6.2568 * x - 0.11218 * x * x + 0.0011972 * x * x * x, 1e-4);
    const float code = static_cast<float>(q);
    const float fused =
        std::fma(code, std::fma(code, std::fma(code, 0.0011972f, -0.11218f), 6.2568f), -127.0f);
    EXPECT_EQ(kIQ6Levels[q], fused) << q;
    if (q > 0) EXPECT_GT(kIQ6Levels[q], kIQ6Levels[q - 1]);
  }
}

// A small float format, described by its definition: value = (-1)^s 2^(e - bias) 1.m, or
// 2^(1 - bias) 0.m where e is 0.
struct Format {
  const char* name;
  int exponent_bits, mantissa_bits, bias;
  std::uint32_t largest_finite;  // code
  std::uint32_t overflow;        // code that a huge value gives
  std::function<float(std::uint32_t)> decode;
  std::function<std::uint32_t(float)> encode;

  std::uint32_t sign_bit() const { return 1u << (exponent_bits + mantissa_bits); }
  double value(std::uint32_t magnitude) const {
    const std::uint32_t e = magnitude >> mantissa_bits;
    const double m = magnitude & ((1u << mantissa_bits) - 1);
    return e == 0
               ? std::ldexp(m, 1 - bias - mantissa_bits)
               : std::ldexp(m + (1u << mantissa_bits), static_cast<int>(e) - bias - mantissa_bits);
  }
};

template <typename Code>
Format make_format(const char* name, int exponent, int mantissa, int bias, std::uint32_t largest,
                   std::uint32_t overflow, float (*decode)(Code), Code (*encode)(float)) {
  return {name,
          exponent,
          mantissa,
          bias,
          largest,
          overflow,
          [=](std::uint32_t code) { return decode(static_cast<Code>(code)); },
          [=](float value) { return std::uint32_t{encode(value)}; }};
}

std::vector<Format> formats() {
  return {
      make_format<std::uint16_t>("f16", 5, 10, 15, 0x7BFF, 0x7C00, f16_to_float, float_to_f16),
      make_format<std::uint16_t>("bf16", 8, 7, 127, 0x7F7F, 0x7F80, bf16_to_float, float_to_bf16),
      make_format<std::uint8_t>("f8e5m2", 5, 2, 15, 0x7B, 0x7C, f8e5m2_to_float, float_to_f8e5m2),
      make_format<std::uint8_t>("f8e4m3", 4, 3, 7, 0x7E, 0x7F, f8e4m3_to_float, float_to_f8e4m3),
  };
}

TEST(SmallFloats, EveryFiniteCodeHasTheValueOfItsDefinition) {
  for (const Format& f : formats()) {
    SCOPED_TRACE(f.name);
    for (std::uint32_t code = 0; code <= f.largest_finite; ++code) {
      ASSERT_EQ(f.decode(code), f.value(code)) << code;
      ASSERT_EQ(f.decode(code | f.sign_bit()), -f.value(code)) << code;
      ASSERT_TRUE(std::signbit(f.decode(code | f.sign_bit())));
    }
  }
}

TEST(SmallFloats, EveryCodeRoundTrips) {
  for (const Format& f : formats()) {
    SCOPED_TRACE(f.name);
    for (std::uint32_t code = 0; code < 2 * f.sign_bit(); ++code) {
      const float value = f.decode(code);
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(f.decode(f.encode(value)))) << code;
        ASSERT_EQ(f.encode(value) & f.sign_bit(), code & f.sign_bit());
      } else {
        ASSERT_EQ(f.encode(value), code);
      }
    }
  }
}

// Between two neighbours: the midpoint goes to the even one, a hair to either side to the nearer.
TEST(SmallFloats, RoundToNearestTiesToEven) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Format& f : formats()) {
    SCOPED_TRACE(f.name);
    for (std::uint32_t code = 0; code < f.largest_finite; ++code) {
      const auto middle = static_cast<float>((f.value(code) + f.value(code + 1)) / 2);
      ASSERT_EQ(2.0 * middle, f.value(code) + f.value(code + 1));
      ASSERT_EQ(f.encode(middle), code + (code & 1));
      ASSERT_EQ(f.encode(std::nextafter(middle, 0.0f)), code);
      ASSERT_EQ(f.encode(std::nextafter(middle, kInfinity)), code + 1);
      ASSERT_EQ(f.encode(-middle), (code + (code & 1)) | f.sign_bit());
    }
  }
}

TEST(SmallFloats, OverflowAndSpecials) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (const Format& f : formats()) {
    SCOPED_TRACE(f.name);
    const double largest = f.value(f.largest_finite);
    const double half_step = (largest - f.value(f.largest_finite - 1)) / 2;
    const auto limit = static_cast<float>(largest + half_step);
    EXPECT_EQ(f.encode(std::nextafter(limit, 0.0f)), f.largest_finite);
    // The tie goes to the even code, which is past the end where the last mantissa is odd.
    EXPECT_EQ(f.encode(limit), f.largest_finite % 2 == 1 ? f.overflow : f.largest_finite);
    EXPECT_EQ(f.encode(std::nextafter(limit, kInfinity)), f.overflow);
    EXPECT_EQ(f.encode(kInfinity), f.overflow);
    EXPECT_EQ(f.encode(-kInfinity), f.overflow | f.sign_bit());
    EXPECT_TRUE(std::isnan(f.decode(f.encode(kNaN))));
    EXPECT_EQ(f.encode(std::numeric_limits<float>::denorm_min()), 0u);
    EXPECT_EQ(f.encode(-0.0f), f.sign_bit());
  }
  EXPECT_EQ(f16_to_float(0x7C00), kInfinity);
  EXPECT_EQ(f8e5m2_to_float(0xFC), -kInfinity);
  EXPECT_TRUE(std::isnan(f8e4m3_to_float(0xFF)));
}

TEST(SmallFloats, LargestValues) {
  EXPECT_EQ(f16_to_float(0x7BFF), kF16Max);
  EXPECT_EQ(bf16_to_float(0x7F7F), kBF16Max);
  EXPECT_EQ(f8e4m3_to_float(0x7E), kF8E4M3Max);
  EXPECT_EQ(f8e5m2_to_float(0x7B), kF8E5M2Max);
  EXPECT_EQ(saturate_to_f16(1e30f), 0x7BFF);
  EXPECT_EQ(saturate_to_f16(-65520.0f), 0xFBFF);
  EXPECT_EQ(saturate_to_f16(1.5f), float_to_f16(1.5f));
}

TEST(SmallFloats, Scales) {
  for (int code = 0; code < 256; ++code)
    EXPECT_EQ(e8m0_half_to_float(static_cast<std::uint8_t>(code)), std::ldexp(1.0, code - 128));
  EXPECT_EQ(ue4m3_to_float(0x7F), 0.0f);
  EXPECT_EQ(ue4m3_to_float(0x7E), 448.0f);
  EXPECT_EQ(ue4m3_to_float(0xFE), 448.0f);
  EXPECT_EQ(ue4m3_to_float(0xFF), 480.0f);
  EXPECT_EQ(ue4m3_to_float(0x01), 0x1p-9f);
}

// The packing of the K scales written as bits: 96 of them, each in exactly one place.
TEST(StorageTypes, EveryBitOfTheKScalesIsUsedOnce) {
  std::array<int, 96> seen{};
  for (std::size_t bit = 0; bit < 96; ++bit) {
    std::uint8_t packed[12] = {};
    packed[bit / 8] = static_cast<std::uint8_t>(1u << bit % 8);
    int set = 0;
    for (int i = 0; i < 8; ++i) {
      const KScale s = unpack_k_scale(packed, i);
      for (int b = 0; b < 6; ++b) {
        if (s.scale >> b & 1) ++set, ++seen[static_cast<std::size_t>(12 * i + b)];
        if (s.min >> b & 1) ++set, ++seen[static_cast<std::size_t>(12 * i + 6 + b)];
      }
    }
    EXPECT_EQ(set, 1) << bit;
  }
  for (const int count : seen) EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace bantam
