#include "runtime/determinism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "kernels/attention.h"
#include "support/random_model.h"

namespace bantam {
namespace {

using testing::Each;
using testing::Field;

std::shared_ptr<const Decoder> decoder_of(const support::RandomModelSpec& spec) {
  return load_decoder(support::make_random_model(spec)).value();
}

void silent(std::string_view) {}

const DeterminismOutcome& outcome_of(const DeterminismReport& report, std::string_view what) {
  const auto found = std::ranges::find(
      report.outcomes, what, [](const DeterminismOutcome& each) { return each.setting.what; });
  CHECK(found != report.outcomes.end(), "no setting {}", what);
  return *found;
}

TEST(Determinism, ModelsOfEveryKindGiveTheSameBits) {
  for (const support::RandomModelSpec& spec :
       {support::RandomModelSpec{.dtype = DType::kQ8_0},
        support::RandomModelSpec{.context_length = 64, .tied = true, .window = 16},
        support::RandomModelSpec{
            .ffn_width = 64, .experts = 4, .biases = true, .dtype = DType::kF16},
        support::RandomModelSpec{.width = 256, .ffn_width = 256, .dtype = DType::kQ4_K}}) {
    const auto report = check_determinism(*decoder_of(spec), {.quick = true}, silent);
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_TRUE(report->same());
    EXPECT_EQ(report->prompts.size(), 8u);
    for (const DeterminismOutcome& outcome : report->outcomes) {
      EXPECT_FALSE(outcome.difference) << outcome.setting.what;
      EXPECT_GT(outcome.rows, 3 * static_cast<std::int64_t>(outcome.setting.prompts));
    }
  }
}

TEST(Determinism, AFullProofCoversWhatItPromises) {
  const auto report = check_determinism(
      *decoder_of({.layers = 1, .context_length = 600, .dtype = DType::kQ8_0}), {}, silent);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->same());
  ASSERT_EQ(report->prompts.size(), 32u);
  EXPECT_GT(report->prompts.back().tokens, 512);
  EXPECT_THAT(report->prompts,
              Each(Field(&DeterminismReport::Prompt::generated, testing::SizeIs(4))));
  for (const std::string_view what : {"2 threads", "4 threads", "chunks of 1", "chunks of 64",
                                      "batches of 2", "batches of 32", "a reused prefix"})
    EXPECT_EQ(outcome_of(*report, what).setting.prompts, 32u) << what;
  // One setting more for each other set of kernels.
  EXPECT_EQ(report->outcomes.size(), 12u + available_isas().size() - 1);
}

TEST(Determinism, APromptNeverExceedsTheContext) {
  const auto report = check_determinism(*decoder_of({.context_length = 9}), {}, silent);
  ASSERT_TRUE(report) << report.error().to_string();
  for (const DeterminismReport::Prompt& prompt : report->prompts) EXPECT_LE(prompt.tokens, 5);
}

// A table whose float products depend on how many tokens there are, in one element of the
// feed-forward (the inner width is 160): three are in a step only where three prompts are.
FloatDotFunction real_dot = nullptr;
void broken_dot(const DotRows& rows, const float* x, std::int64_t tokens) {
  real_dot(rows, x, tokens);
  if (tokens == 3 && rows.width == 160) rows.out[0] = std::nextafter(rows.out[0], 100.0F);
}

TEST(Determinism, AKernelThatLooksAtItsBatchMatesIsFound) {
  const KernelTable* good = choose_kernels("scalar").value();
  std::vector<FloatDot> dots(good->float_dots.begin(), good->float_dots.end());
  for (FloatDot& dot : dots) {
    if (dot.type != DType::kF32) continue;
    real_dot = dot.dot;
    dot.dot = broken_dot;
  }
  KernelTable broken = *good;
  broken.float_dots = dots;
  const auto report = internal::check_determinism(
      *decoder_of({.layers = 1}), {.isa = "scalar", .quick = true}, silent,
      [&](std::string_view) -> Result<const KernelTable*> { return &broken; });
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_FALSE(report->same());
  EXPECT_FALSE(outcome_of(*report, "2 threads").difference);
  EXPECT_FALSE(outcome_of(*report, "chunks of 1").difference);
  const auto& difference = outcome_of(*report, "batches of 3").difference;
  ASSERT_TRUE(difference);
  EXPECT_GE(difference->logit, 0);
  EXPECT_NE(difference->expected, difference->found);
  EXPECT_NEAR(difference->expected, difference->found, 1e-2);
}

// A reference that is not even equal to itself has no logit to name.
TEST(Determinism, AKernelThatChangesItsMindIsFound) {
  const KernelTable* good = choose_kernels("scalar").value();
  static int calls = 0;
  static void (*real_norm)(const float*, const float*, float, float*, std::int64_t) = nullptr;
  real_norm = good->rms_norm;
  KernelTable broken = *good;
  broken.rms_norm = [](const float* x, const float* weight, float epsilon, float* out,
                       std::int64_t n) {
    real_norm(x, weight, epsilon, out, n);
    out[0] += static_cast<float>(++calls % 5) * 1e-3F;
  };
  const auto report = internal::check_determinism(
      *decoder_of({.layers = 1}), {.isa = "scalar", .quick = true}, silent,
      [&](std::string_view) -> Result<const KernelTable*> { return &broken; });
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_FALSE(report->same());
}

// What the kernels of one setting were asked for.
struct Work {
  std::int64_t longest = 0;  // run of new tokens of one sequence
  std::int64_t tokens = 0;   // most of them in one product
  bool second_half = false;  // the last three of a prompt of five, alone
  bool shared = false;       // segments of one span among threads
  std::set<std::string> isas;
};
struct Watch {
  std::mutex mutex;
  Work* work = nullptr;
  const KernelTable* real = nullptr;
};
Watch& watch() {
  static Watch watch;
  return watch;
}
void watched_attend(const AttentionSpan& span, float* scratch) {
  {
    const std::lock_guard lock(watch().mutex);
    Work& work = *watch().work;
    work.longest = std::max(work.longest, span.sequence->query_count);
    if (span.sequence->first_position == 2 && span.sequence->query_count == 3)
      work.second_half = true;
  }
  watch().real->attend(span, scratch);
}
void watched_merge(const AttentionSpan& span, float* scratch) {
  {
    const std::lock_guard lock(watch().mutex);
    watch().work->shared = true;
  }
  watch().real->merge(span, scratch);
}
void watched_dot(const DotRows& rows, const float* x, std::int64_t tokens) {
  {
    const std::lock_guard lock(watch().mutex);
    watch().work->tokens = std::max(watch().work->tokens, tokens);
  }
  real_dot(rows, x, tokens);
}

// A proof that computed the same thing in the same way again would find nothing.
TEST(Determinism, EverySettingComputesAsItsNameSays) {
  watch().real = choose_kernels("scalar").value();
  std::vector<FloatDot> dots(watch().real->float_dots.begin(), watch().real->float_dots.end());
  FloatDot& dot = *std::ranges::find(dots, DType::kF32, &FloatDot::type);
  real_dot = dot.dot;
  dot.dot = watched_dot;
  KernelTable watched = *watch().real;
  watched.float_dots = dots;
  watched.attend = watched_attend;
  watched.merge = watched_merge;
  std::map<std::string, Work, std::less<>> work;
  Work before;
  watch().work = &before;
  const auto report = internal::check_determinism(
      *decoder_of({.layers = 1}), {.quick = true},
      [&](std::string_view what) { watch().work = &work[std::string(what)]; },
      [&](std::string_view isa) -> Result<const KernelTable*> {
        watch().work->isas.emplace(isa);
        return &watched;
      });
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->same());
  EXPECT_EQ(work.size(), report->outcomes.size() + 1);

  // Prompts have 5, 13, 22 … 67 tokens.
  EXPECT_EQ(work.at("the reference").longest, 67);
  EXPECT_EQ(work.at("the reference").tokens, 67);
  EXPECT_EQ(work.at("chunks of 64").longest, 64);
  EXPECT_EQ(work.at("chunks of 1").longest, 1);
  EXPECT_EQ(work.at("chunks of 1").tokens, 1);
  EXPECT_EQ(work.at("batches of 3").tokens, 48);
  EXPECT_EQ(work.at("batches of 3").longest, 16);
  EXPECT_EQ(work.at("batches of 8").tokens, 5 + 13 + 6 * 16);
  for (const auto& [what, done] : work) {
    EXPECT_EQ(done.second_half, what == "a reused prefix") << what;
    EXPECT_EQ(done.shared, what != "the reference") << what;  // that one has one thread
  }
  // After every eighth token, the last of each prompt, and three that follow it.
  EXPECT_EQ(outcome_of(*report, "chunks of 1").rows, 1 + 2 + 3 + 4 + 5 + 7 + 8 + 9 + 8 * 3);
  for (const DeterminismOutcome& outcome : report->outcomes)
    EXPECT_EQ(work.at(outcome.setting.what).isas, std::set{outcome.setting.isa});
}

}  // namespace
}  // namespace bantam
