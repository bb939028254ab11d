// What the bytes of a tensor mean: the small float formats, and one struct a block format.
//
// Conversions to float are exact. Conversions from float round to the nearest, ties to even, as
// IEEE 754 does, and are portable: the same bits on every machine, whatever its instructions.
// Blocks are packed (alignment 1), so a pointer into any byte of a mapped file may be read as a
// row of them. Multi-byte fields are little endian, as in the files.
//
// The formula above each block gives element e of the block; `lo` and `hi` are the low and the
// high four bits of a byte. Source: the published format of GGUF tensor data.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace bantam {

static_assert(std::endian::native == std::endian::little,
              "files are little endian and read in place");

// --- Small floats -------------------------------------------------------------------------------

inline constexpr float kF16Max = 65504.0f;
inline constexpr float kBF16Max = 0x1.FEp127f;
inline constexpr float kF8E4M3Max = 448.0f;
inline constexpr float kF8E5M2Max = 57344.0f;

// The float whose bits, from the top, are a sign, `Exponent` bits and `Mantissa` bits in IEEE
// layout: subnormals, infinities and NaNs included.
template <int Exponent, int Mantissa>
constexpr float ieee_to_float(std::uint32_t bits) {
  constexpr int kShift = 23 - Mantissa;
  constexpr std::uint32_t kBias = (1u << (Exponent - 1)) - 1;
  constexpr std::uint32_t kMagnitude = (1u << (Exponent + Mantissa)) - 1;
  constexpr std::uint32_t kInfinity = ((1u << Exponent) - 1) << Mantissa;
  const std::uint32_t sign = (bits >> (Exponent + Mantissa) & 1) << 31;
  const std::uint32_t magnitude = bits & kMagnitude;
  if (magnitude >= kInfinity)
    return std::bit_cast<float>(sign | 0x7F800000u | (magnitude - kInfinity) << kShift);
  if (magnitude < 1u << Mantissa) {  // zero or subnormal: a whole number of the smallest steps
    const float step = std::bit_cast<float>((128 - kBias - Mantissa) << 23);
    const float value = static_cast<float>(magnitude) * step;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << kShift) + ((127 - kBias) << 23)));
}

// The other way. Overflow gives infinity; a NaN stays a (quiet) NaN.
template <int Exponent, int Mantissa>
constexpr std::uint32_t float_to_ieee(float value) {
  constexpr int kShift = 23 - Mantissa;
  constexpr std::uint32_t kBias = (1u << (Exponent - 1)) - 1;
  constexpr std::uint32_t kInfinity = ((1u << Exponent) - 1) << Mantissa;
  constexpr std::uint32_t kSmallestNormal = (128 - kBias) << 23;  // as float bits
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 31 << (Exponent + Mantissa);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | kInfinity | 1u << (Mantissa - 1);
  if (magnitude < kSmallestNormal) {
    // Adding this constant leaves the result's steps in the last places of the sum, so the
    // addition itself does the rounding.
    constexpr std::uint32_t kMagic = (128 - kBias + 23 - Mantissa) << 23;
    const float sum = std::bit_cast<float>(magnitude) + std::bit_cast<float>(kMagic);
    return sign | (std::bit_cast<std::uint32_t>(sum) - kMagic);
  }
  const std::uint32_t odd = magnitude >> kShift & 1;
  const std::uint32_t rounded = (magnitude + (1u << (kShift - 1)) - 1 + odd) >> kShift;
  const std::uint32_t rebiased = rounded - ((127 - kBias) << Mantissa);
  return sign | (rebiased < kInfinity ? rebiased : kInfinity);
}

constexpr float f16_to_float(std::uint16_t bits) { return ieee_to_float<5, 10>(bits); }
constexpr std::uint16_t float_to_f16(float value) {
  return static_cast<std::uint16_t>(float_to_ieee<5, 10>(value));
}
// As float_to_f16, but what would overflow becomes the largest finite value.
constexpr std::uint16_t saturate_to_f16(float value) {
  return float_to_f16(value > kF16Max ? kF16Max : value < -kF16Max ? -kF16Max : value);
}

constexpr float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}
constexpr std::uint16_t float_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

constexpr float f8e5m2_to_float(std::uint8_t bits) { return ieee_to_float<5, 2>(bits); }
constexpr std::uint8_t float_to_f8e5m2(float value) {
  return static_cast<std::uint8_t>(float_to_ieee<5, 2>(value));
}

// The "fn" variant of the OCP 8-bit format: no infinities, one NaN (all ones), largest value 448.
constexpr float f8e4m3_to_float(std::uint8_t bits) {
  if ((bits & 0x7F) == 0x7F) return std::bit_cast<float>((bits & 0x80u) << 24 | 0x7FC00000u);
  // An exponent field wider by one bit takes the place of the missing infinities.
  const auto wide = static_cast<std::uint32_t>((bits & 0x80) << 1 | (bits & 0x7F));
  return ieee_to_float<5, 3>(wide) * 256.0f;  // biases 15 and 7
}
// Overflow gives NaN, having nothing else to give.
constexpr std::uint8_t float_to_f8e4m3(float value) {
  const std::uint32_t wide = float_to_ieee<5, 3>(value * 0x1p-8f);
  const std::uint32_t magnitude = wide & 0xFF;
  return static_cast<std::uint8_t>((wide >> 1 & 0x80) | (magnitude < 0x7F ? magnitude : 0x7F));
}

// The scale of MXFP4, halved: 2^(bits - 128), the codes of the elements being doubled.
constexpr float e8m0_half_to_float(std::uint8_t bits) {
  return std::bit_cast<float>(bits < 2 ? 0x00200000u << bits : (bits - 1u) << 23);
}

// The scale of NVFP4: E4M3 without a sign, whose NaN code counts as zero. (Nobody writes the top
// bit; it is passed over, and 0xFF read as 480, as others do.)
constexpr float ue4m3_to_float(std::uint8_t bits) {
  return bits == 0x7F ? 0.0f : ieee_to_float<5, 3>(bits & 0x7Fu) * 256.0f;
}

// Levels of IQ4_NL and IQ4_XS, and twice the values of E2M1 (MXFP4, NVFP4).
inline constexpr std::array<std::int8_t, 16> kIQ4Levels = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
inline constexpr std::array<std::int8_t, 16> kE2M1Doubled = {0, 1,  2,  3,  4,  6,  8,  12,
                                                             0, -1, -2, -3, -4, -6, -8, -12};

// --- Blocks of 32 -------------------------------------------------------------------------------

#pragma pack(push, 1)

// d * (q - 8); q is lo of qs[e] for e < 16, hi of qs[e - 16] otherwise.
struct BlockQ4_0 {
  static constexpr DType kType = DType::kQ4_0;
  std::uint16_t d;  // f16
  std::uint8_t qs[16];
};

// d * q + m, q as in Q4_0.
struct BlockQ4_1 {
  static constexpr DType kType = DType::kQ4_1;
  std::uint16_t d, m;
  std::uint8_t qs[16];
};

// d * (q - 16); bit 4 of q is bit e of qh.
struct BlockQ5_0 {
  static constexpr DType kType = DType::kQ5_0;
  std::uint16_t d;
  std::uint32_t qh;
  std::uint8_t qs[16];
};

// d * q + m, q as in Q5_0.
struct BlockQ5_1 {
  static constexpr DType kType = DType::kQ5_1;
  std::uint16_t d, m;
  std::uint32_t qh;
  std::uint8_t qs[16];
};

// d * qs[e].
struct BlockQ8_0 {
  static constexpr DType kType = DType::kQ8_0;
  std::uint16_t d;
  std::int8_t qs[32];
};

// d * qs[e]; s is d times the sum of qs. For activations.
struct BlockQ8_1 {
  static constexpr DType kType = DType::kQ8_1;
  std::uint16_t d, s;
  std::int8_t qs[32];
};

// d * kIQ4Levels[q], q as in Q4_0.
struct BlockIQ4_NL {
  static constexpr DType kType = DType::kIQ4_NL;
  std::uint16_t d;
  std::uint8_t qs[16];
};

// e8m0_half(scale) * kE2M1Doubled[q], q as in Q4_0.
struct BlockMXFP4 {
  static constexpr DType kType = DType::kMXFP4;
  std::uint8_t scale;  // E8M0
  std::uint8_t qs[16];
};

// --- Blocks of 64 and 128 -----------------------------------------------------------------------

// ue4m3(scales[g]) / 2 * kE2M1Doubled[q], g = e / 16: group g has qs[8g] to qs[8g + 7], lo for its
// first eight elements and hi for the others.
struct BlockNVFP4 {
  static constexpr DType kType = DType::kNVFP4;
  std::uint8_t scales[4];
  std::uint8_t qs[32];
};

// Bit e of bits: d where set, -d where not.
struct BlockQ1_0 {
  static constexpr DType kType = DType::kQ1_0;
  std::uint16_t d;
  std::uint8_t bits[16];
};

// d * (q - 1); q is the two bits of qs[e / 4] from bit 2 (e % 4).
struct BlockQ2_0 {
  static constexpr DType kType = DType::kQ2_0;
  std::uint16_t d;
  std::uint8_t qs[16];
};

// --- Blocks of 256 ------------------------------------------------------------------------------

// e = 128 n + 32 j + l, l < 32; i = e / 16: d * lo(scales[i]) * q - dmin * hi(scales[i]), where q
// is two bits of qs[32 n + l] from bit 2 j.
struct BlockQ2_K {
  static constexpr DType kType = DType::kQ2_K;
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  std::uint16_t d, dmin;
};

// e, i, and the low two bits of q as in Q2_K, less 4 where bit 4 n + j of hmask[l] is clear:
// d * (s - 32) * q. The low four bits of scale i are lo of scales[i] for i < 8, hi of
// scales[i - 8] otherwise; its high two are those of scales[8 + i % 4] from bit 2 (i / 4).
struct BlockQ3_K {
  static constexpr DType kType = DType::kQ3_K;
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  std::uint16_t d;
};

// e = 64 c + 32 h + l, l < 32; i = 2 c + h: d * s * q - dmin * m, where q is lo (h = 0) or hi of
// qs[32 c + l]. s and m: see unpack_k_scale.
struct BlockQ4_K {
  static constexpr DType kType = DType::kQ4_K;
  std::uint16_t d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};

// As Q4_K; bit 4 of q is bit 2 c + h of qh[l].
struct BlockQ5_K {
  static constexpr DType kType = DType::kQ5_K;
  std::uint16_t d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};

// e = 128 n + 32 k + l, l < 32: d * scales[e / 16] * (q - 32). The low four bits of q are lo
// (k < 2) or hi of ql[64 n + 32 (k % 2) + l], the high two those of qh[32 n + l] from bit 2 k.
struct BlockQ6_K {
  static constexpr DType kType = DType::kQ6_K;
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  std::uint16_t d;
};

// d * qs[e]; sums of sixteen qs each. For activations.
struct BlockQ8_K {
  static constexpr DType kType = DType::kQ8_K;
  float d;
  std::int8_t qs[256];
  std::int16_t sums[16];
};

// i = e / 32: d * (s - 32) * kIQ4Levels[q]. The low four bits of s are half a byte of scales_low
// (lo for even i), the high two those of scales_high from bit 2 i; q of each 32 as in Q4_0.
struct BlockIQ4_XS {
  static constexpr DType kType = DType::kIQ4_XS;
  std::uint16_t d;
  std::uint16_t scales_high;
  std::uint8_t scales_low[4];
  std::uint8_t qs[128];
};

// d * (t - 1): five trits a byte in qs, four in qh, as a binary fraction. Trit n of byte b is the
// whole part of 3 * frac(3^n b / 256). Elements 0 to 159 are trits 0 to 4 of qs[0] to qs[31],
// 160 to 239 of qs[32] to qs[47], 240 to 255 trits 0 to 3 of qh; the trit number outermost.
struct BlockTQ1_0 {
  static constexpr DType kType = DType::kTQ1_0;
  std::uint8_t qs[48];
  std::uint8_t qh[4];
  std::uint16_t d;
};

// e = 128 c + 32 j + l, l < 32: d * (q - 1), q the two bits of qs[32 c + l] from bit 2 j.
struct BlockTQ2_0 {
  static constexpr DType kType = DType::kTQ2_0;
  std::uint8_t qs[64];
  std::uint16_t d;
};

#pragma pack(pop)

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockQ8_1) == 36);
static_assert(sizeof(BlockIQ4_NL) == 18 && sizeof(BlockMXFP4) == 17 && sizeof(BlockNVFP4) == 36);
static_assert(sizeof(BlockQ1_0) == 18 && sizeof(BlockQ2_0) == 18 && sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210 && sizeof(BlockQ8_K) == 292 && sizeof(BlockIQ4_XS) == 136);
static_assert(sizeof(BlockTQ1_0) == 54 && sizeof(BlockTQ2_0) == 66);

// The eight six-bit pairs of scale and minimum in the twelve bytes of Q4_K and Q5_K. The first
// four pairs lie in the low six bits of bytes 0 to 7; the others have their low four bits in bytes
// 8 to 11 (scale lo, minimum hi) and their high two bits on top of bytes 0 to 7.
struct KScale {
  std::uint8_t scale, min;
};
constexpr KScale unpack_k_scale(const std::uint8_t* packed, int i) {
  const auto byte = [packed](int at) { return unsigned{packed[at]}; };
  const auto pair = [](unsigned scale, unsigned min) {
    return KScale{static_cast<std::uint8_t>(scale), static_cast<std::uint8_t>(min)};
  };
  if (i < 4) return pair(byte(i) & 63, byte(i + 4) & 63);
  return pair((byte(i + 4) & 15) | byte(i - 4) >> 6 << 4, byte(i + 4) >> 4 | byte(i) >> 6 << 4);
}

}  // namespace bantam
