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

  // x is in [0, 1]. No branches: which code a number takes is as good as random.
  std::uint32_t code_of(float x) const {
    const std::uint32_t cell = std::max(std::bit_cast<std::uint32_t>(x) >> kCellShift, kFirstCell);
    const std::uint32_t code = codes.data()[cell - kFirstCell];
    return code + static_cast<std::uint32_t>(x >= borders.data()[code + 1]);
  }
};

constexpr MagnitudeCode<7> kSignedCode;
constexpr MagnitudeCode<8> kUnsignedCode;
constexpr std::array<float, 256> kSignedValues = [] {
  std::array<float, 256> values{};
  for (std::size_t c = 0; c < 128; ++c) {
    values[c] = kSignedCode.values[c];
    values[128 + c] = -kSignedCode.values[c];
  }
  return values;
}();

const float* values_of(DynamicSign sign) {
  return sign == DynamicSign::kUnsigned ? kUnsignedCode.values.data() : kSignedValues.data();
}

// What is not a number becomes 1, so that it has a cell.
float bounded(float x) { return x < 1 ? x : 1.0F; }

std::uint8_t signed_code(float value, float largest) {
  const std::uint32_t sign = std::bit_cast<std::uint32_t>(value) >> 31;
  return static_cast<std::uint8_t>(kSignedCode.code_of(bounded(std::abs(value) / largest)) |
                                   sign << 7);
}

std::uint8_t unsigned_code(float value, float largest) {
  const std::uint32_t code = kUnsignedCode.code_of(bounded(std::abs(value) / largest));
  return static_cast<std::uint8_t>(std::max(code, static_cast<std::uint32_t>(value > 0)));
}

}  // namespace

float dynamic_value(DynamicSign sign, std::uint8_t code) { return values_of(sign)[code]; }

float encode_dynamic(DynamicSign sign, std::span<const float> values, std::uint8_t* codes) {
  CHECK(values.size() <= kDynamicBlock);
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  if (!(largest > 0)) {
    std::fill_n(codes, values.size(), std::uint8_t{0});
    return 0;
  }
  if (sign == DynamicSign::kUnsigned)
    for (const float value : values) *codes++ = unsigned_code(value, largest);
  else
    for (const float value : values) *codes++ = signed_code(value, largest);
  return largest;
}

void decode_dynamic(DynamicSign sign, float largest, std::span<const std::uint8_t> codes,
                    float* values) {
  const float* const of_code = values_of(sign);
  for (const std::uint8_t code : codes) *values++ = largest * of_code[code];
}

}  // namespace bantam
