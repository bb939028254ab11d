// Runs of the loop on a tiny model: what they end with, whatever happens to them.
#include "train/trainer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "base/file.h"
#include "base/random.h"
#include "support/random_model.h"
#include "train/run_folder.h"
#include "train/trainable.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kVocab = 40;

class RandomBatches final : public BatchSource {
 public:
  Result<std::vector<Example>> batch(std::int64_t step) override {
    Random random(7, static_cast<std::uint64_t>(step));
    std::vector<Example> examples;
    for (std::int64_t e = 0; e < 5; ++e) {
      const std::size_t length = 2 + random.next_below(9);
      Example example{.weights = std::vector<float>(length, 1.0F), .source = 10 * step + e};
      for (std::size_t i = 0; i < length; ++i)
        example.ids.push_back(static_cast<std::int32_t>(random.next_below(kVocab - 1)));
      if (step == bad_step && e == 3) example.ids.back() = kVocab - 1;
      examples.push_back(std::move(example));
    }
    return examples;
  }
  std::int64_t bad_step = -1;  // in whose batch the last id is to be learned
};

// The last id has a loss that is no number.
class FragileObjective final : public Objective {
 public:
  double row(const KernelTable& kernels, const RowTarget& target, double total,
             std::span<float> logits) override {
    const double loss = Objective::row(kernels, target, total, logits);
    return target.id == kVocab - 1 ? std::numeric_limits<double>::quiet_NaN() : loss;
  }
};

// Everything that a run is made of, anew for each.
struct TinyRun {
  explicit TinyRun(std::size_t threads = 1)
      : pool(threads),
        model(train_tensors(support::make_random_model({.vocab = kVocab,
                                                        .width = 32,
                                                        .heads = 2,
                                                        .kv_heads = 1,
                                                        .ffn_width = 48,
                                                        .vocabulary = false}),
                            {})
                  .value()),
        learner(*model.decoder, *model.parameters, kernels, pool, {.kv_type = DType::kF32}),
        optimizer(make_adamw(*model.parameters, kernels, pool, {}).value()) {}

  Result<TrainingResult> train(const TrainerOptions& options, std::stop_token stop = {}) {
    TrainerHooks all = hooks;
    if (!all.save) all.save = [&] { return write_file(options.folder / "model.bin", values()); };
    return bantam::train({.learner = learner,
                          .parameters = *model.parameters,
                          .optimizer = *optimizer,
                          .objective = objective,
                          .batches = batches,
                          .exchange = *exchange,
                          .kernels = kernels,
                          .schedule = schedule},
                         options, all, std::move(stop));
  }
  std::string_view values() const {
    const auto bytes = std::as_bytes(model.parameters->values());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  const KernelTable& kernels = *choose_kernels("").value();
  ThreadPool pool;
  TrainableModel model;
  Learner learner;
  std::unique_ptr<Optimizer> optimizer;
  FragileObjective objective;
  RandomBatches batches;
  std::unique_ptr<Exchange> exchange = alone();
  Schedule schedule{.peak = 3e-3F, .warmup = 4, .steps = 40};
  TrainerHooks hooks;
};

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    root_ = fs::path(testing::TempDir()) /
            fmt::format("bantam-{}-{}", ::getpid(),
                        testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  ~TrainerTest() override { fs::remove_all(root_); }

  TrainerOptions options(std::string_view name) const {
    return {.folder = root_ / name, .run_digest = "d", .checkpoint_seconds = 0};
  }
  std::string model(std::string_view name) const {
    return read_file(root_ / name / "model.bin", 1 << 24).value();
  }
  // A run to its end, undisturbed.
  std::string model_of(std::string_view name, std::size_t threads = 1, std::int64_t shards = 1) {
    TinyRun run(threads);
    TrainerOptions wishes = options(name);
    wishes.shards = shards;
    const auto result = run.train(wishes);
    EXPECT_TRUE(result.has_value()) << result.error().to_string();
    return model(name);
  }

  fs::path root_;
};

TEST_F(TrainerTest, LossesFallAndTheLogSaysSo) {
  TinyRun run;
  std::vector<StepReport> seen;
  run.hooks.progress = [&](const StepReport& report) { seen.push_back(report); };
  // The same batch again and again.
  class Same final : public BatchSource {
   public:
    Result<std::vector<Example>> batch(std::int64_t) override { return RandomBatches().batch(1); }
  } same;
  const auto result = bantam::train({.learner = run.learner,
                                     .parameters = *run.model.parameters,
                                     .optimizer = *run.optimizer,
                                     .objective = run.objective,
                                     .batches = same,
                                     .exchange = *run.exchange,
                                     .kernels = run.kernels,
                                     .schedule = run.schedule},
                                    options("a"), run.hooks, {});
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->end, TrainingEnd::kDone);
  ASSERT_EQ(seen.size(), 40U);
  EXPECT_LT(seen.back().loss, 0.5 * seen.front().loss);
  EXPECT_EQ(seen.back().step, 40);
  EXPECT_EQ(seen.back().seconds_left, 0);
  const auto lines = read_log(root_ / "a" / "log.jsonl");
  ASSERT_EQ(lines->size(), 40U);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(lines->at(i).at("loss").as_double(), seen[i].loss);
}

TEST_F(TrainerTest, ThreadsAndCheckpointsChangeNoBit) {
  const std::string one = model_of("one");
  EXPECT_TRUE(one == model_of("two", 2));
  TinyRun run;
  TrainerOptions rarely = options("rarely");
  rarely.checkpoint_seconds = 1000;
  ASSERT_TRUE(run.train(rarely).has_value());
  EXPECT_TRUE(one == model("rarely"));
}

TEST_F(TrainerTest, TwentyKillsEndWithTheBitsOfNone) {
  const std::string want = model_of("whole");
  TrainerOptions wishes = options("killed");
  wishes.checkpoint_seconds = 0.004;  // so that steps are lost
  Random random(11);
  int killed = 0;
  bool done = false;
  for (int attempt = 0; !done; ++attempt) {
    ASSERT_LT(attempt, 60);
    const bool last = killed >= 20;
    // Half of them after a step, half at any moment: in a step, in a checkpoint, in a line.
    const bool after_step = attempt % 2 == 0;
    const auto steps = static_cast<std::int64_t>(1 + random.next_below(12));
    const auto delay = std::chrono::microseconds(random.next_below(30'000));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      TinyRun run;
      std::int64_t left = steps;
      run.hooks.progress = [&](const StepReport&) {
        if (!last && after_step && --left == 0) ::kill(::getpid(), SIGKILL);
      };
      ::_exit(run.train(wishes).has_value() ? 0 : 1);
    }
    if (!last && !after_step) {
      std::this_thread::sleep_for(delay);
      ::kill(child, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) ++killed;
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      done = last;
      // Done before it could be killed: from the beginning.
      if (!last) fs::remove_all(wishes.folder);
    }
  }
  EXPECT_GE(killed, 20);
  EXPECT_TRUE(model("killed") == want);
  EXPECT_EQ(read_log(wishes.folder / "log.jsonl")->size(), 40U);
}

TEST_F(TrainerTest, AStopEndsTheStepWithACheckpointAndTheRunGoesOn) {
  const std::string want = model_of("whole");
  TrainerOptions wishes = options("stopped");
  wishes.checkpoint_seconds = 1000;
  std::stop_source source;
  TinyRun run;
  run.hooks.progress = [&](const StepReport& report) {
    if (report.step == 13) source.request_stop();
  };
  const auto result = run.train(wishes, source.get_token());
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->end, TrainingEnd::kStopped);
  EXPECT_EQ(result->state.step, 14);
  EXPECT_FALSE(fs::exists(wishes.folder / "model.bin"));
  TinyRun again;
  const auto rest = again.train(wishes);
  ASSERT_TRUE(rest.has_value()) << rest.error().to_string();
  EXPECT_EQ(rest->end, TrainingEnd::kDone);
  EXPECT_TRUE(model("stopped") == want);
  // Once more: it is done.
  TinyRun third;
  const auto nothing = third.train(wishes);
  ASSERT_TRUE(nothing.has_value());
  EXPECT_EQ(nothing->end, TrainingEnd::kDone);
  EXPECT_EQ(nothing->last.step, 0);
}

TEST_F(TrainerTest, ALossThatIsNoNumberKeepsTheLastGoodCheckpointAndIsNamed) {
  TrainerOptions wishes = options("nan");
  std::string good;
  {
    TinyRun run;
    run.batches.bad_step = 9;
    run.hooks.progress = [&](const StepReport& report) {
      if (report.step == 8) good = run.values();
    };
    const auto result = run.train(wishes);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, "model_numerics");
    const std::string text = result.error().to_string();
    for (const char* part : {"step 9", "row 93", "the checkpoint of step 8 is kept"})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  TinyRun run;
  const auto parts = checkpoint_parts(*run.model.parameters, *run.optimizer);
  const auto state = load_checkpoint(wishes.folder / "checkpoint.safetensors", "d", parts);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->step, 8);
  EXPECT_TRUE(run.values() == good);
}

TEST_F(TrainerTest, AFullDiskEndsTheRunAndTheNextGoesOn) {
  const std::string want = model_of("whole");
  TrainerOptions wishes = options("full");
  std::stop_source source;
  TinyRun first;
  first.hooks.progress = [&](const StepReport& report) {
    if (report.step == 5) source.request_stop();
  };
  ASSERT_TRUE(first.train(wishes, source.get_token()).has_value());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {20'000, 20'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    TinyRun run;
    const auto result = run.train(wishes);
    ::_exit(result ? 1 : (result.error().code == "storage_full" ? 0 : 2));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  TinyRun rest;
  const auto result = rest.train(wishes);
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_TRUE(model("full") == want);
}

TEST_F(TrainerTest, StopsEarlyAndSavesTheBest) {
  TinyRun run;
  const double scores[] = {0.1, 0.3, 0.2, 0.3, 0.25, 0.9};
  std::size_t asked = 0;
  std::vector<std::size_t> saved;
  run.hooks.validate = [&]() -> Result<double> { return scores[asked++]; };
  run.hooks.save = [&]() -> Result<void> {
    saved.push_back(asked);
    return {};
  };
  TrainerOptions wishes = options("early");
  wishes.validate_every = 2;
  wishes.patience = 3;
  const auto result = run.train(wishes);
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->end, TrainingEnd::kEarlyStop);
  EXPECT_EQ(result->state.step, 10);
  EXPECT_EQ(result->state.best_step, 4);
  EXPECT_EQ(result->state.best_score, 0.3);
  EXPECT_EQ(saved, (std::vector<std::size_t>{1, 2}));
  TinyRun again;
  EXPECT_EQ(again.train(wishes)->end, TrainingEnd::kEarlyStop);
}

TEST_F(TrainerTest, TheClockEndsARunThatIsSavedAllTheSame) {
  TinyRun run;
  TrainerOptions wishes = options("clock");
  wishes.seconds = 1e-9;
  const auto result = run.train(wishes);
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->end, TrainingEnd::kTime);
  EXPECT_EQ(result->state.step, 1);
  EXPECT_TRUE(model("clock") == run.values());
  TinyRun again;
  EXPECT_EQ(again.train(wishes)->last.step, 0);
  wishes.seconds = 0;
  TinyRun rest;
  EXPECT_EQ(rest.train(wishes)->end, TrainingEnd::kDone);
  EXPECT_TRUE(model("clock") == model_of("whole"));
}

TEST_F(TrainerTest, ShardsSumToNearlyTheSameAndAreChecked) {
  const std::string one = model_of("one"), four = model_of("four", 1, 4);
  ASSERT_EQ(one.size(), four.size());
  EXPECT_FALSE(one == four) << "the sums have another order";
  const auto* a = reinterpret_cast<const float*>(one.data());
  const auto* b = reinterpret_cast<const float*>(four.data());
  for (std::size_t i = 0; i < one.size() / 4; ++i) ASSERT_NEAR(a[i], b[i], 2e-3);
  TinyRun run;
  TrainerOptions wishes = options("three");
  wishes.shards = 3;
  EXPECT_EQ(run.train(wishes).error().code, "shards_invalid");
}

TEST_F(TrainerTest, AnotherRunInTheFolderIsRefused) {
  const auto held = RunFolder::open(root_ / "held");
  TinyRun run;
  EXPECT_EQ(run.train(options("held")).error().code, "run_locked");
  model_of("mine");
  TinyRun other;
  TrainerOptions wishes = options("mine");
  wishes.run_digest = "e";
  EXPECT_EQ(other.train(wishes).error().code, "checkpoint_other_run");
}

}  // namespace
}  // namespace bantam
