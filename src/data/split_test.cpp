#include "data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Row labelled(std::string text, std::string label) {
  Row row;
  row.shape = RowShape::kLabelled;
  row.text = std::move(text);
  row.label = std::move(label);
  return row;
}

std::vector<Row> many(int count) {
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) rows.push_back(labelled(fmt::format("question {}", i), "l"));
  return rows;
}

Row parsed(std::string_view text) {
  return parse_rows(text, RowFormat::kJson, "data", {})->rows[0];
}

TEST(Split, QuestionsAndAnswersOfEachShape) {
  const Row chat = parsed(
      R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"Q  1"},{"role":"assistant","content":"a"},{"role":"user","content":"R"},{"role":"assistant","content":"B"}]})");
  EXPECT_EQ(row_question(chat), "system: s user: q 1 assistant: a user: r");
  EXPECT_EQ(row_answer(chat), "b");
  const Row preference = parsed(R"({"prompt":"P","chosen":"C","rejected":"R"})");
  EXPECT_EQ(row_question(preference) + "|" + row_answer(preference), "p|c / r");
  const Row document = parsed(R"({"text":"\n ÄB\t c "})");
  EXPECT_EQ(row_question(document) + "|" + row_answer(document), "äb c|");
}

TEST(Split, TheSamePartForTheSameQuestionWhateverIsAroundIt) {
  const SplitOptions options{.validation = 0.2, .test = 0.1};
  const auto rows = many(500);
  std::map<Part, int> parts;
  for (const Row& row : rows) ++parts[part_of(row, options)];
  EXPECT_NEAR(parts[Part::kTest], 50, 25);
  EXPECT_NEAR(parts[Part::kValidation], 100, 35);
  for (const Row& row : rows) {
    Row again = labelled("  Question" + row.text.substr(8) + "\n", "another label");
    again.line = 99;
    EXPECT_EQ(part_of(again, options), part_of(row, options)) << row.text;
  }
  EXPECT_TRUE(std::ranges::any_of(rows, [&](const Row& row) {
    return part_of(row, options) != part_of(row, {.validation = 0.2, .test = 0.1, .salt = 1});
  }));
}

TEST(Split, StaysAsItIsForEver) {
  // A change here would move rows of people's data from training to test.
  EXPECT_EQ(row_hash(labelled("What is the time?", "time")), 14146260210111561248u);
  std::string parts;
  for (const Row& row : many(40))
    parts += "tvT"[static_cast<std::size_t>(part_of(row, {.validation = 0.2, .test = 0.2}))];
  EXPECT_EQ(parts, "ttttvvttTTTtTvtttttttTvttvvTvtttTvTttttt");
}

TEST(Split, LargerHeldOutPartsTakeFromTrainingOnly) {
  for (const Row& row : many(300)) {
    if (part_of(row, {.validation = 0.1}) == Part::kValidation) {
      EXPECT_EQ(part_of(row, {.validation = 0.3}), Part::kValidation);
    }
    EXPECT_EQ(part_of(row, {.validation = 0}), Part::kTrain);
    EXPECT_EQ(part_of(row, {.validation = 1}), Part::kValidation);
  }
}

TEST(Split, DuplicatesAndConflicts) {
  const std::vector<Row> rows = {labelled("a b", "x"), labelled("c", "x"), labelled("A  B", "X "),
                                 labelled("a b", "y"), labelled("a b", "y")};
  EXPECT_THAT(duplicates(rows), ElementsAre(2, 4));
  EXPECT_THAT(conflicts(rows), ElementsAre(3));
  std::vector<Row> documents = {parsed(R"({"text":"a"})"), parsed(R"({"text":"a"})")};
  EXPECT_THAT(duplicates(documents), ElementsAre(1));
  EXPECT_THAT(conflicts(documents), IsEmpty());
}

// Words w(begin) … w(end - 1).
std::string words(int begin, int end) {
  std::string out;
  for (int i = begin; i < end; ++i) out += fmt::format("w{}, ", i);
  return out;
}

TEST(Leaks, FoundWherePlanted) {
  std::vector<Row> train = many(20), test;
  train.push_back(labelled(words(0, 40), "l"));
  test.push_back(labelled("quite another question", "l"));
  test.push_back(labelled("Question 7", "m"));                             // the same question
  test.push_back(labelled("first. " + words(10, 40) + " and then", "z"));  // most of row 20
  test.push_back(labelled(words(0, 14) + words(100, 140), "z"));           // a little of it
  test.push_back(labelled(words(0, 12), "z"));                             // too short to tell
  const auto found = leaks(train, test);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].test, 1u);
  EXPECT_EQ(found[0].train, 7u);
  EXPECT_EQ(found[0].shared, 1);
  EXPECT_EQ(found[1].test, 2u);
  EXPECT_EQ(found[1].train, 20u);
  // 34 words have 22 runs; the 30 shared ones have 18.
  EXPECT_DOUBLE_EQ(found[1].shared, 18.0 / 22);
  EXPECT_THAT(leaks(train, test, 0.01), SizeIs(3));
  EXPECT_THAT(leaks({}, test), IsEmpty());
}

TEST(Leaks, OfPublishedSplits) {
  const std::filesystem::path data = std::filesystem::path(BANTAM_SHARED_DATA) / "tasks/banking77";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "needs " << data;
  const RowOptions options{.label_column = "category"};
  const auto train = read_rows(data / "train.csv", options),
             dev = read_rows(data / "dev.csv", options);
  ASSERT_TRUE(train && dev);
  EXPECT_LE(leaks(train->rows, dev->rows).size(), dev->rows.size() / 50);
  EXPECT_THAT(leaks(train->rows, train->rows), SizeIs(train->rows.size()));
}

}  // namespace
}  // namespace bantam
