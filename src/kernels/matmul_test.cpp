#include "kernels/matmul.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernel_test_data.h"
#include "kernels/reference.h"

namespace bantam {
namespace {

std::vector<DType> decodable_types() {
  std::vector<DType> types;
  for (const DTypeInfo& info : all_dtypes())
    if (find_codec(info.type) != nullptr) types.push_back(info.type);
  return types;
}

std::vector<float> run(const KernelTable& kernels, ThreadPool& pool, const std::vector<float>& x,
                       std::int64_t tokens, const TensorView& weight) {
  static Arena arena;
  arena.reset();
  const std::int64_t rows = weight.shape.rows(), stride = rows + 3;
  std::vector<float> wide(static_cast<std::size_t>(tokens * stride), -777.0f);
  std::vector<float> copy = x;
  const MatmulOutput output{weight, wide.data(), stride};
  matmul(kernels, pool, arena, {Shape{tokens, weight.shape.last()}, copy.data()}, {&output, 1});
  std::vector<float> out;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* row = wide.data() + t * stride;
    out.insert(out.end(), row, row + rows);
    for (std::int64_t i = rows; i < stride; ++i) EXPECT_EQ(row[i], -777.0f) << "between rows";
  }
  return out;
}

// Activations that are packed without loss: integers, 127 or -127 among every 32.
std::vector<float> whole_numbers(Random& random, std::int64_t n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(random.next_below(255)) - 127.0f;
    if (i % 32 == random.next_below(32) || i % 32 == 31) x[i] = i % 64 < 32 ? 127.0f : -127.0f;
  }
  return x;
}

struct Norms {
  double quantization = 0, rounding = 0;
};

// The two parts of the bound in matmul.h for one row of weights and one of activations.
Norms norms(std::span<const float> x, std::span<const float> w) {
  double largest = 0;
  for (const float v : w) largest = std::max(largest, std::abs(static_cast<double>(v)));
  Norms r;
  for (std::size_t b = 0; b < x.size(); b += 32) {
    double top = 0, sum = 0;
    for (std::size_t i = b; i < std::min(b + 32, x.size()); ++i) {
      top = std::max(top, std::abs(static_cast<double>(x[i])));
      sum += std::abs(static_cast<double>(w[i]));
    }
    r.quantization += sum * top / 254 * (1 + 0x1p-15);
    // |d q| and |m| apart are at most thrice the largest weight of a row of random bits.
    r.rounding += 32 * 3 * largest * top;
  }
  r.rounding *= (static_cast<double>(x.size()) / 256 + 8) * 0x1p-22;
  return r;
}

class MatmulTest : public testing::TestWithParam<DType> {};

TEST_P(MatmulTest, AgreesWithDoublePrecision) {
  const DType type = GetParam();
  Random random(1, static_cast<std::uint64_t>(type));
  const std::int64_t block = dtype_info(type).block_elements;
  const KernelTable& kernels = *choose_kernels("scalar").value();
  ThreadPool pool(2);
  for (const std::int64_t blocks : {1, 3, 5, 8, 11}) {
    const std::int64_t width = blocks * block;
    for (const std::int64_t rows : {1, 2, 17, 35}) {
      const RandomWeight weight(random, type, rows, width);
      for (const std::int64_t tokens : {1, 2, 7, 21}) {
        for (const bool exact : {false, true}) {
          const std::vector<float> x =
              exact ? whole_numbers(random, tokens * width)
                    : random_floats(random, static_cast<std::size_t>(tokens * width));
          const auto got = run(kernels, pool, x, tokens, weight.view());
          const auto want = reference::matmul(x, tokens, weight.view());
          std::vector<std::vector<float>> decoded;
          for (std::int64_t r = 0; r < rows; ++r)
            decoded.push_back(reference::decode_row(weight.view(), r));
          const auto tolerance = [&](std::size_t i) {
            const auto n = static_cast<std::size_t>(rows), k = static_cast<std::size_t>(width);
            const Norms norm = norms(std::span(x).subspan(i / n * k, k), decoded[i % n]);
            return norm.rounding + (has_integer_dot(type) && !exact ? norm.quantization : 0);
          };
          expect_close(got, want, tolerance,
                       fmt::format("{} ({}, {}) {} tokens{}", dtype_info(type).name, rows, width,
                                   tokens, exact ? ", whole numbers" : ""));
          if (HasFailure()) return;
        }
      }
    }
  }
}

// One token at a time on one thread of the scalar table is the definition.
std::vector<float> by_definition(const std::vector<float>& x, const TensorView& weight) {
  ThreadPool one(1);
  const auto width = static_cast<std::ptrdiff_t>(weight.shape.last());
  std::vector<float> out;
  for (auto token = x.begin(); token != x.end(); token += width) {
    const auto row = run(*all_tables()[0], one, {token, token + width}, 1, weight);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

TEST_P(MatmulTest, SameBitsForEveryIsaBatchAndThreadCount) {
  const DType type = GetParam();
  Random random(2, static_cast<std::uint64_t>(type));
  const std::int64_t block = dtype_info(type).block_elements;
  for (const std::int64_t width : {block, 3 * block, 1280L, 1184L, 301L}) {
    if (width % block != 0) continue;
    const std::int64_t rows = 37;
    constexpr std::int64_t kMostTokens = 40;
    const RandomWeight weight(random, type, rows, width);
    const std::vector<float> x =
        random_floats(random, static_cast<std::size_t>(kMostTokens * width));
    const std::vector<float> want = by_definition(x, weight.view());
    for (const KernelTable* kernels : all_tables()) {
      for (const std::size_t threads : {1u, 3u}) {
        ThreadPool pool(threads);
        for (const std::int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 13, 40}) {
          const std::vector<float> some(x.begin(), x.begin() + tokens * width);
          const auto got = run(*kernels, pool, some, tokens, weight.view());
          expect_same_bits(
              got, std::span(want).first(got.size()),
              fmt::format("{} {} on {}, {} tokens, width {}, {} threads", dtype_info(type).name,
                          "matmul", kernels->name, tokens, width, threads));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryType, MatmulTest, testing::ValuesIn(decodable_types()),
                         [](const auto& param) {
                           return std::string(dtype_info(param.param).name);
                         });

TEST(Matmul, SeveralOutputsOfDifferentTypesShareOneCall) {
  Random random(3);
  const std::int64_t width = 512, tokens = 6;
  const RandomWeight a(random, DType::kQ4_K, 40, width), b(random, DType::kF16, 9, width),
      c(random, DType::kF8E4M3, 21, width);
  std::vector<float> x = random_floats(random, static_cast<std::size_t>(tokens * width));
  ThreadPool pool(2);
  Arena arena;
  const KernelTable& kernels = *choose_kernels("").value();
  std::vector<float> of_a(40 * 6), of_b(9 * 6), of_c(21 * 6);
  const MatmulOutput outputs[] = {
      {a.view(), of_a.data(), 40}, {b.view(), of_b.data(), 9}, {c.view(), of_c.data(), 21}};
  matmul(kernels, pool, arena, {Shape{tokens, width}, x.data()}, outputs);
  expect_same_bits(of_a, run(kernels, pool, x, tokens, a.view()), "Q4_K");
  expect_same_bits(of_b, run(kernels, pool, x, tokens, b.view()), "F16");
  expect_same_bits(of_c, run(kernels, pool, x, tokens, c.view()), "F8_E4M3");
}

// Wide products go by chunks of tokens; this takes a third that is not whole.
TEST(Matmul, SameBitsForMoreTokensThanOneChunk) {
  Random random(9);
  const std::int64_t rows = 37, width = 768, tokens = 2 * kWideChunkTokens + 5;
  for (const DType type : {DType::kQ8_0, DType::kQ4_K, DType::kQ2_K, DType::kF16}) {
    const RandomWeight weight(random, type, rows, width);
    const std::vector<float> x = random_floats(random, static_cast<std::size_t>(tokens * width));
    const std::vector<float> want = by_definition(x, weight.view());
    ThreadPool pool(2);
    for (const KernelTable* kernels : all_tables())
      expect_same_bits(run(*kernels, pool, x, tokens, weight.view()), want,
                       fmt::format("{} on {}", dtype_info(type).name, kernels->name));
  }
}

TEST(Matmul, EveryTableHasTheSameIntegerDots) {
  const auto of = [](const KernelTable* table) {
    std::vector<DType> types;
    for (const IntegerDot& dot : table->integer_dots) types.push_back(dot.type);
    return types;
  };
  for (const KernelTable* table : all_tables()) EXPECT_EQ(of(table), of(all_tables()[0]));
  EXPECT_TRUE(has_integer_dot(DType::kQ4_K));
  EXPECT_FALSE(has_integer_dot(DType::kF16));
  EXPECT_TRUE(has_kernel(DType::kF16));
  std::vector<DType> decoded_first;
  for (const DTypeInfo& info : all_dtypes())
    if (find_codec(info.type) != nullptr && !has_kernel(info.type))
      decoded_first.push_back(info.type);
  EXPECT_EQ(decoded_first, (std::vector{DType::kF64, DType::kIQ6_K}));
}

TEST(Matmul, NotANumberAndInfinityComeThrough) {
  Random random(4);
  const RandomWeight weight(random, DType::kQ4_K, 5, 512);
  std::vector<float> x = random_floats(random, 7 * 512);
  x[512 + 300] = std::numeric_limits<float>::quiet_NaN();
  x[3 * 512 + 7] = std::numeric_limits<float>::infinity();
  ThreadPool pool(1);
  for (const KernelTable* kernels : all_tables()) {
    const auto y = run(*kernels, pool, x, 7, weight.view());
    for (std::size_t i = 0; i < y.size(); ++i)
      EXPECT_EQ(std::isnan(y[i]), i / 5 == 1 || i / 5 == 3) << kernels->name << " " << i;
  }
}

TEST(MatmulDeathTest, ShapesMustFit) {
  Random random(5);
  const RandomWeight weight(random, DType::kF32, 4, 32);
  std::vector<float> x(64), y(4);
  const MatmulOutput output{weight.view(), y.data(), 4};
  ThreadPool pool(1);
  Arena arena;
  EXPECT_DEATH(matmul(*all_tables()[0], pool, arena, {Shape{1, 64}, x.data()}, {&output, 1}),
               "weight \\(4, 32\\) times activations \\(1, 64\\)");
}

// --- Packing ------------------------------------------------------------------------------------

// One row in both forms.
struct Packed {
  explicit Packed(const std::vector<float>& x, const KernelTable& kernels)
      : groups((x.size() + 255) / 256), thin(groups), wide(8 * groups) {
    const PackedActivations to{.tokens = 1,
                               .groups = static_cast<std::int64_t>(groups),
                               .thin = thin.data(),
                               .wide = wide.data()};
    kernels.pack_row(x.data(), static_cast<std::int64_t>(x.size()), 0, to);
  }
  // Block b of the row.
  const ActivationBlock& block(std::size_t b) const { return wide[b % 8 * groups + b / 8]; }
  std::size_t blocks() const { return 8 * groups; }

  std::size_t groups;
  std::vector<ActivationGroup> thin;
  std::vector<ActivationBlock> wide;
};

TEST(PackedActivations, ErrorIsWithinTheStatedBound) {
  Random random(6);
  for (const std::size_t width : {1u, 15u, 16u, 17u, 31u, 32u, 33u, 250u, 256u, 300u, 1000u}) {
    for (const double size : {1.0, 1e-20, 1e20, 3e-30}) {
      const std::vector<float> x = random_floats(random, width, size);
      const Packed packed(x, *choose_kernels("scalar").value());
      for (std::size_t b = 0; b < packed.blocks(); ++b) {
        const ActivationBlock& block = packed.block(b);
        double top = 0;
        std::int32_t sums[2] = {};
        for (std::size_t i = 0; i < 32; ++i) {
          if (32 * b + i < width)
            top = std::max(top, std::abs(static_cast<double>(x[32 * b + i])));
          else
            EXPECT_EQ(block.quants[i], 0) << "padding";
          sums[i / 16] += block.quants[i];
          EXPECT_GE(block.quants[i], -127);
        }
        for (std::size_t i = 32 * b; i < std::min(width, 32 * b + 32); ++i)
          EXPECT_LE(std::abs(static_cast<double>(x[i]) -
                             static_cast<double>(block.scale) * block.quants[i % 32]),
                    top / 254 * (1 + 0x1p-15))
              << "element " << i << " of " << width;
        EXPECT_EQ(block.offset_sums[0], -128 * sums[0]);
        EXPECT_EQ(block.offset_sums[1], -128 * sums[1]);
        EXPECT_EQ(block.offset_sum, -128 * (sums[0] + sums[1]));
        EXPECT_EQ(block.scaled_sum, block.scale * static_cast<float>(sums[0] + sums[1]));
      }
    }
  }
}

TEST(PackedActivations, BothFormsHoldTheSameNumbers) {
  Random random(8);
  const std::vector<float> x = random_floats(random, 700);
  for (const KernelTable* kernels : all_tables()) {
    const Packed packed(x, *kernels);
    for (std::size_t g = 0; g < packed.groups; ++g)
      for (std::size_t lane = 0; lane < 8; ++lane) {
        const ActivationGroup& group = packed.thin[g];
        const ActivationBlock& block =
            packed.block(8 * g + static_cast<std::size_t>(kBlockOrder[lane]));
        for (std::size_t i = 0; i < 32; ++i)
          EXPECT_EQ(group.quants[i / 4][4 * lane + i % 4], block.quants[i]);
        EXPECT_EQ(group.scales[lane], block.scale);
        EXPECT_EQ(group.scaled_sums[lane], block.scaled_sum);
        EXPECT_EQ(group.offset_sum[lane], block.offset_sum);
        EXPECT_EQ(group.offset_sums[0][lane], block.offset_sums[0]);
        EXPECT_EQ(group.offset_sums[1][lane], block.offset_sums[1]);
      }
  }
}

TEST(PackedActivations, EveryIsaPacksAlike) {
  Random random(7);
  std::vector<float> x = random_floats(random, 2000);
  for (std::size_t i = 0; i < x.size(); i += 3)  // ties and signed zeros
    x[i] = static_cast<float>(random.next_below(19)) * 0.5f - 4.5f;
  for (std::size_t i = 64; i < 96; ++i) x[i] = i == 70 ? 127.0f : static_cast<float>(i) - 79.5f;
  x[100] = std::numeric_limits<float>::infinity();
  x[200] = -std::numeric_limits<float>::quiet_NaN();
  for (std::size_t i = 512; i < 544; ++i) x[i] = 0x1p-101f;
  for (std::size_t i = 544; i < 576; ++i) x[i] = std::numeric_limits<float>::max();
  const Packed want(x, *all_tables()[0]);
  EXPECT_TRUE(std::isnan(want.block(100 / 32).scale));
  EXPECT_TRUE(std::isnan(want.block(200 / 32).scale));
  EXPECT_EQ(want.block(512 / 32).scale, 0.0f);
  EXPECT_EQ(want.block(550 / 32).quants[550 % 32], 127);
  for (const KernelTable* kernels : all_tables()) {
    const Packed got(x, *kernels);
    for (std::size_t b = 0; b < want.blocks(); ++b) {
      EXPECT_TRUE(std::ranges::equal(got.block(b).quants, want.block(b).quants)) << kernels->name;
      EXPECT_TRUE(std::ranges::equal(got.block(b).offset_sums, want.block(b).offset_sums));
      const float got_scales[] = {got.block(b).scale, got.block(b).scaled_sum};
      const float want_scales[] = {want.block(b).scale, want.block(b).scaled_sum};
      expect_same_bits(got_scales, want_scales, std::string(kernels->name));
    }
  }
}

}  // namespace
}  // namespace bantam
