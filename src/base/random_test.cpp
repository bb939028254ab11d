#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace bantam {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The known answers published with the Random123 library.
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, ValuesAreTheBlocksInOrder) {
  Random random(0x299f31d0a4093822, 0x0370734413198a2e);
  for (std::uint32_t i = 0; i < 5; ++i) {
    const Words block = philox4x32({i, 0, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
    EXPECT_EQ(random.next_u64(), block[0] | std::uint64_t{block[1]} << 32);
  }
}

TEST(Random, SeedsAndStreamsDiffer) {
  EXPECT_NE(Random(1).next_u64(), Random(2).next_u64());
  EXPECT_NE(Random(1, 0).next_u64(), Random(1, 1).next_u64());
  EXPECT_EQ(Random(7, 3).next_u64(), Random(7, 3).next_u64());
}

TEST(Random, DoublesFillTheUnitInterval) {
  Random random(1);
  double sum = 0, low = 1, high = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double value = random.next_double();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ASSERT_EQ(value * 0x1p53, std::floor(value * 0x1p53));
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Six standard errors of the mean, which is sqrt(1/12/n).
  EXPECT_NEAR(sum / kCount, 0.5, 6 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_LT(low, 1e-3);
  EXPECT_GT(high, 1 - 1e-3);
}

TEST(Random, NormalsAreBoxMuller) {
  Random random(2), uniform(2);
  for (int i = 0; i < 20000; ++i) {
    const double u = uniform.next_double(), v = uniform.next_double();
    const double expected = std::sqrt(-2 * std::log(1 - u)) * std::cos(2 * M_PI * v);
    // The angle itself carries 2^-53 of a turn, so near a zero of the cosine only the absolute
    // error is small.
    ASSERT_NEAR(random.next_normal(), expected, 1e-14) << i;
  }
}

TEST(Random, NormalsHaveTheMomentsOfTheNormal) {
  Random random(3);
  constexpr int kCount = 200000;
  double mean = 0, square = 0, fourth = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.next_normal();
    mean += x / kCount;
    square += x * x / kCount;
    fourth += x * x * x * x / kCount;
  }
  // Six standard errors: the variances of x, x^2 and x^4 are 1, 2 and 96.
  EXPECT_NEAR(mean, 0, 6 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(square, 1, 6 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(fourth, 3, 6 * std::sqrt(96.0 / kCount));
}

TEST(Random, BoundedValuesAreUniform) {
  Random random(4);
  constexpr int kCount = 70000;
  std::array<int, 7> seen{};
  for (int i = 0; i < kCount; ++i) ++seen[random.next_below(7)];
  for (const int count : seen) EXPECT_NEAR(count, kCount / 7, 6 * std::sqrt(kCount / 7.0));
  EXPECT_EQ(Random(5).next_below(1), 0u);
}

// With a bound of three quarters of 2^64 every third value would come up twice as often, were
// nothing refused.
TEST(Random, LargeBoundsAreNotBiased) {
  Random random(6);
  constexpr std::uint64_t kBound = std::uint64_t{3} << 62;
  int lower = 0, thirds = 0;
  constexpr int kCount = 40000;
  for (int i = 0; i < kCount; ++i) {
    const std::uint64_t value = random.next_below(kBound);
    ASSERT_LT(value, kBound);
    lower += value < kBound / 2;
    thirds += value % 3 == 0;
  }
  EXPECT_NEAR(lower, kCount / 2, 6 * std::sqrt(kCount * 0.25));
  EXPECT_NEAR(thirds, kCount / 3, 6 * std::sqrt(kCount * 2.0 / 9));
}

}  // namespace
}  // namespace bantam
