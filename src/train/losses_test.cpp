#include "train/losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "base/random.h"

namespace bantam {
namespace {

// ---- Preferences -------------------------------------------------------------------------------

// A chosen answer of three weighted rows and a rejected one of two, after a prompt.
std::vector<Example> pair() {
  return {{.ids = {1, 2, 3, 4, 5}, .weights = {0, 0, 1, 1, 0.5F}, .reference = -4.2},
          {.ids = {1, 2, 6, 7}, .weights = {0, 0, 1, 1}, .reference = -2.9}};
}
std::vector<std::vector<double>> logprobs_of_pair() {
  return {{0, -1.3, -0.4, -2.2}, {0, -0.7, -1.9}};
}

double weigh(Objective& objective, std::span<const Example> examples,
             std::span<const std::vector<double>> logprobs,
             std::vector<std::vector<float>>* weights = nullptr) {
  std::vector<std::vector<float>> own;
  for (const Example& example : examples) own.push_back(example.weights);
  const double loss = objective.weigh(examples, logprobs, own).value();
  if (weights != nullptr) *weights = own;
  return loss;
}

// The weight of a row is minus the derivative of the loss by its log p.
void expect_derivatives(Objective& objective, std::span<const Example> examples,
                        std::vector<std::vector<double>> logprobs) {
  std::vector<std::vector<float>> weights;
  weigh(objective, examples, logprobs, &weights);
  constexpr double kStep = 1e-5;
  bool some = false;
  for (std::size_t e = 0; e < examples.size(); ++e) {
    EXPECT_EQ(weights[e][0], 0.0F);
    for (std::size_t i = 0; i < logprobs[e].size(); ++i) {
      const double here = logprobs[e][i];
      logprobs[e][i] = here + kStep;
      const double above = weigh(objective, examples, logprobs);
      logprobs[e][i] = here - kStep;
      const double below = weigh(objective, examples, logprobs);
      logprobs[e][i] = here;
      const double slope = (above - below) / (2 * kStep);
      EXPECT_NEAR(double{weights[e][i + 1]}, -slope, 1e-6 * (1 + std::abs(slope))) << e << i;
      some = some || std::abs(slope) > 1e-3;
    }
  }
  EXPECT_TRUE(some);
}

TEST(Preferences, HaveTheDerivativesOfTheirLosses) {
  for (const PreferenceOptions& options :
       {PreferenceOptions{.kind = Preference::kDpo, .beta = 0.3},
        {.kind = Preference::kDpo, .beta = 0.3, .smoothing = 0.1},
        {.kind = Preference::kDpo, .beta = 0.3, .chosen_nll = 0.7},
        {.kind = Preference::kIpo, .beta = 0.2},
        {.kind = Preference::kHinge, .beta = 0.4},
        {.kind = Preference::kSimpo, .beta = 2, .margin = 0.5},
        {.kind = Preference::kOrpo, .beta = 0.5}}) {
    SCOPED_TRACE(static_cast<int>(options.kind));
    expect_derivatives(*make_preference(options), pair(), logprobs_of_pair());
  }
}

TEST(Preferences, HaveTheValuesOfTheirFormulas) {
  const double w = -1.3 - 0.4 - 0.5 * 2.2, l = -2.6;
  const double difference = (w + 4.2) - (l + 2.9);
  const double mean_w = w / 2.5, mean_l = l / 2;
  const auto loss = [](const PreferenceOptions& options) {
    return weigh(*make_preference(options), pair(), logprobs_of_pair());
  };
  const auto log_loss = [](double z) { return std::log1p(std::exp(-z)); };
  const auto odds = [](double m) { return m - std::log(1 - std::exp(m)); };
  EXPECT_NEAR(loss({.beta = 0.3}), log_loss(0.3 * difference), 1e-12);
  EXPECT_NEAR(loss({.beta = 0.3, .smoothing = 0.1}),
              0.9 * log_loss(0.3 * difference) + 0.1 * log_loss(-0.3 * difference), 1e-12);
  EXPECT_NEAR(loss({.beta = 0.3, .chosen_nll = 2}), log_loss(0.3 * difference) - 2 * mean_w, 1e-12);
  EXPECT_NEAR(loss({.kind = Preference::kIpo, .beta = 0.2}), std::pow(difference - 2.5, 2), 1e-12);
  EXPECT_NEAR(loss({.kind = Preference::kHinge, .beta = 0.4}), 1 - 0.4 * difference, 1e-12);
  EXPECT_NEAR(loss({.kind = Preference::kSimpo, .beta = 2, .margin = 0.5}),
              log_loss(2 * (mean_w - mean_l) - 0.5), 1e-12);
  EXPECT_NEAR(loss({.kind = Preference::kOrpo, .beta = 0.5}),
              -mean_w + 0.5 * log_loss(odds(mean_w) - odds(mean_l)), 1e-12);
}

TEST(Preferences, OfEqualAnswersCostLogTwo) {
  std::vector<Example> equal = pair();
  equal[1] = equal[0];
  const std::vector<std::vector<double>> logprobs(2, logprobs_of_pair()[0]);
  for (const Preference kind : {Preference::kDpo, Preference::kSimpo})
    EXPECT_EQ(weigh(*make_preference({.kind = kind}), equal, logprobs), std::numbers::ln2);
  EXPECT_EQ(weigh(*make_preference({.kind = Preference::kHinge}), equal, logprobs), 1.0);
}

TEST(Preferences, StayFiniteFarFromTheMiddle) {
  for (const double far : {-1e4, 1e4}) {
    std::vector<Example> examples = pair();
    examples[0].reference = far;
    std::vector<std::vector<float>> weights;
    EXPECT_TRUE(std::isfinite(
        weigh(*make_preference({.beta = 1}), examples, logprobs_of_pair(), &weights)));
    EXPECT_TRUE(std::isfinite(weights[0][2]) && std::isfinite(weights[1][2]));
  }
  // A chosen answer that is certain has infinite odds.
  const std::vector<std::vector<double>> certain{{0, 0, 0, 0}, {0, -1, -1}};
  EXPECT_TRUE(std::isfinite(weigh(*make_preference({.kind = Preference::kOrpo}), pair(), certain)));
}

TEST(Kto, HasTheDerivativesAndValuesOfItsLoss) {
  for (const double label : {1.0, -1.0}) {
    std::vector<Example> examples{pair()[0]};
    examples[0].label = label;
    const std::vector<std::vector<double>> logprobs{logprobs_of_pair()[0]};
    const auto kto =
        make_kto({.beta = 0.3, .good_weight = 1.3, .bad_weight = 0.8, .reference_point = 0.4});
    expect_derivatives(*kto, examples, logprobs);
    const double u = label * 0.3 * (-2.8 + 4.2 - 0.4);
    EXPECT_NEAR(weigh(*kto, examples, logprobs),
                (label > 0 ? 1.3 : 0.8) * (1 - 1 / (1 + std::exp(-u))), 1e-12);
  }
}

// ---- Distillation ------------------------------------------------------------------------------

constexpr std::size_t kVocabulary = 11;
constexpr RowTarget kTarget{.example = 0, .position = 1, .id = 4, .weight = 0.75};

struct FixedTeacher final : TeacherRows {
  explicit FixedTeacher(std::vector<float> values) : row(std::move(values)) {}
  void logits(const RowTarget&, std::span<float> out) const override {
    std::ranges::copy(row, out.begin());
  }
  std::vector<float> row;
};

std::vector<float> random_logits(std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(kVocabulary);
  for (float& value : values) value = static_cast<float>(1.5 * random.next_normal());
  return values;
}

std::vector<DistillationOptions> all_distillations() {
  std::vector<DistillationOptions> all;
  for (const Divergence kind :
       {Divergence::kForward, Divergence::kReverse, Divergence::kJensenShannon, Divergence::kSkew,
        Divergence::kTotalVariation})
    for (const double temperature : {1.0, 2.5})
      all.push_back({.kind = kind, .mix = 0.3, .temperature = temperature});
  return all;
}

// Loss of a row; its logits become the derivatives.
double run_row(Objective& objective, std::vector<float>& logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  return objective.row(*choose_kernels("").value(), kTarget, std::log(sum), logits);
}

TEST(Distillation, HasTheDerivativesOfItsLoss) {
  const auto teacher = std::make_shared<FixedTeacher>(random_logits(1));
  for (DistillationOptions options : all_distillations()) {
    for (const double share : {0.0, 0.4}) {
      options.data_share = share;
      SCOPED_TRACE(
          fmt::format("{} {} {}", static_cast<int>(options.kind), options.temperature, share));
      const auto objective = make_distillation(options, teacher);
      std::vector<float> derivatives = random_logits(2);
      run_row(*objective, derivatives);
      for (std::size_t i = 0; i < kVocabulary; ++i) {
        const auto slope = [&](float step) {
          std::vector<float> above = random_logits(2), below = above;
          above[i] += step;
          below[i] -= step;
          const double apart = double{above[i]} - double{below[i]};
          return (run_row(*objective, above) - run_row(*objective, below)) / apart;
        };
        // Steps that floats can hold, and what their error of second order extrapolates to.
        const double wanted = (4 * slope(0.01F) - slope(0.02F)) / 3;
        EXPECT_NEAR(double{derivatives[i]}, wanted, 1e-6) << i;
      }
    }
  }
}

TEST(Distillation, HasTheValuesOfItsFormulas) {
  const auto softmax = [](const std::vector<float>& logits, double temperature) {
    std::vector<double> p;
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double{logit} / temperature);
    for (const float logit : logits) p.push_back(std::exp(double{logit} / temperature) / sum);
    return p;
  };
  const auto kl = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * std::log(a[i] / b[i]);
    return sum;
  };
  const auto between = [](const std::vector<double>& a, const std::vector<double>& b, double t) {
    std::vector<double> m;
    for (std::size_t i = 0; i < a.size(); ++i) m.push_back(t * a[i] + (1 - t) * b[i]);
    return m;
  };
  for (const DistillationOptions& options : all_distillations()) {
    const auto p = softmax(random_logits(1), options.temperature);
    const auto q = softmax(random_logits(2), options.temperature);
    const auto m = between(p, q, 0.3);
    double variation = 0;
    for (std::size_t i = 0; i < p.size(); ++i) variation += std::abs(p[i] - q[i]) / 2;
    const double wanted[] = {kl(p, q), kl(q, p), 0.3 * kl(p, m) + 0.7 * kl(q, m), kl(p, m),
                             variation};
    std::vector<float> logits = random_logits(2);
    const auto objective =
        make_distillation(options, std::make_shared<FixedTeacher>(random_logits(1)));
    EXPECT_NEAR(run_row(*objective, logits),
                0.75 * options.temperature * options.temperature *
                    wanted[static_cast<std::size_t>(options.kind)],
                1e-12);
  }
}

TEST(Distillation, FromOneselfIsExactlyZero) {
  const auto teacher = std::make_shared<FixedTeacher>(random_logits(2));
  for (const DistillationOptions& options : all_distillations()) {
    std::vector<float> logits = random_logits(2);
    EXPECT_EQ(run_row(*make_distillation(options, teacher), logits), 0.0);
    for (const float derivative : logits) EXPECT_EQ(derivative, 0.0F);
  }
}

// Counts of sampled tokens stand for the teacher: right on average.
TEST(Distillation, OfSampledTargetsHasTheGradientOfAllOnAverage) {
  constexpr int kDraws = 10'000, kSamples = 8;
  const auto full = std::make_shared<FixedTeacher>(random_logits(1));
  std::vector<float> wanted = random_logits(2);
  run_row(*make_distillation({}, full), wanted);
  std::vector<double> p;
  double total = 0;
  for (const float logit : full->row) total += std::exp(double{logit});
  for (const float logit : full->row) p.push_back(std::exp(double{logit}) / total);
  Random random(3);
  const auto sampled = std::make_shared<FixedTeacher>(random_logits(1));
  const auto objective = make_distillation({}, sampled);
  std::vector<double> mean(kVocabulary);
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<int> counts(kVocabulary);
    for (int k = 0; k < kSamples; ++k) {
      double left = random.next_double();
      std::size_t id = 0;
      while (id + 1 < kVocabulary && (left -= p[id]) >= 0) ++id;
      ++counts[id];
    }
    for (std::size_t i = 0; i < kVocabulary; ++i)
      sampled->row[i] = std::log(static_cast<float>(counts[i]) / kSamples);
    std::vector<float> derivatives = random_logits(2);
    EXPECT_TRUE(std::isfinite(run_row(*objective, derivatives)));
    for (std::size_t i = 0; i < kVocabulary; ++i) mean[i] += double{derivatives[i]} / kDraws;
  }
  for (std::size_t i = 0; i < kVocabulary; ++i) {
    const double sigma = 0.75 * std::sqrt(p[i] * (1 - p[i]) / kSamples / kDraws);
    EXPECT_NEAR(mean[i], double{wanted[i]}, 3.5 * sigma + 1e-6) << i;
  }
}

}  // namespace
}  // namespace bantam
