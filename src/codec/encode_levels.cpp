// Encoders of the formats with uneven levels: the IQ types, and Q2_0.
//
// As in encode_k.cpp: every group gets the scale and the table that suit it alone, then a small
// integer times the scale of the block, or of the row, and codes under the scales as they are
// stored. The trellis types have no encoder: it would have to find paths.
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "codec/blocks.h"
#include "codec/levels.h"
#include "codec/search.h"

namespace bantam {
namespace {

constexpr std::size_t kElements = 256;

constexpr Levels kQ2[] = {Levels(std::array{-1, 0, 1, 2})};
constexpr Levels kIQ2[] = {Levels(kIQ2Levels), Levels(kIQ2Levels, kIQ2Shift)};
constexpr Levels kIQ3[] = {Levels(kIQ3Levels), Levels(kIQ3Levels, kIQ3Shift)};
constexpr Levels kIQ4[] = {Levels(kIQ4Levels), Levels(kIQ4Levels, kIQ4Shift)};
constexpr Levels kIQ5[] = {Levels(kIQ5Levels), Levels(kIQ5Levels, kIQ5Shift)};
constexpr Levels kIQ6[] = {Levels(kIQ6Levels), Levels(kIQ6Levels, kIQ6Shift)};

constexpr ScaleCodes kSevenBits = {-127, 127, 2};

std::span<const float> all(const float (&values)[kElements], std::size_t n) { return {values, n}; }

// --- One block and its scale --------------------------------------------------------------------

// The codes, and the scale as an f16. All zero bits if there is nothing to tell from zero.
std::uint16_t encode_levels(const LevelFormat& format, const float* in, const float* importance,
                            std::size_t n, LevelCodes& codes) {
  codes = {};
  const Scaled scaled(in, importance, n, format.group);
  if (scaled.zero) return 0;
  const auto x = all(scaled.x, n), w = all(scaled.w, n);
  GroupFit fits[16];
  const std::size_t groups = n / format.group;
  float largest = 0;
  for (std::size_t i = 0; i < groups; ++i) {
    fits[i] = fit_group(format, x.subspan(i * format.group, format.group),
                        w.subspan(i * format.group, format.group));
    if (std::fabs(fits[i].scale) > std::fabs(largest)) largest = fits[i].scale;
  }
  const auto try_scale = [&](float d, std::uint16_t& bits, LevelCodes& to) {
    bits = saturate_to_f16(d * scaled.unit);
    return choose_codes(format, x, w, {fits, groups}, f16_to_float(bits) / scaled.unit, to);
  };
  std::uint16_t bits = 0, refitted_bits = 0;
  LevelCodes refitted = {};
  const float error = try_scale(largest / static_cast<float>(format.scales.low), bits, codes);
  const float better = refit_scale(format, x, w, codes);
  if (better == 0 || !(try_scale(better, refitted_bits, refitted) < error)) return bits;
  codes = refitted;
  return refitted_bits;
}

// --- Rows with one scale ------------------------------------------------------------------------

// A stretch of 256 elements as the searches want it; zeros where there is nothing else.
struct Stretch {
  Scaled scaled;
  GroupFit fits[8];

  Stretch(const LevelFormat& format, const float* in, const float* importance)
      : scaled(in, importance, kElements, format.group) {
    if (scaled.zero) {
      scaled.unit = 1;
      std::ranges::fill(scaled.x, 0.0f);
      std::ranges::fill(scaled.w, 1.0f);
    }
    for (std::size_t i = 0; i < 8; ++i)
      fits[i] = fit_group(format, std::span(scaled.x).subspan(32 * i, 32),
                          std::span(scaled.w).subspan(32 * i, 32));
  }
};

void store_scale(RowScaleF16& header, float d) { header.bits = saturate_to_f16(d); }
void store_scale(RowScaleF32& header, float d) {
  constexpr float kMost = 0x1.04p114f;  // 127 * 127 times this is still a float
  header.value = std::clamp(d, -kMost, kMost);
}

// adjust(stretch, d, codes), where d is the row's scale in the units of the stretch, and then
// pack(block, codes), for each block of the row.
template <typename Block, typename Pack, typename Adjust>
void encode_level_row(const LevelFormat& format, std::span<const float> in, const float* importance,
                      typename Block::RowHeader& header, Block* blocks, Pack pack, Adjust adjust) {
  std::vector<Stretch> stretches;
  stretches.reserve(in.size() / kElements);
  float largest = 0;
  for (std::size_t at = 0; at < in.size(); at += kElements) {
    stretches.emplace_back(format, in.data() + at,
                           importance == nullptr ? nullptr : importance + at);
    for (const GroupFit& fit : stretches.back().fits) {
      const float scale = fit.scale * stretches.back().scaled.unit;
      if (std::fabs(scale) > std::fabs(largest)) largest = scale;
    }
  }
  store_scale(header, largest / static_cast<float>(format.scales.low));
  for (const Stretch& stretch : stretches) {
    LevelCodes codes = {};
    const float d = header.d() / stretch.scaled.unit;
    choose_codes(format, stretch.scaled.x, stretch.scaled.w, stretch.fits, d, codes);
    adjust(stretch, d, codes);
    *blocks = {};
    pack(*blocks++, codes);
  }
}

template <typename Block, typename Pack>
void encode_level_row(const LevelFormat& format, std::span<const float> in, const float* importance,
                      typename Block::RowHeader& header, Block* blocks, Pack pack) {
  encode_level_row(format, in, importance, header, blocks, pack,
                   [](const Stretch&, float, LevelCodes&) {});
}

// --- IQ4_KSS: the bits of four codes that share a word are even in number -----------------------

// The elements whose codes are word k of 32.
constexpr std::array<std::size_t, 4> word_elements(std::size_t k) {
  return {2 * k, 2 * k + 1, 2 * k + 16, 2 * k + 17};
}

// Where they are odd, the code that can best be another goes one up or down. (Of the two, the one
// that differs in bit 0 alone always makes them even; the other one sometimes.)
void make_even(const Stretch& stretch, float d, LevelCodes& codes) {
  for (std::size_t i = 0; i < 8; ++i) {
    const Levels& levels = kIQ4[codes.shifted[i] ? 1 : 0];
    const float step = d * static_cast<float>(codes.scales[i]);
    const auto error_of = [&](std::size_t e, unsigned q) {
      const float off = stretch.scaled.x[e] - step * levels[q];
      return stretch.scaled.w[e] * off * off;
    };
    for (std::size_t k = 0; k < 8; ++k) {
      unsigned bits = 0;
      for (const std::size_t l : word_elements(k)) bits ^= codes.q[32 * i + l];
      if (std::popcount(bits) % 2 == 0) continue;
      // Something is taken in any case, be the errors no numbers.
      std::size_t chosen = 32 * i + 2 * k;
      unsigned other = codes.q[chosen] ^ 1u;
      float least = std::numeric_limits<float>::infinity();
      for (const std::size_t l : word_elements(k)) {
        const std::size_t e = 32 * i + l;
        for (const int by : {-1, 1}) {
          const auto q = static_cast<unsigned>(codes.q[e] + by);
          if (q > 15 || std::popcount(q ^ codes.q[e]) % 2 == 0) continue;
          const float more = error_of(e, q) - error_of(e, codes.q[e]);
          if (more < least) {
            least = more;
            chosen = e;
            other = q;
          }
        }
      }
      codes.q[chosen] = static_cast<std::uint8_t>(other);
    }
  }
}

// --- Where the bits go --------------------------------------------------------------------------

void set_bits(std::uint8_t& byte, unsigned value, std::size_t at) {
  byte = static_cast<std::uint8_t>(byte | value << at);
}
template <typename Block>
void pack_two_bits(const LevelCodes& codes, Block& block) {
  for (std::size_t e = 0; e < kElements; ++e)
    set_bits(block.qs[32 * (e / 128) + e % 32], codes.q[e] & 3u, 2 * (e / 32 % 4));
}
template <typename Block>
void pack_three_bits(const LevelCodes& codes, Block& block) {
  pack_two_bits(codes, block);
  for (std::size_t e = 0; e < kElements; ++e)
    set_bits(block.qh[e % 32], codes.q[e] >> 2 & 1u, e / 32);
}
void pack_by_sixteen(const LevelCodes& codes, std::size_t n, std::uint8_t* qs) {
  for (std::size_t e = 0; e < n; ++e)
    set_bits(qs[16 * (e / 32) + e % 16], codes.q[e] & 15u, 4 * (e / 16 % 2));
}
template <typename Block>
void pack_by_thirty_two(const LevelCodes& codes, Block& block) {
  for (std::size_t e = 0; e < kElements; ++e)
    set_bits(block.qs[32 * (e / 64) + e % 32], codes.q[e] & 15u, 4 * (e / 32 % 2));
}
template <typename Block>
void pack_five_bits(const LevelCodes& codes, Block& block) {
  pack_by_thirty_two(codes, block);
  for (std::size_t e = 0; e < kElements; ++e)
    set_bits(block.qh[e % 32], codes.q[e] >> 4 & 1u, e / 32);
}
template <typename Block>
void pack_shifts(const LevelCodes& codes, Block& block) {
  for (std::size_t i = 0; i < 16; ++i)
    block.shifts = static_cast<std::uint16_t>(block.shifts | unsigned{codes.shifted[i]} << i);
}
template <typename Block>
void pack_six_bit_scales(const LevelCodes& codes, Block& block) {
  for (std::size_t i = 0; i < 16; ++i) {
    const auto s = static_cast<unsigned>(codes.scales[i] + 32);
    set_bits(block.scales_low[i / 2], s & 15, 4 * (i % 2));
    set_bits(block.scales_high[i / 4], s >> 4, 2 * (i % 4));
  }
}
void pack_byte_scales(const LevelCodes& codes, std::uint8_t (&scales)[8]) {
  for (std::size_t i = 0; i < 8; ++i)
    scales[i] = static_cast<std::uint8_t>((codes.scales[i] + 127) | int{codes.shifted[i]});
}
void set_bit(std::uint16_t& word, bool value, std::size_t at) {
  word = static_cast<std::uint16_t>(word | unsigned{value} << at);
}

}  // namespace

// --- Blocks -------------------------------------------------------------------------------------

void encode_block(const float* in, const float* importance, BlockQ2_0& block) {
  constexpr LevelFormat kFormat = {kQ2, 1, 64, {1, 1, 1}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, 64, codes);
  for (std::size_t e = 0; e < 64; ++e) set_bits(block.qs[e / 4], codes.q[e], 2 * (e % 4));
}

void encode_block(const float* in, const float* importance, BlockIQ4_NL& block) {
  // One group, one scale: the integer is always one.
  constexpr LevelFormat kFormat = {kIQ4, 1, 32, {1, 1, 1}};
  LevelCodes codes;
  block = {.d = encode_levels(kFormat, in, importance, 32, codes), .qs = {}};
  pack_by_sixteen(codes, 32, block.qs);
}

void encode_block(const float* in, const float* importance, BlockIQ4_XS& block) {
  constexpr LevelFormat kFormat = {kIQ4, 1, 32, {-32, 31, 1}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, kElements, codes);
  if (block.d == 0) return;
  pack_by_sixteen(codes, kElements, block.qs);
  for (std::size_t i = 0; i < 8; ++i) {
    const auto s = static_cast<unsigned>(codes.scales[i] + 32);
    set_bits(block.scales_low[i / 2], s & 15, 4 * (i % 2));
    block.scales_high = static_cast<std::uint16_t>(block.scales_high | s >> 4 << 2 * i);
  }
}

void encode_block(const float* in, const float* importance, BlockIQ2_K& block) {
  constexpr LevelFormat kFormat = {kIQ2, 2, 16, {-8, 7, 1}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, kElements, codes);
  if (block.d == 0) return;
  pack_two_bits(codes, block);
  pack_shifts(codes, block);
  for (std::size_t i = 0; i < 16; ++i)
    set_bits(block.scales[i / 2], static_cast<unsigned>(codes.scales[i] + 8), 4 * (i % 2));
}

void encode_block(const float* in, const float* importance, BlockIQ3_K& block) {
  constexpr LevelFormat kFormat = {kIQ3, 2, 16, {-31, 31, 2}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, kElements, codes);
  if (block.d == 0) return;
  pack_three_bits(codes, block);
  pack_shifts(codes, block);
  for (std::size_t i = 0; i < 16; ++i) {
    const int s = codes.scales[i];
    set_bits(block.scales[i / 2], static_cast<unsigned>((s < 0 ? -s : s) / 2), 4 * (i % 2));
    set_bit(block.signs, s < 0, i);
  }
}

void encode_block(const float* in, const float* importance, BlockIQ4_K& block) {
  constexpr LevelFormat kFormat = {kIQ4, 2, 16, {-32, 31, 1}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, kElements, codes);
  if (block.d == 0) return;
  pack_by_sixteen(codes, kElements, block.qs);
  pack_shifts(codes, block);
  pack_six_bit_scales(codes, block);
}

void encode_block(const float* in, const float* importance, BlockIQ5_K& block) {
  constexpr LevelFormat kFormat = {kIQ5, 2, 16, {-32, 31, 1}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, kElements, codes);
  if (block.d == 0) return;
  pack_five_bits(codes, block);
  pack_shifts(codes, block);
  pack_six_bit_scales(codes, block);
}

void encode_block(const float* in, const float* importance, BlockIQ6_K& block) {
  constexpr LevelFormat kFormat = {kIQ6, 2, 16, {-128, 127, 1}};
  LevelCodes codes;
  block = {};
  block.d = encode_levels(kFormat, in, importance, kElements, codes);
  if (block.d == 0) return;
  pack_by_thirty_two(codes, block);
  for (std::size_t e = 0; e < kElements; ++e)
    set_bits(block.qh[32 * (e / 128) + e % 32], codes.q[e] >> 4 & 3u, 2 * (e / 32 % 4));
  pack_shifts(codes, block);
  for (std::size_t i = 0; i < 16; ++i) block.scales[i] = static_cast<std::int8_t>(codes.scales[i]);
}

// --- Rows ---------------------------------------------------------------------------------------

void encode_row(std::span<const float> in, const float* importance, RowScaleF16& header,
                BlockIQ2_KS* blocks) {
  constexpr LevelFormat kFormat = {kIQ2, 2, 32, {-16, 15, 1}};
  encode_level_row(kFormat, in, importance, header, blocks,
                   [](BlockIQ2_KS& block, const LevelCodes& codes) {
                     pack_two_bits(codes, block);
                     for (std::size_t i = 0; i < 8; ++i) {
                       const auto s = static_cast<unsigned>(codes.scales[i] + 16);
                       set_bits(block.scales[i / 2], s & 15, 4 * (i % 2));
                       set_bit(block.extra, (s & 16) != 0, 8 + i);
                       set_bit(block.extra, codes.shifted[i], i);
                     }
                   });
}

void encode_row(std::span<const float> in, const float* importance, RowScaleF16& header,
                BlockIQ3_KS* blocks) {
  constexpr LevelFormat kFormat = {kIQ3, 2, 32, {-16, 15, 1}};
  encode_level_row(kFormat, in, importance, header, blocks,
                   [](BlockIQ3_KS& block, const LevelCodes& codes) {
                     pack_three_bits(codes, block);
                     for (std::size_t i = 0; i < 8; ++i) {
                       const auto s = static_cast<unsigned>(codes.scales[i] + 16);
                       set_bits(block.scales[i % 4], s & 15, 4 * (i / 4));
                       set_bit(block.extra, (s & 16) != 0, i);
                       set_bit(block.extra, codes.shifted[i], 8 + i);
                     }
                   });
}

void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ4_KS* blocks) {
  constexpr LevelFormat kFormat = {kIQ4, 2, 32, kSevenBits};
  encode_level_row(kFormat, in, importance, header, blocks,
                   [](BlockIQ4_KS& block, const LevelCodes& codes) {
                     pack_by_sixteen(codes, kElements, block.qs);
                     pack_byte_scales(codes, block.scales);
                   });
}

void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ4_KSS* blocks) {
  constexpr LevelFormat kFormat = {kIQ4, 2, 32, kSevenBits};
  const auto pack = [](BlockIQ4_KSS& block, const LevelCodes& codes) {
    BlockIQ4_KS plain = {};
    pack_by_sixteen(codes, kElements, plain.qs);
    pack_byte_scales(codes, plain.scales);
    for (std::size_t at = 0; at < 64; ++at) {
      // The word whose own bits, each with the next higher one, give these.
      unsigned word = plain.qs[2 * at] | unsigned{plain.qs[2 * at + 1]} << 8;
      for (const int by : {1, 2, 4, 8}) word ^= word >> by;
      block.words[at] = static_cast<std::uint16_t>(word | (plain.scales[at / 8] >> at % 8 & 1u));
    }
  };
  encode_level_row(kFormat, in, importance, header, blocks, pack, make_even);
}

void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ5_KS* blocks) {
  constexpr LevelFormat kFormat = {kIQ5, 2, 32, kSevenBits};
  encode_level_row(kFormat, in, importance, header, blocks,
                   [](BlockIQ5_KS& block, const LevelCodes& codes) {
                     pack_five_bits(codes, block);
                     pack_byte_scales(codes, block.scales);
                   });
}

}  // namespace bantam
