#include "base/core_set.h"

#include <gtest/gtest.h>

#include <thread>

namespace bantam {
namespace {

TEST(CoreSet, KnowsWhereThisThreadMayRunAndIs) {
  const CoreSet all = CoreSet::of_this_thread();
  ASSERT_GE(all.count(), 1u);
  int last = -1;
  bool on_one_of_them = false;
  const int here = CoreSet::current();
  for (std::size_t i = 0; i < all.count(); ++i) {
    EXPECT_GT(all.at(i), last);
    last = all.at(i);
    on_one_of_them = on_one_of_them || last == here;
  }
  EXPECT_TRUE(on_one_of_them);
}

// On a thread of its own, so that the rest of the tests keep their cores.
TEST(CoreSet, MovesTheThread) {
  std::thread([] {
    const CoreSet all = CoreSet::of_this_thread();
    for (std::size_t i = 0; i < all.count(); ++i) {
      CoreSet one = all;
      one.keep_only(all.at(i));
      EXPECT_EQ(one.count(), 1u);
      ASSERT_TRUE(one.apply());
      EXPECT_EQ(CoreSet::current(), all.at(i));
      EXPECT_EQ(CoreSet::of_this_thread().count(), 1u);
      ASSERT_TRUE(all.apply());
    }
    CoreSet others = all;
    const int here = CoreSet::current();
    others.remove(here);
    EXPECT_EQ(others.count(), all.count() - 1);
    if (others.apply()) EXPECT_NE(CoreSet::current(), here);
  }).join();
}

TEST(CoreSet, AnEmptySetChangesNothing) {
  const CoreSet before = CoreSet::of_this_thread();
  EXPECT_FALSE(CoreSet{}.apply());
  CoreSet none = before;
  none.keep_only(-1);
  EXPECT_EQ(none.count(), 0u);
  EXPECT_FALSE(none.apply());
  EXPECT_EQ(CoreSet::of_this_thread().count(), before.count());
}

}  // namespace
}  // namespace bantam
