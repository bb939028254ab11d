// The block formats of ik_llama.cpp's files, in the manner of storage_types.h, which says how to
// read this.
//
// Where a block names a RowHeader, each row begins with one, and d is the header's. The value of an
// element is then d times the integer scale, rounded to float, times the level, rounded again;
// where d is an f16 nothing is lost.
//
// The levels are not evenly spaced: they are denser around zero, as weights are. `shift` is added
// to every level of a group whose bit says so.
#pragma once

#include "tensor/storage_types.h"

namespace bantam {

// kIQ4Levels are those of IQ4_K, IQ4_KS and IQ4_KSS as well.
inline constexpr std::array<std::int8_t, 4> kIQ2Levels = {-31, -13, 1, 17};
inline constexpr std::array<std::int8_t, 8> kIQ3Levels = {-63, -40, -23, -10, 1, 13, 28, 47};
inline constexpr std::array<std::int8_t, 32> kIQ5Levels = {
    -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36, -30, -24, -18, -12, -6,
    -1,   5,    11,   17,  23,  29,  36,  43,  51,  59,  68,  77,  87,  97,  109, 121};
inline constexpr int kIQ2Shift = 5, kIQ3Shift = 4, kIQ4Shift = 4, kIQ5Shift = 2, kIQ6Shift = 1;

// The levels of IQ6_K: a cubic, by Horner's rule in fused multiply-adds of floats. (With codes of
// six bits and floats each product is exact in double, so that rounding it once is the same.)
constexpr std::array<float, 64> make_iq6_levels() {
  const auto fused = [](int q, float factor, float term) {
    return static_cast<float>(static_cast<double>(q) * static_cast<double>(factor) +
                              static_cast<double>(term));
  };
  std::array<float, 64> levels{};
  for (int q = 0; q < 64; ++q)
    levels[static_cast<std::size_t>(q)] =
        fused(q, fused(q, fused(q, 0.0011972f, -0.11218f), 6.2568f), -127.0f);
  return levels;
}
inline constexpr std::array<float, 64> kIQ6Levels = make_iq6_levels();

// The trellis of the KT types: the weights that follow from an index are the sums of the bytes of
// the successive states, less 126: whole numbers from -126 to 126.
constexpr std::uint32_t next_trellis_state(std::uint32_t state) { return state * 0xCBAC1FEDu; }
constexpr int trellis_value(std::uint32_t state) {
  const std::uint32_t bytes = state & 0x3F3F3F3Fu;
  return static_cast<int>((bytes & 255) + (bytes >> 8 & 255) + (bytes >> 16 & 255) +
                          (bytes >> 24)) -
         126;
}
inline constexpr std::uint32_t kTrellisStart = 4096;  // index 0

// --- What a row begins with ---------------------------------------------------------------------

#pragma pack(push, 1)

struct RowScaleF16 {
  std::uint16_t bits;
  float d() const { return f16_to_float(bits); }
};
struct RowScaleF32 {
  float value;
  float d() const { return value; }
};
// sum is that of all the row's quants.
struct RowScaleAndSum {
  float value;
  std::int32_t sum;
  float d() const { return value; }
};

// --- One scale a block, or a row ----------------------------------------------------------------

// d * (q - 32). The low four bits of q as in Q4_0; for l = e % 16 and h = e / 16, the high two are
// those of qh[l % 8] from bit 4 (l / 8) + 2 h.
struct BlockQ6_0 {
  static constexpr DType kType = DType::kQ6_0;
  std::uint16_t d;
  std::uint8_t qh[8];
  std::uint8_t qs[16];
};

// d * (t - 1), trits as in TQ1_0 but the first highest: element 16 g + j is trit 4 - j % 5 of
// qs[3 g + j / 5] for j < 15, and trit 4 - g of `rest` for j = 15.
struct BlockIQ1_BN {
  static constexpr DType kType = DType::kIQ1_BN;
  using RowHeader = RowScaleF16;
  std::uint8_t qs[12];
  std::uint8_t rest;
};

// d * (q - 1), q the two bits of qs[e % 16] from bit 2 (e / 16).
struct BlockIQ2_BN {
  static constexpr DType kType = DType::kIQ2_BN;
  using RowHeader = RowScaleF32;
  std::uint8_t qs[16];
};

// d * qs[e].
struct BlockQ8_KV {
  static constexpr DType kType = DType::kQ8_KV;
  using RowHeader = RowScaleAndSum;
  std::int8_t qs[32];
};

// --- Blocks of 256 ------------------------------------------------------------------------------

// i = e / 16: d * (s - 8) * (kIQ2Levels[q] + shift), q as in TQ2_0; s is half a byte of scales[i /
// 2] (lo for even i); bit i of shifts.
struct BlockIQ2_K {
  static constexpr DType kType = DType::kIQ2_K;
  std::uint16_t d;
  std::uint16_t shifts;
  std::uint8_t scales[8];
  std::uint8_t qs[64];
};

// i = e / 32: d * (s - 16) * (kIQ2Levels[q] + shift), q as in TQ2_0; s is half a byte of
// scales[i / 2] (lo for even i) and, highest, bit 8 + i of extra; the shift is bit i of extra.
struct BlockIQ2_KS {
  static constexpr DType kType = DType::kIQ2_KS;
  using RowHeader = RowScaleF16;
  std::uint16_t extra;
  std::uint8_t scales[4];
  std::uint8_t qs[64];
};

// i = e / 16: d * ±(2 s + 1) * (kIQ3Levels[q] + shift), minus where bit i of signs is set; s and
// bit i of shifts as in IQ2_K. The low two bits of q as in TQ2_0, bit 2 is bit e / 32 of qh[e %
// 32].
struct BlockIQ3_K {
  static constexpr DType kType = DType::kIQ3_K;
  std::uint16_t d;
  std::uint16_t shifts;
  std::uint16_t signs;
  std::uint8_t scales[8];
  std::uint8_t qs[64];
  std::uint8_t qh[32];
};

// i = e / 32: d * (s - 16) * (kIQ3Levels[q] + shift), q as in IQ3_K; s is half a byte of
// scales[i % 4] (lo for i < 4) and, highest, bit i of extra; the shift is bit 8 + i of extra.
struct BlockIQ3_KS {
  static constexpr DType kType = DType::kIQ3_KS;
  using RowHeader = RowScaleF16;
  std::uint16_t extra;
  std::uint8_t scales[4];
  std::uint8_t qs[64];
  std::uint8_t qh[32];
};

// i = e / 16: d * (s - 32) * (kIQ4Levels[q] + shift), q of each 32 as in Q4_0. The low four bits of
// s are half a byte of scales_low[i / 2] (lo for even i), the high two those of scales_high[i / 4]
// from bit 2 (i % 4); bit i of shifts.
struct BlockIQ4_K {
  static constexpr DType kType = DType::kIQ4_K;
  std::uint16_t d;
  std::uint16_t shifts;
  std::uint8_t scales_high[4];
  std::uint8_t scales_low[8];
  std::uint8_t qs[128];
};

// i = e / 32: d * (s - 127) * (kIQ4Levels[q] + shift), q of each 32 as in Q4_0. s is scales[i]
// without its lowest bit, which is the shift's.
struct BlockIQ4_KS {
  static constexpr DType kType = DType::kIQ4_KS;
  using RowHeader = RowScaleF32;
  std::uint8_t scales[8];
  std::uint8_t qs[128];
};

// As IQ4_KS, with the scales hidden. Bit 0 of word 8 i + k is bit k of the byte scales[i] there;
// without it, a word w stands for w ^ w / 2, whose bytes are those of qs. (So much as saying that
// the bits of four codes are even in number.)
struct BlockIQ4_KSS {
  static constexpr DType kType = DType::kIQ4_KSS;
  using RowHeader = RowScaleF32;
  std::uint16_t words[64];
};

// As IQ4_K with kIQ5Levels: the low four bits of q as in Q4_K, bit 4 as in Q5_K.
struct BlockIQ5_K {
  static constexpr DType kType = DType::kIQ5_K;
  std::uint16_t d;
  std::uint16_t shifts;
  std::uint8_t scales_high[4];
  std::uint8_t scales_low[8];
  std::uint8_t qs[128];
  std::uint8_t qh[32];
};

// As IQ4_KS with kIQ5Levels: q as in IQ5_K.
struct BlockIQ5_KS {
  static constexpr DType kType = DType::kIQ5_KS;
  using RowHeader = RowScaleF32;
  std::uint8_t scales[8];
  std::uint8_t qs[128];
  std::uint8_t qh[32];
};

// i = e / 16: d * scales[i] * (kIQ6Levels[q] + shift), that sum rounded to float. The low four bits
// of q as in Q4_K, the high two those of qh[32 (e / 128) + e % 32] from bit 2 (e / 32 % 4); bit i
// of shifts.
struct BlockIQ6_K {
  static constexpr DType kType = DType::kIQ6_K;
  std::uint16_t d;
  std::uint16_t shifts;
  std::int8_t scales[16];
  std::uint8_t qs[128];
  std::uint8_t qh[64];
};

// --- Trellises: g is the number of a group of weights, i = e / 32 -------------------------------

// Eight weights a group, g = e / 8. d * kIQ4Levels[s] * value; s is lo of scales[i]. The index is
// low[g], then lo (g < 16) or hi of high[g % 16], then bit 4 + g % 4 of scales[i].
struct BlockIQ1_KT {
  static constexpr DType kType = DType::kIQ1_KT;
  using RowHeader = RowScaleF32;
  std::uint8_t scales[8];
  std::uint8_t low[32];
  std::uint8_t high[16];
};

// Eight weights a group. d * kIQ4Levels[s] * value; s is lo (i < 4) or hi of scales[i % 4].
struct BlockIQ2_KT {
  static constexpr DType kType = DType::kIQ2_KT;
  using RowHeader = RowScaleF32;
  std::uint8_t scales[4];
  std::uint16_t indices[32];
};

// Eight weights a group. d * s * ±|value|, minus where bit i of signs[e % 32] is set; s as in
// IQ2_KT.
struct BlockIQ3_KT {
  static constexpr DType kType = DType::kIQ3_KT;
  using RowHeader = RowScaleF32;
  std::uint8_t scales[4];
  std::uint16_t indices[32];
  std::uint8_t signs[32];
};

// Four weights a group, g = e / 4. d * (s - 64) * value; s is bits 1 to 7 of scales[i]. The index
// is low[g], then lo (g < 32) or hi of high[g % 32], then the three bits of scales[i] from bit 8 +
// 3 (g % 8); bit 0 of scales[i] adds 32768.
struct BlockIQ4_KT {
  static constexpr DType kType = DType::kIQ4_KT;
  using RowHeader = RowScaleF32;
  std::uint32_t scales[8];
  std::uint8_t low[64];
  std::uint8_t high[32];
};

#pragma pack(pop)

static_assert(sizeof(BlockQ6_0) == 26 && sizeof(BlockIQ1_BN) == 13 && sizeof(BlockIQ2_BN) == 16);
static_assert(sizeof(BlockQ8_KV) == 32 && sizeof(BlockIQ2_K) == 76 && sizeof(BlockIQ2_KS) == 70);
static_assert(sizeof(BlockIQ3_K) == 110 && sizeof(BlockIQ3_KS) == 102 && sizeof(BlockIQ4_K) == 144);
static_assert(sizeof(BlockIQ4_KS) == 136 && sizeof(BlockIQ4_KSS) == 128);
static_assert(sizeof(BlockIQ5_K) == 176 && sizeof(BlockIQ5_KS) == 168 && sizeof(BlockIQ6_K) == 212);
static_assert(sizeof(BlockIQ1_KT) == 56 && sizeof(BlockIQ2_KT) == 68);
static_assert(sizeof(BlockIQ3_KT) == 100 && sizeof(BlockIQ4_KT) == 128);

// Bytes before a row of such blocks.
template <typename Block>
constexpr std::size_t row_header_size() {
  if constexpr (requires { typename Block::RowHeader; })
    return sizeof(typename Block::RowHeader);
  else
    return 0;
}

// The scales of sixteen groups in IQ2_K and IQ3_K (four bits) and in IQ4_K and IQ5_K (six).
constexpr unsigned nibble_scale(const std::uint8_t* scales, unsigned i) {
  return scales[i / 2] >> 4 * (i % 2) & 15u;
}
template <typename Block>
constexpr int six_bit_scale(const Block& block, unsigned i) {
  const unsigned high = block.scales_high[i / 4] >> 2 * (i % 4) & 3u;
  return static_cast<int>(nibble_scale(block.scales_low, i) | high << 4) - 32;
}

}  // namespace bantam
