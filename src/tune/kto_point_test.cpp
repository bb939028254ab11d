#include "tune/kto_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bantam {
namespace {

using testing::ElementsAre;

TEST(KtoPoint, AsksEachQuestionForAnotherRowsAnswer) {
  const std::vector<Example> examples = {
      {.ids = {1, 2, 10, 11}, .weights = {0, 0, 1, 1}, .source = 5},
      {.ids = {3, 20}, .weights = {0, 1}},
      {.ids = {4, 5, 6, 7, 30}, .weights = {0, 0, 0, 0, 1}}};
  const std::vector<Example> pairs = mismatched(examples, 5);
  ASSERT_EQ(pairs.size(), 3U);
  EXPECT_THAT(pairs[0].ids, ElementsAre(1, 2, 20));
  EXPECT_THAT(pairs[0].weights, ElementsAre(0, 0, 1));
  EXPECT_EQ(pairs[0].source, 5);
  EXPECT_THAT(pairs[1].ids, ElementsAre(3, 30));
  EXPECT_TRUE(pairs[2].ids.empty()) << "six tokens";
}

TEST(KtoPoint, IsTheMeanDistanceAndNeverNegative) {
  std::vector<Example> pairs = {{.ids = {1, 2, 3}, .weights = {0, 1, 1}, .reference = -5},
                                {.ids = {}, .weights = {}},
                                {.ids = {1, 2}, .weights = {0, 1}, .reference = -1}};
  const std::vector<std::vector<double>> logprobs = {{-1, -2}, {}, {-2}};
  EXPECT_DOUBLE_EQ(reference_point(pairs, logprobs), 0.5);
  pairs[0].reference = -1;
  EXPECT_EQ(reference_point(pairs, logprobs), 0);
  EXPECT_EQ(reference_point({}, {}), 0);
}

}  // namespace
}  // namespace bantam
