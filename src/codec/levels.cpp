#include "codec/levels.h"

#include <cmath>
#include <limits>

namespace bantam {
namespace {

// Candidates for a group's scale lie around the one that maps its largest magnitude to the
// outermost level on either side. The fewer the levels, the more it pays to clip or to leave room.
constexpr int kCandidates = 6;
constexpr float kStep = 0.05f;

float error_of(const Levels& levels, std::span<const float> x, std::span<const float> w,
               float step) {
  const float inverse = step != 0 ? 1 / step : 0;
  float error = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float off = x[i] - step * levels[levels.code_of(x[i] * inverse)];
    error += w[i] * off * off;
  }
  return error;
}

}  // namespace

int ScaleCodes::nearest(float value) const {
  const auto first = static_cast<float>(low), last = static_cast<float>(high);
  const float held = value > first ? (value < last ? value : last) : first;
  return low + step * static_cast<int>((held - first) / static_cast<float>(step) + 0.5f);
}

GroupFit fit_group(const LevelFormat& format, std::span<const float> x, std::span<const float> w) {
  // The weight of most magnitude, and the one that matters most.
  float largest = 0, heaviest = 0, most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
    if (w[i] * std::fabs(x[i]) > most) {
      most = w[i] * std::fabs(x[i]);
      heaviest = x[i];
    }
  }
  GroupFit best;
  float best_gain = -1;
  const auto consider = [&](int variant, float inverse) {
    const Levels& levels = format.tables[variant];
    float xq = 0, qq = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float q = levels[levels.code_of(x[i] * inverse)];
      xq += w[i] * x[i] * q;
      qq += w[i] * q * q;
    }
    // With the best scale for these codes the error is sum(w x^2) - xq^2 / qq.
    if (qq > 0 && xq * xq > best_gain * qq) {
      best_gain = xq * xq / qq;
      best = {xq / qq, variant == 1};
    }
  };
  for (int variant = 0; variant < format.variants; ++variant) {
    const Levels& levels = format.tables[variant];
    for (const float anchor : {largest, heaviest}) {
      if (anchor == 0) continue;
      for (const float end : {levels.lowest(), levels.highest()})
        for (int k = -kCandidates; k <= kCandidates; ++k)
          consider(variant, end * (1 + kStep * static_cast<float>(k)) / anchor);
      if (heaviest == largest) break;
    }
  }
  return best;
}

float choose_codes(const LevelFormat& format, std::span<const float> x, std::span<const float> w,
                   std::span<const GroupFit> fits, float d, LevelCodes& codes) {
  const ScaleCodes& scales = format.scales;
  float total = 0;
  for (std::size_t i = 0; i < fits.size(); ++i) {
    const auto part = x.subspan(i * format.group, format.group);
    const auto weights = w.subspan(i * format.group, format.group);
    const int middle = scales.nearest(d != 0 ? fits[i].scale / d : 0);
    float least = std::numeric_limits<float>::infinity();
    codes.scales[i] = middle;
    codes.shifted[i] = fits[i].shifted;
    for (int variant = 0; variant < format.variants; ++variant) {
      for (int s = std::max(middle - scales.step, scales.low);
           s <= std::min(middle + scales.step, scales.high); s += scales.step) {
        const float error =
            error_of(format.tables[variant], part, weights, d * static_cast<float>(s));
        if (error < least) {
          least = error;
          codes.scales[i] = s;
          codes.shifted[i] = variant == 1;
        }
      }
    }
    total += least;
    const float step = d * static_cast<float>(codes.scales[i]);
    const float inverse = step != 0 ? 1 / step : 0;
    const Levels& levels = format.tables[codes.shifted[i] ? 1 : 0];
    for (std::size_t l = 0; l < format.group; ++l)
      codes.q[i * format.group + l] = static_cast<std::uint8_t>(levels.code_of(part[l] * inverse));
  }
  return total;
}

float refit_scale(const LevelFormat& format, std::span<const float> x, std::span<const float> w,
                  const LevelCodes& codes) {
  double xv = 0, vv = 0;
  for (std::size_t e = 0; e < x.size(); ++e) {
    const std::size_t i = e / format.group;
    const float value =
        static_cast<float>(codes.scales[i]) * format.tables[codes.shifted[i] ? 1 : 0][codes.q[e]];
    xv += double{w[e]} * double{x[e]} * double{value};
    vv += double{w[e]} * double{value} * double{value};
  }
  return vv > 0 ? static_cast<float>(xv / vv) : 0;
}

}  // namespace bantam
