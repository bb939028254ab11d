#include "runtime/turnstile.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace bantam {
namespace {

TEST(Turnstile, LetsCallersThroughInOrderOfArrival) {
  Turnstile turnstile;
  std::vector<int> order;
  std::vector<std::jthread> threads;
  {
    const auto first = turnstile.enter({});
    ASSERT_TRUE(first.has_value());
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const auto turn = turnstile.enter({});
        order.push_back(i);  // only one at a time, so this needs no lock
      });
      while (turnstile.size() != static_cast<std::size_t>(i) + 2) std::this_thread::yield();
    }
    EXPECT_TRUE(order.empty());
  }
  threads.clear();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(turnstile.size(), 0u);
}

TEST(Turnstile, ACallerThatLeavesTheQueueHoldsNobodyUp) {
  Turnstile turnstile;
  std::stop_source gone;
  std::atomic<bool> second_done = false, third_in = false;
  std::jthread second, third;
  {
    const auto first = turnstile.enter({});
    second = std::jthread([&] {
      const auto turn = turnstile.enter(gone.get_token());
      EXPECT_FALSE(turn.has_value());
      EXPECT_EQ(turn.error().code, "cancelled");
      second_done = true;
    });
    while (turnstile.size() != 2) std::this_thread::yield();
    third = std::jthread([&] {
      const auto turn = turnstile.enter({});
      third_in = turn.has_value();
    });
    while (turnstile.size() != 3) std::this_thread::yield();
    gone.request_stop();
    while (!second_done) std::this_thread::yield();
    EXPECT_FALSE(third_in);
  }
  third.join();
  EXPECT_TRUE(third_in);
}

}  // namespace
}  // namespace bantam
