#include "kernels/product.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/kernel_test_data.h"

namespace bantam {
namespace {

struct Sizes {
  std::int64_t rows, depth, columns;
};
// Around the sizes of tiles, panels and blocks.
constexpr Sizes kSizes[] = {{1, 1, 1},       {3, 5, 7},     {8, 16, 32},
                            {9, 33, 31},     {17, 256, 48}, {70, 257, 65},
                            {257, 260, 530}, {5, 600, 1},   {24, 40, 1040}};

struct Operands {
  std::vector<float> a, b, c;
  Operands(const Sizes& s, std::uint64_t seed) {
    Random random(seed);
    a = random_floats(random, static_cast<std::size_t>(s.rows * s.depth));
    b = random_floats(random, static_cast<std::size_t>(s.depth * s.columns));
    c = random_floats(random, static_cast<std::size_t>(s.rows * s.columns));
  }
};

FloatProduct product_of(const Sizes& s, const Operands& x, bool a_by_columns, bool b_by_columns,
                        float* c) {
  FloatProduct p{.a = {x.a.data(), s.depth, 1},
                 .b = {x.b.data(), s.columns, 1},
                 .c = c,
                 .c_stride = s.columns,
                 .rows = s.rows,
                 .depth = s.depth,
                 .columns = s.columns};
  if (a_by_columns) p.a = {x.a.data(), 1, s.rows};
  if (b_by_columns) p.b = {x.b.data(), 1, s.depth};
  return p;
}

// The definition in product.h.
std::vector<float> chains(const FloatProduct& p, const std::vector<float>& before) {
  std::vector<float> c = before;
  for (std::int64_t i = 0; i < p.rows; ++i) {
    for (std::int64_t j = 0; j < p.columns; ++j) {
      float& element = c[static_cast<std::size_t>(i * p.columns + j)];
      if (!p.add) element = 0;
      for (std::int64_t k = 0; k < p.depth; ++k)
        element = std::fma(p.a.data[i * p.a.row + k * p.a.column],
                           p.b.data[k * p.b.row + j * p.b.column], element);
    }
  }
  return c;
}

TEST(Product, IsOneChainForEveryElementOnEveryIsa) {
  for (const Sizes& s : kSizes) {
    const Operands x(s, 1);
    for (int variant = 0; variant < 8; ++variant) {
      std::vector<float> c = x.c;
      FloatProduct p = product_of(s, x, (variant & 1) != 0, (variant & 2) != 0, c.data());
      p.add = (variant & 4) != 0;
      const std::vector<float> want = chains(p, x.c);
      for (const KernelTable* kernels : all_tables()) {
        c = x.c;
        ThreadPool pool(1);
        Arena arena;
        product(*kernels, pool, arena, p);
        expect_same_bits(c, want,
                         fmt::format("{}: {} x {} x {}, variant {}", kernels->name, s.rows, s.depth,
                                     s.columns, variant));
        EXPECT_EQ(arena.used(), 0u);
      }
    }
  }
}

TEST(Product, DoesNotDependOnThreadsOrOnWhereTheDepthIsCut) {
  const KernelTable& kernels = **choose_kernels("");
  const Sizes s{300, 700, 600};
  const Operands x(s, 2);
  std::vector<float> want(x.c.size());
  ThreadPool one(1), three(3);
  Arena arena;
  product(kernels, one, arena, product_of(s, x, true, false, want.data()));
  std::vector<float> got(x.c.size());
  product(kernels, three, arena, product_of(s, x, true, false, got.data()));
  expect_same_bits(got, want, "three threads");
  std::fill(got.begin(), got.end(), 0.0F);
  for (std::int64_t first = 0; first < s.depth; first += 123) {
    FloatProduct part = product_of(s, x, true, false, got.data());
    part.depth = std::min<std::int64_t>(123, s.depth - first);
    part.a.data += first * part.a.column;
    part.b.data += first * part.b.row;
    part.add = true;
    product(kernels, three, arena, part);
  }
  expect_same_bits(got, want, "cut along the depth");
}

TEST(Product, OfNothingIsZero) {
  std::vector<float> c = {1, 2, 3, 4};
  ThreadPool pool(1);
  Arena arena;
  FloatProduct p{.c = c.data(), .c_stride = 2, .rows = 2, .depth = 0, .columns = 2, .add = true};
  product(**choose_kernels(""), pool, arena, p);
  EXPECT_EQ(c, (std::vector<float>{1, 2, 3, 4}));
  p.add = false;
  product(**choose_kernels(""), pool, arena, p);
  EXPECT_EQ(c, std::vector<float>(4, 0.0F));
}

TEST(ProductPacked, IsTheProductWithTheDecodedWeight) {
  const KernelTable& kernels = **choose_kernels("");
  const std::int64_t tokens = 7, outputs = 530, inputs = 512;
  Random random(3);
  std::vector<float> dy = random_floats(random, static_cast<std::size_t>(tokens * outputs));
  const std::vector<float> before =
      random_floats(random, static_cast<std::size_t>(tokens * inputs));
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_K, DType::kQ2_K,
                           DType::kIQ4_XS, DType::kIQ4_KS}) {
    const RandomWeight weight(random, type, outputs, inputs);
    std::vector<float> decoded(static_cast<std::size_t>(outputs * inputs));
    for (std::int64_t r = 0; r < outputs; ++r)
      find_codec(type)->decode(weight.view().row(r),
                               std::span(decoded).subspan(static_cast<std::size_t>(r * inputs),
                                                          static_cast<std::size_t>(inputs)));
    const FloatProduct whole{.a = {dy.data(), outputs},
                             .b = {decoded.data(), inputs},
                             .rows = tokens,
                             .depth = outputs,
                             .columns = inputs,
                             .add = true};
    std::vector<float> dx = before;
    ThreadPool pool(2);
    Arena arena;
    product_packed(kernels, pool, arena, {Shape{tokens, outputs}, dy.data()}, weight.view(),
                   {Shape{tokens, inputs}, dx.data()});
    expect_same_bits(dx, chains(whole, before), std::string(dtype_info(type).name));
    EXPECT_EQ(arena.used(), 0u);
  }
}

}  // namespace
}  // namespace bantam
