// Runs that learn from answers of the model's own.
#include "tune/rejection.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "tune/tune_fixture.h"

namespace bantam {
namespace {

class Rejection : public Tune {
 protected:
  TuneOptions wishes(std::string_view name) const {
    TuneOptions options = this->options(name);
    options.method = TuneMethod::kFull;
    options.schedule.peak = 1e-3F;
    options.epochs = 1;
    options.metric = Metric::kLoss;
    options.rejection = {.answers = 6, .temperature = 1};
    return options;
  }
  std::vector<JsonObject> sampled(std::string_view name) const {
    std::vector<JsonObject> rows;
    std::string text = read_file(root_ / name / "sampled.jsonl", 1 << 24).value();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      rows.push_back(parse_json(text.substr(at, end - at)).value().as_object());
      at = end + 1;
    }
    return rows;
  }

  std::unique_ptr<Exchange> alone_ = alone();
};

TEST_F(Rejection, KeepsRightAnswersOnFileAndLearnsThem) {
  TuneOptions options = wishes("right");
  options.verifier = {.kind = VerifierKind::kCommand, .command = "grep -q [aeiou]"};
  auto run = TuneRun::prepare(options, *alone_);
  ASSERT_TRUE(run.has_value()) << run.error().to_string();
  EXPECT_FALSE(fs::exists(root_ / "right")) << "a plan changes nothing on disk";
  const RejectionCounts counts = (*run)->plan().sampled;
  ASSERT_TRUE((*run)->run({}, {}).has_value());
  const auto kept = sampled("right");
  EXPECT_EQ(static_cast<std::int64_t>(kept.size()), counts.kept);
  EXPECT_GT(counts.kept, 3);
  EXPECT_LT(counts.accepted, counts.answers);
  EXPECT_EQ(counts.answers, 6 * counts.rows);
  std::set<std::string> seen;
  for (const JsonObject& row : kept) {
    EXPECT_NE(row.at("completion").as_string().find_first_of("aeiou"), std::string::npos);
    EXPECT_TRUE(seen.insert(write_json(row)).second);
  }
  // Again from the files, and with another number of threads from the model: the same rows.
  const std::string before = read_file(root_ / "right" / "sampled.jsonl", 1 << 24).value();
  EXPECT_EQ(TuneRun::prepare(options, *alone_).value()->plan().sampled.kept, counts.kept);
  options.folder = root_ / "other";
  options.threads = 2;
  ASSERT_TRUE(TuneRun::prepare(options, *alone_).value()->run({}, {}).has_value());
  EXPECT_EQ(read_file(root_ / "other" / "sampled.jsonl", 1 << 24).value(), before);
}

TEST_F(Rejection, MakesPairsOfWrongAnswers) {
  TuneOptions options = wishes("pairs");
  options.rejection.pairs = true;
  options.rejection.keep = 2;
  std::vector<double> losses;
  auto run = TuneRun::prepare(options, *alone_);
  ASSERT_TRUE(run.has_value()) << run.error().to_string();
  ASSERT_TRUE((*run)->run([&](const StepReport& r) { losses.push_back(r.loss); }, {}).has_value());
  EXPECT_NEAR(losses.front(), std::log(2.0), 1e-6) << "the model is its own reference";
  EXPECT_LT(losses.back(), losses.front());
  std::map<std::string, int> asked;
  for (const JsonObject& row : sampled("pairs")) {
    const std::string prompt(row.at("prompt").as_string());
    EXPECT_EQ(row.at("chosen").as_string(), prompt.starts_with("ab") ? "P" : "Q");
    EXPECT_NE(row.at("rejected"), row.at("chosen"));
    EXPECT_LE(++asked[prompt], 2);
  }
  EXPECT_FALSE(asked.empty());
}

TEST_F(Rejection, AsksTheLastTurnOfConversations) {
  const std::string row =
      R"({"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},)"
      R"({"role":"user","content":"three"},{"role":"assistant","content":"four"}]})";
  std::string rows;
  for (int i = 0; i < 3; ++i) rows += row + "\n";
  ASSERT_TRUE(write_file(root_ / "talk.jsonl", rows).has_value());
  TuneOptions options = wishes("talk");
  options.model = fs::path(BANTAM_SOURCE_DIR) / "models" / "seed-Q8_0.gguf";
  options.data = root_ / "talk.jsonl";
  options.split.validation = 0;
  options.verifier = {.kind = VerifierKind::kCommand, .command = "true"};
  options.rejection = {.answers = 2, .temperature = 0.5};
  auto run = TuneRun::prepare(options, *alone_);
  ASSERT_TRUE(run.has_value()) << run.error().to_string();
  ASSERT_TRUE((*run)->run({}, {}).has_value());
  for (const JsonObject& kept : sampled("talk")) {
    const JsonArray& prompt = kept.at("prompt").as_array();
    ASSERT_EQ(prompt.size(), 3U);
    EXPECT_EQ(prompt[1].at("content").as_string(), "two");
    EXPECT_EQ(prompt[2].at("content").as_string(), "three");
    EXPECT_TRUE(kept.at("completion").is_string());
  }
}

TEST_F(Rejection, SaysWhyItCannot) {
  TuneOptions options = wishes("refused");
  const auto code = [&] {
    const auto run = TuneRun::prepare(options, *alone_);
    return run ? std::string("none") : run.error().code;
  };
  options.verifier = {.kind = VerifierKind::kCommand, .command = "  "};
  EXPECT_EQ(code(), "verifier_invalid");
  options.verifier.command = "false";
  EXPECT_EQ(code(), "data_empty");
  options.verifier.command = "bantam-no-such-program";
  EXPECT_EQ(code(), "verifier_not_found");
}

}  // namespace
}  // namespace bantam
