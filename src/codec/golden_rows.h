// The rows of golden_test.cpp: random bytes that decode to finite numbers. For tests.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "codec/plain_decoder.h"

namespace bantam {

inline constexpr std::size_t kGoldenRows = 4, kGoldenBlocks = 16;

// Row number `index` of a type: kGoldenBlocks blocks of random bytes. Headers and blocks that hold
// an infinity or no number are drawn again.
inline std::vector<std::byte> golden_row(DType type, std::size_t index) {
  const DTypeInfo& info = dtype_info(type);
  Random random(static_cast<std::uint64_t>(info.gguf_id), index);
  const auto draw = [&](std::byte* at, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) at[i] = static_cast<std::byte>(random.next_below(256));
  };
  const auto finite = [&](const std::vector<std::byte>& row, std::size_t block) {
    for (std::size_t e = 0; e < info.block_elements; ++e) {
      const double value = plain::plain_element(type, row.data(), block * info.block_elements + e);
      if (!std::isfinite(static_cast<float>(value))) return false;
    }
    return true;
  };
  std::vector<std::byte> row(*row_bytes(type, kGoldenBlocks * info.block_elements));
  // A header is good if the first block is; later ones stretch it by a factor of 1e5 at most.
  do {
    draw(row.data(), info.row_header_bytes + info.block_bytes);
  } while (!finite(row, 0) ||
           (info.row_header_bytes >= 4 &&
            !(std::abs(plain::f32(reinterpret_cast<plain::Bytes>(row.data()))) < 1e30)));
  for (std::size_t b = 1; b < kGoldenBlocks; ++b) {
    do {
      draw(row.data() + info.row_header_bytes + b * info.block_bytes, info.block_bytes);
    } while (!finite(row, b));
  }
  return row;
}

// FNV-1a over the bytes of the floats.
inline constexpr std::uint64_t kEmptyHash = 0xCBF29CE484222325u;
inline std::uint64_t hash_of(std::span<const float> values, std::uint64_t hash = kEmptyHash) {
  for (const std::byte byte : std::as_bytes(values))
    hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3u;
  return hash;
}

}  // namespace bantam
