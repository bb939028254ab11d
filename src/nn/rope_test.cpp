#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace bantam {
namespace {

RopeSpec spec_of(std::int64_t width, double base) {
  RopeSpec spec;
  spec.width = width;
  spec.base = base;
  return spec;
}

TEST(RopeTable, FrequenciesFallGeometricallyFromOne) {
  const RopeTable table(spec_of(64, 10000.0));
  ASSERT_EQ(table.frequencies().size(), 32u);
  EXPECT_DOUBLE_EQ(table.frequencies()[0], 1.0);
  for (std::size_t i = 0; i + 1 < 32; ++i) {
    EXPECT_NEAR(table.frequencies()[i + 1] / table.frequencies()[i], std::pow(10000.0, -1.0 / 32.0),
                1e-14);
  }
}

TEST(RopeTable, AnglesAreRoundedOnceEvenFarOut) {
  const RopeTable table(spec_of(8, 500000.0));
  float cosines[4], sines[4];
  table.angles(131071, cosines, sines);
  for (int i = 0; i < 4; ++i) {
    const double angle = 131071.0 * std::pow(500000.0, -2.0 * i / 8.0);
    EXPECT_EQ(cosines[i], static_cast<float>(std::cos(angle)));
    EXPECT_EQ(sines[i], static_cast<float>(std::sin(angle)));
  }
}

TEST(RopeTable, LinearScalingStretchesPositions) {
  RopeSpec stretched = spec_of(16, 10000.0);
  stretched.scaling = RopeScaling::kLinear;
  stretched.factor = 4.0;
  float a[8], b[8], c[8], d[8];
  RopeTable(stretched).angles(400, a, b);
  RopeTable(spec_of(16, 10000.0)).angles(100, c, d);
  for (int i = 0; i < 8; ++i) {
    EXPECT_FLOAT_EQ(a[i], c[i]);
    EXPECT_FLOAT_EQ(b[i], d[i]);
  }
}

// Llama 3.1's numbers: width 128, base 500000, factor 8, low 1, high 4, context 8192. The switch
// points are the wavelengths 8192 (all slower ones are divided by 8) and 2048 (faster ones stay).
TEST(Llama3Divisors, SwitchAtTheTwoWavelengths) {
  const auto divisors = llama3_rope_divisors(128, 500000.0, 8.0, 1.0, 4.0, 8192.0);
  ASSERT_EQ(divisors.size(), 64u);
  for (std::size_t pair = 0; pair < 64; ++pair) {
    const double wavelength =
        2.0 * std::numbers::pi * std::pow(500000.0, 2.0 * static_cast<double>(pair) / 128.0);
    if (wavelength > 8192.0) {
      EXPECT_EQ(divisors[pair], 8.0f) << pair;
    } else if (wavelength < 2048.0) {
      EXPECT_EQ(divisors[pair], 1.0f) << pair;
    } else {
      EXPECT_GT(divisors[pair], 1.0f) << pair;
      EXPECT_LT(divisors[pair], 8.0f) << pair;
    }
  }
}

TEST(RopeTable, DivisorsDivideFrequencies) {
  RopeSpec spec = spec_of(4, 100.0);
  spec.divisors = {2.0f, 8.0f};
  const RopeTable table(spec);
  EXPECT_DOUBLE_EQ(table.frequencies()[0], 0.5);
  EXPECT_DOUBLE_EQ(table.frequencies()[1], 0.1 / 8.0);
}

// YaRN keeps what turns more than beta_fast times in the original context, divides by the factor
// what turns less than beta_slow times, and warms the attention by 0.1 ln(factor) + 1.
TEST(RopeTable, YarnStretchesSlowPairsOnly) {
  RopeSpec spec = spec_of(128, 10000.0);
  spec.scaling = RopeScaling::kYarn;
  spec.factor = 16.0;
  spec.original_context = 4096;
  const RopeTable table(spec);
  const RopeTable plain(spec_of(128, 10000.0));
  EXPECT_NEAR(table.magnitude(), 1.0 + 0.1 * std::log(16.0), 1e-15);
  for (std::size_t pair = 0; pair < 64; ++pair) {
    const double turns = 4096.0 * plain.frequencies()[pair] / (2.0 * std::numbers::pi);
    const double ratio = plain.frequencies()[pair] / table.frequencies()[pair];
    // The band's ends are whole pairs: a pair either side of the formula's point is inside it.
    if (turns > 32.0 * 1.2) {
      EXPECT_DOUBLE_EQ(ratio, 1.0) << pair;
    } else if (turns < 1.0 / 1.2) {
      EXPECT_NEAR(ratio, 16.0, 1e-9) << pair;
    } else {
      EXPECT_GE(ratio, 1.0 - 1e-12) << pair;
      EXPECT_LE(ratio, 16.0 + 1e-9) << pair;
    }
  }
}

}  // namespace
}  // namespace bantam
