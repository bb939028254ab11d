// A second decoder of every type, for tests: written straight from the table of formats, byte
// offsets and the formula for element e, in double precision, one element at a time.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "tensor/dtype.h"

namespace bantam::plain {

using Bytes = const std::uint8_t*;

inline double small_float(unsigned code, int exponent_bits, int mantissa_bits, int bias,
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

inline unsigned u16(Bytes b) { return b[0] | unsigned{b[1]} << 8; }
inline unsigned u32(Bytes b) { return u16(b) | u16(b + 2) << 16; }
inline double f16(Bytes b) { return small_float(u16(b), 5, 10, 15, true); }
inline double i8(Bytes b) { return static_cast<std::int8_t>(*b); }
inline unsigned lo(unsigned byte) { return byte & 15; }
inline unsigned hi(unsigned byte) { return byte >> 4; }
inline unsigned bit(unsigned word, int at) { return word >> at & 1; }

template <typename T>
inline double raw(Bytes b) {
  T value;
  std::memcpy(&value, b, sizeof(value));
  return static_cast<double>(value);
}

// Code e of 32 in the order of Q4_0.
inline unsigned nibble(Bytes qs, int e) { return e < 16 ? lo(qs[e]) : hi(qs[e - 16]); }
inline double fp4(unsigned q) { return 2 * small_float(q, 2, 1, 1, false); }
inline double level(unsigned q) {
  constexpr std::array kLevels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
  return kLevels[q];
}

inline double q2_k(Bytes b, int e) {
  const int n = e / 128, j = e / 32 % 4, l = e % 32, i = 8 * n + 2 * j + l / 16;
  const unsigned q = b[16 + 32 * n + l] >> 2 * j & 3;
  return f16(b + 80) * lo(b[i]) * q - f16(b + 82) * hi(b[i]);
}

inline double q3_k(Bytes b, int e) {
  const int n = e / 128, j = e / 32 % 4, l = e % 32, i = 8 * n + 2 * j + l / 16;
  const int q = static_cast<int>(b[32 + 32 * n + l] >> 2 * j & 3) - (bit(b[l], 4 * n + j) ? 0 : 4);
  Bytes sc = b + 96;
  const unsigned low = i < 8 ? lo(sc[i]) : hi(sc[i - 8]);
  const unsigned high = sc[8 + i % 4] >> 2 * (i / 4) & 3;
  return f16(b + 108) * (static_cast<int>(low | high << 4) - 32) * q;
}

inline double q45_k(Bytes b, int e, bool five) {
  const int c = e / 64, h = e / 32 % 2, l = e % 32, i = 2 * c + h;
  Bytes sc = b + 4, qs = b + (five ? 48 : 16);
  unsigned q = h == 0 ? lo(qs[32 * c + l]) : hi(qs[32 * c + l]);
  if (five && bit(b[16 + l], 2 * c + h)) q += 16;
  const unsigned s = i < 4 ? sc[i] & 63u : (sc[i + 4] & 15u) | hi(sc[i - 4]) >> 2 << 4;
  const unsigned m = i < 4 ? sc[i + 4] & 63u : hi(sc[i + 4]) | hi(sc[i]) >> 2 << 4;
  return f16(b) * s * q - f16(b + 2) * m;
}

inline double q6_k(Bytes b, int e) {
  const int n = e / 128, k = e / 32 % 4, l = e % 32;
  const unsigned byte = b[64 * n + 32 * (k & 1) + l];
  const unsigned low = k < 2 ? lo(byte) : hi(byte), high = b[128 + 32 * n + l] >> 2 * k & 3;
  return f16(b + 208) * i8(b + 192 + 8 * n + 2 * k + l / 16) *
         (static_cast<int>(low + 16 * high) - 32);
}

inline double iq4_xs(Bytes b, int e) {
  const int i = e / 32;
  const unsigned low = i % 2 == 0 ? lo(b[4 + i / 2]) : hi(b[4 + i / 2]);
  const int ls = static_cast<int>(low + 16 * (u16(b + 2) >> 2 * i & 3)) - 32;
  return f16(b) * ls * level(nibble(b + 8 + 16 * i, e % 32));
}

inline double tq1_0(Bytes b, int e) {
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

inline double nvfp4(Bytes b, int e) {
  const int g = e / 16, l = e % 16;
  const unsigned q = l < 8 ? lo(b[4 + 8 * g + l]) : hi(b[4 + 8 * g + l - 8]);
  return 0.5 * (b[g] == 0x7F ? 0 : small_float(b[g] & 0x7F, 4, 3, 7, false)) * fp4(q);
}

// --- Types of ik_llama.cpp ----------------------------------------------------------------------

inline double f32(Bytes b) { return raw<float>(b); }
// Products are rounded to float where the row's scale has 24 bits.
inline double rounded(double value) { return static_cast<double>(static_cast<float>(value)); }

inline unsigned half_byte(Bytes b, int at) { return at == 0 ? lo(*b) : hi(*b); }
inline unsigned two_bits(Bytes qs, int e) {
  return qs[32 * (e / 128) + e % 32] >> 2 * (e / 32 % 4) & 3;
}
inline unsigned three_bits(Bytes qs, Bytes qh, int e) {
  return two_bits(qs, e) + 4 * bit(qh[e % 32], e / 32);
}
inline unsigned nibble_of_64(Bytes qs, int e) {
  return half_byte(qs + 32 * (e / 64) + e % 32, e / 32 % 2);
}
inline unsigned five_bits(Bytes qs, Bytes qh, int e) {
  return nibble_of_64(qs, e) + 16 * bit(qh[e % 32], e / 32);
}
inline int six_bit_scale(Bytes high, Bytes low, int i) {
  const unsigned top = high[i / 4] >> 2 * (i % 4) & 3;
  return static_cast<int>(half_byte(low + i / 2, i % 2) + 16 * top) - 32;
}
inline double level2(unsigned q) { return std::array{-31, -13, 1, 17}[q]; }
inline double level3(unsigned q) { return std::array{-63, -40, -23, -10, 1, 13, 28, 47}[q]; }
inline double level5(unsigned q) {
  return std::array{-126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36,
                    -30,  -24,  -18,  -12, -6,  -1,  5,   11,  17,  23,  29,
                    36,   43,   51,   59,  68,  77,  87,  97,  109, 121}[q];
}
inline double level6(unsigned q) {
  double level = 0.0011972f;
  for (const float term : {-0.11218f, 6.2568f, -127.0f}) level = rounded(level * q + double{term});
  return level;
}

inline double iq3_k(Bytes b, int e) {
  const int i = e / 16;
  const double size = 2.0 * half_byte(b + 6 + i / 2, i % 2) + 1;
  return f16(b) * (bit(u16(b + 4), i) ? -size : size) *
         (level3(three_bits(b + 14, b + 78, e)) + 4 * bit(u16(b + 2), i));
}

inline double iq3_ks(Bytes row, Bytes b, int e) {
  const int i = e / 32;
  const unsigned s = half_byte(b + 2 + i % 4, i / 4) + 16 * bit(u16(b), i);
  return f16(row) * (s - 16.0) * (level3(three_bits(b + 6, b + 70, e)) + 4 * bit(u16(b), 8 + i));
}

inline double iq2_ks(Bytes row, Bytes b, int e) {
  const int i = e / 32;
  const unsigned s = half_byte(b + 2 + i / 2, i % 2) + 16 * bit(u16(b), 8 + i);
  return f16(row) * (s - 16.0) * (level2(two_bits(b + 6, e)) + 5 * bit(u16(b), i));
}

// A byte of scale without its lowest bit, which shifts the levels.
inline double with_byte_scale(Bytes row, unsigned scale, double level, int shift) {
  return rounded(f32(row) * (static_cast<int>(scale & 254) - 127)) *
         (level + shift * static_cast<int>(scale & 1));
}

inline double iq4_kss(Bytes row, Bytes b, int e) {
  const Bytes words = b + 16 * (e / 32);
  unsigned scale = 0;
  for (int k = 0; k < 8; ++k) scale |= bit(words[2 * k], 0) << k;
  // Bit n of the word of codes is the sum of bits n and n + 1 of what is stored, bit 0 excepted.
  const unsigned word = u16(words + 2 * (e % 16 / 2));
  unsigned q = 0;
  for (int n = 0; n < 4; ++n) {
    const int at = 8 * (e % 2) + 4 * (e / 16 % 2) + n;
    q |= ((at == 0 ? 0 : bit(word, at)) ^ (at == 15 ? 0 : bit(word, at + 1))) << n;
  }
  return with_byte_scale(row, scale, level(q), 4);
}

inline double iq6_k(Bytes b, int e) {
  const int i = e / 16;
  const unsigned q = nibble_of_64(b + 20, e) + 16 * two_bits(b + 148, e);
  return f16(b) * i8(b + 4 + i) * rounded(level6(q) + bit(u16(b + 2), i));
}

inline double iq1_bn(Bytes row, Bytes b, int e) {
  const int g = e / 16, j = e % 16, n = j < 15 ? j % 5 : g;
  const double fraction = std::fmod((j < 15 ? b[3 * g + j / 5] : b[12]) * std::pow(3, 4 - n), 256);
  return f16(row) * (std::floor(fraction * 3 / 256) - 1);
}

// Element l of the path that begins at an index.
inline int path_value(std::uint64_t index, int l) {
  std::uint64_t state = 4096 + index;
  for (int i = 0; i <= l; ++i) state = state * 0xCBAC1FED % (std::uint64_t{1} << 32);
  int sum = -126;
  for (int i = 0; i < 4; ++i) sum += static_cast<int>(state >> 8 * i & 63);
  return sum;
}

inline double iq1_kt(Bytes row, Bytes b, int e) {
  const int g = e / 8, i = e / 32;
  const unsigned index =
      b[8 + g] + 256 * half_byte(b + 40 + g % 16, g / 16) + 4096 * bit(b[i], 4 + g % 4);
  return rounded(f32(row) * level(lo(b[i]))) * path_value(index, e % 8);
}
inline double iq2_kt(Bytes row, Bytes b, int e) {
  const int i = e / 32;
  return rounded(f32(row) * level(half_byte(b + i % 4, i / 4))) *
         path_value(u16(b + 4 + 2 * (e / 8)), e % 8);
}
inline double iq3_kt(Bytes row, Bytes b, int e) {
  const int i = e / 32;
  const int size = std::abs(path_value(u16(b + 4 + 2 * (e / 8)), e % 8));
  return rounded(f32(row) * half_byte(b + i % 4, i / 4)) *
         (bit(b[68 + e % 32], i) ? -double{1} : double{1}) * size;
}
inline double iq4_kt(Bytes row, Bytes b, int e) {
  const int g = e / 4;
  const unsigned word = u32(b + 4 * (e / 32));
  const unsigned index = b[32 + g] + 256 * half_byte(b + 96 + g % 32, g / 32) +
                         4096 * (word >> (8 + 3 * (g % 8)) & 7) + 32768 * bit(word, 0);
  return rounded(f32(row) * (static_cast<int>(word >> 1 & 127) - 64)) * path_value(index, e % 4);
}

// Block, element.
inline const std::map<DType, std::function<double(Bytes, int)>>& formulas() {
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
      {DType::kQ6_0,
       [](Bytes b, int e) {
         const unsigned high = b[2 + e % 8] >> (4 * (e / 8 % 2) + 2 * (e / 16)) & 3;
         return f16(b) * (static_cast<int>(nibble(b + 10, e) + 16 * high) - 32);
       }},
      {DType::kIQ2_K,
       [](Bytes b, int e) {
         const int i = e / 16;
         return f16(b) * (half_byte(b + 4 + i / 2, i % 2) - 8.0) *
                (level2(two_bits(b + 12, e)) + 5 * bit(u16(b + 2), i));
       }},
      {DType::kIQ3_K, iq3_k},
      {DType::kIQ4_K,
       [](Bytes b, int e) {
         return f16(b) * six_bit_scale(b + 4, b + 8, e / 16) *
                (level(nibble(b + 16 + 16 * (e / 32), e % 32)) + 4 * bit(u16(b + 2), e / 16));
       }},
      {DType::kIQ5_K,
       [](Bytes b, int e) {
         return f16(b) * six_bit_scale(b + 4, b + 8, e / 16) *
                (level5(five_bits(b + 16, b + 144, e)) + 2 * bit(u16(b + 2), e / 16));
       }},
      {DType::kIQ6_K, iq6_k},
  };
  return kFormulas;
}

// Those whose rows begin with a header: row, block, element.
inline const std::map<DType, std::function<double(Bytes, Bytes, int)>>& row_formulas() {
  static const std::map<DType, std::function<double(Bytes, Bytes, int)>> kFormulas = {
      {DType::kIQ1_BN, iq1_bn},
      {DType::kIQ2_BN,
       [](Bytes row, Bytes b, int e) {
         return f32(row) * (static_cast<int>(b[e % 16] >> 2 * (e / 16) & 3) - 1);
       }},
      {DType::kQ8_KV, [](Bytes row, Bytes b, int e) { return f32(row) * i8(b + e); }},
      {DType::kIQ2_KS, iq2_ks},
      {DType::kIQ3_KS, iq3_ks},
      {DType::kIQ4_KS,
       [](Bytes row, Bytes b, int e) {
         return with_byte_scale(row, b[e / 32], level(nibble(b + 8 + 16 * (e / 32), e % 32)), 4);
       }},
      {DType::kIQ4_KSS, iq4_kss},
      {DType::kIQ5_KS,
       [](Bytes row, Bytes b, int e) {
         return with_byte_scale(row, b[e / 32], level5(five_bits(b + 8, b + 136, e)), 2);
       }},
      {DType::kIQ1_KT, iq1_kt},
      {DType::kIQ2_KT, iq2_kt},
      {DType::kIQ3_KT, iq3_kt},
      {DType::kIQ4_KT, iq4_kt},
  };
  return kFormulas;
}

inline bool has_formula(DType type) {
  return formulas().contains(type) || row_formulas().contains(type);
}

// Element i of a row.
inline double plain_element(DType type, const std::byte* row, std::size_t i) {
  const DTypeInfo& info = dtype_info(type);
  const auto* header = reinterpret_cast<Bytes>(row);
  Bytes block = header + info.row_header_bytes + i / info.block_elements * info.block_bytes;
  const int e = static_cast<int>(i % info.block_elements);
  if (info.row_header_bytes > 0) return row_formulas().at(type)(header, block, e);
  return formulas().at(type)(block, e);
}

}  // namespace bantam::plain
