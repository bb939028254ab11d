// Decoders of the formats with one scale a block: integers, levels and small floats times d.
#include "codec/blocks.h"

namespace bantam {
namespace {

// Calls visit(e, q) for the 32 elements of a block whose four-bit codes lie in Q4_0's order.
template <typename Visit>
void for_each_nibble(const std::uint8_t* qs, Visit visit) {
  for (unsigned l = 0; l < 16; ++l) {
    visit(l, qs[l] & 15u);
    visit(l + 16, unsigned{qs[l]} >> 4);
  }
}

// The same with the fifth bits in `high`.
template <typename Visit>
void for_each_five_bits(const std::uint8_t* qs, std::uint32_t high, Visit visit) {
  for_each_nibble(qs, [&](unsigned e, unsigned q) { visit(e, q | (high >> e & 1) << 4); });
}

float offset_code(unsigned q, int offset) {
  return static_cast<float>(static_cast<int>(q) - offset);
}

}  // namespace

void decode_block(const BlockQ4_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for_each_nibble(block.qs, [=](unsigned e, unsigned q) { out[e] = d * offset_code(q, 8); });
}

void decode_block(const BlockQ4_1& block, float* out) {
  const float d = f16_to_float(block.d), m = f16_to_float(block.m);
  for_each_nibble(block.qs,
                  [=](unsigned e, unsigned q) { out[e] = d * static_cast<float>(q) + m; });
}

void decode_block(const BlockQ5_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for_each_five_bits(block.qs, block.qh,
                     [=](unsigned e, unsigned q) { out[e] = d * offset_code(q, 16); });
}

void decode_block(const BlockQ5_1& block, float* out) {
  const float d = f16_to_float(block.d), m = f16_to_float(block.m);
  for_each_five_bits(block.qs, block.qh,
                     [=](unsigned e, unsigned q) { out[e] = d * static_cast<float>(q) + m; });
}

void decode_block(const BlockQ8_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned e = 0; e < 32; ++e) out[e] = d * block.qs[e];
}

void decode_block(const BlockQ8_1& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned e = 0; e < 32; ++e) out[e] = d * block.qs[e];
}

void decode_block(const BlockQ8_K& block, float* out) {
  const float d = block.d;
  for (unsigned e = 0; e < 256; ++e) out[e] = d * block.qs[e];
}

void decode_block(const BlockQ1_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned e = 0; e < 128; ++e) out[e] = (block.bits[e / 8] >> e % 8 & 1) != 0 ? d : -d;
}

void decode_block(const BlockQ2_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned e = 0; e < 64; ++e)
    out[e] = d * offset_code(block.qs[e / 4] >> 2 * (e % 4) & 3u, 1);
}

void decode_block(const BlockIQ4_NL& block, float* out) {
  const float d = f16_to_float(block.d);
  for_each_nibble(block.qs, [=](unsigned e, unsigned q) { out[e] = d * kIQ4Levels[q]; });
}

void decode_block(const BlockIQ4_XS& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned i = 0; i < 8; ++i) {
    const unsigned low = block.scales_low[i / 2] >> 4 * (i % 2) & 15u;
    const unsigned high = block.scales_high >> 2 * i & 3u;
    const float scale = d * offset_code(low | high << 4, 32);
    float* part = out + 32 * i;
    for_each_nibble(block.qs + 16 * i,
                    [=](unsigned e, unsigned q) { part[e] = scale * kIQ4Levels[q]; });
  }
}

void decode_block(const BlockMXFP4& block, float* out) {
  const float scale = e8m0_half_to_float(block.scale);
  for_each_nibble(block.qs, [=](unsigned e, unsigned q) { out[e] = scale * kE2M1Doubled[q]; });
}

void decode_block(const BlockNVFP4& block, float* out) {
  for (unsigned group = 0; group < 4; ++group) {
    const float scale = 0.5f * ue4m3_to_float(block.scales[group]);
    for (unsigned l = 0; l < 8; ++l) {
      const std::uint8_t byte = block.qs[8 * group + l];
      out[16 * group + l] = scale * kE2M1Doubled[byte & 15u];
      out[16 * group + l + 8] = scale * kE2M1Doubled[byte >> 4];
    }
  }
}

void decode_block(const BlockTQ1_0& block, float* out) {
  const float d = f16_to_float(block.d);
  // Writes trits 0 to `trits` - 1 of `count` bytes, the trit number outermost.
  const auto unpack = [&out, d](const std::uint8_t* bytes, unsigned count, unsigned trits) {
    for (unsigned n = 0, power = 1; n < trits; ++n, power *= 3) {
      for (unsigned m = 0; m < count; ++m) {
        const unsigned fraction = bytes[m] * power & 255;
        *out++ = d * offset_code(fraction * 3 >> 8, 1);
      }
    }
  };
  unpack(block.qs, 32, 5);
  unpack(block.qs + 32, 16, 5);
  unpack(block.qh, 4, 4);
}

void decode_block(const BlockTQ2_0& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned c = 0; c < 2; ++c)
    for (unsigned j = 0; j < 4; ++j)
      for (unsigned l = 0; l < 32; ++l)
        *out++ = d * offset_code(block.qs[32 * c + l] >> 2 * j & 3u, 1);
}

}  // namespace bantam
