// Every decoder against a second one that is written straight from the table of formats: byte
// offsets and the formula for element e, in double precision, one element at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"

namespace bantam {
namespace {

using Bytes = const std::uint8_t*;

double small_float(unsigned code, int exponent_bits, int mantissa_bits, int bias,
                   bool has_infinity) {
  const int magnitude_bits = exponent_bits + mantissa_bits;
  const double sign = code >> magnitude_bits & 1 ? -1 : 1;
  const int exponent = static_cast<int>(code >> mantissa_bits & ((1u << exponent_bits) - 1));
  const unsigned mantissa = code & ((1u << mantissa_bits) - 1);
  if (has_infinity && exponent == (1 << exponent_bits) - 1)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias)
                       : sign * std::ldexp(1 + fraction, exponent - bias);
}

unsigned u16(Bytes b) { return b[0] | unsigned{b[1]} << 8; }
unsigned u32(Bytes b) { return u16(b) | u16(b + 2) << 16; }
double f16(Bytes b) { return small_float(u16(b), 5, 10, 15, true); }
double i8(Bytes b) { return static_cast<std::int8_t>(*b); }
unsigned lo(unsigned byte) { return byte & 15; }
unsigned hi(unsigned byte) { return byte >> 4; }
unsigned bit(unsigned word, int at) { return word >> at & 1; }

template <typename T>
double raw(Bytes b) {
  T value;
  std::memcpy(&value, b, sizeof(value));
  return static_cast<double>(value);
}

// Code e of 32 in the order of Q4_0.
unsigned nibble(Bytes qs, int e) { return e < 16 ? lo(qs[e]) : hi(qs[e - 16]); }
double fp4(unsigned q) { return 2 * small_float(q, 2, 1, 1, false); }
double level(unsigned q) {
  constexpr std::array kLevels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
  return kLevels[q];
}

double q2_k(Bytes b, int e) {
  const int n = e / 128, j = e / 32 % 4, l = e % 32, i = 8 * n + 2 * j + l / 16;
  const unsigned q = b[16 + 32 * n + l] >> 2 * j & 3;
  return f16(b + 80) * lo(b[i]) * q - f16(b + 82) * hi(b[i]);
}

double q3_k(Bytes b, int e) {
  const int n = e / 128, j = e / 32 % 4, l = e % 32, i = 8 * n + 2 * j + l / 16;
  const int q = static_cast<int>(b[32 + 32 * n + l] >> 2 * j & 3) - (bit(b[l], 4 * n + j) ? 0 : 4);
  Bytes sc = b + 96;
  const unsigned low = i < 8 ? lo(sc[i]) : hi(sc[i - 8]);
  const unsigned high = sc[8 + i % 4] >> 2 * (i / 4) & 3;
  return f16(b + 108) * (static_cast<int>(low | high << 4) - 32) * q;
}

double q45_k(Bytes b, int e, bool five) {
  const int c = e / 64, h = e / 32 % 2, l = e % 32, i = 2 * c + h;
  Bytes sc = b + 4, qs = b + (five ? 48 : 16);
  unsigned q = h == 0 ? lo(qs[32 * c + l]) : hi(qs[32 * c + l]);
  if (five && bit(b[16 + l], 2 * c + h)) q += 16;
  const unsigned s = i < 4 ? sc[i] & 63u : (sc[i + 4] & 15u) | hi(sc[i - 4]) >> 2 << 4;
  const unsigned m = i < 4 ? sc[i + 4] & 63u : hi(sc[i + 4]) | hi(sc[i]) >> 2 << 4;
  return f16(b) * s * q - f16(b + 2) * m;
}

double q6_k(Bytes b, int e) {
  const int n = e / 128, k = e / 32 % 4, l = e % 32;
  const unsigned byte = b[64 * n + 32 * (k & 1) + l];
  const unsigned low = k < 2 ? lo(byte) : hi(byte), high = b[128 + 32 * n + l] >> 2 * k & 3;
  return f16(b + 208) * i8(b + 192 + 8 * n + 2 * k + l / 16) *
         (static_cast<int>(low + 16 * high) - 32);
}

double iq4_xs(Bytes b, int e) {
  const int i = e / 32;
  const unsigned low = i % 2 == 0 ? lo(b[4 + i / 2]) : hi(b[4 + i / 2]);
  const int ls = static_cast<int>(low + 16 * (u16(b + 2) >> 2 * i & 3)) - 32;
  return f16(b) * ls * level(nibble(b + 8 + 16 * i, e % 32));
}

double tq1_0(Bytes b, int e) {
  int n = 0;
  unsigned byte = 0;
  if (e < 160) {
    n = e / 32;
    byte = b[e % 32];
  } else if (e < 240) {
    n = (e - 160) / 16;
    byte = b[32 + (e - 160) % 16];
  } else {
    n = (e - 240) / 4;
    byte = b[48 + (e - 240) % 4];
  }
  constexpr std::array<unsigned, 5> kPowers = {1, 3, 9, 27, 81};
  const unsigned fraction = byte * kPowers[static_cast<std::size_t>(n)] % 256;
  return f16(b + 52) * (static_cast<int>(fraction * 3 / 256) - 1);
}

double nvfp4(Bytes b, int e) {
  const int g = e / 16, l = e % 16;
  const unsigned q = l < 8 ? lo(b[4 + 8 * g + l]) : hi(b[4 + 8 * g + l - 8]);
  const unsigned code = b[g] & 0x7F;
  return 0.5 * (code == 0x7F ? 0 : small_float(code, 4, 3, 7, false)) * fp4(q);
}

const std::map<DType, std::function<double(Bytes, int)>>& formulas() {
  static const std::map<DType, std::function<double(Bytes, int)>> kFormulas = {
      {DType::kF32, [](Bytes b, int) { return raw<float>(b); }},
      {DType::kF64, [](Bytes b, int) { return raw<double>(b); }},
      {DType::kF16, [](Bytes b, int) { return f16(b); }},
      {DType::kBF16, [](Bytes b, int) { return small_float(u16(b), 8, 7, 127, true); }},
      {DType::kF8E5M2, [](Bytes b, int) { return small_float(*b, 5, 2, 15, true); }},
      {DType::kF8E4M3,
       [](Bytes b, int) {
         return (*b & 0x7F) == 0x7F ? std::nan("") : small_float(*b, 4, 3, 7, false);
       }},
      {DType::kQ4_0,
       [](Bytes b, int e) { return f16(b) * (static_cast<int>(nibble(b + 2, e)) - 8); }},
      {DType::kQ4_1, [](Bytes b, int e) { return f16(b) * nibble(b + 4, e) + f16(b + 2); }},
      {DType::kQ5_0,
       [](Bytes b, int e) {
         return f16(b) * (static_cast<int>(nibble(b + 6, e) | bit(u32(b + 2), e) << 4) - 16);
       }},
      {DType::kQ5_1,
       [](Bytes b, int e) {
         return f16(b) * (nibble(b + 8, e) | bit(u32(b + 4), e) << 4) + f16(b + 2);
       }},
      {DType::kQ8_0, [](Bytes b, int e) { return f16(b) * i8(b + 2 + e); }},
      {DType::kQ8_1, [](Bytes b, int e) { return f16(b) * i8(b + 4 + e); }},
      {DType::kQ8_K, [](Bytes b, int e) { return raw<float>(b) * i8(b + 4 + e); }},
      {DType::kQ2_K, q2_k},
      {DType::kQ3_K, q3_k},
      {DType::kQ4_K, [](Bytes b, int e) { return q45_k(b, e, false); }},
      {DType::kQ5_K, [](Bytes b, int e) { return q45_k(b, e, true); }},
      {DType::kQ6_K, q6_k},
      {DType::kIQ4_NL, [](Bytes b, int e) { return f16(b) * level(nibble(b + 2, e)); }},
      {DType::kIQ4_XS, iq4_xs},
      {DType::kTQ1_0, tq1_0},
      {DType::kTQ2_0,
       [](Bytes b, int e) {
         const int c = e / 128, l = e / 32 % 4, m = e % 32;
         return f16(b + 64) * (static_cast<int>(b[32 * c + m] >> 2 * l & 3) - 1);
       }},
      {DType::kMXFP4, [](Bytes b, int e) { return std::ldexp(fp4(nibble(b + 1, e)), b[0] - 128); }},
      {DType::kNVFP4, nvfp4},
      {DType::kQ1_0, [](Bytes b, int e) { return bit(b[2 + e / 8], e % 8) ? f16(b) : -f16(b); }},
      {DType::kQ2_0,
       [](Bytes b, int e) {
         return f16(b) * (static_cast<int>(b[2 + e / 4] >> 2 * (e % 4) & 3) - 1);
       }},
  };
  return kFormulas;
}

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
  const auto& formula = formulas().at(GetParam());
  constexpr std::size_t kBlocks = 3000;
  // One byte off, so that nothing is aligned.
  std::vector<std::byte> bytes(1 + kBlocks * info.block_bytes);
  std::vector<float> values(kBlocks * info.block_elements);
  Random random(static_cast<std::uint64_t>(GetParam()));
  fill(random, bytes);
  find_codec(GetParam())->decode(bytes.data() + 1, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto* block =
        reinterpret_cast<Bytes>(bytes.data() + 1) + i / info.block_elements * info.block_bytes;
    const double exact = formula(block, static_cast<int>(i % info.block_elements));
    const auto expected = static_cast<float>(exact);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(values[i])) << "element " << i;
    } else {
      ASSERT_EQ(values[i], expected) << "element " << i;
    }
  }
}

// Every element depends on some byte, and every byte of the block on which any element depends
// lies inside the block: flipping one changes nothing in the neighbours.
TEST_P(Decode, BlocksAreIndependent) {
  const DTypeInfo& info = dtype_info(GetParam());
  std::vector<std::byte> bytes(3 * info.block_bytes);
  Random random(99);
  fill(random, bytes);
  const auto decode = [&] {
    std::vector<float> values(3 * info.block_elements);
    find_codec(GetParam())->decode(bytes.data(), values);
    return values;
  };
  const auto before = decode();
  fill(random, std::span(bytes).subspan(info.block_bytes, info.block_bytes));
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
    EXPECT_EQ(find_codec(row.type) != nullptr, formulas().contains(row.type)) << row.name;
}

TEST(Codec, TypesWithoutCodecSayWhichHaveOne) {
  const auto decoder = decoder_for(DType::kIQ2_XXS);
  ASSERT_FALSE(decoder);
  EXPECT_EQ(decoder.error().code, "dtype_unsupported");
  EXPECT_EQ(decoder.error().kind, ErrorKind::kUnsupported);
  EXPECT_NE(decoder.error().message.find("IQ2_XXS"), std::string::npos);
  EXPECT_NE(decoder.error().message.find("Q3_K"), std::string::npos);
  const auto encoder = encoder_for(DType::kQ3_K);
  ASSERT_FALSE(encoder);
  EXPECT_EQ(encoder.error().code, "dtype_unsupported");
  EXPECT_NE(encoder.error().message.find("Q4_K"), std::string::npos);
  EXPECT_EQ(encoder.error().message.find("MXFP4"), std::string::npos);
  EXPECT_TRUE(decoder_for(DType::kQ3_K));
  EXPECT_TRUE(encoder_for(DType::kQ6_K));
}

}  // namespace
}  // namespace bantam
