// Encoders of the formats with one scale a block of 32.
//
// Without importance they are the reference quantizer of these formats, bit for bit: the scale
// follows from the extremes alone, so everybody's converter writes the same file. With importance
// the scale is searched for.
#include <algorithm>
#include <cmath>
#include <limits>

#include "codec/blocks.h"
#include "codec/search.h"

namespace bantam {
namespace {

constexpr std::size_t kElements = 32;

// x ~ d * q + m with d and m as they are stored.
struct Line {
  std::uint16_t d_bits = 0, m_bits = 0;
  float inverse = 0;  // codes are (x - shift) * inverse, rounded
  float shift = 0;
};

// What a finite x is divided by: the exact scale as the reference does, but the stored one where
// that is held back by the range of f16, and nothing where it vanishes.
float inverse_of(float d, std::uint16_t d_bits) {
  if (std::fabs(d) > kF16Max) return 1 / f16_to_float(d_bits);
  return d != 0 ? 1 / d : 0;
}

// The value of largest magnitude, the first of several, with its sign.
float signed_extreme(const float* x) {
  float extreme = 0;
  for (std::size_t i = 0; i < kElements; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  return extreme;
}

Line symmetric_line(const float* x, const float* importance, CodeRange range) {
  float d = signed_extreme(x) / static_cast<float>(range.low);
  if (importance == nullptr) {
    const std::uint16_t bits = saturate_to_f16(d);
    return {bits, 0, inverse_of(d, bits), 0};
  }
  const Scaled scaled(x, importance, kElements, kElements);
  d = scaled.zero ? 0
                  : search_scale({scaled.x, kElements}, {scaled.w, kElements}, range) * scaled.unit;
  const std::uint16_t bits = saturate_to_f16(d);
  return {bits, 0, inverse_of(f16_to_float(bits), bits), 0};
}

Line affine_line(const float* x, const float* importance, int top) {
  const auto [low, high] = std::minmax_element(x, x + kElements);
  float d = (*high - *low) / static_cast<float>(top), m = *low;
  const Scaled scaled(x, importance, kElements, kElements);
  if (importance == nullptr || scaled.zero) {
    const std::uint16_t d_bits = saturate_to_f16(d), m_bits = saturate_to_f16(m);
    return {d_bits, m_bits, inverse_of(d, d_bits), std::clamp(m, -kF16Max, kF16Max)};
  }
  const AffineFit fit = search_affine({scaled.x, kElements}, {scaled.w, kElements}, top,
                                      std::numeric_limits<float>::infinity());
  d = fit.scale * scaled.unit;
  m = fit.offset * scaled.unit;
  const std::uint16_t d_bits = saturate_to_f16(d), m_bits = saturate_to_f16(m);
  return {d_bits, m_bits, inverse_of(f16_to_float(d_bits), d_bits), f16_to_float(m_bits)};
}

// The reference rounds halves up, by cutting off after adding one half to a value that is not
// negative: q + bias is what is stored.
unsigned round_up_code(float value, int bias, int high) {
  const float shifted = value + (static_cast<float>(bias) + 0.5f);
  const float top = static_cast<float>(high);
  return static_cast<unsigned>(shifted > 0 ? (shifted < top ? shifted : top) : 0);
}

template <typename Block>
void pack_nibbles(const unsigned (&codes)[kElements], Block& block) {
  for (std::size_t l = 0; l < 16; ++l)
    block.qs[l] = static_cast<std::uint8_t>((codes[l] & 15) | (codes[l + 16] & 15) << 4);
}

template <typename Block>
void pack_high_bits(const unsigned (&codes)[kElements], Block& block) {
  std::uint32_t high = 0;
  for (std::size_t e = 0; e < kElements; ++e) high |= (codes[e] >> 4) << e;
  block.qh = high;
}

void find_codes(const float* x, const Line& line, int bias, int high,
                unsigned (&codes)[kElements]) {
  for (std::size_t e = 0; e < kElements; ++e)
    codes[e] = round_up_code((x[e] - line.shift) * line.inverse, bias, high);
}

}  // namespace

void encode_block(const float* in, const float* importance, BlockQ4_0& block) {
  const Line line = symmetric_line(in, importance, {-8, 7});
  unsigned codes[kElements];
  find_codes(in, line, 8, 15, codes);
  block.d = line.d_bits;
  pack_nibbles(codes, block);
}

void encode_block(const float* in, const float* importance, BlockQ5_0& block) {
  const Line line = symmetric_line(in, importance, {-16, 15});
  unsigned codes[kElements];
  find_codes(in, line, 16, 31, codes);
  block.d = line.d_bits;
  pack_nibbles(codes, block);
  pack_high_bits(codes, block);
}

void encode_block(const float* in, const float* importance, BlockQ6_0& block) {
  const Line line = symmetric_line(in, importance, {-32, 31});
  unsigned codes[kElements];
  find_codes(in, line, 32, 63, codes);
  block = {};
  block.d = line.d_bits;
  pack_nibbles(codes, block);
  for (std::size_t e = 0; e < kElements; ++e) {
    const std::size_t at = 4 * (e / 8 % 2) + 2 * (e / 16);
    block.qh[e % 8] = static_cast<std::uint8_t>(block.qh[e % 8] | codes[e] >> 4 << at);
  }
}

void encode_block(const float* in, const float* importance, BlockQ4_1& block) {
  const Line line = affine_line(in, importance, 15);
  unsigned codes[kElements];
  find_codes(in, line, 0, 15, codes);
  block.d = line.d_bits;
  block.m = line.m_bits;
  pack_nibbles(codes, block);
}

void encode_block(const float* in, const float* importance, BlockQ5_1& block) {
  const Line line = affine_line(in, importance, 31);
  unsigned codes[kElements];
  find_codes(in, line, 0, 31, codes);
  block.d = line.d_bits;
  block.m = line.m_bits;
  pack_nibbles(codes, block);
  pack_high_bits(codes, block);
}

void encode_block(const float* in, const float* importance, BlockQ8_0& block) {
  Line line;
  if (importance == nullptr) {
    const float d = std::fabs(signed_extreme(in)) / 127;
    line.d_bits = saturate_to_f16(d);
    line.inverse = inverse_of(d, line.d_bits);
  } else {
    line = symmetric_line(in, importance, {-127, 127});
  }
  block.d = line.d_bits;
  for (std::size_t e = 0; e < kElements; ++e) {
    const float value = in[e] * line.inverse;
    const float size = std::fabs(value) < 127.0f ? std::fabs(value) : 127.0f;
    // Halves away from zero, as the reference has it.
    const int whole = static_cast<int>(size);
    const int code = whole + (size - static_cast<float>(whole) >= 0.5f);
    block.qs[e] = static_cast<std::int8_t>(value < 0 ? -code : code);
  }
}

}  // namespace bantam
