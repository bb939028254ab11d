// What an adapter adds to a linear layer.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "nn/cpu_ops.h"

namespace bantam {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.next_normal());
  return values;
}

TensorView view(const std::vector<float>& values, const Shape& shape) {
  return {DType::kF32, shape, reinterpret_cast<const std::byte*>(values.data())};
}

// Eight layers' worth of numbers: T 5, in 64, out 48, r 3; the weight is Q8_0.
class LowRankLayer : public testing::Test {
 protected:
  static constexpr std::int64_t kTokens = 5, kIn = 64, kOut = 48, kRank = 3;

  LowRankLayer() {
    const Codec& codec = *find_codec(DType::kQ8_0);
    const auto row = row_bytes(DType::kQ8_0, kIn).value();
    packed_.resize(row * kOut);
    for (std::size_t n = 0; n < kOut; ++n)
      codec.encode(std::span(weight_).subspan(n * kIn, kIn), {}, packed_.data() + n * row);
    layer_.weight = {DType::kQ8_0, Shape{kOut, kIn}, packed_.data()};
  }
  LowRank low_rank(float scale) const {
    return {.a = view(a_, {kRank, kIn}), .b = view(b_, {kOut, kRank}), .gain = {}, .scale = scale};
  }
  std::vector<float> run(const Linear& layer, MatmulMode mode = MatmulMode::kServing) {
    arena_.reset();
    CpuOps ops(*choose_kernels("").value(), pool_, arena_, mode);
    const FloatTensor y = ops.linear({Shape{kTokens, kIn}, x_.data()}, layer);
    return {y.data, y.data + y.shape.elements()};
  }

  std::vector<float> weight_ = random_floats(kOut * kIn, 1), a_ = random_floats(kRank * kIn, 2),
                     b_ = random_floats(kOut * kRank, 3), x_ = random_floats(kTokens * kIn, 4),
                     bias_ = random_floats(kOut, 5), gain_ = random_floats(kOut, 6);
  std::vector<std::byte> packed_;
  Linear layer_;
  ThreadPool pool_{1};
  Arena arena_;
};

TEST_F(LowRankLayer, AddsItsProductBeforeGainAndBias) {
  const std::vector<float> plain = run(layer_);
  layer_.low_rank = low_rank(0.5F);
  layer_.low_rank.gain = view(gain_, {kOut});
  layer_.bias = view(bias_, {kOut});
  const std::vector<float> adapted = run(layer_);
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t n = 0; n < kOut; ++n) {
      double low = 0;
      for (std::size_t r = 0; r < kRank; ++r) {
        double inner = 0;
        for (std::size_t k = 0; k < kIn; ++k)
          inner += static_cast<double>(x_[t * kIn + k]) * static_cast<double>(a_[r * kIn + k]);
        low += inner * static_cast<double>(b_[n * kRank + r]);
      }
      const double want =
          static_cast<double>(gain_[n]) * (static_cast<double>(plain[t * kOut + n]) + 0.5 * low) +
          static_cast<double>(bias_[n]);
      EXPECT_NEAR(static_cast<double>(adapted[t * kOut + n]), want, 1e-4) << t << ", " << n;
    }
  }
}

TEST_F(LowRankLayer, OfZeroChangesNoBit) {
  const std::vector<float> plain = run(layer_);
  std::ranges::fill(b_, 0.0F);
  layer_.low_rank = low_rank(2);
  EXPECT_EQ(run(layer_), plain);
}

TEST_F(LowRankLayer, FloatModeMultipliesTheDecodedWeight) {
  const std::vector<float> served = run(layer_), exact = run(layer_, MatmulMode::kFloats);
  std::vector<float> decoded(kOut * kIn);
  for (std::size_t n = 0; n < kOut; ++n)
    find_codec(DType::kQ8_0)
        ->decode(layer_.weight.row(static_cast<std::int64_t>(n)),
                 std::span(decoded).subspan(n * kIn, kIn));
  Linear floats{.weight = view(decoded, {kOut, kIn}), .bias = {}};
  EXPECT_EQ(exact, run(floats));
  EXPECT_NE(exact, served);  // activations were rounded to bytes
}

}  // namespace
}  // namespace bantam
