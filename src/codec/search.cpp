#include "codec/search.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

namespace bantam {
namespace {

constexpr float kStep = 0.1f;  // between candidates, in codes

// The codes of x under `inverse` = 1 / scale, and what follows from them.
struct Codes {
  float q[256];
  std::size_t n;

  void round(std::span<const float> x, float shift, float inverse, CodeRange range) {
    n = x.size();
    for (std::size_t i = 0; i < n; ++i) q[i] = nearest_code((x[i] - shift) * inverse, range);
  }
  float sum(std::span<const float> w) const {
    return lane_sum(n, [&](std::size_t i) { return w[i] * q[i]; });
  }
  float squares(std::span<const float> w) const {
    return lane_sum(n, [&](std::size_t i) { return w[i] * q[i] * q[i]; });
  }
  float products(std::span<const float> x, std::span<const float> w) const {
    return lane_sum(n, [&](std::size_t i) { return w[i] * x[i] * q[i]; });
  }
};

// The line that fits the codes best. Least squares; with the offset held where it goes too far.
AffineFit fit_line(const Codes& codes, std::span<const float> x, std::span<const float> w,
                   double total_w, double total_x, float offset_limit) {
  const double q = codes.sum(w), qq = codes.squares(w), xq = codes.products(x, w);
  const double determinant = total_w * qq - q * q;
  if (determinant > 0) {
    const double scale = (total_w * xq - total_x * q) / determinant;
    const double offset = (qq * total_x - q * xq) / determinant;
    if (offset <= static_cast<double>(offset_limit))
      return {static_cast<float>(std::max(scale, 0.0)), static_cast<float>(offset)};
  }
  const double held = static_cast<double>(offset_limit);
  if (!(qq > 0) || held > FLT_MAX) return {};
  return {static_cast<float>(std::max((xq - held * q) / qq, 0.0)), offset_limit};
}

}  // namespace

float search_scale(std::span<const float> x, std::span<const float> w, CodeRange range) {
  float largest = 0;
  for (const float value : x)
    if (std::fabs(value) > std::fabs(largest)) largest = value;
  if (largest == 0) return 0;

  Codes codes;
  float best_scale = 0, best_gain = -1;
  const auto consider = [&](float inverse) {
    codes.round(x, 0, inverse, range);
    const float xq = codes.products(x, w), qq = codes.squares(w);
    // With the best d for these codes the error is sum(w x^2) - xq^2 / qq.
    if (qq > 0 && xq * xq > best_gain * qq) {
      best_gain = xq * xq / qq;
      best_scale = xq / qq;
    }
  };
  for (int k = -9; k <= 9; ++k)
    consider((static_cast<float>(range.low) + kStep * static_cast<float>(k)) / largest);
  if (best_scale != 0) consider(1 / best_scale);
  return best_scale;
}

AffineFit search_affine(std::span<const float> x, std::span<const float> w, int top,
                        float offset_limit) {
  const auto [least, most] = std::ranges::minmax(x);
  const float low = std::min(least, offset_limit);
  if (!(most > low)) return {0, low};

  const std::size_t n = x.size();
  const double total_w = lane_sum(n, [&](std::size_t i) { return w[i]; });
  const double total_x = lane_sum(n, [&](std::size_t i) { return w[i] * x[i]; });
  Codes codes;
  AffineFit best = {(most - low) / static_cast<float>(top), low};
  float best_error = std::numeric_limits<float>::max();
  const auto consider = [&](float shift, float inverse) {
    codes.round(x, shift, inverse, {0, top});
    const AffineFit line = fit_line(codes, x, w, total_w, total_x, offset_limit);
    const float error = lane_sum(n, [&](std::size_t i) {
      const float off = line.scale * codes.q[i] + line.offset - x[i];
      return w[i] * off * off;
    });
    if (error < best_error && line.scale > 0) {
      best_error = error;
      best = line;
    }
  };
  for (int k = -10; k <= 10; ++k)
    consider(low, (static_cast<float>(top) + kStep * static_cast<float>(k)) / (most - low));
  for (int k = 0; k < 2; ++k) consider(best.offset, 1 / best.scale);
  return best;
}

Scaled::Scaled(const float* in, const float* importance, std::size_t n, std::size_t group) {
  float largest = 0, heaviest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float size = std::fabs(in[i]);
    if (size > largest) largest = size;
    if (importance != nullptr && importance[i] > heaviest) heaviest = importance[i];
  }
  // Half the smallest f16, and every format's smallest product is one scale.
  zero = largest <= 0x1p-25f;
  if (zero) return;
  int exponent = 0;
  std::frexp(std::min(largest, FLT_MAX), &exponent);
  unit = std::ldexp(1.0f, exponent - 1);
  const float down = std::ldexp(1.0f, 1 - exponent);
  for (std::size_t i = 0; i < n; ++i) x[i] = in[i] * down;

  const bool known = heaviest > 0 && heaviest <= FLT_MAX;
  for (std::size_t begin = 0; begin < n; begin += group) {
    float total = 0;
    for (std::size_t i = begin; i < begin + group; ++i) {
      w[i] = known && importance[i] > 0 ? importance[i] / heaviest : 0;
      total += w[i];
    }
    if (total > 0) continue;
    const float* part = x + begin;
    const float squares = lane_sum(group, [part](std::size_t i) { return part[i] * part[i]; });
    const float typical = std::sqrt(squares / static_cast<float>(group));
    for (std::size_t i = 0; i < group; ++i) w[begin + i] = typical + std::fabs(part[i]);
  }
}

}  // namespace bantam
