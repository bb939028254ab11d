// The parts that keys and values lie in: how they are packed and unpacked.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/kernel_test_data.h"
#include "kernels/reference.h"

namespace bantam {
namespace {

constexpr std::int64_t kWidths[] = {1, 15, 16, 17, 31, 32, 33, 48, 64, 67, 80, 96, 128, 256};

std::vector<std::byte> pack(const KvFormat& format, KvKind kind, const std::vector<float>& rows,
                            std::int64_t width, const std::vector<std::int64_t>& order) {
  std::vector<std::byte> part(static_cast<std::size_t>(kv_part_bytes(format.type, kind, width)),
                              std::byte{0xFF});
  for (const std::int64_t slot : order) {
    const auto store = kind == KvKind::kKeys ? format.pack_key : format.pack_value;
    store(rows.data() + slot * width, width, slot, part.data());
  }
  return part;
}

std::vector<float> unpack(const KvFormat& format, KvKind kind, const std::vector<std::byte>& part,
                          std::int64_t width) {
  const std::int64_t padded = (width + 15) / 16 * 16;
  std::vector<float> tile(static_cast<std::size_t>(32 * padded), -777.0f);
  (kind == KvKind::kKeys ? format.unpack_keys : format.unpack_values)(part.data(), part.data(),
                                                                      width, tile.data());
  return tile;
}

float element(const std::vector<float>& tile, KvKind kind, std::int64_t width, std::int64_t slot,
              std::int64_t d) {
  const std::int64_t at =
      kind == KvKind::kKeys ? d * 32 + slot : slot * ((width + 15) / 16 * 16) + d;
  return tile[static_cast<std::size_t>(at)];
}

template <typename Body>  // body(kind, width, rows of 32 positions)
void for_each_shape(std::uint64_t seed, const Body& body) {
  Random random(seed);
  for (const KvKind kind : {KvKind::kKeys, KvKind::kValues})
    for (const std::int64_t width : kWidths)
      body(kind, width, random_floats(random, static_cast<std::size_t>(32 * width), 3));
}

std::vector<std::int64_t> in_order() {
  std::vector<std::int64_t> order(32);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST(KvFormats, KeepWhatTheirStepAllows) {
  for_each_shape(1, [](KvKind kind, std::int64_t width, const std::vector<float>& rows) {
    for (const KvFormat& format : choose_kernels("").value()->kv_formats) {
      if (format.type == DType::kQ4_0) continue;  // below
      const auto tile = unpack(format, kind, pack(format, kind, rows, width, in_order()), width);
      for (std::int64_t slot = 0; slot < 32; ++slot) {
        for (std::int64_t d = 0; d < width; ++d) {
          const float* row = rows.data() + slot * width;
          float top = 0;  // of the block of 32
          for (std::int64_t i = d / 32 * 32; i < std::min(width, d / 32 * 32 + 32); ++i)
            top = std::max(top, std::fabs(row[i]));
          const float size = std::fabs(row[d]);
          // Half a unit of the last place, or of the block's step; the scale's own rounding comes
          // on top.
          const float step = format.type == DType::kF32    ? 0
                             : format.type == DType::kF16  ? size * 0x1p-11f
                             : format.type == DType::kBF16 ? size * 0x1p-8f
                                                           : top * (0.5f / 127 + 0x1p-11f);
          ASSERT_NEAR(element(tile, kind, width, slot, d), row[d], step)
              << dtype_info(format.type).name << ", width " << width << ", position " << slot
              << ", element " << d;
        }
      }
    }
  });
}

// Blocks are searched for a scale: none may be worse than the codec's, which takes the first idea.
TEST(KvFormats, FourBitsAreAtLeastAsGoodAsTheCodecs) {
  const Codec& codec = *find_codec(DType::kQ4_0);
  double ours = 0, codecs = 0;
  for_each_shape(5, [&](KvKind kind, std::int64_t width, const std::vector<float>& rows) {
    const auto formats = choose_kernels("").value()->kv_formats;
    const KvFormat& format = *std::ranges::find(formats, DType::kQ4_0, &KvFormat::type);
    const auto tile = unpack(format, kind, pack(format, kind, rows, width, in_order()), width);
    for (std::int64_t slot = 0; slot < 32; ++slot) {
      for (std::int64_t d = 0; d < width; d += 32) {
        std::vector<float> block(32, 0.0f), decoded(32);
        std::copy_n(rows.data() + slot * width + d, std::min<std::int64_t>(32, width - d),
                    block.data());
        std::byte bytes[18];
        codec.encode(block, {}, bytes);
        codec.decode(bytes, decoded);
        double our_error = 0, codecs_error = 0;
        for (std::int64_t i = 0; i < 32 && d + i < width; ++i) {
          const auto at = static_cast<std::size_t>(i);
          const auto exact = static_cast<double>(block[at]);
          our_error +=
              std::pow(static_cast<double>(element(tile, kind, width, slot, d + i)) - exact, 2);
          codecs_error += std::pow(static_cast<double>(decoded[at]) - exact, 2);
        }
        // The codec rounds by the exact scale, this by the stored one.
        ASSERT_LE(our_error, codecs_error * 1.02 + 1e-4) << "width " << width << ", element " << d;
        ours += our_error;
        codecs += codecs_error;
      }
    }
  });
  EXPECT_LE(ours, 0.93 * codecs);
}

// What the best of the scales costs that the largest element may have, found the plain way.
double least_squared_error(const std::vector<float>& block) {
  const float extreme =
      *std::ranges::max_element(block, {}, [](float value) { return std::fabs(value); });
  double least = std::numeric_limits<double>::infinity();
  for (const float becomes : {-8.0f, -8.5f, -9.0f, -9.5f, 7.0f, 7.5f, 8.0f, 8.5f}) {
    const double scale = static_cast<double>(f16_to_float(float_to_f16(extreme / becomes)));
    double error = 0;
    for (const float value : block) {
      const double exact = static_cast<double>(value);
      error += std::pow(std::clamp(std::nearbyint(exact / scale), -8.0, 7.0) * scale - exact, 2);
    }
    least = std::min(least, error);
  }
  return least;
}

TEST(KvFormats, FourBitsTakeTheBestScale) {
  Random random(6);
  const auto formats = choose_kernels("").value()->kv_formats;
  const KvFormat& format = *std::ranges::find(formats, DType::kQ4_0, &KvFormat::type);
  for (int round = 0; round < 20; ++round) {
    const std::vector<float> rows = random_floats(random, 32 * 32, 3);
    const auto tile =
        unpack(format, KvKind::kKeys, pack(format, KvKind::kKeys, rows, 32, in_order()), 32);
    for (std::int64_t slot = 0; slot < 32; ++slot) {
      const std::vector<float> block(rows.begin() + slot * 32, rows.begin() + slot * 32 + 32);
      double error = 0;
      for (std::int64_t d = 0; d < 32; ++d)
        error += std::pow(static_cast<double>(element(tile, KvKind::kKeys, 32, slot, d)) -
                              static_cast<double>(block[static_cast<std::size_t>(d)]),
                          2);
      ASSERT_LE(error, least_squared_error(block) * (1 + 1e-5)) << round << ", " << slot;
    }
  }
}

TEST(KvFormats, SameBytesAndFloatsForEveryIsa) {
  for_each_shape(2, [](KvKind kind, std::int64_t width, std::vector<float> rows) {
    rows[rows.size() / 2] = std::numeric_limits<float>::infinity();
    rows[rows.size() / 3] = std::numeric_limits<float>::quiet_NaN();
    rows[rows.size() / 5] = 1e-42f;
    rows[rows.size() / 7] = std::numeric_limits<float>::max();
    const auto tables = all_tables();
    for (const KvFormat& format : tables[0]->kv_formats) {
      const auto part = pack(format, kind, rows, width, in_order());
      const auto tile = unpack(format, kind, part, width);
      for (const KernelTable* kernels : tables) {
        const KvFormat& other =
            *std::ranges::find(kernels->kv_formats, format.type, &KvFormat::type);
        const std::string what =
            fmt::format("{} on {}, width {}", dtype_info(format.type).name, kernels->name, width);
        const auto packed = pack(other, kind, rows, width, in_order());
        expect_same_bits(unpack(format, kind, packed, width), tile, what);
        expect_same_bits(unpack(other, kind, part, width), tile, what);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  });
}

TEST(KvFormats, PositionsDoNotDependOnOneAnother) {
  for_each_shape(3, [](KvKind kind, std::int64_t width, const std::vector<float>& rows) {
    for (const KvFormat& format : choose_kernels("").value()->kv_formats) {
      auto backwards = in_order();
      std::ranges::reverse(backwards);
      EXPECT_EQ(pack(format, kind, rows, width, backwards),
                pack(format, kind, rows, width, in_order()))
          << dtype_info(format.type).name << ", width " << width;
    }
  });
}

TEST(KvFormats, ValuesArePaddedWithZeros) {
  for (const KvFormat& format : choose_kernels("").value()->kv_formats) {
    const std::vector<float> rows(32 * 18, 3.0f);
    const auto tile =
        unpack(format, KvKind::kValues, pack(format, KvKind::kValues, rows, 18, in_order()), 18);
    for (std::int64_t slot = 0; slot < 32; ++slot)
      for (std::int64_t d = 18; d < 32; ++d)
        EXPECT_EQ(element(tile, KvKind::kValues, 18, slot, d), 0.0f) << slot << ", " << d;
  }
}

// A block that cannot be rounded says so, and its neighbours are as they were.
TEST(KvFormats, WhatIsNotFiniteStaysSo) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const KvFormat& format : choose_kernels("").value()->kv_formats) {
      std::vector<float> rows(32 * 64, 1.0f);
      rows[5 * 64 + 7] = bad;
      for (const KvKind kind : {KvKind::kKeys, KvKind::kValues}) {
        const auto tile = unpack(format, kind, pack(format, kind, rows, 64, in_order()), 64);
        EXPECT_FALSE(std::isfinite(element(tile, kind, 64, 5, 7)));
        EXPECT_NEAR(element(tile, kind, 64, 5, 32), 1.0f, 0.01f);
        EXPECT_NEAR(element(tile, kind, 64, 4, 7), 1.0f, 0.01f);
        EXPECT_NEAR(element(tile, kind, 64, 6, 7), 1.0f, 0.01f);
      }
    }
  }
}

TEST(KvTypes, NamesNameThem) {
  for (const KvTypeInfo& info : all_kv_types()) {
    EXPECT_EQ(kv_type_name(info.type), info.name);
    EXPECT_EQ(kv_type_from_name(info.name), info.type);
  }
  EXPECT_EQ(kv_type_from_name("q4_1"), std::nullopt);
}

TEST(Rotate, IsTheHadamardMatrixForEveryIsa) {
  Random random(4);
  for (std::int64_t n = 1; n <= 300; ++n) {
    const std::vector<float> x = random_floats(random, static_cast<std::size_t>(n));
    const std::vector<double> want = reference::rotate(x);
    std::vector<float> first;
    for (const KernelTable* kernels : all_tables()) {
      std::vector<float> got = x;
      kernels->rotate(got.data(), n);
      // At most eight additions and a product, of numbers that stay below 6 * 16.
      expect_close(
          got, want, [](std::size_t) { return 10 * 96 * 0x1p-24; },
          fmt::format("{} elements on {}", n, kernels->name));
      if (first.empty()) first = got;
      expect_same_bits(got, first, fmt::format("{} elements on {}", n, kernels->name));
      kernels->rotate(got.data(), n);
      for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], x[i], 1e-5) << n;
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace bantam
