#include "tune/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bantam {
namespace {

using testing::ElementsAre;

TEST(Selection, TakesTheMiddle) {
  const std::vector<double> losses = {9, 1, 5, 4, 0.1, 6, 100};
  EXPECT_THAT(select_middle(losses, 0.4), ElementsAre(2, 3, 5));  // the median is 5
  EXPECT_THAT(select_middle(losses, 1e-9), ElementsAre(2));
  EXPECT_EQ(select_middle(losses, 1).size(), losses.size());
  EXPECT_TRUE(select_middle({}, 0.5).empty());
  // Of equals the earlier ones.
  EXPECT_THAT(select_middle(std::vector<double>(5, 3.0), 0.4), ElementsAre(0, 1));
}

TEST(Selection, TakesWhatCanBeReducedMost) {
  EXPECT_THAT(select_largest(std::vector<double>{0.5, -1, 3, 2, 2}, 0.4), ElementsAre(2, 3));
}

TEST(Selection, LooksAtLearnedTokensAndChosenAnswers) {
  const std::vector<Example> examples = {{.ids = {1, 2, 3}, .weights = {0, 0, 2}},
                                         {.ids = {1, 2, 3}, .weights = {0, 1, 1}},
                                         {.ids = {1, 2, 3}, .weights = {0, 1, 3}},
                                         {.ids = {1, 2, 3}, .weights = {0, 0, 0}}};
  const std::vector<std::vector<double>> logprobs = {{-7, -3}, {-1, -3}, {-1, -5}, {-1, -1}};
  EXPECT_THAT(group_losses(examples, logprobs, 1), ElementsAre(3, 2, 4, 0));
  EXPECT_THAT(group_losses(examples, logprobs, 2), ElementsAre(3, 4));
}

}  // namespace
}  // namespace bantam
