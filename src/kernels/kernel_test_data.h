// Random rows, weights and comparisons for the tests of kernels/.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "kernels/kernels.h"
#include "tensor/storage_types.h"
#include "tensor/tensor.h"

namespace bantam {

// Every table that this machine can run; the first is the definition.
inline std::vector<const KernelTable*> all_tables() {
  std::vector<const KernelTable*> tables = {choose_kernels("scalar").value()};
  for (const std::string_view name : available_isas())
    if (name != "scalar") tables.push_back(choose_kernels(name).value());
  return tables;
}

inline std::vector<float> random_floats(Random& random, std::size_t n, double size = 1.0) {
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>(random.next_normal() * size);
  return out;
}

// Where the f16 fields of a block lie; the rest of a block may be any bytes.
inline std::vector<std::size_t> f16_offsets(DType type) {
  switch (type) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kQ8_1:
    case DType::kQ1_0:
    case DType::kQ2_0:
    case DType::kQ6_0:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
    case DType::kIQ2_K:
    case DType::kIQ3_K:
    case DType::kIQ4_K:
    case DType::kIQ5_K:
    case DType::kIQ6_K:
      return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {80, 82};
    case DType::kQ3_K:
      return {108};
    case DType::kQ6_K:
      return {208};
    case DType::kTQ1_0:
      return {52};
    case DType::kTQ2_0:
      return {64};
    default:
      return {};
  }
}

// A weight of random bits with scales of a sensible size.
class RandomWeight {
 public:
  RandomWeight(Random& random, DType type, std::int64_t rows, std::int64_t width) {
    const DTypeInfo& info = dtype_info(type);
    const auto elements = static_cast<std::uint64_t>(width);
    const auto row = static_cast<std::size_t>(row_bytes(type, elements).value());
    bytes_.resize(static_cast<std::size_t>(rows) * row);
    for (std::byte& b : bytes_) b = static_cast<std::byte>(random.next_below(256));
    for (std::size_t first = 0; first < bytes_.size(); first += row) {
      const auto scale = static_cast<float>(0.01 * random.next_normal());
      if (info.row_header_bytes >= 4) put(bytes_.data() + first, scale);
      if (info.row_header_bytes == 2) put(bytes_.data() + first, float_to_f16(scale));
      for (std::size_t at = first + info.row_header_bytes; at < first + row; at += info.block_bytes)
        fix_block(random, type, bytes_.data() + at);
    }
    view_ = {type, Shape{rows, width}, bytes_.data()};
  }
  const TensorView& view() const { return view_; }

 private:
  static void put(std::byte* to, auto value) { std::memcpy(to, &value, sizeof value); }
  static void fix_block(Random& random, DType type, std::byte* block) {
    for (const std::size_t offset : f16_offsets(type))
      put(block + offset, float_to_f16(static_cast<float>(0.01 * random.next_normal())));
    const auto value = static_cast<float>(random.next_normal());
    if (type == DType::kMXFP4) block[0] = static_cast<std::byte>(118 + random.next_below(8));
    if (type == DType::kF32 || type == DType::kQ8_K) put(block, value);
    if (type == DType::kF64) put(block, random.next_normal());
    if (type == DType::kF16) put(block, float_to_f16(value));
    if (type == DType::kBF16) put(block, float_to_bf16(value));
    if (type == DType::kF8E4M3 || type == DType::kF8E5M2)
      block[0] = static_cast<std::byte>(random.next_below(0x70) | random.next_below(2) << 7);
  }

  std::vector<std::byte> bytes_;
  TensorView view_;
};

// Fails naming the first element whose bits differ (NaNs count as equal).
inline void expect_same_bits(std::span<const float> got, std::span<const float> want,
                             const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(got[i]) && std::isnan(want[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << what << ": element " << i << " is " << got[i] << ", not " << want[i];
  }
}

// Fails naming the element that misses its own tolerance by the largest factor.
template <typename Tolerance>
void expect_close(std::span<const float> got, std::span<const double> want,
                  const Tolerance& tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - want[i]);
    const double share = error <= 0 ? 0 : error / tolerance(i);
    if (!(share <= worst)) worst = share, where = i;
  }
  EXPECT_LE(worst, 1) << what << ": element " << where << " of " << got.size() << " is "
                      << got[where] << ", not " << want[where] << " within " << tolerance(where);
}

}  // namespace bantam
