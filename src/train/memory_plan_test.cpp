#include "train/memory_plan.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/random.h"
#include "models/shapes.h"
#include "support/random_model.h"
#include "train/trainable.h"

namespace bantam {
namespace {

using support::RandomModelSpec;
constexpr double kNoise = 1 << 21;  // a huge page

std::vector<Example> random_examples(std::int64_t count, std::int64_t length) {
  Random random(5);
  std::vector<Example> examples;
  for (std::int64_t e = 0; e < count; ++e) {
    Example example{.weights = std::vector<float>(static_cast<std::size_t>(length), 1.0F)};
    for (std::int64_t i = 0; i < length; ++i)
      example.ids.push_back(static_cast<std::int32_t>(random.next_below(300)));
    examples.push_back(std::move(example));
  }
  return examples;
}

// Of this process, in bytes: "VmRSS", resident now, or "VmHWM", the most since clear_peak().
std::uint64_t resident(std::string_view what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(what)) return std::stoull(line.substr(what.size() + 1)) << 10;
  return 0;
}

// What one step holds at its worst, measured in a process of its own; 0 if that cannot be known.
std::uint64_t measure(const TrainableModel& model, const LearnerOptions& options,
                      std::span<const Example> examples) {
  int ends[2] = {};
  if (::pipe(ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    std::uint64_t held = 0;
    ::malloc_trim(0);  // or what earlier tests gave up would be taken without being counted
    const std::uint64_t before = resident("VmRSS");
    // Sets the peak to what is resident now.
    if ((std::ofstream("/proc/self/clear_refs") << 5 << std::flush).good()) {
      ThreadPool pool(1);
      Learner learner(*model.decoder, *model.parameters, *choose_kernels("").value(), pool,
                      options);
      Objective objective;
      if (learner.accumulate(examples, objective, 1)) held = resident("VmHWM") - before;
    }
    ::_exit(::write(ends[1], &held, sizeof held) == sizeof held ? 0 : 1);
  }
  ::close(ends[1]);
  std::uint64_t held = 0;
  const bool told = ::read(ends[0], &held, sizeof held) == sizeof held;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return told ? held : 0;
}

struct NamedShape {
  const char* name;
  RandomModelSpec spec;
};

// What a step really holds is at most what was planned, and not far below it.
TEST(MemoryPlan, BoundsWhatTheLearnerHolds) {
  const RandomModelSpec dense{.vocab = 320,
                              .width = 128,
                              .layers = 6,
                              .heads = 4,
                              .kv_heads = 2,
                              .ffn_width = 384,
                              .vocabulary = false};
  RandomModelSpec qwen3 = dense, experts = dense, wide = dense, adapter = dense;
  qwen3.architecture = "qwen3";
  experts.experts = 4, experts.ffn_width = 96;
  wide.vocab = 20'000;
  for (const NamedShape& shape : {NamedShape{"dense", dense}, NamedShape{"qwen3", qwen3},
                                  NamedShape{"experts", experts}, NamedShape{"vocabulary", wide}}) {
    const auto file = support::make_random_model(shape.spec);
    for (const bool full : {true, false}) {
      const TrainableModel model =
          full ? train_tensors(file, {}).value() : train_adapter(file, {.rank = 4}).value();
      for (const std::int64_t forgotten : {0, 3, 6}) {
        const LearnerOptions options{
            .kv_type = DType::kF16, .micro_tokens = 512, .forgotten_layers = forgotten};
        const std::uint64_t measured = measure(model, options, random_examples(8, 64));
        if (measured == 0) GTEST_SKIP() << "the system does not say what is resident";
        const auto held = static_cast<double>(measured);
        const MemoryPlan plan = memory_of(model.decoder->spec(), {}, options);
        const auto planned = static_cast<double>(plan.activations + plan.logits + plan.kv);
        EXPECT_LE(held, planned + kNoise)
            << shape.name << " full " << full << " forgotten " << forgotten;
        EXPECT_GE(held, 0.6 * planned - kNoise)
            << shape.name << " full " << full << " forgotten " << forgotten;
      }
    }
  }
}

TEST(MemoryPlan, ForgetsAndShrinksOnlyAsFarAsItHasTo) {
  const auto file = shape_outline(**find_shape("tinyllama-1.1b"));
  ASSERT_TRUE(file.has_value());
  const ArchSpec spec = load_decoder(*file).value()->spec();
  MemoryWish wish{.budget = std::uint64_t{64} << 30,
                  .longest = 512,
                  .batch_tokens = 8192,
                  .parameters = 12'600'000,
                  .weight_bytes = std::uint64_t{637} << 20};
  const LearnerOptions options{.micro_tokens = 2048};
  MemoryPlan before = plan_memory(spec, wish, options).value();
  EXPECT_EQ(before.learner.micro_tokens, 2048);
  EXPECT_EQ(before.learner.forgotten_layers, 0);
  // The goal of the 1.1 B shape: QLoRA in 1.5 GB.
  wish.budget = 1'500'000'000;
  const MemoryPlan tight = plan_memory(spec, wish, options).value();
  EXPECT_LE(tight.total(), wish.budget);
  EXPECT_GE(tight.learner.micro_tokens, 512);
  // Shorter rows can be cut so that nothing is computed twice, which is faster.
  wish.longest = 128;
  const MemoryPlan cut = plan_memory(spec, wish, options).value();
  EXPECT_LE(cut.total(), wish.budget);
  EXPECT_EQ(cut.learner.micro_tokens, 128);
  EXPECT_EQ(cut.learner.forgotten_layers, 0);
  wish.longest = 512;
  while (wish.budget > 100'000'000) {
    const auto plan = plan_memory(spec, wish, options);
    if (!plan) {
      EXPECT_EQ(plan.error().code, "memory_budget");
      EXPECT_NE(plan.error().message.find("weights"), std::string::npos) << plan.error().message;
      return;
    }
    EXPECT_LE(plan->total(), wish.budget);
    wish.budget -= 50'000'000;
  }
  FAIL() << "100 MB cannot be enough";
}

}  // namespace
}  // namespace bantam
