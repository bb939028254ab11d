#include "tune/target_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/random.h"

namespace bantam {
namespace {

std::vector<float> random_logits(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(2 * random.next_normal());
  return values;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  for (const float logit : logits) p.push_back(std::exp(double{logit} / temperature));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

TEST(Targets, AreAsManyAsWishedForAndNearWhatIsExpected) {
  const std::vector<float> logits = random_logits(40, 1);
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const std::vector<double> p = softmax(logits, temperature);
    for (const double start : {0.0, 0.3, 0.999999}) {
      std::int64_t sum = 0;
      std::int32_t last = -1;
      for (const auto& [id, count] : draw_targets(logits, temperature, 8, start)) {
        EXPECT_GT(id, last);
        EXPECT_LT(std::abs(static_cast<double>(count) - 8 * p[static_cast<std::size_t>(id)]), 1);
        last = id;
        sum += count;
      }
      EXPECT_EQ(sum, 8);
    }
  }
  EXPECT_EQ(draw_targets(std::vector<float>{-1e4F, 3, -1e4F}, 1, 5, 0.5),
            (std::vector<std::pair<std::int32_t, std::int32_t>>{{1, 5}}));
}

// The derivative q - counts / K is q - p on average: within three standard errors of what even
// spacing leaves, f (1 - f) / K² for the fraction f of K p.
TEST(Targets, GiveTheDerivativeOfTheWholeDistributionOnAverage) {
  constexpr int kDraws = 10'000;
  constexpr std::int64_t kSamples = 4;
  const std::vector<float> logits = random_logits(24, 2);
  const std::vector<double> p = softmax(logits, 1);
  std::vector<double> mean(p.size());
  Random random(3);
  for (int draw = 0; draw < kDraws; ++draw)
    for (const auto& [id, count] : draw_targets(logits, 1, kSamples, random.next_double()))
      mean[static_cast<std::size_t>(id)] += static_cast<double>(count) / kSamples / kDraws;
  double beyond_two = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double part = std::fmod(kSamples * p[i], 1.0);
    const double sigma = std::sqrt(part * (1 - part) / kDraws) / kSamples;
    EXPECT_NEAR(mean[i], p[i], 3 * sigma + 1e-9) << i;
    beyond_two += std::abs(mean[i] - p[i]) > 2 * sigma;
    // Even spacing varies less than independent draws.
    EXPECT_LE(sigma, std::sqrt(p[i] * (1 - p[i]) / kSamples / kDraws) + 1e-12);
  }
  EXPECT_LE(beyond_two, 5);
}

}  // namespace
}  // namespace bantam
