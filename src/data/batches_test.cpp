#include "data/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>

#include "base/random.h"

namespace bantam {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::int64_t> lengths(std::size_t count) {
  Random random(7);
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(10 + static_cast<std::int64_t>(random.next_below(90)));
  return out;
}

BatchOrder made(const std::vector<std::int64_t>& of, const BatchOptions& options) {
  auto order = BatchOrder::create(of, options);
  CHECK(order.has_value(), "{}", order.error().to_string());
  return std::move(*order);
}

std::vector<std::int64_t> epoch(const BatchOrder& order, std::int64_t number) {
  std::vector<std::int64_t> all;
  for (std::int64_t b = 0; b < order.batches_per_epoch(); ++b) {
    const auto batch = order.batch(number * order.batches_per_epoch() + b + 1);
    EXPECT_FALSE(batch.empty());
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> items) {
  std::ranges::sort(items);
  return items;
}

TEST(BatchOrder, AnEpochIsEveryExampleOnceInAnotherOrder) {
  const BatchOrder order = made(lengths(500), {.tokens = 1000});
  std::vector<std::int64_t> all(500);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted(epoch(order, 0)), all);
  EXPECT_EQ(sorted(epoch(order, 3)), all);
  EXPECT_NE(epoch(order, 0), all);
  EXPECT_NE(epoch(order, 0), epoch(order, 1));
  EXPECT_NE(epoch(order, 0), epoch(made(lengths(500), {.tokens = 1000, .seed = 2}), 0));
}

TEST(BatchOrder, IsAFunctionOfTheStepAlone) {
  const BatchOrder forwards = made(lengths(300), {.tokens = 700});
  const BatchOrder backwards = made(lengths(300), {.tokens = 700});
  const std::int64_t steps = 4 * forwards.batches_per_epoch();
  std::vector<std::vector<std::int64_t>> seen;
  for (std::int64_t step = 1; step <= steps; ++step) seen.push_back(forwards.batch(step));
  for (std::int64_t step = steps; step >= 1; --step)
    EXPECT_EQ(backwards.batch(step), seen[static_cast<std::size_t>(step - 1)]) << step;
  // For ever: another order would make a checkpoint go on with other batches.
  EXPECT_THAT(made(std::vector<std::int64_t>(10, 1), {.examples = 4, .seed = 1}).batch(2),
              ElementsAre(6, 1, 3, 0));
}

TEST(BatchOrder, BatchesHaveAboutTheTokensAskedFor) {
  const auto of = lengths(2000);
  const BatchOrder order = made(of, {.tokens = 1000});
  for (std::int64_t step = 1; step <= order.batches_per_epoch(); ++step) {
    std::int64_t tokens = 0;
    for (const std::int64_t i : order.batch(step)) tokens += of[static_cast<std::size_t>(i)];
    EXPECT_NEAR(static_cast<double>(tokens), 1000, 110) << step;
  }
  const BatchOrder four = made(of, {.examples = 4});
  EXPECT_EQ(four.batches_per_epoch(), 500);
  EXPECT_THAT(four.batch(77), SizeIs(4));
}

TEST(BatchOrder, LongExamplesLeaveNoBatchEmpty) {
  const BatchOrder order = made({5000, 1, 1, 1, 5000, 1}, {.tokens = 100});
  EXPECT_EQ(order.batches_per_epoch(), 6);
  EXPECT_EQ(sorted(epoch(order, 0)), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(made({7}, {}).batches_per_epoch(), 1);
}

TEST(BatchOrder, GroupsStayTogether) {
  const BatchOrder order = made(lengths(100), {.tokens = 300, .group = 2});
  const auto all = epoch(order, 1);
  ASSERT_THAT(all, SizeIs(100));
  for (std::size_t i = 0; i < all.size(); i += 2) {
    EXPECT_EQ(all[i] % 2, 0);
    EXPECT_EQ(all[i + 1], all[i] + 1);
  }
}

TEST(BatchOrder, ShortOnesFirst) {
  const auto of = lengths(200);
  const BatchOrder order = made(of, {.tokens = 500, .short_first_epochs = 1});
  const auto length_of = [&](std::int64_t i) { return of[static_cast<std::size_t>(i)]; };
  EXPECT_TRUE(std::ranges::is_sorted(epoch(order, 0), {}, length_of));
  EXPECT_FALSE(std::ranges::is_sorted(epoch(order, 1), {}, length_of));
}

TEST(BatchOrder, OtherSetsComeByTheirShareAndAllOfThem) {
  const BatchOptions options{.tokens = 500, .sources = {{80, 0.8}, {30, 0.2}}};
  const BatchOrder order = made(lengths(110), options);
  std::map<std::int64_t, int> seen;
  for (std::int64_t e = 0; e < 6; ++e) {
    const auto all = epoch(order, e);
    EXPECT_EQ(std::ranges::count_if(all, [](std::int64_t i) { return i >= 80; }), 20);
    for (const std::int64_t i : all) ++seen[i];
  }
  // Six epochs: the data six times, 120 of the 30 others four times each.
  for (const auto& [i, times] : seen) EXPECT_EQ(times, i < 80 ? 6 : 4) << i;
}

TEST(BatchOrder, EachPassOverAnotherSetHasAnOrderOfItsOwn) {
  // Half of the other set an epoch: two epochs are a pass.
  const BatchOrder order = made(lengths(110), {.tokens = 500, .sources = {{80, 0.84}, {30, 0.16}}});
  const auto others = [&](std::int64_t number) {
    std::vector<std::int64_t> all = epoch(order, number);
    std::erase_if(all, [](std::int64_t i) { return i < 80; });
    return sorted(all);
  };
  std::vector<std::vector<std::int64_t>> first_halves;
  for (std::int64_t pass = 0; pass < 4; ++pass) {
    std::vector<std::int64_t> both = others(2 * pass);
    ASSERT_THAT(both, SizeIs(15));
    first_halves.push_back(both);
    std::ranges::copy(others(2 * pass + 1), std::back_inserter(both));
    std::vector<std::int64_t> whole(30);
    std::iota(whole.begin(), whole.end(), 80);
    EXPECT_EQ(sorted(both), whole) << pass;
  }
  for (std::size_t pass = 1; pass < first_halves.size(); ++pass)
    EXPECT_NE(first_halves[pass], first_halves[pass - 1]);
}

TEST(BatchOrder, RefusesWhatDoesNotFit) {
  const auto problem = [](std::vector<std::int64_t> of, const BatchOptions& options) {
    const auto order = BatchOrder::create(std::move(of), options);
    return order ? "good" : order.error().to_string();
  };
  EXPECT_THAT(problem({}, {}), HasSubstr("no examples"));
  EXPECT_THAT(problem({1, 2, 3}, {.group = 2}), HasSubstr("inside a group"));
  EXPECT_THAT(problem({1, 2}, {.sources = {{1, 1}}}), HasSubstr("not as many"));
  EXPECT_THAT(problem({1, 2}, {.sources = {{1, 1}, {1, 0}}}), HasSubstr("share"));
  EXPECT_THAT(problem({1, -2}, {}), HasSubstr("out of range"));
  EXPECT_THAT(problem({1}, {.tokens = 0}), HasSubstr("positive"));
}

TEST(CutDocument, EveryIdButTheFirstIsLearnedOnce) {
  for (const std::int64_t length : {2, 3, 7, 64, 1000}) {
    std::vector<std::int32_t> ids(100);
    std::iota(ids.begin(), ids.end(), 5);
    const auto examples = cut_document(ids, length, 9);
    std::vector<std::int32_t> learned;
    for (const Example& example : examples) {
      EXPECT_LE(static_cast<std::int64_t>(example.ids.size()), length);
      ASSERT_EQ(example.ids.size(), example.weights.size());
      EXPECT_EQ(example.weights[0], 0);
      EXPECT_EQ(example.source, 9);
      for (std::size_t i = 1; i < example.ids.size(); ++i) {
        EXPECT_EQ(example.weights[i], 1);
        EXPECT_EQ(example.ids[i], example.ids[i - 1] + 1) << "what it is predicted from";
        learned.push_back(example.ids[i]);
      }
    }
    EXPECT_EQ(learned, std::vector<std::int32_t>(ids.begin() + 1, ids.end())) << length;
  }
  const auto even = cut_document(std::vector<std::int32_t>(101), 64, 0);
  ASSERT_THAT(even, SizeIs(2));
  EXPECT_EQ(even[0].ids.size(), even[1].ids.size());
  EXPECT_THAT(cut_document(std::vector<std::int32_t>(1), 64, 0), IsEmpty());
}

}  // namespace
}  // namespace bantam
