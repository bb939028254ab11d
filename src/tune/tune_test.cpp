// From rows in a file to a model in a file, on a tiny random model.
#include "tune/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "formats/weight_file.h"
#include "runtime/loaded_model.h"
#include "tune/tune_fixture.h"

namespace bantam {
namespace {

using testing::HasSubstr;

TEST_F(Tune, LearnsAClassAndServesWhatItMeasured) {
  const auto exchange = alone();
  auto run = TuneRun::prepare(options("run"), *exchange);
  ASSERT_TRUE(run.has_value()) << run.error().to_string();
  const TunePlan plan = (*run)->plan();
  EXPECT_EQ(plan.data.rows, 60);
  EXPECT_EQ(plan.train_examples + plan.validation_examples, 60);
  EXPECT_GT(plan.validation_examples, 5);
  EXPECT_GT(plan.tokens_per_second, 0);
  EXPECT_GT(plan.seconds, 0);
  EXPECT_FALSE(fs::exists(root_ / "run")) << "a plan changes nothing on disk";
  const auto result = (*run)->run({}, {});
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->state.step, plan.steps);
  EXPECT_GE(result->state.best_score, 0.9);
  EXPECT_THAT(read_file(root_ / "run" / "curve.svg", 1 << 20).value(), HasSubstr("<polyline"));

  // The adapter that it left says the same on the packed base, by the ordinary way in.
  const auto model =
      open_model(root_ / "base.gguf",
                 {.threads = 1, .kv_type = DType::kF16, .adapter = root_ / "run" / "adapter.gguf"});
  ASSERT_TRUE(model.has_value()) << model.error().to_string();
  const auto plain = open_model(root_ / "base.gguf", {.threads = 1, .kv_type = DType::kF16});
  const auto rows = read_rows(root_ / "rows.csv", {});
  const RowRenderer renderer =
      RowRenderer::create(*model->tokenizer, nullptr, {.context = 128}).value();
  const std::vector<std::string> labels = {"P", "Q"};
  const auto score = [&](const LoadedModel& loaded) {
    RenderCounts counts;
    Validation validation(
        Metric::kLabel,
        make_validation(Metric::kLabel, rows->rows, labels, renderer, 60, counts).value(),
        std::shared_ptr<const Decoder>(&loaded.engine->decoder(), [](const Decoder*) {}),
        *loaded.tokenizer, nullptr, {.threads = 1, .kv_type = DType::kF16});
    return validation.score().value();
  };
  EXPECT_GE(score(*model), 0.9);
  EXPECT_LT(score(*plain), 0.8);
}

TEST_F(Tune, TwoRunsAndAStoppedOneGiveTheSameFile) {
  const auto exchange = alone();
  const auto file_of = [&](std::string_view name, bool stopped, std::size_t threads) {
    TuneOptions wishes = options(name);
    wishes.threads = threads;
    wishes.epochs = 2;
    wishes.metric = Metric::kLoss;
    if (stopped) {
      std::stop_source source;
      const auto result = TuneRun::prepare(wishes, *exchange)
                              .value()
                              ->run(
                                  [&](const StepReport& report) {
                                    if (report.step == 3) source.request_stop();
                                  },
                                  source.get_token());
      EXPECT_EQ(result->end, TrainingEnd::kStopped);
      wishes.memory = std::uint64_t{300} << 20;  // may change meanwhile
    }
    const auto result = TuneRun::prepare(wishes, *exchange).value()->run({}, {});
    EXPECT_TRUE(result.has_value()) << result.error().to_string();
    EXPECT_EQ(result->end, TrainingEnd::kDone);
    return read_file(root_ / name / "adapter.gguf", 1 << 24).value();
  };
  const std::string once = file_of("once", false, 1);
  EXPECT_TRUE(once == file_of("two", false, 2));
  EXPECT_TRUE(once == file_of("stopped", true, 1));
}

TEST_F(Tune, FullTrainingLeavesAModel) {
  TuneOptions wishes = options("full");
  wishes.method = TuneMethod::kFull;
  wishes.schedule.peak = 2e-3F;
  wishes.metric = Metric::kExact;
  const auto exchange = alone();
  auto run = TuneRun::prepare(wishes, *exchange);
  ASSERT_TRUE(run.has_value()) << run.error().to_string();
  EXPECT_GT((*run)->plan().parameters, 40'000);
  const auto result = (*run)->run({}, {});
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_GE(result->state.best_score, 0.9);
  EXPECT_TRUE(open_model(root_ / "full" / "model.gguf", {.threads = 1}).has_value());
}

// The score that chose the file is that of the file.
TEST_F(Tune, FullTrainingInEightBitsIsMeasuredAsSaved) {
  TuneOptions wishes = options("q8");
  wishes.method = TuneMethod::kFull;
  wishes.type = DType::kQ8_0;
  wishes.schedule.peak = 2e-3F;
  wishes.metric = Metric::kLoss;
  const auto exchange = alone();
  const auto result = TuneRun::prepare(wishes, *exchange).value()->run({}, {});
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  const auto file = open_weights(root_ / "q8" / "model.gguf").value();
  EXPECT_EQ(file->metadata.integer("general.file_type", 0, 1000).value(), 7U);
  EXPECT_EQ(file->find("blk.0.ffn_up.weight")->dtype, DType::kQ8_0);

  TuneOptions again = options("again");
  again.model = root_ / "q8" / "model.gguf";
  again.metric = Metric::kLoss;
  again.schedule.peak = 1e-30F;  // an adapter that stays nothing
  again.epochs = 0.01;
  const auto same = TuneRun::prepare(again, *exchange).value()->run({}, {});
  ASSERT_TRUE(same.has_value()) << same.error().to_string();
  EXPECT_EQ(same->state.best_score, result->state.best_score);
}

TEST_F(Tune, EveryOptimizerLearns) {
  const auto exchange = alone();
  // A tensor of fewer than 4096 elements keeps moments of 32 bits: the whole model has larger ones.
  const auto score_with = [&](std::string_view name, const auto& change) {
    TuneOptions wishes = options(name);
    wishes.method = TuneMethod::kFull;
    wishes.schedule.peak = 2e-3F;
    wishes.metric = Metric::kLoss;
    change(wishes);
    auto run = TuneRun::prepare(wishes, *exchange);
    CHECK(run.has_value(), "{}", run.error().to_string());
    const std::uint64_t bytes = (*run)->plan().memory.parameters;
    return std::pair((*run)->run({}, {}).value().state.best_score, bytes);
  };
  const auto plain = score_with("adamw", [](TuneOptions&) {});
  const auto packed = score_with("adamw8", [](TuneOptions& o) { o.adamw.eight_bits = true; });
  const auto muon = score_with("muon", [](TuneOptions& o) {
    o.muon = MuonOptions{};
    o.schedule.peak = 2e-2F;
  });
  EXPECT_NEAR(packed.first, plain.first, 0.05 * std::abs(plain.first));
  EXPECT_NE(packed.first, plain.first);
  EXPECT_LT(packed.second, plain.second);
  const auto none = score_with("none", [](TuneOptions& o) { o.schedule.peak = 1e-9F; });
  EXPECT_GT(plain.first, none.first + 0.1);
  EXPECT_GT(muon.first, none.first + 0.1);
  EXPECT_NE(muon.first, plain.first);
}

TEST_F(Tune, PreferencesMoveTheModelToTheChosenAnswers) {
  std::string pairs, liked;
  for (int i = 0; i < 40; ++i) {
    pairs += fmt::format("{{\"prompt\":\"Say {}:\",\"chosen\":\"yes\",\"rejected\":\"nay\"}}\n", i);
    liked += fmt::format("{{\"prompt\":\"Say {}:\",\"completion\":\"{}\",\"label\":{}}}\n", i,
                         i % 2 == 0 ? "yes" : "nay", i % 2 == 0);
  }
  ASSERT_TRUE(write_file(root_ / "pairs.jsonl", pairs).has_value());
  ASSERT_TRUE(write_file(root_ / "liked.jsonl", liked).has_value());
  const auto exchange = alone();
  for (const std::string name : {"pairs", "liked"}) {
    TuneOptions wishes = options(name);
    wishes.data = root_ / (name + ".jsonl");
    wishes.metric = Metric::kExact;
    wishes.preference.chosen_nll = 0.5;
    wishes.schedule.peak = 5e-3F;
    std::vector<double> losses;
    auto run = TuneRun::prepare(wishes, *exchange);
    ASSERT_TRUE(run.has_value()) << run.error().to_string();
    const auto result =
        (*run)->run([&](const StepReport& report) { losses.push_back(report.loss); }, {});
    ASSERT_TRUE(result.has_value()) << result.error().to_string();
    // The model is its own reference at first: log 2 a pair, a half an answer, besides the rest.
    if (name == "liked") EXPECT_NEAR(losses.front(), 0.5, 1e-6);
    if (name == "pairs") EXPECT_GT(losses.front(), std::log(2.0));
    EXPECT_LT(losses.back(), 0.8 * losses.front()) << name;
  }
}

TEST_F(Tune, SaysWhyItCannot) {
  const auto exchange = alone();
  const auto code = [&](const TuneOptions& wishes) {
    const auto run = TuneRun::prepare(wishes, *exchange);
    return run ? std::string("none") : run.error().code;
  };
  TuneOptions wishes = options("refused");
  wishes.memory = 1 << 16;
  EXPECT_EQ(code(wishes), "memory_budget");
  wishes = options("refused");
  wishes.data = root_ / "absent.csv";
  EXPECT_EQ(code(wishes), "file_not_found");
  wishes.data = root_ / "text.jsonl";
  ASSERT_TRUE(write_file(wishes.data, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n").has_value());
  wishes.validation_data = wishes.data;
  EXPECT_EQ(code(wishes), "metric_invalid");
  wishes = options("refused");
  wishes.render.context = 4;
  EXPECT_EQ(code(wishes), "row_too_long");
  EXPECT_FALSE(fs::exists(root_ / "refused"));
  // Another rate is another run.
  wishes = options("first");
  wishes.epochs = 0.5;
  ASSERT_TRUE(TuneRun::prepare(wishes, *exchange).value()->run({}, {}).has_value());
  wishes.schedule.peak = 1e-3F;
  const auto other = TuneRun::prepare(wishes, *exchange).value()->run({}, {});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code, "checkpoint_other_run");
  // So is another optimizer.
  wishes.schedule.peak = options("first").schedule.peak;
  wishes.adamw.eight_bits = true;
  EXPECT_FALSE(TuneRun::prepare(wishes, *exchange).value()->run({}, {}).has_value());
  wishes.adamw.eight_bits = false;
  wishes.muon = MuonOptions{};
  EXPECT_FALSE(TuneRun::prepare(wishes, *exchange).value()->run({}, {}).has_value());
  wishes.muon.reset();
  EXPECT_TRUE(TuneRun::prepare(wishes, *exchange).value()->run({}, {}).has_value());
}

TEST_F(Tune, MetricsAskWhatTheySay) {
  const auto file = open_weights(root_ / "base.gguf");
  const auto tokenizer = make_tokenizer((*file)->metadata);
  const RowRenderer renderer = RowRenderer::create(**tokenizer, nullptr, {}).value();
  const TrainableModel model = train_tensors(*file, {}).value();
  ThreadPool pool(1);
  Learner learner(*model.decoder, *model.parameters, *choose_kernels("").value(), pool, {});
  // What the model answers now, as the wanted answer: all right; another: none.
  const auto score = [&](Metric metric, std::string_view answer) {
    const Json row = JsonObject{{"prompt", "Say:"}, {"completion", answer}};
    const auto rows = parse_rows(write_json(row), RowFormat::kJson, "rows", {});
    CHECK(rows.has_value(), "{}", rows.error().to_string());
    RenderCounts counts;
    const ValidationSet set = make_validation(metric, rows->rows, {}, renderer, 10, counts).value();
    Validation trained(metric, set, model.decoder, **tokenizer, &learner, {.threads = 1});
    Validation served(metric, set, model.decoder, **tokenizer, nullptr, {.threads = 1});
    EXPECT_EQ(trained.score().value(), served.score().value());
    return served.score().value();
  };
  EXPECT_EQ(score(Metric::kExact, "surely not this"), 0);
  EXPECT_EQ(score(Metric::kJson, "{\"a\":1}"), 0);
  EXPECT_LT(score(Metric::kLoss, "surely not this"), -1);
  EXPECT_EQ(metric_from_name("f1").error().code, "unknown_metric");
  for (const Metric metric : {Metric::kLoss, Metric::kExact, Metric::kLabel, Metric::kJson})
    EXPECT_EQ(metric_from_name(metric_name(metric)), metric);
}

}  // namespace
}  // namespace bantam
