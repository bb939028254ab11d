#include "data/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bantam {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Example example(std::size_t tokens, std::size_t learned) {
  Example made{.ids = std::vector<std::int32_t>(tokens), .weights = std::vector<float>(tokens)};
  std::fill_n(made.weights.rbegin(), learned, 1.0f);
  return made;
}

RowFile file_of(std::string_view csv) {
  return *parse_rows(csv, RowFormat::kCsv, "train.csv", {.skip_bad = true});
}

TEST(DataReport, CountsWhatIsThere) {
  std::string csv = "id,text,label\n";
  for (int i = 0; i < 20; ++i) csv += fmt::format("{},text {},{}\n", i, i, i < 17 ? "a" : "b");
  csv += "20,text 1,a\n21,Text 2,b\nbad\n";
  std::vector<Example> examples;
  for (std::size_t i = 1; i <= 22; ++i) examples.push_back(example(10 * i, 2));
  const DataReport report =
      make_report(file_of(csv), examples, {.examples = 22, .empty_targets = 3, .unended = 1});
  EXPECT_EQ(report.rows, 22);
  EXPECT_EQ(report.skipped, 1);
  EXPECT_EQ(report.duplicates, 1);
  EXPECT_EQ(report.conflicts, 1);
  EXPECT_EQ(report.tokens, 2530);
  EXPECT_EQ(report.learned_tokens, 44);
  EXPECT_THAT(
      (std::vector<std::int64_t>{report.shortest, report.median, report.p95, report.longest}),
      ElementsAre(10, 120, 210, 220));
  EXPECT_EQ(report.labels, (std::map<std::string, std::int64_t>{{"a", 18}, {"b", 4}}));
  EXPECT_THAT(
      report.warnings,
      ElementsAre(HasSubstr("1 row skipped as bad, first train.csv:24: 1 fields"),
                  "1 row said before, word for word",
                  "1 row with another answer to a question that was there before",
                  "3 rows without an answer, left out",
                  HasSubstr("1 turn after which the template writes no token"),
                  "1 of 2 labels have fewer than 5 rows", "members that nobody reads: \"id\""));
  const std::string text = report.to_text(1000, 3);
  EXPECT_THAT(text, AllOf(HasSubstr("22 rows (labelled text), 22 examples\n"),
                          HasSubstr("2530 tokens, 44 of them learned; an example has 10 to 220"),
                          HasSubstr("2 labels: \"a\" 18, \"b\" 4\n"),
                          HasSubstr("about 0.1 minutes for 3 epochs at 1000 tokens/s\n"),
                          HasSubstr("note: 3 rows without an answer")));
  EXPECT_THAT(report.to_text(), Not(HasSubstr("minutes")));
  EXPECT_DOUBLE_EQ(report.minutes(2530, 60), 1);
  const JsonObject json = report.to_json();
  EXPECT_EQ(json.at("length").at("p95").as_int64(), 210);
  EXPECT_EQ(json.at("warnings").as_array().size(), 7u);
}

TEST(DataReport, ComparesWithWhatIsHeldOut) {
  const RowFile train = file_of("text,label\none,a\ntwo,b\n");
  const RowFile held = file_of("text,label\nthree,a\nTwo,b\nfour,c\n");
  DataReport report = make_report(train, {}, {});
  compare_held_out(report, train.rows, held.rows, "validation");
  EXPECT_EQ(report.leaks, 1);
  EXPECT_THAT(
      report.warnings,
      AllOf(Contains("1 row of the validation part given away by training rows, first line "
                     "3 (100 % of it in line 3)"),
            Contains("1 label of the validation part never occur in training, first \"c\"")));
  DataReport clean = make_report(train, {}, {});
  const std::size_t before = clean.warnings.size();
  compare_held_out(clean, train.rows, file_of("text,label\nfive,a\n").rows, "test");
  EXPECT_EQ(clean.warnings.size(), before);
}

}  // namespace
}  // namespace bantam
