#include "train/dynamic_code.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/result.h"

namespace bantam {
namespace {

// Magnitudes from 2^-25 to 1 fall into cells by exponent and the first seven bits of the mantissa.
// No cell has two borders between codes in it, so one comparison in the cell finds the code.
constexpr int kCellShift = 16;
constexpr std::uint32_t kFirstCell = std::bit_cast<std::uint32_t>(0x1p-25F) >> kCellShift;
constexpr std::uint32_t kLastCell = std::bit_cast<std::uint32_t>(1.0F) >> kCellShift;

template <int kBits>
struct MagnitudeCode {
  static constexpr std::size_t kCodes = std::size_t{1} << kBits;

  std::array<float, kCodes> values{};
  std::array<float, kCodes + 1> borders{};                       // [c]: from here up it is code c
  std::array<std::uint8_t, kLastCell - kFirstCell + 1> codes{};  // of a cell's smallest magnitude

  constexpr MagnitudeCode() {
    double decade = 1;
    for (int fraction_bits = kBits - 1; fraction_bits >= 0; --fraction_bits, decade /= 10) {
      const std::size_t count = std::size_t{1} << fraction_bits;
      for (std::size_t k = 0; k < count; ++k) {
        const double place = static_cast<double>(k + 1) / static_cast<double>(count);
        values[count + k] = static_cast<float>(decade * (0.1 + 0.9 * place));
      }
    }
    for (std::size_t c = 1; c < kCodes; ++c) borders[c] = (values[c - 1] + values[c]) / 2;
    borders[kCodes] = std::numeric_limits<float>::infinity();
    std::size_t code = 0;
    for (std::uint32_t cell = kFirstCell; cell <= kLastCell; ++cell) {
      const auto smallest = std::bit_cast<float>(cell << kCellShift);
      while (borders[code + 1] <= smallest) ++code;
      codes[cell - kFirstCell] = static_cast<std::uint8_t>(code);
    }
  }

  // x is in [0, 1].
  std::uint32_t code_of(float x) const {
    const std::uint32_t cell = std::bit_cast<std::uint32_t>(x) >> kCellShift;
    const std::uint32_t code = codes[cell < kFirstCell ? 0 : cell - kFirstCell];
    return code + (x >= borders[code + 1] ? 1U : 0U);
  }
};

constexpr MagnitudeCode<7> kSignedCode;
constexpr MagnitudeCode<8> kUnsignedCode;
constexpr std::uint32_t kSignBit = 0x80;

// What is not a number becomes 1, so that it has a cell.
float bounded(float x) { return x < 1 ? x : 1.0F; }

}  // namespace

float dynamic_value(DynamicSign sign, std::uint8_t code) {
  if (sign == DynamicSign::kUnsigned) return kUnsignedCode.values[code];
  const float magnitude = kSignedCode.values[code & ~kSignBit];
  return (code & kSignBit) != 0 ? -magnitude : magnitude;
}

float encode_dynamic(DynamicSign sign, std::span<const float> values, std::uint8_t* codes) {
  CHECK(values.size() <= kDynamicBlock);
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  if (!(largest > 0)) {
    std::fill_n(codes, values.size(), std::uint8_t{0});
    return 0;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float magnitude = bounded(std::abs(values[i]) / largest);
    std::uint32_t code = 0;
    if (sign == DynamicSign::kUnsigned) {
      code = kUnsignedCode.code_of(magnitude);
      if (code == 0 && values[i] > 0) code = 1;
    } else {
      code = kSignedCode.code_of(magnitude);
      if (code != 0 && values[i] < 0) code |= kSignBit;
    }
    codes[i] = static_cast<std::uint8_t>(code);
  }
  return largest;
}

void decode_dynamic(DynamicSign sign, float largest, std::span<const std::uint8_t> codes,
                    float* values) {
  for (std::size_t i = 0; i < codes.size(); ++i)
    values[i] = largest * dynamic_value(sign, codes[i]);
}

}  // namespace bantam
