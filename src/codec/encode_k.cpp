// Encoders of Q4_K, Q5_K and Q6_K.
//
// First every group gets the scale (and minimum) that suits it alone; these are then written as
// small integers times one scale a block, which spoils them a little. What follows wins some of it
// back: each group picks among the neighbouring integers by its true error, and the block scale is
// fitted again to the codes so chosen, until the error no longer falls.
#include <algorithm>
#include <cmath>
#include <limits>

#include "codec/blocks.h"
#include "codec/search.h"

namespace bantam {
namespace {

constexpr std::size_t kElements = 256;
constexpr int kPasses = 3;  // error falls by less than a thousandth after the second

// A block scale as it is stored, so that value / max_code is within reach. Where f16 has few bits
// left it rounds up: a scale a little too large costs little, one too small clips.
std::uint16_t scale_to_f16(float value, float unit, int max_code) {
  const float wanted = value * unit / static_cast<float>(max_code);
  const std::uint16_t bits = saturate_to_f16(wanted);
  const float reach = f16_to_float(bits) * (static_cast<float>(max_code) + 0.5f);
  return std::fabs(reach) < std::fabs(value * unit) && std::fabs(wanted) < kF16Max
             ? static_cast<std::uint16_t>(bits + 1)
             : bits;
}

int nearest_int(float value, CodeRange range) {
  return static_cast<int>(nearest_code(value, range));
}

// --- Q4_K and Q5_K: x ~ d * s * q - dmin * m in eight groups of 32 ------------------------------

constexpr std::size_t kGroups = 8, kGroup = 32;

struct AffineGroup {
  int scale = 0, min = 0;  // 0..63
  float q[kGroup] = {};
  float error = 0;
};

class AffineBlock {
 public:
  AffineBlock(const Scaled& scaled, int top) : scaled_(scaled), top_(top) {}

  void fit();

  std::uint16_t d_bits = 0, dmin_bits = 0;
  AffineGroup groups[kGroups];

 private:
  std::span<const float> x(std::size_t i) const { return {scaled_.x + i * kGroup, kGroup}; }
  std::span<const float> w(std::size_t i) const { return {scaled_.w + i * kGroup, kGroup}; }
  float d() const { return f16_to_float(d_bits) / scaled_.unit; }
  float dmin() const { return f16_to_float(dmin_bits) / scaled_.unit; }

  AffineGroup coded(std::size_t i, int scale, int min) const;
  float choose_codes();
  bool refit_block();

  const Scaled& scaled_;
  const int top_;
};

// Group i with its best codes under integer scales.
AffineGroup AffineBlock::coded(std::size_t i, int scale, int min) const {
  AffineGroup group{.scale = scale, .min = min};
  const float step = d() * static_cast<float>(scale), offset = dmin() * static_cast<float>(min);
  const float inverse = step > 0 ? 1 / step : 0;
  const auto xs = x(i), ws = w(i);
  for (std::size_t l = 0; l < kGroup; ++l)
    group.q[l] = nearest_code((xs[l] + offset) * inverse, {0, top_});
  group.error = lane_sum(kGroup, [&](std::size_t l) {
    const float off = step * group.q[l] - offset - xs[l];
    return ws[l] * off * off;
  });
  return group;
}

// Every group picks among the integers next to its own; the error of the whole block.
float AffineBlock::choose_codes() {
  float error = 0;
  for (std::size_t i = 0; i < kGroups; ++i) {
    const int scale = groups[i].scale, min = groups[i].min;
    AffineGroup best = coded(i, scale, min);
    for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, 63); ++s) {
      for (int m = std::max(min - 1, 0); m <= std::min(min + 1, 63); ++m) {
        const AffineGroup other = coded(i, s, m);
        if (other.error < best.error) best = other;
      }
    }
    groups[i] = best;
    error += best.error;
  }
  return error;
}

// d and dmin by least squares over the codes there are. False if they stay what they were.
bool AffineBlock::refit_block() {
  double uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;  // u = s q, v = -m
  for (std::size_t i = 0; i < kGroups; ++i) {
    const AffineGroup& group = groups[i];
    const auto xs = x(i), ws = w(i);
    const auto q = [&](std::size_t l) { return ws[l] * group.q[l]; };
    const double s = group.scale, v = -group.min;
    uu += s * s * lane_sum(kGroup, [&](std::size_t l) { return q(l) * group.q[l]; });
    uv += s * v * lane_sum(kGroup, q);
    vv += v * v * lane_sum(kGroup, [&](std::size_t l) { return ws[l]; });
    xu += s * lane_sum(kGroup, [&](std::size_t l) { return q(l) * xs[l]; });
    xv += v * lane_sum(kGroup, [&](std::size_t l) { return ws[l] * xs[l]; });
  }
  double step = 0, min = 0;
  const double determinant = uu * vv - uv * uv;
  if (determinant > 1e-9 * uu * vv) {
    step = (xu * vv - xv * uv) / determinant;
    min = (xv * uu - xu * uv) / determinant;
  }
  if (min <= 0) {
    step = uu > 0 ? xu / uu : 0;
    min = 0;
  }
  if (!(step > 0)) return false;
  const std::uint16_t old_d = d_bits, old_dmin = dmin_bits;
  d_bits = saturate_to_f16(static_cast<float>(step) * scaled_.unit);
  if (vv > 0) dmin_bits = saturate_to_f16(static_cast<float>(min) * scaled_.unit);
  return d_bits != old_d || dmin_bits != old_dmin;
}

void AffineBlock::fit() {
  AffineFit fits[kGroups];
  float max_scale = 0, max_min = 0;
  for (std::size_t i = 0; i < kGroups; ++i) {
    fits[i] = search_affine(x(i), w(i), top_, 0);
    max_scale = std::max(max_scale, fits[i].scale);
    max_min = std::max(max_min, -fits[i].offset);
  }
  d_bits = scale_to_f16(max_scale, scaled_.unit, 63);
  dmin_bits = scale_to_f16(max_min, scaled_.unit, 63);
  for (std::size_t i = 0; i < kGroups; ++i) {
    groups[i].scale = d() > 0 ? nearest_int(fits[i].scale / d(), {0, 63}) : 0;
    groups[i].min = dmin() > 0 ? nearest_int(-fits[i].offset / dmin(), {0, 63}) : 0;
  }

  float error = choose_codes();
  for (int pass = 1; pass < kPasses; ++pass) {
    const AffineBlock before = *this;
    if (!refit_block()) return;
    const float now = choose_codes();
    if (!(now < error)) {
      d_bits = before.d_bits;
      dmin_bits = before.dmin_bits;
      std::ranges::copy(before.groups, groups);
      return;
    }
    error = now;
  }
}

void pack_k_scales(const AffineGroup (&groups)[kGroups], std::uint8_t (&packed)[12]) {
  for (std::size_t i = 0; i < 4; ++i) {
    const auto scale = static_cast<unsigned>(groups[i].scale);
    const auto min = static_cast<unsigned>(groups[i].min);
    const auto scale4 = static_cast<unsigned>(groups[i + 4].scale);
    const auto min4 = static_cast<unsigned>(groups[i + 4].min);
    packed[i] = static_cast<std::uint8_t>(scale | scale4 >> 4 << 6);
    packed[i + 4] = static_cast<std::uint8_t>(min | min4 >> 4 << 6);
    packed[i + 8] = static_cast<std::uint8_t>((scale4 & 15) | (min4 & 15) << 4);
  }
}

// Everything but the fifth bits, which the caller keeps.
template <typename Block>
void pack_affine(const AffineBlock& fitted, Block& block, unsigned (&codes)[kElements]) {
  block.d = fitted.d_bits;
  block.dmin = fitted.dmin_bits;
  pack_k_scales(fitted.groups, block.scales);
  for (std::size_t e = 0; e < kElements; ++e)
    codes[e] = static_cast<unsigned>(fitted.groups[e / kGroup].q[e % kGroup]);
  for (std::size_t c = 0; c < 4; ++c)
    for (std::size_t l = 0; l < kGroup; ++l)
      block.qs[32 * c + l] =
          static_cast<std::uint8_t>((codes[64 * c + l] & 15) | (codes[64 * c + 32 + l] & 15) << 4);
}

// --- Q6_K: x ~ d * s * q in sixteen groups of 16 ------------------------------------------------

constexpr std::size_t kSixGroups = 16, kSixGroup = 16;
constexpr CodeRange kSixCodes = {-32, 31}, kSixScales = {-128, 127};

struct SixGroup {
  int scale = 0;
  float q[kSixGroup] = {};
  float error = 0;
};

SixGroup coded_six(const Scaled& scaled, std::size_t i, float d, int scale) {
  SixGroup group{.scale = scale};
  const float step = d * static_cast<float>(scale), inverse = step != 0 ? 1 / step : 0;
  const float *x = scaled.x + i * kSixGroup, *w = scaled.w + i * kSixGroup;
  for (std::size_t l = 0; l < kSixGroup; ++l) group.q[l] = nearest_code(x[l] * inverse, kSixCodes);
  group.error = lane_sum(kSixGroup, [&](std::size_t l) {
    const float off = step * group.q[l] - x[l];
    return w[l] * off * off;
  });
  return group;
}

struct SixBlock {
  std::uint16_t d_bits = 0;
  SixGroup groups[kSixGroups];

  float choose_codes(const Scaled& scaled) {
    const float d = f16_to_float(d_bits) / scaled.unit;
    float error = 0;
    for (std::size_t i = 0; i < kSixGroups; ++i) {
      const int scale = groups[i].scale;
      SixGroup best = coded_six(scaled, i, d, scale);
      for (const int other : {scale - 1, scale + 1}) {
        if (other < kSixScales.low || other > kSixScales.high) continue;
        const SixGroup group = coded_six(scaled, i, d, other);
        if (group.error < best.error) best = group;
      }
      groups[i] = best;
      error += best.error;
    }
    return error;
  }

  bool refit_block(const Scaled& scaled) {
    double uu = 0, xu = 0;  // u = s q
    for (std::size_t i = 0; i < kSixGroups; ++i) {
      const float *x = scaled.x + i * kSixGroup, *w = scaled.w + i * kSixGroup;
      const SixGroup& group = groups[i];
      const auto wq = [&](std::size_t l) { return w[l] * group.q[l]; };
      const double s = group.scale;
      uu += s * s * lane_sum(kSixGroup, [&](std::size_t l) { return wq(l) * group.q[l]; });
      xu += s * lane_sum(kSixGroup, [&](std::size_t l) { return wq(l) * x[l]; });
    }
    if (!(uu > 0)) return false;
    const std::uint16_t old = d_bits;
    d_bits = saturate_to_f16(static_cast<float>(xu / uu) * scaled.unit);
    return d_bits != old;
  }
};

SixBlock fit_six(const Scaled& scaled) {
  SixBlock block;
  float scales[kSixGroups], largest = 0;
  for (std::size_t i = 0; i < kSixGroups; ++i) {
    scales[i] = search_scale({scaled.x + i * kSixGroup, kSixGroup},
                             {scaled.w + i * kSixGroup, kSixGroup}, kSixCodes);
    if (std::fabs(scales[i]) > std::fabs(largest)) largest = scales[i];
  }
  block.d_bits = scale_to_f16(-largest, scaled.unit, -kSixScales.low);
  const float d = f16_to_float(block.d_bits) / scaled.unit;
  for (std::size_t i = 0; i < kSixGroups; ++i)
    block.groups[i].scale = d != 0 ? nearest_int(scales[i] / d, kSixScales) : 0;

  float error = block.choose_codes(scaled);
  for (int pass = 1; pass < kPasses; ++pass) {
    SixBlock next = block;
    if (!next.refit_block(scaled)) break;
    const float now = next.choose_codes(scaled);
    if (!(now < error)) break;
    block = next;
    error = now;
  }
  return block;
}

}  // namespace

void encode_block(const float* in, const float* importance, BlockQ4_K& block) {
  block = {};
  const Scaled scaled(in, importance, kElements, kGroup);
  if (scaled.zero) return;
  AffineBlock fitted(scaled, 15);
  fitted.fit();
  unsigned codes[kElements];
  pack_affine(fitted, block, codes);
}

void encode_block(const float* in, const float* importance, BlockQ5_K& block) {
  block = {};
  const Scaled scaled(in, importance, kElements, kGroup);
  if (scaled.zero) return;
  AffineBlock fitted(scaled, 31);
  fitted.fit();
  unsigned codes[kElements];
  pack_affine(fitted, block, codes);
  for (std::size_t e = 0; e < kElements; ++e)
    block.qh[e % 32] = static_cast<std::uint8_t>(block.qh[e % 32] | (codes[e] >> 4) << e / 32);
}

void encode_block(const float* in, const float* importance, BlockQ6_K& block) {
  block = {};
  const Scaled scaled(in, importance, kElements, kSixGroup);
  if (scaled.zero) return;
  const SixBlock fitted = fit_six(scaled);
  block.d = fitted.d_bits;
  for (std::size_t i = 0; i < kSixGroups; ++i)
    block.scales[i] = static_cast<std::int8_t>(fitted.groups[i].scale);
  for (std::size_t e = 0; e < kElements; ++e) {
    const float code = fitted.groups[e / kSixGroup].q[e % kSixGroup];
    const auto q = static_cast<unsigned>(static_cast<int>(code) + 32);
    const std::size_t n = e / 128, k = e % 128 / 32, l = e % 32;
    std::uint8_t& low = block.ql[64 * n + 32 * (k % 2) + l];
    std::uint8_t& high = block.qh[32 * n + l];
    low = static_cast<std::uint8_t>(low | (q & 15) << 4 * (k / 2));
    high = static_cast<std::uint8_t>(high | q >> 4 << 2 * k);
  }
}

}  // namespace bantam
