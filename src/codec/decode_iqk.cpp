// Decoders of the formats of ik_llama.cpp: uneven levels under two layers of scales, ternary rows,
// and trellises.
#include "codec/blocks.h"

namespace bantam {
namespace {

// Codes of element e of 256, in the orders that several formats share.
template <typename Block>
unsigned two_bits(const Block& block, unsigned e) {
  return block.qs[32 * (e / 128) + e % 32] >> 2 * (e / 32 % 4) & 3u;
}
template <typename Block>
unsigned three_bits(const Block& block, unsigned e) {
  return two_bits(block, e) | (block.qh[e % 32] >> e / 32 & 1u) << 2;
}
template <typename Block>
unsigned nibble_of_16(const Block& block, unsigned e) {
  return block.qs[16 * (e / 32) + e % 16] >> 4 * (e / 16 % 2) & 15u;
}
template <typename Block>
unsigned nibble_of_32(const Block& block, unsigned e) {
  return block.qs[32 * (e / 64) + e % 32] >> 4 * (e / 32 % 2) & 15u;
}
template <typename Block>
unsigned five_bits(const Block& block, unsigned e) {
  return nibble_of_32(block, e) | (block.qh[e % 32] >> e / 32 & 1u) << 4;
}
template <typename Block>
unsigned six_bits(const Block& block, unsigned e) {
  return nibble_of_32(block, e) | (block.qh[32 * (e / 128) + e % 32] >> 2 * (e / 32 % 4) & 3u) << 4;
}

// Groups of kSize elements: out[e] = d * scale(i) * (level(e) + shift(i)).
template <unsigned kSize, typename Scale, typename Shift, typename Level>
void decode_groups(float d, float* out, Scale scale, Shift shift, Level level) {
  for (unsigned i = 0; i < 256 / kSize; ++i) {
    const float step = d * static_cast<float>(scale(i));
    const auto up = static_cast<float>(shift(i));
    for (unsigned e = i * kSize; e < (i + 1) * kSize; ++e)
      out[e] = step * (static_cast<float>(level(e)) + up);
  }
}

// Sixteens whose shifts are the bits of block.shifts.
template <int kShift, typename Block, typename Scale, typename Level>
void decode_sixteens(const Block& block, float* out, Scale scale, Level level) {
  const auto shift = [&](unsigned i) { return (block.shifts >> i & 1) * kShift; };
  decode_groups<16>(f16_to_float(block.d), out, scale, shift, level);
}

// Thirty-twos with a byte each of seven bits of scale and one of shift.
template <int kShift, typename Level>
void decode_byte_scales(const std::uint8_t* bytes, float d, float* out, Level level) {
  decode_groups<32>(
      d, out, [=](unsigned i) { return (bytes[i] & 254) - 127; },
      [=](unsigned i) { return (bytes[i] & 1) * kShift; }, level);
}

}  // namespace

void decode_block(const BlockQ6_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned e = 0; e < 32; ++e) {
    const unsigned l = e % 16, h = e / 16;
    const unsigned low = block.qs[l] >> 4 * h & 15u;
    const unsigned high = block.qh[l % 8] >> (4 * (l / 8) + 2 * h) & 3u;
    out[e] = d * static_cast<float>(static_cast<int>(low | high << 4) - 32);
  }
}

void decode_block(const BlockIQ1_BN& block, float d, float* out) {
  constexpr unsigned kPowers[5] = {81, 27, 9, 3, 1};
  for (unsigned e = 0; e < 64; ++e) {
    const unsigned g = e / 16, j = e % 16;
    const unsigned fraction =
        j < 15 ? block.qs[3 * g + j / 5] * kPowers[j % 5] & 255 : block.rest * kPowers[g] & 255;
    out[e] = d * static_cast<float>(static_cast<int>(fraction * 3 >> 8) - 1);
  }
}

void decode_block(const BlockIQ2_BN& block, float d, float* out) {
  for (unsigned e = 0; e < 64; ++e)
    out[e] = d * static_cast<float>((block.qs[e % 16] >> 2 * (e / 16) & 3) - 1);
}

void decode_block(const BlockQ8_KV& block, float d, float* out) {
  for (unsigned e = 0; e < 32; ++e) out[e] = d * block.qs[e];
}

void decode_block(const BlockIQ2_K& block, float* out) {
  decode_sixteens<kIQ2Shift>(
      block, out, [&](unsigned i) { return static_cast<int>(nibble_scale(block.scales, i)) - 8; },
      [&](unsigned e) { return kIQ2Levels[two_bits(block, e)]; });
}

void decode_block(const BlockIQ3_K& block, float* out) {
  const auto scale = [&](unsigned i) {
    const int size = static_cast<int>(2 * nibble_scale(block.scales, i) + 1);
    return (block.signs >> i & 1) != 0 ? -size : size;
  };
  decode_sixteens<kIQ3Shift>(block, out, scale,
                             [&](unsigned e) { return kIQ3Levels[three_bits(block, e)]; });
}

void decode_block(const BlockIQ4_K& block, float* out) {
  decode_sixteens<kIQ4Shift>(
      block, out, [&](unsigned i) { return six_bit_scale(block, i); },
      [&](unsigned e) { return kIQ4Levels[nibble_of_16(block, e)]; });
}

void decode_block(const BlockIQ5_K& block, float* out) {
  decode_sixteens<kIQ5Shift>(
      block, out, [&](unsigned i) { return six_bit_scale(block, i); },
      [&](unsigned e) { return kIQ5Levels[five_bits(block, e)]; });
}

void decode_block(const BlockIQ6_K& block, float* out) {
  decode_sixteens<kIQ6Shift>(
      block, out, [&](unsigned i) { return block.scales[i]; },
      [&](unsigned e) { return kIQ6Levels[six_bits(block, e)]; });
}

void decode_block(const BlockIQ2_KS& block, float d, float* out) {
  const auto scale = [&](unsigned i) {
    return static_cast<int>(nibble_scale(block.scales, i) | (block.extra >> (8 + i) & 1u) << 4) -
           16;
  };
  decode_groups<32>(
      d, out, scale, [&](unsigned i) { return (block.extra >> i & 1) * kIQ2Shift; },
      [&](unsigned e) { return kIQ2Levels[two_bits(block, e)]; });
}

void decode_block(const BlockIQ3_KS& block, float d, float* out) {
  const auto scale = [&](unsigned i) {
    const unsigned low = block.scales[i % 4] >> 4 * (i / 4) & 15u;
    return static_cast<int>(low | (block.extra >> i & 1u) << 4) - 16;
  };
  decode_groups<32>(
      d, out, scale, [&](unsigned i) { return (block.extra >> (8 + i) & 1) * kIQ3Shift; },
      [&](unsigned e) { return kIQ3Levels[three_bits(block, e)]; });
}

void decode_block(const BlockIQ4_KS& block, float d, float* out) {
  decode_byte_scales<kIQ4Shift>(block.scales, d, out,
                                [&](unsigned e) { return kIQ4Levels[nibble_of_16(block, e)]; });
}

void decode_block(const BlockIQ4_KSS& block, float d, float* out) {
  BlockIQ4_KS plain = {};
  for (unsigned at = 0; at < 64; ++at) {
    const unsigned word = block.words[at] & 0xFFFEu, codes = word ^ word >> 1;
    plain.scales[at / 8] |= static_cast<std::uint8_t>((block.words[at] & 1) << at % 8);
    plain.qs[2 * at] = static_cast<std::uint8_t>(codes & 255);
    plain.qs[2 * at + 1] = static_cast<std::uint8_t>(codes >> 8);
  }
  decode_block(plain, d, out);
}

void decode_block(const BlockIQ5_KS& block, float d, float* out) {
  decode_byte_scales<kIQ5Shift>(block.scales, d, out,
                                [&](unsigned e) { return kIQ5Levels[five_bits(block, e)]; });
}

// --- Trellises ----------------------------------------------------------------------------------

namespace {

// out[0] to out[n - 1] from one index; weigh(value, l) makes an element of a value.
template <typename Weigh>
void decode_path(std::uint32_t index, unsigned n, float* out, Weigh weigh) {
  std::uint32_t state = index + kTrellisStart;
  for (unsigned l = 0; l < n; ++l) {
    state = next_trellis_state(state);
    out[l] = weigh(trellis_value(state), l);
  }
}

float level_scale(unsigned code) { return kIQ4Levels[code]; }

}  // namespace

void decode_block(const BlockIQ1_KT& block, float d, float* out) {
  for (unsigned g = 0; g < 32; ++g) {
    const unsigned scales = block.scales[g / 4];
    const unsigned high = block.high[g % 16] >> 4 * (g / 16) & 15u;
    const unsigned index = block.low[g] | high << 8 | (scales >> (4 + g % 4) & 1u) << 12;
    const float step = d * level_scale(scales & 15);
    decode_path(index, 8, out + 8 * g,
                [=](int value, unsigned) { return step * static_cast<float>(value); });
  }
}

void decode_block(const BlockIQ2_KT& block, float d, float* out) {
  for (unsigned g = 0; g < 32; ++g) {
    const unsigned i = g / 4;
    const float step = d * level_scale(block.scales[i % 4] >> 4 * (i / 4) & 15u);
    decode_path(block.indices[g], 8, out + 8 * g,
                [=](int value, unsigned) { return step * static_cast<float>(value); });
  }
}

void decode_block(const BlockIQ3_KT& block, float d, float* out) {
  for (unsigned g = 0; g < 32; ++g) {
    const unsigned i = g / 4;
    const float step = d * static_cast<float>(block.scales[i % 4] >> 4 * (i / 4) & 15);
    const std::uint8_t* signs = block.signs + 8 * (g % 4);
    decode_path(block.indices[g], 8, out + 8 * g, [=](int value, unsigned l) {
      const float size = static_cast<float>(value < 0 ? -value : value);
      return step * ((signs[l] >> i & 1) != 0 ? -size : size);
    });
  }
}

void decode_block(const BlockIQ4_KT& block, float d, float* out) {
  for (unsigned g = 0; g < 64; ++g) {
    const std::uint32_t word = block.scales[g / 8];
    const unsigned high = block.high[g % 32] >> 4 * (g / 32) & 15u;
    const unsigned index = block.low[g] | high << 8 | (word >> (8 + 3 * (g % 8)) & 7u) << 12;
    const float step = d * static_cast<float>(static_cast<int>(word >> 1 & 127) - 64);
    decode_path(index + ((word & 1) << 15), 4, out + 4 * g,
                [=](int value, unsigned) { return step * static_cast<float>(value); });
  }
}

}  // namespace bantam
