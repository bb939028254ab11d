#include "tune/train_benchmark.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random_model.h"

namespace bantam {
namespace {

std::shared_ptr<WeightFile> small_model(DType type) {
  return support::make_random_model({.vocab = 96,
                                     .width = 64,
                                     .layers = 2,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .ffn_width = 128,
                                     .dtype = type,
                                     .vocabulary = false});
}
// Elements of a layer's matrices and of the head, and of one (query, key) product of a layer.
constexpr double kLayer = 64 * 64 * 2 + 2 * 32 * 64 + 3 * 128 * 64, kHead = 96 * 64;
constexpr double kMatrices = 2 * kLayer + kHead;
// Of two examples of nine tokens: eight rows each, and 1 + 2 + … + 8 pairs in each of two layers.
constexpr double kRows = 16, kPairs = 2 * 2 * 36;

TEST(TrainWork, CountsEachProductOfFullTraining) {
  const TrainableModel model = train_tensors(small_model(DType::kF32), {}).value();
  const TrainWork work = train_work(model, 2, 9);
  EXPECT_EQ(work.forward_int8, 0);
  EXPECT_EQ(work.forward_f32, 2 * kMatrices * kRows + 4 * kPairs * 64);
  EXPECT_EQ(work.backward, 4 * kMatrices * kRows + 10 * kPairs * 64);
  const TrainableModel images = train_tensors(small_model(DType::kF32), {}, DType::kQ8_0).value();
  const TrainWork packed = train_work(images, 2, 9);
  EXPECT_EQ(packed.forward_int8, 2 * kMatrices * kRows);
  EXPECT_EQ(packed.operations(), work.operations());
  const Peaks peaks{.int8_per_second = 4e9, .f32_per_second = 1e9};
  EXPECT_DOUBLE_EQ(packed.seconds_at(peaks),
                   packed.forward_int8 / 4e9 + (packed.forward_f32 + packed.backward) / 1e9);
}

TEST(TrainWork, AFrozenBaseHasNoGradientOfItsOwn) {
  const TrainableModel model = train_adapter(small_model(DType::kQ8_0), {.rank = 4}).value();
  double adapter = 0;
  for (const Parameter& parameter : model.parameters->all())
    adapter += static_cast<double>(parameter.size());
  const TrainWork work = train_work(model, 2, 9);
  EXPECT_EQ(work.forward_int8, 2 * kMatrices * kRows);
  EXPECT_EQ(work.forward_f32, 2 * adapter * kRows + 4 * kPairs * 64);
  EXPECT_EQ(work.backward, 2 * kMatrices * kRows + 4 * adapter * kRows + 10 * kPairs * 64);
}

TEST(TrainBenchmark, MeasuresWhatWasAskedFor) {
  TrainBenchmarkOptions options{.batch_tokens = 100, .length = 20, .repeats = 1, .threads = 2};
  const auto ignore = [](std::string_view) {};
  const auto report = run_train_benchmark(small_model(DType::kQ8_0), options, ignore);
  ASSERT_TRUE(report.has_value()) << report.error().to_string();
  EXPECT_EQ(report->tokens(), 100);
  EXPECT_EQ(report->examples, 5);
  EXPECT_EQ(report->threads, 2u);
  EXPECT_GT(report->forward_seconds, 0);
  EXPECT_GT(report->optimizer_seconds, 0);
  EXPECT_GT(report->resident_bytes, 0u);
  EXPECT_NEAR(report->loss, std::log(96.0), 2);
  const std::int64_t adapter = report->parameters;

  options.full = DType::kQ8_0;
  options.length = 100000;  // the context's at most
  options.muon.emplace();
  const auto full = run_train_benchmark(small_model(DType::kF32), options, ignore);
  ASSERT_TRUE(full.has_value()) << full.error().to_string();
  EXPECT_EQ(full->length, 256);
  EXPECT_EQ(full->examples, 1);
  EXPECT_GT(full->parameters, adapter);

  options.memory = 1000;
  const auto refused = run_train_benchmark(small_model(DType::kF32), options, ignore);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, "memory_budget");
}

}  // namespace
}  // namespace bantam
