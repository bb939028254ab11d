#include "codec/search.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

namespace bantam {
namespace {

constexpr float kStep = 0.1f;  // between candidates, in codes

// Weighted sums over the codes q of x, which are x * inverse rounded.
struct Moments {
  double q = 0, qq = 0, xq = 0;
};

Moments moments_of(std::span<const float> x, std::span<const float> w, float inverse,
                   CodeRange range) {
  Lanes q_sum = Lanes::all(0), qq_sum = q_sum, xq_sum = q_sum;
  for (std::size_t i = 0; i < x.size(); i += 8) {
    const Lanes xs = Lanes::load(&x[i]);
    const Lanes q = nearest_codes(xs * Lanes::all(inverse), range);
    const Lanes wq = Lanes::load(&w[i]) * q;
    q_sum = q_sum + wq;
    qq_sum = qq_sum + wq * q;
    xq_sum = xq_sum + wq * xs;
  }
  return {q_sum.sum(), qq_sum.sum(), xq_sum.sum()};
}

// Weighted sums over x alone.
struct Totals {
  double w = 0, x = 0, xx = 0;
};

// The line that fits the codes best, by least squares; with the offset held where it goes too far.
struct Line {
  double scale = 0, offset = 0;
};
Line fit_line(const Moments& m, const Totals& t, double offset_limit) {
  const double determinant = t.w * m.qq - m.q * m.q;
  if (determinant > 0) {
    const double offset = (m.qq * t.x - m.q * m.xq) / determinant;
    if (offset <= offset_limit) return {(t.w * m.xq - t.x * m.q) / determinant, offset};
  }
  if (!(m.qq > 0) || !std::isfinite(offset_limit)) return {};
  return {(m.xq - offset_limit * m.q) / m.qq, offset_limit};
}

double error_of(const Line& line, const Moments& m, const Totals& t) {
  return t.xx - 2 * (line.scale * m.xq + line.offset * t.x) + line.scale * line.scale * m.qq +
         2 * line.scale * line.offset * m.q + line.offset * line.offset * t.w;
}

}  // namespace

float search_scale(std::span<const float> x, std::span<const float> w, CodeRange range) {
  float largest = 0;
  for (const float value : x)
    if (std::fabs(value) > std::fabs(largest)) largest = value;
  if (largest == 0) return 0;

  double best_scale = 0, best_gain = -1;
  const auto consider = [&](float inverse) {
    const Moments m = moments_of(x, w, inverse, range);
    // With the best d for these codes the error is sum(w x^2) - xq^2 / qq.
    if (m.qq > 0 && m.xq * m.xq > best_gain * m.qq) {
      best_gain = m.xq * m.xq / m.qq;
      best_scale = m.xq / m.qq;
    }
  };
  for (int k = -9; k <= 9; ++k)
    consider((static_cast<float>(range.low) + kStep * static_cast<float>(k)) / largest);
  return static_cast<float>(best_scale);
}

AffineFit search_affine(std::span<const float> x, std::span<const float> w, int top,
                        float offset_limit) {
  const auto [least, most] = std::ranges::minmax(x);
  const float low = std::min(least, offset_limit);
  if (!(most > low)) return {0, low};

  // Seen from `low`, so that a large common offset drowns nothing.
  float above_low[256];
  const std::span<float> up(above_low, x.size());
  for (std::size_t i = 0; i < x.size(); ++i) up[i] = x[i] - low;
  const auto at = [](std::span<const float> values, std::size_t i) {
    return Lanes::load(&values[i]);
  };
  const std::size_t n = x.size();
  const Totals totals = {
      .w = lane_sum(n, [&](std::size_t i) { return at(w, i); }),
      .x = lane_sum(n, [&](std::size_t i) { return at(w, i) * at(up, i); }),
      .xx = lane_sum(n, [&](std::size_t i) { return at(w, i) * at(up, i) * at(up, i); })};

  Line best = {static_cast<double>(most - low) / top, 0};
  double best_error = std::numeric_limits<double>::max();
  const auto consider = [&](float inverse) {
    const Moments m = moments_of(up, w, inverse, {0, top});
    const Line line = fit_line(m, totals, static_cast<double>(offset_limit) - low);
    const double error = error_of(line, m, totals);
    if (error < best_error && line.scale > 0) {
      best_error = error;
      best = line;
    }
  };
  for (int k = -10; k <= 10; ++k)
    consider((static_cast<float>(top) + kStep * static_cast<float>(k)) / (most - low));
  return {static_cast<float>(best.scale), static_cast<float>(best.offset + low)};
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
    const float squares = lane_sum(
        group, [part](std::size_t i) { return Lanes::load(part + i) * Lanes::load(part + i); });
    const float typical = std::sqrt(squares / static_cast<float>(group));
    for (std::size_t i = 0; i < group; ++i) w[begin + i] = typical + std::fabs(part[i]);
  }
}

}  // namespace bantam
