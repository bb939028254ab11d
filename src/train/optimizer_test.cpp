#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/random.h"

namespace bantam {
namespace {

std::unique_ptr<Parameters> some_parameters() {
  auto made = Parameters::create(
      {{.name = "matrix", .shape = Shape{300, 70}},
       {.name = "norm", .shape = Shape{70}, .role = ParameterRole::kVector},
       {.name = "table", .shape = Shape{40, 70}, .role = ParameterRole::kEmbedding, .tied = true}});
  Random random(1);
  for (float& value : (*made)->values()) value = static_cast<float>(random.next_normal());
  return std::move(*made);
}

void set_gradients(Parameters& parameters, std::uint64_t seed) {
  Random random(seed);
  for (float& value : parameters.gradients()) value = static_cast<float>(random.next_normal());
}

TEST(Parameters, AreFoundByTheAddressOfAnyOfTheirNumbers) {
  const auto parameters = some_parameters();
  const Parameter& matrix = *parameters->find("matrix");
  EXPECT_EQ(parameters->gradient_of(matrix.view()), matrix.gradient);
  EXPECT_EQ(parameters->gradient_of(matrix.view().slice(3, 5)), matrix.gradient + 3 * 70);
  EXPECT_EQ(parameters->lookup_gradient_of(matrix.view()), matrix.gradient);
  float elsewhere = 0;
  const TensorView frozen{DType::kF32, Shape{1}, reinterpret_cast<std::byte*>(&elsewhere)};
  EXPECT_EQ(parameters->gradient_of(frozen), nullptr);
  EXPECT_EQ(parameters->gradient_of({}), nullptr);
  EXPECT_EQ(parameters->lookup_gradient_of({}), nullptr);
  // One past the last is nobody's.
  const TensorView after{DType::kF32, Shape{1},
                         reinterpret_cast<const std::byte*>(parameters->values().data() +
                                                            parameters->values().size())};
  EXPECT_EQ(parameters->gradient_of(after), nullptr);
}

TEST(Parameters, LookupsOfATiedTableJoinTheHeadsGradient) {
  const auto parameters = some_parameters();
  const Parameter& table = *parameters->find("table");
  ASSERT_NE(table.lookup_gradient, table.gradient);
  table.gradient[5] = 1, table.lookup_gradient[5] = 2;
  parameters->join(**choose_kernels(""));
  EXPECT_EQ(table.gradient[5], 3.0F);
  parameters->join(**choose_kernels(""));
  EXPECT_EQ(table.gradient[5], 3.0F);
}

TEST(Parameters, NormIsThatOfAllGradients) {
  const auto parameters = some_parameters();
  set_gradients(*parameters, 2);
  double squares = 0;
  for (const float g : parameters->gradients())
    squares += static_cast<double>(g) * static_cast<double>(g);
  EXPECT_NEAR(parameters->gradient_norm(**choose_kernels("")), std::sqrt(squares), 1e-4);
}

std::vector<float> values_of(const Parameters& parameters) {
  return {parameters.values().begin(), parameters.values().end()};
}

TEST(Adamw, GoesOnFromItsStateWithTheSameBits) {
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool one(1), two(2);
  const auto straight = some_parameters();
  const auto optimizer = make_adamw(*straight, kernels, one, {}).value();
  std::vector<std::vector<std::byte>> saved;
  std::vector<float> middle;
  for (std::int64_t step = 1; step <= 5; ++step) {
    set_gradients(*straight, static_cast<std::uint64_t>(step));
    optimizer->step(step, 0.01F, 0.5F);
    if (step != 3) continue;
    middle = values_of(*straight);
    for (const Optimizer::State& state : optimizer->state())
      saved.emplace_back(state.bytes.begin(), state.bytes.end());
  }
  const auto resumed = some_parameters();
  const auto second = make_adamw(*resumed, kernels, two, {}).value();
  std::ranges::copy(middle, resumed->values().begin());
  const auto states = second->state();
  ASSERT_EQ(states.size(), saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i)
    std::ranges::copy(saved[i], states[i].bytes.begin());
  for (std::int64_t step = 4; step <= 5; ++step) {
    set_gradients(*resumed, static_cast<std::uint64_t>(step));
    second->step(step, 0.01F, 0.5F);
  }
  EXPECT_EQ(values_of(*resumed), values_of(*straight));
}

TEST(Adamw, DecaysMatricesAndTablesButNoVectors) {
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool pool(1);
  const auto parameters = some_parameters();
  const std::vector<float> before = values_of(*parameters);
  parameters->zero_gradients();
  make_adamw(*parameters, kernels, pool, {.decay = 0.5F}).value()->step(1, 0.1F, 1);
  for (const Parameter& parameter : parameters->all()) {
    const auto first = static_cast<std::size_t>(parameter.value - parameters->values().data());
    const bool decays = parameter.role != ParameterRole::kVector;
    for (std::size_t i = 0; i < static_cast<std::size_t>(parameter.size()); ++i)
      EXPECT_NEAR(parameter.value[i], before[first + i] * (decays ? 0.95F : 1.0F), 1e-6F)
          << parameter.name;
  }
}

TEST(Schedule, RisesHoldsAndFalls) {
  const Schedule straight{.peak = 1, .floor = 0.1F, .warmup = 10, .steps = 110, .hold = 0.4};
  EXPECT_FLOAT_EQ(straight.rate(1), 0.1F);
  EXPECT_FLOAT_EQ(straight.rate(10), 1.0F);
  EXPECT_FLOAT_EQ(straight.rate(50), 1.0F);
  EXPECT_FLOAT_EQ(straight.rate(80), 0.55F);
  EXPECT_FLOAT_EQ(straight.rate(110), 0.1F);
  EXPECT_FLOAT_EQ(straight.rate(500), 0.1F);
  const Schedule cosine{.peak = 2, .steps = 100, .cosine = true};
  EXPECT_FLOAT_EQ(cosine.rate(50), 1.0F);
  EXPECT_NEAR(cosine.rate(100), 0.0F, 1e-6F);
  const Schedule held{.peak = 3, .steps = 10, .hold = 1};
  EXPECT_FLOAT_EQ(held.rate(10), 3.0F);
}

}  // namespace
}  // namespace bantam
