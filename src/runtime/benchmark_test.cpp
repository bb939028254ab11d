#include "runtime/benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/random_model.h"

namespace bantam {
namespace {

std::shared_ptr<const Decoder> decoder_of(const support::RandomModelSpec& spec) {
  return load_decoder(support::make_random_model(spec)).value();
}

// Elements of the layers' matrices of the default random model: width 64, 2 layers, 4 heads and
// 2 KV heads of 16, a feed-forward of 160.
constexpr double kLayerElements = 2.0 * (64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 160);
constexpr double kHeadElements = 320.0 * 64;

TEST(StepWork, CountsEveryMatrixOnceAStepAndItsProductsOnceAToken) {
  const auto decoder = decoder_of({});
  const StepWork one = step_work(*decoder, 1, 1), ten = step_work(*decoder, 10, 1);
  EXPECT_EQ(one.weight_bytes, 4 * static_cast<std::uint64_t>(kLayerElements + kHeadElements));
  EXPECT_EQ(ten.weight_bytes, one.weight_bytes);
  EXPECT_DOUBLE_EQ(one.f32_operations, 2 * (kLayerElements + kHeadElements));
  EXPECT_DOUBLE_EQ(ten.f32_operations, 2 * (10 * kLayerElements + kHeadElements));
  EXPECT_EQ(one.int8_operations, 0);
}

TEST(StepWork, PackedWeightsAreComputedInInt8) {
  const StepWork work = step_work(*decoder_of({.dtype = DType::kQ8_0}), 3, 2);
  EXPECT_DOUBLE_EQ(work.int8_operations, 2 * (3 * kLayerElements + 2 * kHeadElements));
  EXPECT_EQ(work.f32_operations, 0);
  EXPECT_EQ(work.weight_bytes,
            static_cast<std::uint64_t>((kLayerElements + kHeadElements) / 32 * 34));
}

TEST(StepWork, OfExpertsOnlyThoseInUseAreReadAndComputed) {
  const auto decoder = decoder_of({.experts = 8, .experts_used = 2});
  const StepWork one = step_work(*decoder, 1, 0), many = step_work(*decoder, 1000, 0);
  constexpr double kAttention = 2.0 * (64 * 64 + 2 * 64 * 32 + 64 * 64);
  constexpr double kRouter = 2.0 * 8 * 64, kExpert = 2.0 * 3 * 64 * 160;
  EXPECT_DOUBLE_EQ(one.f32_operations, 2 * (kAttention + kRouter + 2 * kExpert));
  EXPECT_DOUBLE_EQ(many.f32_operations, 1000 * one.f32_operations);
  EXPECT_NEAR(static_cast<double>(one.weight_bytes),
              4 * (kAttention + kRouter + 2 * kExpert + kHeadElements), 1);
  // A thousand tokens use them all.
  EXPECT_NEAR(static_cast<double>(many.weight_bytes),
              4 * (kAttention + kRouter + 8 * kExpert + kHeadElements), 1);
}

TEST(StepWork, TakesAsLongAsTheSlowerOfReadingAndComputing) {
  const Peaks peaks{.threads = 1,
                    .read_bytes_per_second = 1000,
                    .int8_per_second = 4000,
                    .bf16_per_second = 1,
                    .f32_per_second = 500};
  const StepWork reads{.weight_bytes = 2000, .int8_operations = 400, .f32_operations = 50};
  EXPECT_DOUBLE_EQ(reads.compute_seconds_at(peaks), 0.2);
  EXPECT_DOUBLE_EQ(reads.seconds_at(peaks), 2);
  const StepWork computes{.weight_bytes = 10, .int8_operations = 8000, .f32_operations = 500};
  EXPECT_DOUBLE_EQ(computes.seconds_at(peaks), 3);
}

TEST(CheckMemory, RefusesWhatDoesNotFitWithBothFigures) {
  const auto decoder = decoder_of({});
  BenchmarkOptions options{.prompt = 64, .generate = 8};
  EXPECT_TRUE(check_memory(decoder->spec(), options, 0, std::uint64_t{1} << 30));
  const auto weights = check_memory(decoder->spec(), options, 42'470'000'000, 24'180'000'000);
  ASSERT_FALSE(weights);
  EXPECT_EQ(weights.error().kind, ErrorKind::kTooLarge);
  EXPECT_EQ(weights.error().code, "out_of_memory");
  EXPECT_THAT(weights.error().message, testing::HasSubstr("weights 42.47"));
  EXPECT_THAT(weights.error().message, testing::HasSubstr("24.18 GB are available"));
  // 2 layers, 2 heads of 16 for keys and for values in F16: 256 bytes a token.
  options.batch = {1, 256};
  options.generate = 1 << 20;
  const auto kv = check_memory(decoder->spec(), options, 0, std::uint64_t{1} << 30);
  ASSERT_FALSE(kv);
  EXPECT_THAT(kv.error().message, testing::HasSubstr("keys and values 68.72"));
}

TEST(Benchmark, FiguresAgreeWithEachOther) {
  BenchmarkOptions options{.prompt = 40, .generate = 4, .batch = {1, 3}, .repeats = 1};
  options.engine.threads = 2;
  std::vector<std::string> parts;
  const auto report = run_benchmark(decoder_of({.dtype = DType::kQ8_0}), options,
                                    [&](std::string_view part) { parts.emplace_back(part); });
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(parts.size(), 4u);
  EXPECT_EQ(report->threads, 2u);
  EXPECT_FALSE(report->float_weights);
  EXPECT_GT(report->peaks.read_bytes_per_second, 0);
  EXPECT_GT(report->peaks.bf16_per_second, 0);
  ASSERT_TRUE(report->prompt);
  ASSERT_EQ(report->generate.size(), 2u);
  EXPECT_EQ(report->generate[1].sequences, 3);
  for (const BenchmarkFigure& figure :
       {*report->prompt, report->generate[0], report->generate[1]}) {
    EXPECT_GT(figure.tokens_per_second, 0);
    EXPECT_NEAR(figure.share_of_limit * figure.limit_tokens_per_second, figure.tokens_per_second,
                1e-6 * figure.tokens_per_second);
    EXPECT_GE(figure.share_of_limit * (1 + 1e-9),
              std::max(figure.share_of_arithmetic, figure.share_of_read_bandwidth));
  }
  EXPECT_GT(report->kv_bytes, 0u);
  EXPECT_GT(report->resident_bytes, report->weight_bytes);
}

TEST(Benchmark, WhatIsNotAskedForIsNotMeasured) {
  BenchmarkOptions options{.prompt = 0, .generate = 0};
  options.engine.threads = 1;
  const auto report = run_benchmark(decoder_of({}), options, [](std::string_view) {});
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->prompt);
  EXPECT_TRUE(report->generate.empty());
  EXPECT_TRUE(report->float_weights);
}

TEST(ThreadCounts, DoubleUpToAll) {
  EXPECT_THAT(thread_counts(1), testing::ElementsAre(1));
  EXPECT_THAT(thread_counts(2), testing::ElementsAre(1, 2));
  EXPECT_THAT(thread_counts(12), testing::ElementsAre(1, 2, 4, 8, 12));
}

}  // namespace
}  // namespace bantam
