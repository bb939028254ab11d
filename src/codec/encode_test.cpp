#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "tensor/storage_types.h"

namespace bantam {
namespace {

std::vector<std::byte> encode(DType type, std::span<const float> x,
                              std::span<const float> importance = {}) {
  std::vector<std::byte> bytes(*row_bytes(type, x.size()));
  find_codec(type)->encode(x, importance, bytes.data());
  return bytes;
}

std::vector<float> decode(DType type, std::span<const std::byte> bytes) {
  const DTypeInfo& info = dtype_info(type);
  const std::size_t blocks = (bytes.size() - info.row_header_bytes) / info.block_bytes;
  std::vector<float> x(blocks * info.block_elements);
  find_codec(type)->decode(bytes.data(), x);
  return x;
}

std::vector<float> round_trip(DType type, std::span<const float> x,
                              std::span<const float> importance = {}) {
  return decode(type, encode(type, x, importance));
}

std::vector<float> gaussian(std::size_t n, double scale = 1, std::uint64_t seed = 1) {
  Random random(seed);
  std::vector<float> x(n);
  for (float& value : x) value = static_cast<float>(scale * random.next_normal());
  return x;
}

// Root mean square of the difference, weighted if asked.
double rms(std::span<const float> a, std::span<const float> b, std::span<const float> w = {}) {
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = static_cast<double>(a[i]) - b[i], v = w.empty() ? 1.0 : w[i];
    sum += v * off * off;
    weight += v;
  }
  return std::sqrt(sum / weight);
}

double round_trip_rms(DType type, std::span<const float> x) { return rms(x, round_trip(type, x)); }

// All F16 weights of the shipped model's ancestor; empty without the shared data.
std::vector<float> seed_weights() {
  std::ifstream file(BANTAM_SHARED_DATA "/weights/seed-model/model.safetensors", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.size() < 8) return {};
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::vector<float> x((bytes.size() - 8 - header) / 2 / 256 * 256);
  find_codec(DType::kF16)->decode(reinterpret_cast<const std::byte*>(bytes.data() + 8 + header), x);
  return x;
}

std::vector<DType> encodable(bool quantized_only) {
  std::vector<DType> types;
  for (const DTypeInfo& row : all_dtypes()) {
    const Codec* codec = find_codec(row.type);
    if (codec != nullptr && codec->encode != nullptr && (!quantized_only || row.block_elements > 1))
      types.push_back(row.type);
  }
  return types;
}

// Four levels or fewer, or scales of few bits: what the others keep closely these keep roughly.
bool is_coarse(DType type) {
  constexpr std::array kCoarse = {DType::kTQ1_0,  DType::kTQ2_0,  DType::kQ1_0,  DType::kQ2_0,
                                  DType::kIQ1_BN, DType::kIQ2_BN, DType::kIQ2_K, DType::kIQ2_KS,
                                  DType::kIQ3_K,  DType::kIQ3_KS, DType::kNVFP4, DType::kMXFP4};
  return std::ranges::find(kCoarse, type) != kCoarse.end();
}

std::string test_name(const testing::TestParamInfo<DType>& param) {
  return std::string(dtype_info(param.param).name);
}

class Encode : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(EveryType, Encode, testing::ValuesIn(encodable(false)), test_name);
class Quantize : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(EveryType, Quantize, testing::ValuesIn(encodable(true)), test_name);

// --- What every encoder does --------------------------------------------------------------------

TEST_P(Encode, ZerosStayZeros) {
  for (const float zero : {0.0f, -0.0f}) {
    const std::vector<float> x(512, zero);
    for (const float value : round_trip(GetParam(), x)) ASSERT_EQ(value, 0.0f);
  }
}

TEST(EncodeK, NothingToTellFromZeroIsAllZeroBytes) {
  for (const DType type : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K})
    for (const float tiny : {0.0f, FLT_TRUE_MIN, -1e-9f, 0x1p-25f})
      for (const std::byte byte : encode(type, std::vector<float>(256, tiny)))
        ASSERT_EQ(byte, std::byte{0}) << dtype_info(type).name << ' ' << tiny;
}

TEST_P(Encode, FiniteInputNeverDecodesToAnythingElse) {
  Random random(7);
  std::vector<float> x(256);
  for (int round = 0; round < 2000; ++round) {
    for (float& value : x) {
      const auto bits = static_cast<std::uint32_t>(random.next_u64());
      value = std::bit_cast<float>(bits);
      if (!std::isfinite(value)) value = 0;
    }
    for (const float value : round_trip(GetParam(), x)) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST_P(Encode, LargestFloatsSaturateWithTheirSign) {
  std::vector<float> x(256, 0.0f);
  x[3] = FLT_MAX;
  x[40] = -FLT_MAX;
  x[77] = 1.0f;
  const std::vector<float> back = round_trip(GetParam(), x);
  const float least = GetParam() == DType::kF8E4M3  ? kF8E4M3Max
                      : GetParam() == DType::kNVFP4 ? 5 * kF8E4M3Max
                                                    : kF8E5M2Max;
  EXPECT_GE(back[3], least);
  EXPECT_LE(back[40], -least);
  for (const float value : back) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(Encode, DenormalsVanishOrStayTiny) {
  std::vector<float> x(256, FLT_TRUE_MIN);
  x[5] = -FLT_MIN / 2;
  for (const float value : round_trip(GetParam(), x)) EXPECT_LE(std::fabs(value), FLT_MIN);
}

// Unspecified values, but no fault: what the sanitizers look at.
TEST_P(Encode, NonFiniteInputIsHarmless) {
  constexpr std::array kBad = {std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity()};
  for (const float bad : kBad) {
    std::vector<float> x = gaussian(256), w(256, 1.0f);
    x[0] = x[100] = bad;
    round_trip(GetParam(), x);
    round_trip(GetParam(), std::vector<float>(256, bad));
    w[17] = bad;
    round_trip(GetParam(), gaussian(256), w);
    round_trip(GetParam(), x, std::vector<float>(256, bad));
  }
}

TEST_P(Encode, SameInputSameBytes) {
  const std::vector<float> x = gaussian(4096);
  EXPECT_EQ(encode(GetParam(), x), encode(GetParam(), x));
}

// A row is a sequence of blocks: each is encoded as if it were alone, unless a scale is the row's.
TEST_P(Encode, BlocksAreIndependent) {
  if (dtype_info(GetParam()).row_header_bytes > 0) GTEST_SKIP() << "rows with one scale";
  const std::size_t n = dtype_info(GetParam()).block_elements;
  const std::vector<float> x = gaussian(3 * n), w(3 * n, 2.0f);
  const auto whole = encode(GetParam(), x, w);
  const auto middle = encode(GetParam(), std::span(x).subspan(n, n), std::span(w).subspan(n, n));
  EXPECT_TRUE(std::ranges::equal(std::span(whole).subspan(middle.size(), middle.size()), middle));
}

// --- Single floats ------------------------------------------------------------------------------

TEST(EncodeFloats, EveryFiniteF16AndBF16ComesBack) {
  for (const DType type : {DType::kF16, DType::kBF16}) {
    std::vector<std::byte> bytes;
    for (std::uint32_t code = 0; code < 0x10000; ++code) {
      const float value = type == DType::kF16 ? f16_to_float(static_cast<std::uint16_t>(code))
                                              : bf16_to_float(static_cast<std::uint16_t>(code));
      if (!std::isfinite(value)) continue;
      bytes.push_back(static_cast<std::byte>(code & 0xFF));
      bytes.push_back(static_cast<std::byte>(code >> 8));
    }
    EXPECT_EQ(encode(type, decode(type, bytes)), bytes);
  }
}

TEST(EncodeFloats, PastTheRangeOfF16IsItsLargestValue) {
  const std::vector<float> x = {65504, 65519, 65520, 1e9f, -1e9f, FLT_MAX};
  const std::vector<float> expected = {65504, 65504, 65504, 65504, -65504, 65504};
  EXPECT_EQ(round_trip(DType::kF16, x), expected);
  EXPECT_EQ(round_trip(DType::kBF16, std::vector<float>{FLT_MAX, -FLT_MAX}),
            (std::vector<float>{kBF16Max, -kBF16Max}));
  EXPECT_EQ(round_trip(DType::kF8E4M3, x), (std::vector<float>{448, 448, 448, 448, -448, 448}));
}

TEST(EncodeFloats, NaNsAndInfinitiesOfF32AreKept) {
  const std::vector<float> x = {std::numeric_limits<float>::infinity(), -0.0f, FLT_TRUE_MIN};
  EXPECT_EQ(round_trip(DType::kF32, x), x);
  EXPECT_TRUE(std::isnan(round_trip(DType::kF16, std::vector<float>{std::nanf("")})[0]));
}

// --- Blocks of 32: bounds that follow from the rounding -----------------------------------------

struct Format {
  DType type;
  int levels;  // steps from the lowest to the highest code
  bool affine;
  bool clips;  // the far end lacks a code
};

// |error| <= half a step (a whole one where the far code is missing) + what storing the scale as
// an f16 moves the outermost code by.
TEST(QuantizeBounds, EveryElementOfTheBlocksOf32) {
  for (const auto& [type, levels, affine, clips] :
       {Format{DType::kQ4_0, 16, false, true}, Format{DType::kQ4_1, 15, true, false},
        Format{DType::kQ5_0, 32, false, true}, Format{DType::kQ5_1, 31, true, false},
        Format{DType::kQ8_0, 254, false, false}}) {
    for (const double scale : {1e-4, 0.02, 1.0, 1000.0}) {
      SCOPED_TRACE(fmt::format("{} at {}", dtype_info(type).name, scale));
      const std::vector<float> x = gaussian(32 * 500, scale);
      const std::vector<float> back = round_trip(type, x);
      for (std::size_t block = 0; block < x.size(); block += 32) {
        const auto [low, high] = std::minmax_element(x.begin() + static_cast<long>(block),
                                                     x.begin() + static_cast<long>(block) + 32);
        const double largest = std::max(std::fabs(*low), std::fabs(*high));
        const double step = (affine ? static_cast<double>(*high) - *low : 2 * largest) / levels;
        const auto stored = [](double value) { return std::max(value * 0x1p-11, 0x1p-25); };
        const double codes = affine ? levels : levels / 2;
        const double bound = step * (clips ? 1 : 0.5) + codes * stored(step) +
                             (affine ? stored(std::fabs(*low)) : 0) + largest * 0x1p-20;
        for (std::size_t i = block; i < block + 32; ++i)
          ASSERT_LE(std::fabs(x[i] - back[i]), bound) << "element " << i;
      }
    }
  }
}

TEST(QuantizeBounds, ScalesPastF16SaturateAndSpareTheRest) {
  std::vector<float> x(32, 3e5f);
  x[9] = 1e9f;  // would need a scale of 1e9 / 127
  const std::vector<float> back = round_trip(DType::kQ8_0, x);
  EXPECT_EQ(back[9], 127 * 65504.0f);
  EXPECT_NEAR(back[0], 3e5f, 65504 / 2);
}

// --- Against the theory of a uniform quantizer --------------------------------------------------

// The error of rounding to a grid of steps s is uniform, so its mean square is s^2 / 12. With the
// steps of plain min-max scaling over the same groups this is what an encoder has to beat.
double min_max_noise(std::span<const float> x, std::size_t group, double levels, bool affine) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); i += group) {
    const auto part = x.subspan(i, group);
    const auto [low, high] = std::ranges::minmax(part);
    const double range = affine ? std::max(high, 0.0f) - std::min(low, 0.0f)
                                : 2 * std::max(std::fabs(low), std::fabs(high));
    sum += range / levels * (range / levels) / 12;
  }
  return std::sqrt(sum * static_cast<double>(group) / static_cast<double>(x.size()));
}

// Encoders are deterministic, so what codec.h states can be held to closely.
TEST(QuantizeError, IsWhatTheHeaderSays) {
  const std::vector<float> x = gaussian(256 * 400);
  for (const auto& [type, percent] :
       {std::pair{DType::kQ4_0, 8.534}, {DType::kQ4_1, 7.793},    {DType::kQ4_K, 7.013},
        {DType::kQ5_0, 4.248},          {DType::kQ5_1, 3.761},    {DType::kQ5_K, 3.452},
        {DType::kQ6_K, 1.730},          {DType::kQ8_0, 0.5337},   {DType::kQ6_0, 2.1235},
        {DType::kQ8_KV, 1.0286},        {DType::kQ1_0, 59.709},   {DType::kQ2_0, 36.092},
        {DType::kTQ1_0, 43.287},        {DType::kTQ2_0, 43.287},  {DType::kIQ1_BN, 43.467},
        {DType::kIQ2_BN, 43.467},       {DType::kMXFP4, 11.138},  {DType::kNVFP4, 8.0955},
        {DType::kIQ4_NL, 7.3368},       {DType::kIQ4_XS, 7.3989}, {DType::kIQ2_K, 27.541},
        {DType::kIQ2_KS, 30.834},       {DType::kIQ3_K, 13.018},  {DType::kIQ3_KS, 15.056},
        {DType::kIQ4_K, 6.1405},        {DType::kIQ4_KS, 7.1327}, {DType::kIQ4_KSS, 9.462},
        {DType::kIQ5_K, 3.0854},        {DType::kIQ5_KS, 3.5385}, {DType::kIQ6_K, 1.3979}})
    EXPECT_NEAR(100 * round_trip_rms(type, x), percent, 0.002 * percent) << dtype_info(type).name;
}

TEST(QuantizeError, StaysBelowMinMaxScaling) {
  for (const double scale : {0.02, 1.0}) {
    const std::vector<float> x = gaussian(256 * 400, scale);
    EXPECT_LT(round_trip_rms(DType::kQ4_K, x), 0.91 * min_max_noise(x, 32, 15, true));
    EXPECT_LT(round_trip_rms(DType::kQ5_K, x), 0.92 * min_max_noise(x, 32, 31, true));
    EXPECT_LT(round_trip_rms(DType::kQ6_K, x), 1.00 * min_max_noise(x, 16, 64, false));
    EXPECT_LT(round_trip_rms(DType::kQ8_0, x), 1.01 * min_max_noise(x, 32, 254, false));
    EXPECT_GT(round_trip_rms(DType::kQ8_0, x), 0.97 * min_max_noise(x, 32, 254, false));
  }
}

void expect_more_bits_or_better_formats_win(std::span<const float> x) {
  const auto error = [x](DType type) { return round_trip_rms(type, x); };
  EXPECT_LT(error(DType::kQ4_K), 0.85 * error(DType::kQ4_0));
  EXPECT_LT(error(DType::kQ4_K), error(DType::kQ4_1));
  EXPECT_LT(error(DType::kQ5_K), 0.85 * error(DType::kQ5_0));
  EXPECT_LT(error(DType::kQ5_K), error(DType::kQ5_1));
  EXPECT_LT(error(DType::kQ6_K), 0.55 * error(DType::kQ5_K));
  EXPECT_LT(error(DType::kQ6_K), 0.55 * error(DType::kQ5_1));
  EXPECT_LT(error(DType::kQ8_0), 0.4 * error(DType::kQ6_K));
}

TEST(QuantizeError, MoreBitsOrBetterFormatsWinOnGaussianWeights) {
  expect_more_bits_or_better_formats_win(gaussian(256 * 400, 0.02));
}

TEST(QuantizeError, MoreBitsOrBetterFormatsWinOnRealWeights) {
  const std::vector<float> x = seed_weights();
  if (x.empty()) GTEST_SKIP() << "needs shared data: " BANTAM_SHARED_DATA "/weights/seed-model";
  expect_more_bits_or_better_formats_win(std::span(x).first(256 * 1600));
}

// Below 2^-14 an f16 scale has few bits, below 2^-25 none; the K formats then use large scales and
// small multiples of them.
TEST(QuantizeError, TinyWeightsKeepTheirShape) {
  for (const auto& [type, limit] :
       {std::pair{DType::kQ4_K, 0.10}, {DType::kQ5_K, 0.08}, {DType::kQ6_K, 0.08}}) {
    const std::vector<float> x = gaussian(256 * 50, 1e-5);
    EXPECT_LT(round_trip_rms(type, x) / 1e-5, limit) << dtype_info(type).name;
  }
}

// One huge weight costs its own group, and the others only the grid of the block's scales.
TEST(QuantizeError, AnOutlierStaysInItsGroup) {
  for (const DType type : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    SCOPED_TRACE(dtype_info(type).name);
    std::vector<float> x = gaussian(256);
    x[40] = 20;  // 20 sigma, in the second group of 32 (and the third of 16)
    const std::vector<float> back = round_trip(type, x);
    EXPECT_NEAR(back[40], 20, 20 * 0.04);
    const auto rest = [](const std::vector<float>& all) { return std::span(all).subspan(64); };
    EXPECT_LT(rms(rest(x), rest(back)), 0.13);
  }
}

// Groups without spread, or on one side of zero only: what the searches divide by may vanish.
TEST_P(Quantize, ConstantAndOneSidedRowsAreKept) {
  if (is_coarse(GetParam())) GTEST_SKIP() << "too coarse";
  for (const float sign : {1.0f, -1.0f}) {
    const std::vector<float> constant(256, 0.37f * sign);
    for (const float value : round_trip(GetParam(), constant))
      ASSERT_NEAR(value, 0.37f * sign, 0.37 * 0.08);  // Q4_0 has no code for the far end

    std::vector<float> offset = gaussian(256, 0.1);
    for (float& value : offset) value += 2 * sign;
    // From zero to 2.3 in eight steps, or fifteen and more; the steps of uneven levels are twice as
    // wide there, and they have none at zero.
    const bool uneven = dtype_info(GetParam()).name.starts_with("IQ");
    const double steps = uneven ? 7 : GetParam() == DType::kQ4_0 ? 8 : 15;
    EXPECT_LT(rms(offset, round_trip(GetParam(), offset)), 2.3 / steps / std::sqrt(12)) << sign;

    std::vector<float> lonely(256, 0.0f);
    lonely[130] = 3 * sign;
    const std::vector<float> back = round_trip(GetParam(), lonely);
    EXPECT_NEAR(back[130], 3 * sign, 0.2);
    // Zero is a code of the symmetric formats; in the others it is as near as d and m allow.
    const float near = uneven ? 0.05f : 0.01f;
    const auto small = std::ranges::count_if(back, [=](float v) { return std::fabs(v) < near; });
    // In IQ4_KSS a neighbour pays for the evenness of bits.
    EXPECT_GE(small, GetParam() == DType::kIQ4_KSS ? 254 : 255);
  }
}

// --- Encoding what was decoded ------------------------------------------------------------------

TEST(QuantizeTwice, OneScaleFormatsAreAFixedPoint) {
  for (const DType type :
       {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kF8E4M3, DType::kF8E5M2,
        DType::kQ4_0, DType::kQ5_0, DType::kQ8_0, DType::kQ4_1, DType::kQ5_1, DType::kQ6_0,
        DType::kTQ1_0, DType::kTQ2_0, DType::kQ1_0, DType::kIQ1_BN, DType::kIQ2_BN}) {
    for (const double scale : {1e-3, 0.02, 1.0, 1e4}) {
      const auto once = encode(type, gaussian(32 * 2000, scale));
      EXPECT_EQ(encode(type, decode(type, once)), once) << dtype_info(type).name << " at " << scale;
    }
  }
}

// The K formats search, and may find another grid through the same points; what they lose then is
// a fraction of what the first rounding lost.
TEST(QuantizeTwice, SearchedFormatsLoseLittleMore) {
  const std::vector<float> x = gaussian(256 * 200);
  for (const DType type : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    const std::vector<float> once = round_trip(type, x), twice = round_trip(type, once);
    EXPECT_LT(rms(once, twice), 0.2 * rms(x, once)) << dtype_info(type).name;
    EXPECT_LT(rms(x, twice), 1.02 * rms(x, once)) << dtype_info(type).name;
  }
}

// The scales of FP4 may change, where other codes mean the same values.
TEST(QuantizeTwice, Fp4KeepsItsValues) {
  for (const DType type : {DType::kNVFP4, DType::kMXFP4}) {
    const std::vector<float> once = round_trip(type, gaussian(64 * 500));
    EXPECT_EQ(round_trip(type, once), once) << dtype_info(type).name;
  }
}

TEST(QuantizeTwice, UnevenLevelsLoseLittleMore) {
  const std::vector<float> x = gaussian(256 * 100);
  for (const DType type :
       {DType::kIQ4_NL, DType::kIQ4_XS, DType::kQ2_0, DType::kIQ2_K, DType::kIQ3_K, DType::kIQ4_K,
        DType::kIQ5_K, DType::kIQ6_K, DType::kIQ2_KS, DType::kIQ3_KS, DType::kIQ4_KS,
        DType::kIQ4_KSS, DType::kIQ5_KS, DType::kQ8_KV}) {
    const std::vector<float> once = round_trip(type, x), twice = round_trip(type, once);
    EXPECT_LT(rms(once, twice), 0.3 * rms(x, once)) << dtype_info(type).name;
  }
}

// Weights that are ternary already lose nothing but what the scale loses in an f16.
TEST(QuantizeTernary, TernaryRowsAreKept) {
  Random random(21);
  for (const float scale : {0.0173f, 1.0f, 3.5f}) {
    std::vector<float> x(512);
    for (float& value : x) value = scale * (static_cast<float>(random.next_below(3)) - 1);
    for (const DType type : {DType::kTQ1_0, DType::kTQ2_0, DType::kIQ1_BN, DType::kIQ2_BN}) {
      const float kept = type == DType::kIQ2_BN ? scale : f16_to_float(float_to_f16(scale));
      const std::vector<float> back = round_trip(type, x);
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(back[i], x[i] / scale * kept) << dtype_info(type).name << " element " << i;
    }
  }
}

// No scale does better: the error of a ternary block is least over all scales there are.
TEST(QuantizeTernary, TheScaleIsTheBestOne) {
  const std::vector<float> x = gaussian(256);
  std::vector<float> w(256);
  Random random(22);
  for (float& weight : w) weight = static_cast<float>(random.next_double());
  const double found = rms(x, round_trip(DType::kTQ2_0, x, w), w);
  std::vector<float> back(256);
  for (float d = 0.01f; d < 3; d += 0.001f) {
    for (std::size_t i = 0; i < 256; ++i) back[i] = x[i] > d / 2 ? d : x[i] < -d / 2 ? -d : 0;
    EXPECT_LE(found, rms(x, back, w) * 1.0001) << d;
  }
}

TEST(QuantizeRows, TheSumOfBytesIsThatOfTheRow) {
  const auto bytes = encode(DType::kQ8_KV, gaussian(1024));
  std::int32_t stored = 0, sum = 0;
  std::memcpy(&stored, bytes.data() + 4, sizeof(stored));
  for (std::size_t i = 8; i < bytes.size(); ++i) sum += static_cast<std::int8_t>(bytes[i]);
  EXPECT_EQ(stored, sum);
}

// --- Importance ---------------------------------------------------------------------------------

TEST_P(Quantize, ImportanceLowersTheWeightedError) {
  const std::vector<float> x = gaussian(256 * 100);
  std::vector<float> w(x.size());
  Random random(11);
  for (float& weight : w) weight = static_cast<float>(std::exp(2 * random.next_normal()));
  const double without = rms(x, round_trip(GetParam(), x), w);
  // Coarse scales leave little to choose, and rows of bytes nothing.
  const bool little = is_coarse(GetParam()) || GetParam() == DType::kQ8_KV;
  EXPECT_LE(rms(x, round_trip(GetParam(), x, w), w), (little ? 1.0 : 0.98) * without);
}

TEST_P(Quantize, OnlyRatiosOfImportanceMatter) {
  const std::vector<float> x = gaussian(512);
  std::vector<float> w(x.size());
  Random random(12);
  for (float& weight : w) weight = static_cast<float>(random.next_double());
  const auto plain = encode(GetParam(), x, w);
  for (const float factor : {0x1p-100f, 0x1p126f}) {
    std::vector<float> scaled = w;
    for (float& weight : scaled) weight *= factor;
    EXPECT_EQ(encode(GetParam(), x, scaled), plain) << factor;
  }
}

TEST_P(Quantize, NoImportanceAnywhereIsAsGoodAsNone) {
  const std::vector<float> x = gaussian(256 * 50), zeros(x.size(), 0.0f);
  EXPECT_LT(rms(x, round_trip(GetParam(), x, zeros)), 1.01 * round_trip_rms(GetParam(), x));
}

// A weight that alone matters is met as closely as its format can: to the grid of its group's
// scales, six to eight bits of the block's largest.
TEST_P(Quantize, TheOnlyImportantWeightIsMetClosely) {
  const std::vector<float> x = gaussian(256);
  for (const std::size_t chosen : {0u, 100u, 255u}) {
    std::vector<float> w(256, 1e-6f);
    w[chosen] = 1;
    const std::vector<float> plain = round_trip(GetParam(), x),
                             aimed = round_trip(GetParam(), x, w);
    EXPECT_LE(std::fabs(aimed[chosen] - x[chosen]), is_coarse(GetParam()) ? 0.1 : 0.02) << chosen;
    EXPECT_LE(std::fabs(aimed[chosen] - x[chosen]), std::fabs(plain[chosen] - x[chosen]) + 1e-3);
  }
}

}  // namespace
}  // namespace bantam
