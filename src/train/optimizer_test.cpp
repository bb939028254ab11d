#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "support/random_model.h"
#include "train/learner.h"
#include "train/trainable.h"

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

void expect_same_bits_after_resuming(const AdamwOptions& options) {
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool one(1), two(2);
  const auto straight = some_parameters();
  const auto optimizer = make_adamw(*straight, kernels, one, options).value();
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
  const auto second = make_adamw(*resumed, kernels, two, options).value();
  std::ranges::copy(middle, resumed->values().begin());
  const auto states = second->state();
  ASSERT_EQ(states.size(), saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    ASSERT_EQ(states[i].bytes.size(), saved[i].size());
    std::ranges::copy(saved[i], states[i].bytes.begin());
  }
  for (std::int64_t step = 4; step <= 5; ++step) {
    set_gradients(*resumed, static_cast<std::uint64_t>(step));
    second->step(step, 0.01F, 0.5F);
  }
  EXPECT_EQ(values_of(*resumed), values_of(*straight));
}

TEST(Adamw, GoesOnFromItsStateWithTheSameBits) {
  expect_same_bits_after_resuming({});
  expect_same_bits_after_resuming({.eight_bits = true});
}

TEST(Adamw, EightBitsTakeAQuarterOfTheMemoryAndLeaveSmallTensorsAlone) {
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool pool(1);
  const auto plain = some_parameters(), packed = some_parameters();
  const auto wide = make_adamw(*plain, kernels, pool, {}).value();
  const auto narrow = make_adamw(*packed, kernels, pool, {.eight_bits = true}).value();
  const auto bytes_of = [](Optimizer& optimizer) {
    std::size_t bytes = 0;
    for (const Optimizer::State& state : optimizer.state()) bytes += state.bytes.size();
    return bytes;
  };
  const std::size_t blocks = (300 * 70 + 255) / 256;
  EXPECT_EQ(bytes_of(*wide), 8U * (300 * 70 + 70 + 40 * 70));
  EXPECT_EQ(bytes_of(*narrow), 8U * (70 + 40 * 70) + 2 * blocks * (256 + 4));
  for (std::int64_t step = 1; step <= 4; ++step) {
    set_gradients(*plain, static_cast<std::uint64_t>(step));
    set_gradients(*packed, static_cast<std::uint64_t>(step));
    wide->step(step, 0.01F, 1), narrow->step(step, 0.01F, 1);
  }
  for (const std::string_view name : {"norm", "table"})
    EXPECT_TRUE(std::ranges::equal(plain->find(name)->values(), packed->find(name)->values()))
        << name;
  double off = 0, moved = 0;
  const auto start = some_parameters();
  for (std::size_t i = 0; i < 300 * 70; ++i) {
    const float* const wide_value = plain->find("matrix")->value + i;
    const double value = *wide_value;
    off += std::pow(value - static_cast<double>(packed->find("matrix")->value[i]), 2);
    moved += std::pow(value - static_cast<double>(start->find("matrix")->value[i]), 2);
  }
  EXPECT_GT(off, 0);
  EXPECT_LT(std::sqrt(off / moved), 0.05);
}

// One large gradient in a block, once, makes the others' squares vanish beside it. Their first
// moments do not, and what they are divided by must not be nothing.
TEST(Adamw, EightBitsMakeNoGiantStepAfterAnOutlier) {
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool pool(1);
  const auto parameters = Parameters::create({{.name = "matrix", .shape = Shape{64, 64}}}).value();
  const auto optimizer =
      make_adamw(*parameters, kernels, pool, {.decay = 0, .eight_bits = true}).value();
  std::ranges::fill(parameters->gradients(), 1e-4F);
  parameters->gradients()[5] = 1;
  for (std::int64_t step = 1; step <= 10; ++step) {
    const std::vector<float> before = values_of(*parameters);
    optimizer->step(step, 1e-3F, 1);
    for (std::size_t i = 0; i < before.size(); ++i)
      EXPECT_LT(std::abs(parameters->values()[i] - before[i]), 2e-3F) << step << " " << i;
    parameters->zero_gradients();
  }
}

// Batches of a language with a rule: an id names the next one, three times out of four.
std::vector<Example> rule_batch(std::int64_t step) {
  Random random(11, static_cast<std::uint64_t>(step));
  std::vector<Example> examples;
  for (int e = 0; e < 4; ++e) {
    Example example{.weights = std::vector<float>(24, 1.0F)};
    std::uint64_t id = random.next_below(64);
    for (std::size_t i = 0; i < example.weights.size(); ++i) {
      example.ids.push_back(static_cast<std::int32_t>(id));
      id = random.next_below(4) == 0 ? random.next_below(64) : (5 * id + 3) % 64;
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

// Mean loss of a token over the last quarter of a short run.
double loss_after_training(const AdamwOptions& options) {
  constexpr std::int64_t kSteps = 160;
  const KernelTable& kernels = **choose_kernels("");
  ThreadPool pool(2);
  const TrainableModel model =
      train_tensors(support::make_random_model({.vocab = 64, .vocabulary = false}), {}).value();
  Learner learner(*model.decoder, *model.parameters, kernels, pool, {.kv_type = DType::kF32});
  const auto optimizer = make_adamw(*model.parameters, kernels, pool, options).value();
  Objective objective;
  double nll = 0, weight = 0;
  for (std::int64_t step = 1; step <= kSteps; ++step) {
    model.parameters->zero_gradients();
    const auto losses = learner.accumulate(rule_batch(step), objective, 1.0 / (4 * 23)).value();
    model.parameters->join(kernels);
    optimizer->step(step, 3e-3F, 1);
    for (const ExampleLoss& loss : losses)
      if (step > kSteps * 3 / 4) nll += loss.nll, weight += loss.weight;
  }
  return nll / weight;
}

TEST(Adamw, EightBitsTrainADecoderAsWellAs32) {
  const double wide = loss_after_training({});
  const double narrow = loss_after_training({.eight_bits = true});
  EXPECT_LT(wide, 2.5);  // it has learned: log 64 = 4.16, and the language has 1.64
  EXPECT_NE(narrow, wide);
  EXPECT_NEAR(narrow, wide, 0.005 * wide);
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
