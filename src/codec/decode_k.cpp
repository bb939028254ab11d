// Decoders of the K formats: 256 elements in 8 or 16 groups, each with a small integer scale.
#include "codec/blocks.h"

namespace bantam {
namespace {

// d * s * q - dmin * m for one group of 32 in Q4_K and Q5_K.
struct Line {
  float scale, min;
  float operator()(unsigned q) const { return scale * static_cast<float>(q) - min; }
};

template <typename Block>
Line group_line(const Block& block, unsigned i) {
  const KScale k = unpack_k_scale(block.scales, static_cast<int>(i));
  return {f16_to_float(block.d) * k.scale, f16_to_float(block.dmin) * k.min};
}

}  // namespace

void decode_block(const BlockQ2_K& block, float* out) {
  const float d = f16_to_float(block.d), dmin = f16_to_float(block.dmin);
  for (unsigned i = 0; i < 16; ++i) {
    const Line line = {d * static_cast<float>(block.scales[i] & 15),
                       dmin * static_cast<float>(block.scales[i] >> 4)};
    const std::uint8_t* qs = block.qs + 32 * (i / 8) + 16 * (i % 2);
    for (unsigned l = 0; l < 16; ++l) *out++ = line(qs[l] >> 2 * (i % 8 / 2) & 3u);
  }
}

void decode_block(const BlockQ3_K& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned low = block.scales[i % 8] >> 4 * (i / 8) & 15u;
    const unsigned high = block.scales[8 + i % 4] >> 2 * (i / 4) & 3u;
    const float scale = d * static_cast<float>(static_cast<int>(low | high << 4) - 32);
    const unsigned half = 16 * (i % 2), n = i / 8, j = i % 8 / 2;
    for (unsigned l = half; l < half + 16; ++l) {
      const unsigned q = (block.qs[32 * n + l] >> 2 * j & 3u) | (block.hmask[l] >> (4 * n + j) & 1u)
                                                                    << 2;
      *out++ = scale * static_cast<float>(static_cast<int>(q) - 4);
    }
  }
}

void decode_block(const BlockQ4_K& block, float* out) {
  for (unsigned i = 0; i < 8; ++i) {
    const Line line = group_line(block, i);
    const std::uint8_t* qs = block.qs + 32 * (i / 2);
    for (unsigned l = 0; l < 32; ++l) *out++ = line(qs[l] >> 4 * (i % 2) & 15u);
  }
}

void decode_block(const BlockQ5_K& block, float* out) {
  for (unsigned i = 0; i < 8; ++i) {
    const Line line = group_line(block, i);
    const std::uint8_t* qs = block.qs + 32 * (i / 2);
    for (unsigned l = 0; l < 32; ++l)
      *out++ = line((qs[l] >> 4 * (i % 2) & 15u) | (block.qh[l] >> i & 1u) << 4);
  }
}

void decode_block(const BlockQ6_K& block, float* out) {
  const float d = f16_to_float(block.d);
  for (unsigned i = 0; i < 16; ++i) {
    const float scale = d * block.scales[i];
    const unsigned half = 16 * (i % 2), n = i / 8, k = i % 8 / 2;
    const std::uint8_t* ql = block.ql + 64 * n + 32 * (k % 2);
    const std::uint8_t* qh = block.qh + 32 * n;
    for (unsigned l = half; l < half + 16; ++l) {
      const unsigned q = (ql[l] >> 4 * (k / 2) & 15u) | (qh[l] >> 2 * k & 3u) << 4;
      *out++ = scale * static_cast<float>(static_cast<int>(q) - 32);
    }
  }
}

}  // namespace bantam
