#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/result.h"

namespace bantam {
namespace {

double plain_frequency(double base, std::int64_t pair, std::int64_t width) {
  return std::pow(base, -2.0 * static_cast<double>(pair) / static_cast<double>(width));
}

// The pair index whose wavelength turns `turns` times in `context` tokens.
double pair_of_turns(double turns, const RopeSpec& spec) {
  const auto context = static_cast<double>(spec.original_context);
  return static_cast<double>(spec.width) * std::log(context / (turns * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(spec.base));
}

// Share of the unstretched frequency that YaRN keeps for `pair`: 1 for fast ones, 0 for slow ones.
double yarn_share(const RopeSpec& spec, std::int64_t pair) {
  const double last = static_cast<double>(spec.width) - 1.0;
  const double low = std::max(0.0, std::floor(pair_of_turns(spec.beta_fast, spec)));
  const double high = std::min(last, std::ceil(pair_of_turns(spec.beta_slow, spec)));
  const double ramp = (static_cast<double>(pair) - low) / std::max(0.001, high - low);
  return 1.0 - std::clamp(ramp, 0.0, 1.0);
}

}  // namespace

std::vector<float> llama3_rope_divisors(std::int64_t width, double base, double factor, double low,
                                        double high, double original_context) {
  std::vector<float> divisors;
  for (std::int64_t pair = 0; pair < width / 2; ++pair) {
    const double wavelength = 2.0 * std::numbers::pi / plain_frequency(base, pair, width);
    const double turns = original_context / wavelength;
    double divisor = 1.0;
    if (turns < low) {
      divisor = factor;
    } else if (turns < high) {
      const double smooth = (turns - low) / (high - low);
      divisor = 1.0 / ((1.0 - smooth) / factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

RopeTable::RopeTable(const RopeSpec& spec) : spec_(spec) {
  CHECK(spec.width > 0 && spec.width % 2 == 0, "rotary width {}", spec.width);
  CHECK(spec.divisors.empty() || spec.divisors.size() == static_cast<std::size_t>(spec.width / 2));
  for (std::int64_t pair = 0; pair < spec.width / 2; ++pair) {
    double frequency = plain_frequency(spec.base, pair, spec.width);
    if (!spec.divisors.empty()) frequency /= spec.divisors[static_cast<std::size_t>(pair)];
    if (spec.scaling == RopeScaling::kLinear) frequency /= spec.factor;
    if (spec.scaling == RopeScaling::kYarn) {
      const double share = yarn_share(spec, pair);
      frequency = frequency * share + frequency / spec.factor * (1.0 - share);
    }
    frequencies_.push_back(frequency);
  }
  if (spec.scaling == RopeScaling::kYarn) {
    magnitude_ = spec.attention_factor > 0 ? spec.attention_factor
                                           : 1.0 + 0.1 * std::log(std::max(1.0, spec.factor));
  }
}

void RopeTable::angles(std::int64_t position, std::span<float> cosines,
                       std::span<float> sines) const {
  for (std::size_t pair = 0; pair < frequencies_.size(); ++pair) {
    const double angle = static_cast<double>(position) * frequencies_[pair];
    cosines[pair] = static_cast<float>(std::cos(angle) * magnitude_);
    sines[pair] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace bantam
