// Runs that learn from a teacher: itself, a better one, one on file, one with other tokens.
#include <gmock/gmock.h>

#include "base/file.h"
#include "formats/safetensors.h"
#include "tune/tune_fixture.h"

namespace bantam {
namespace {

using testing::HasSubstr;

class TuneTeacher : public Tune {
 protected:
  TuneTeacher() {
    std::string rows;
    for (int i = 0; i < 40; ++i)
      rows += fmt::format("{{\"prompt\":\"Say {}:\",\"completion\":\"yes {}\"}}\n", i, i % 3);
    CHECK(write_file(root_ / "rows.jsonl", rows).has_value());
  }

  TuneOptions wishes(std::string_view name) const {
    TuneOptions options = this->options(name);
    options.data = root_ / "rows.jsonl";
    options.metric = Metric::kLoss;
    options.epochs = 2;
    options.schedule.peak = 1e-2F;
    return options;
  }
  struct Steps {
    std::vector<double> losses, norms;
    TrainingResult result;
  };
  Steps run(const TuneOptions& options) {
    const auto exchange = alone();
    auto prepared = TuneRun::prepare(options, *exchange);
    CHECK(prepared.has_value(), "{}", prepared.error().to_string());
    plan_ = (*prepared)->plan();
    Steps steps;
    auto result = (*prepared)->run(
        [&](const StepReport& report) {
          steps.losses.push_back(report.loss);
          steps.norms.push_back(report.gradient_norm);
        },
        {});
    CHECK(result.has_value(), "{}", result.error().to_string());
    steps.result = *result;
    return steps;
  }
  Error error(const TuneOptions& options) const {
    const auto exchange = alone();
    auto prepared = TuneRun::prepare(options, *exchange);
    return prepared ? Error{.code = "none"} : prepared.error();
  }
  // An adapter that has learned the rows.
  ModelName teacher() {
    TuneOptions options = wishes("teacher");
    options.epochs = 8;
    run(options);
    return {root_ / "base.gguf", root_ / "teacher" / "adapter.gguf"};
  }
  std::string adapter(std::string_view name) const {
    return read_file(root_ / name / "adapter.gguf", 1 << 24).value();
  }

  TunePlan plan_;
};

constexpr Divergence kAll[] = {Divergence::kForward, Divergence::kReverse,
                               Divergence::kJensenShannon, Divergence::kSkew,
                               Divergence::kTotalVariation};

TEST_F(TuneTeacher, WhoIsTheModelItselfTeachesExactlyNothing) {
  for (const Divergence kind : kAll) {
    for (const std::int64_t on_policy : {0, 1}) {
      TuneOptions options = wishes(fmt::format("self-{}-{}", static_cast<int>(kind), on_policy));
      options.teacher.model = {root_ / "base.gguf", {}};
      options.teacher.loss = {.kind = kind, .temperature = 1.5};
      options.teacher.on_policy = on_policy;
      options.epochs = 0.5;
      const Steps steps = run(options);
      EXPECT_GE(steps.losses.size(), 2U);
      for (const double loss : steps.losses) EXPECT_EQ(loss, 0.0);
      for (const double norm : steps.norms) EXPECT_EQ(norm, 0.0);
    }
  }
}

TEST_F(TuneTeacher, BringsTheStudentNearer) {
  const ModelName better = teacher();
  for (const Divergence kind : kAll) {
    TuneOptions options = wishes(fmt::format("student-{}", static_cast<int>(kind)));
    options.teacher.model = better;
    options.teacher.loss = {.kind = kind};
    options.epochs = 4;
    const Steps steps = run(options);
    EXPECT_FALSE(plan_.by_bytes);
    EXPECT_LT(steps.losses.back(), 0.8 * steps.losses.front()) << static_cast<int>(kind);
    if (kind == Divergence::kForward)  // the score was -5.8: the rows are learned, too
      EXPECT_GT(steps.result.state.best_score, -1.5);
  }
}

TEST_F(TuneTeacher, JudgesTheStudentsOwnAnswers) {
  TuneOptions options = wishes("own");
  options.teacher.model = teacher();
  options.teacher.loss = {.kind = Divergence::kReverse};
  options.teacher.on_policy = 2;
  options.epochs = 4;
  const Steps steps = run(options);
  EXPECT_LT(steps.losses.back(), steps.losses.front());
  // What is sampled is a function of the step and the parameters: stopped and gone on with, the
  // same file comes out.
  options.folder = root_ / "stopped";
  const auto exchange = alone();
  std::stop_source source;
  const auto stop = [&](const StepReport& report) {
    if (report.step == 3) source.request_stop();
  };
  ASSERT_TRUE(TuneRun::prepare(options, *exchange).value()->run(stop, source.get_token()));
  run(options);
  EXPECT_EQ(adapter("stopped"), adapter("own"));
}

TEST_F(TuneTeacher, LeavesItsTargetsOnFile) {
  TuneOptions options = wishes("cached");
  options.teacher.model = teacher();
  options.teacher.cache = root_ / "targets";
  const auto exchange = alone();
  ASSERT_TRUE(TuneRun::prepare(options, *exchange).has_value());
  EXPECT_FALSE(fs::exists(options.teacher.cache)) << "a plan changes nothing on disk";
  const Steps steps = run(options);
  EXPECT_TRUE(plan_.makes_cache);
  const auto file = read_safetensors(options.teacher.cache);
  ASSERT_TRUE(file.has_value());
  const TensorView targets = *(*file)->find("targets");
  EXPECT_LE(targets.bytes(), 32U * static_cast<std::uint64_t>(targets.shape[0]));
  EXPECT_GT(steps.result.state.best_score, -2);

  // The same file serves again, without the teacher, and changes by no byte.
  const std::string bytes = read_file(options.teacher.cache, 1 << 24).value();
  options.folder = root_ / "again";
  options.teacher.model = {};
  run(options);
  EXPECT_FALSE(plan_.makes_cache);
  EXPECT_EQ(read_file(options.teacher.cache, 1 << 24).value(), bytes);
  EXPECT_EQ(adapter("again"), adapter("cached"));

  // Not for other rows, another teacher, or another temperature.
  TuneOptions other = options;
  other.data = root_ / "rows.csv";
  EXPECT_EQ(error(other).code, "teacher_cache_other");
  EXPECT_THAT(error(other).message, HasSubstr("rows"));
  other = options;
  other.teacher.model = {root_ / "base.gguf", {}};
  EXPECT_THAT(error(other).message, HasSubstr("teacher"));
  other = options;
  other.teacher.loss.temperature = 2;
  EXPECT_THAT(error(other).message, HasSubstr("drawn"));
  // Damage is seen.
  std::string damaged = bytes;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  ASSERT_TRUE(write_file(options.teacher.cache, damaged).has_value());
  EXPECT_EQ(error(options).code, "teacher_cache_invalid");
}

TEST_F(TuneTeacher, SaysWhatDoesNotGoTogether) {
  TuneOptions options = wishes("refused");
  options.teacher.cache = root_ / "absent";
  EXPECT_EQ(error(options).code, "teacher_invalid");
  options.teacher.model = {root_ / "base.gguf", {}};
  options.teacher.loss.kind = Divergence::kReverse;
  EXPECT_EQ(error(options).code, "teacher_invalid");
  options.teacher.loss.kind = Divergence::kForward;
  options.teacher.on_policy = 1;
  EXPECT_EQ(error(options).code, "teacher_invalid");
  options.teacher = {.model = {root_ / "base.gguf", {}}};
  options.data = root_ / "pairs.jsonl";
  ASSERT_TRUE(write_file(options.data, "{\"prompt\":\"a\",\"chosen\":\"y\",\"rejected\":\"n\"}\n"));
  EXPECT_EQ(error(options).code, "teacher_invalid");
}

TEST_F(TuneTeacher, MayHaveOtherTokens) {
  TuneOptions options = wishes("bytes");
  options.teacher.model = {fs::path(BANTAM_SOURCE_DIR) / "models" / "seed-Q8_0.gguf", {}};
  options.epochs = 3;
  const Steps steps = run(options);
  EXPECT_TRUE(plan_.by_bytes);
  EXPECT_EQ(plan_.unaligned, 0);
  EXPECT_LT(steps.losses.back(), 0.7 * steps.losses.front());
  options.teacher.on_policy = 1;
  EXPECT_EQ(error(options).code, "teacher_invalid");
}

}  // namespace
}  // namespace bantam
