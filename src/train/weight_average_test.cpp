#include "train/weight_average.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace bantam {
namespace {

// Steps that put the step's number, times the rate, into every value.
class Counter final : public Optimizer {
 public:
  explicit Counter(Parameters& parameters) : parameters_(parameters) {}
  void step(std::int64_t step, float rate, float /*scale*/) override {
    std::ranges::fill(parameters_.values(), rate * static_cast<float>(step));
    ++steps;
  }
  std::vector<State> state() override {
    return {{"steps", std::as_writable_bytes(std::span(&steps, 1))}};
  }
  int steps = 0;

 private:
  Parameters& parameters_;
};

std::unique_ptr<Parameters> some_parameters() {
  auto made = Parameters::create({{.name = "matrix", .shape = Shape{200, 300}}}).value();
  std::ranges::fill(made->values(), 10.0F);
  return made;
}

std::unique_ptr<WeightAverage> average_of(Parameters& parameters, ThreadPool& pool, double keep) {
  return WeightAverage::create(std::make_unique<Counter>(parameters), parameters, pool, keep)
      .value();
}

TEST(WeightAverage, IsThatOfTheValuesAfterEachStep) {
  ThreadPool pool(2);
  const auto parameters = some_parameters();
  const auto optimizer = average_of(*parameters, pool, 0.5);
  double want = 10;
  for (std::int64_t step = 1; step <= 20; ++step) {
    optimizer->step(step, 3, 1);
    const auto n = static_cast<double>(step);
    const double keep = std::min(0.5, n / (n + 9));
    want = keep * want + (1 - keep) * 3 * n;
    EXPECT_EQ(parameters->values()[7], 3.0F * static_cast<float>(step));
    optimizer->exchange();
    for (const std::size_t i : {0U, 7U, 59'999U})
      EXPECT_NEAR(parameters->values()[i], want, 1e-5 * want) << step;
    optimizer->exchange();
    EXPECT_EQ(parameters->values()[7], 3.0F * static_cast<float>(step));
  }
}

TEST(WeightAverage, GoesOnFromItsStateWithTheSameBits) {
  ThreadPool one(1), two(2);
  const auto straight = some_parameters(), resumed = some_parameters();
  const auto first = average_of(*straight, one, 0.99), second = average_of(*resumed, two, 0.99);
  for (std::int64_t step = 1; step <= 6; ++step) {
    first->step(step, 0.1F, 1);
    if (step == 4) {
      const auto from = first->state(), to = second->state();
      ASSERT_EQ(from.size(), 2U);
      for (std::size_t i = 0; i < from.size(); ++i)
        std::ranges::copy(from[i].bytes, to[i].bytes.begin());
      std::ranges::copy(straight->values(), resumed->values().begin());
    } else if (step > 4) {
      second->step(step, 0.1F, 1);
    }
  }
  first->exchange(), second->exchange();
  EXPECT_TRUE(std::ranges::equal(straight->values(), resumed->values()));
}

TEST(WeightAverage, RefusesAPartThatIsNone) {
  ThreadPool pool(1);
  const auto parameters = some_parameters();
  for (const double keep : {1.0, -0.1, std::numeric_limits<double>::quiet_NaN()}) {
    const auto made =
        WeightAverage::create(std::make_unique<Counter>(*parameters), *parameters, pool, keep);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, "keep_invalid");
  }
}

TEST(WeightAverageDeathTest, TakesNoStepWhileExchanged) {
  ThreadPool pool(1);
  const auto parameters = some_parameters();
  const auto optimizer = average_of(*parameters, pool, 0.9);
  optimizer->exchange();
  EXPECT_DEATH(optimizer->step(1, 1, 1), "exchanged");
}

}  // namespace
}  // namespace bantam
