// Encoders of Q4_K, Q5_K and Q6_K.
//
// First every group gets the scale (and minimum) that suits it alone; these are then written as
// small integers times one scale a block, which spoils them a little. Codes are chosen under the
// scales as they are stored. In Q4_K and Q5_K, whose integers are coarse, each group then picks
// among the neighbouring ones by its true error, and the block scales are fitted once more to the
// codes so chosen: together some two per cent of the error. In Q6_K that would gain a thousandth.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "codec/blocks.h"
#include "codec/search.h"

namespace bantam {
namespace {

constexpr std::size_t kElements = 256;

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
  return static_cast<int>(nearest_codes(Lanes::all(value), range).a[0]);
}

float inverse_or_zero(float step) { return step != 0 ? 1 / step : 0; }

// --- Q4_K and Q5_K: x ~ d * s * q - dmin * m in eight groups of 32 ------------------------------

constexpr std::size_t kGroups = 8, kGroup = 32;

struct AffineGroup {
  int scale = 0, min = 0;  // 0..63
};

class AffineBlock {
 public:
  AffineBlock(const Scaled& scaled, int top) : scaled_(scaled), top_(top) {}

  void fit();
  void write_codes(float (&codes)[kElements]) const;

  std::uint16_t d_bits = 0, dmin_bits = 0;
  AffineGroup groups[kGroups];

 private:
  const float* x(std::size_t i) const { return scaled_.x + i * kGroup; }
  const float* w(std::size_t i) const { return scaled_.w + i * kGroup; }
  float d() const { return f16_to_float(d_bits) / scaled_.unit; }
  float dmin() const { return f16_to_float(dmin_bits) / scaled_.unit; }

  float error_of(std::size_t i, AffineGroup group) const;
  float choose_groups();
  bool refit_block();

  const Scaled& scaled_;
  const int top_;
};

// The error of group i under integer scales.
float AffineBlock::error_of(std::size_t i, AffineGroup group) const {
  const float step = d() * static_cast<float>(group.scale);
  const Lanes steps = Lanes::all(step), inverse = Lanes::all(inverse_or_zero(step));
  const Lanes offset = Lanes::all(dmin() * static_cast<float>(group.min));
  return lane_sum(kGroup, [&](std::size_t l) {
    const Lanes up = Lanes::load(x(i) + l) + offset;
    const Lanes off = steps * nearest_codes(up * inverse, {0, top_}) - up;
    return Lanes::load(w(i) + l) * off * off;
  });
}

void AffineBlock::write_codes(float (&codes)[kElements]) const {
  for (std::size_t i = 0; i < kGroups; ++i) {
    const Lanes inverse = Lanes::all(inverse_or_zero(d() * static_cast<float>(groups[i].scale)));
    const Lanes offset = Lanes::all(dmin() * static_cast<float>(groups[i].min));
    for (std::size_t l = 0; l < kGroup; l += 8)
      nearest_codes((Lanes::load(x(i) + l) + offset) * inverse, {0, top_})
          .store(codes + i * kGroup + l);
  }
}

// Every group picks among the integers next to its own; the error of the whole block.
float AffineBlock::choose_groups() {
  float total = 0;
  for (std::size_t i = 0; i < kGroups; ++i) {
    const AffineGroup own = groups[i];
    float least = error_of(i, own);
    for (int s = std::max(own.scale - 1, 0); s <= std::min(own.scale + 1, 63); ++s) {
      for (int m = std::max(own.min - 1, 0); m <= std::min(own.min + 1, 63); ++m) {
        if (s == own.scale && m == own.min) continue;
        const float error = error_of(i, {s, m});
        if (error < least) {
          least = error;
          groups[i] = {s, m};
        }
      }
    }
    total += least;
  }
  return total;
}

// d and dmin by least squares over the codes there are. False if they stay what they were.
bool AffineBlock::refit_block() {
  float codes[kElements];
  write_codes(codes);
  double uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;  // u = s q, v = -m
  for (std::size_t i = 0; i < kGroups; ++i) {
    const auto q = [&](std::size_t l) { return Lanes::load(codes + i * kGroup + l); };
    const auto xs = [&](std::size_t l) { return Lanes::load(x(i) + l); };
    const auto ws = [&](std::size_t l) { return Lanes::load(w(i) + l); };
    const double s = groups[i].scale, v = -groups[i].min;
    uu += s * s * lane_sum(kGroup, [&](std::size_t l) { return ws(l) * q(l) * q(l); });
    uv += s * v * lane_sum(kGroup, [&](std::size_t l) { return ws(l) * q(l); });
    vv += v * v * lane_sum(kGroup, ws);
    xu += s * lane_sum(kGroup, [&](std::size_t l) { return ws(l) * q(l) * xs(l); });
    xv += v * lane_sum(kGroup, [&](std::size_t l) { return ws(l) * xs(l); });
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
    fits[i] = search_affine({x(i), kGroup}, {w(i), kGroup}, top_, 0);
    max_scale = std::max(max_scale, fits[i].scale);
    max_min = std::max(max_min, -fits[i].offset);
  }
  d_bits = scale_to_f16(max_scale, scaled_.unit, 63);
  dmin_bits = scale_to_f16(max_min, scaled_.unit, 63);
  for (std::size_t i = 0; i < kGroups; ++i) {
    groups[i].scale = nearest_int(fits[i].scale * inverse_or_zero(d()), {0, 63});
    groups[i].min = nearest_int(-fits[i].offset * inverse_or_zero(dmin()), {0, 63});
  }

  const float error = choose_groups();
  const std::uint16_t old_d = d_bits, old_dmin = dmin_bits;
  const auto old_groups = std::to_array(groups);
  if (refit_block() && !(choose_groups() < error)) {
    d_bits = old_d;
    dmin_bits = old_dmin;
    std::ranges::copy(old_groups, groups);
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
  float rounded[kElements];
  fitted.write_codes(rounded);
  for (std::size_t e = 0; e < kElements; ++e) codes[e] = static_cast<unsigned>(rounded[e]);
  for (std::size_t c = 0; c < 4; ++c)
    for (std::size_t l = 0; l < kGroup; ++l)
      block.qs[32 * c + l] =
          static_cast<std::uint8_t>((codes[64 * c + l] & 15) | (codes[64 * c + 32 + l] & 15) << 4);
}

// --- Q6_K: x ~ d * s * q in sixteen groups of 16 ------------------------------------------------

constexpr std::size_t kSixGroups = 16, kSixGroup = 16;
constexpr CodeRange kSixCodes = {-32, 31}, kSixScales = {-128, 127};

struct SixBlock {
  std::uint16_t d_bits = 0;
  int scales[kSixGroups] = {};
  float codes[kElements] = {};

  explicit SixBlock(const Scaled& scaled);
};

SixBlock::SixBlock(const Scaled& scaled) {
  const std::span<const float> x = scaled.x, w = scaled.w;
  float fits[kSixGroups], largest = 0;
  for (std::size_t i = 0; i < kSixGroups; ++i) {
    fits[i] = search_scale(x.subspan(i * kSixGroup, kSixGroup), w.subspan(i * kSixGroup, kSixGroup),
                           kSixCodes);
    if (std::fabs(fits[i]) > std::fabs(largest)) largest = fits[i];
  }
  d_bits = scale_to_f16(-largest, scaled.unit, -kSixScales.low);
  const float d = f16_to_float(d_bits) / scaled.unit;
  for (std::size_t i = 0; i < kSixGroups; ++i) {
    scales[i] = nearest_int(fits[i] * inverse_or_zero(d), kSixScales);
    const Lanes inverse = Lanes::all(inverse_or_zero(d * static_cast<float>(scales[i])));
    for (std::size_t l = i * kSixGroup; l < (i + 1) * kSixGroup; l += 8)
      nearest_codes(Lanes::load(&x[l]) * inverse, kSixCodes).store(codes + l);
  }
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
  const SixBlock fitted(scaled);
  block.d = fitted.d_bits;
  for (std::size_t i = 0; i < kSixGroups; ++i)
    block.scales[i] = static_cast<std::int8_t>(fitted.scales[i]);
  for (std::size_t e = 0; e < kElements; ++e) {
    const auto q = static_cast<unsigned>(static_cast<int>(fitted.codes[e]) + 32);
    const std::size_t n = e / 128, k = e % 128 / 32, l = e % 32;
    std::uint8_t& low = block.ql[64 * n + 32 * (k % 2) + l];
    std::uint8_t& high = block.qh[32 * n + l];
    low = static_cast<std::uint8_t>(low | (q & 15) << 4 * (k / 2));
    high = static_cast<std::uint8_t>(high | q >> 4 << 2 * k);
  }
}

}  // namespace bantam
