// Whether numbers are numbers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bantam {

// Index of the first NaN or infinity. All values have to be read anyway, so that a look for the
// largest exponent, without branches, comes first.
inline std::optional<std::size_t> first_not_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7F80'0000;
  std::uint32_t largest = 0;
  for (const float value : values)
    largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & kExponent);
  if (largest != kExponent) return std::nullopt;
  const auto found = std::ranges::find_if(values, [](float x) { return !std::isfinite(x); });
  return static_cast<std::size_t>(found - values.begin());
}

}  // namespace bantam
