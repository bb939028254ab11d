// What a run learns from, and what it leaves: replay, selection, order, averages.
#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "base/file.h"
#include "formats/gguf_writer.h"
#include "support/random_model.h"
#include "tune/tune_fixture.h"

namespace bantam {
namespace {

class TuneMixing : public Tune {
 protected:
  TuneMixing() {
    std::string other, pairs;
    for (int i = 0; i < 30; ++i) {
      other += fmt::format("{{\"prompt\":\"Colour {}:\",\"completion\":\"green\"}}\n", i);
      pairs += fmt::format("{{\"prompt\":\"{}\",\"chosen\":\"y\",\"rejected\":\"n\"}}\n", i);
    }
    CHECK(write_file(root_ / "other.jsonl", other).has_value());
    CHECK(write_file(root_ / "pairs.jsonl", pairs).has_value());
  }

  TuneOptions wishes(std::string_view name) const {
    TuneOptions options = this->options(name);
    options.metric = Metric::kLoss;
    options.epochs = 2;
    options.schedule.peak = 5e-3F;
    return options;
  }
  TrainingResult run(const TuneOptions& options) {
    const auto exchange = alone();
    auto prepared = TuneRun::prepare(options, *exchange);
    CHECK(prepared.has_value(), "{}", prepared.error().to_string());
    plan_ = (*prepared)->plan();
    auto result = (*prepared)->run({}, {});
    CHECK(result.has_value(), "{}", result.error().to_string());
    return *result;
  }
  std::string adapter(std::string_view name) const {
    return read_file(root_ / name / "adapter.gguf", 1 << 24).value();
  }
  std::string code(const TuneOptions& options) const {
    const auto exchange = alone();
    const auto prepared = TuneRun::prepare(options, *exchange);
    return prepared ? "none" : prepared.error().code;
  }

  TunePlan plan_;
};

TEST_F(TuneMixing, ReplayKeepsWhatItSays) {
  TuneOptions without = wishes("without");
  without.validation_data = root_ / "other.jsonl";
  const double alone = run(without).state.best_score;
  TuneOptions with = wishes("with");
  with.validation_data = without.validation_data;
  with.replay = without.validation_data;
  with.replay_share = 0.5;
  const std::int64_t steps = plan_.steps;
  const double mixed = run(with).state.best_score;
  EXPECT_EQ(plan_.train_examples, 60);
  EXPECT_EQ(plan_.replay_examples, 30);
  EXPECT_GT(plan_.steps, steps);
  EXPECT_GT(mixed, alone + 0.5);
  with.folder = root_ / "pairs";
  with.replay = root_ / "pairs.jsonl";
  EXPECT_EQ(code(with), "replay_invalid");
}

TEST_F(TuneMixing, SelectionKeepsAShareOfTheRows) {
  TuneOptions half = wishes("half");
  half.selection.share = 0.5;
  run(half);
  const std::int64_t kept = plan_.train_examples, all = kept + plan_.left_out;
  EXPECT_EQ(kept, (all + 1) / 2);
  // Under itself nothing can be reduced, so that the first ones are taken: another choice.
  half.folder = root_ / "reference";
  half.selection.reference = {root_ / "base.gguf", {}};
  run(half);
  EXPECT_EQ(plan_.train_examples, kept);
  EXPECT_NE(adapter("half"), adapter("reference"));
}

TEST_F(TuneMixing, ShortRowsComeFirst) {
  std::string rows;
  for (int i = 0; i < 24; ++i)
    rows +=
        fmt::format("{{\"text\":\"{}\"}}\n", std::string(static_cast<std::size_t>(4 + 4 * i), 'x'));
  ASSERT_TRUE(write_file(root_ / "long.jsonl", rows).has_value());
  const auto tokens = [&](std::string_view name, std::int64_t epochs) {
    TuneOptions options = wishes(name);
    options.data = root_ / "long.jsonl";
    options.split.validation = 0;
    options.batches = {.examples = 4, .short_first_epochs = epochs};
    const auto exchange = alone();
    std::vector<std::int64_t> sums{0};
    auto prepared = TuneRun::prepare(options, *exchange);
    EXPECT_TRUE((*prepared)->run([&](const StepReport& r) { sums.push_back(r.tokens); }, {}));
    std::vector<std::int64_t> steps(sums.size());
    std::adjacent_difference(sums.begin(), sums.end(), steps.begin());
    return std::vector(steps.begin() + 1, steps.end());
  };
  const std::vector<std::int64_t> first = tokens("short", 1), any = tokens("any", 0);
  ASSERT_EQ(first.size(), 12U);
  EXPECT_TRUE(std::ranges::is_sorted(first.begin(), first.begin() + 6));
  EXPECT_FALSE(std::ranges::is_sorted(any.begin(), any.begin() + 6));
  EXPECT_FALSE(std::ranges::is_sorted(first.begin() + 6, first.end()));
}

TEST_F(TuneMixing, TheAverageIsWhatIsMeasuredAndSaved) {
  TuneOptions options = wishes("average");
  options.average = 0.9;
  const TrainingResult averaged = run(options);
  options.folder = root_ / "plain";
  options.average = 0;
  const TrainingResult plain = run(options);
  EXPECT_EQ(averaged.last.loss, plain.last.loss);  // the steps are the same
  EXPECT_NE(averaged.state.best_score, plain.state.best_score);
  EXPECT_NE(adapter("average"), adapter("plain"));

  // Stopped and gone on with, to the bit.
  options.average = 0.9;
  options.folder = root_ / "stopped";
  const auto exchange = alone();
  std::stop_source source;
  const auto stop = [&](const StepReport& report) {
    if (report.step == 3) source.request_stop();
  };
  const auto first = TuneRun::prepare(options, *exchange).value()->run(stop, source.get_token());
  EXPECT_EQ(first->end, TrainingEnd::kStopped);
  run(options);
  EXPECT_EQ(adapter("stopped"), adapter("average"));
}

// PEFT has names for llama's modules, and a folder that a better adapter replaces.
TEST_F(TuneMixing, DoraLeavesAFolderThatServesWhatWasMeasured) {
  TuneOptions options = wishes("dora");
  options.adapter.magnitude = true;
  options.epochs = 3;
  const TrainingResult result = run(options);
  EXPECT_EQ(plan_.out, root_ / "dora" / "adapter");
  EXPECT_TRUE(fs::exists(plan_.out / "adapter_config.json"));
  EXPECT_FALSE(fs::exists(root_ / "dora" / "unproven-adapter"));
  EXPECT_GT(result.state.best_step, 1);
  // As the beginning of another run: what it says of the rows is what was measured.
  options.folder = root_ / "after";
  options.selection = {.share = 0.5, .reference = {root_ / "base.gguf", plan_.out}};
  run(options);
  EXPECT_GT(plan_.left_out, 0);
  options.folder = root_ / "both";
  options.original = root_ / "base.gguf";
  EXPECT_EQ(code(options), "adapter_invalid");
}

TEST_F(TuneMixing, AnAdapterMayBeginWithWhatPackingLost) {
  // The base is the original here, so that nothing is lost: the run is the plain one.
  TuneOptions options = wishes("plain");
  run(options);
  options.folder = root_ / "begun";
  options.original = root_ / "base.gguf";
  run(options);
  EXPECT_EQ(adapter("begun"), adapter("plain"));
  ASSERT_TRUE(
      write_gguf(root_ / "other.gguf", *support::make_random_model({.width = 96})).has_value());
  options.original = root_ / "other.gguf";
  options.folder = root_ / "other";
  EXPECT_EQ(code(options), "original_differs");
}

TEST_F(TuneMixing, TheRateMayStayAtItsPeak) {
  TuneOptions options = wishes("constant");
  options.schedule = {.peak = 1e-3F, .warmup = 2, .hold = 1};
  const auto exchange = alone();
  std::vector<double> rates;
  const auto result = TuneRun::prepare(options, *exchange)
                          .value()
                          ->run([&](const StepReport& r) { rates.push_back(r.rate); }, {});
  ASSERT_TRUE(result.has_value());
  EXPECT_LT(rates[0], rates[1]);
  for (std::size_t i = 2; i < rates.size(); ++i)
    EXPECT_FLOAT_EQ(static_cast<float>(rates[i]), 1e-3F);
}

}  // namespace
}  // namespace bantam
