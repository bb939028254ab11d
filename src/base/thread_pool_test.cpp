#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace bantam {
namespace {

TEST(ThreadPool, EveryIndexIsVisitedOnceWhateverTheShape) {
  for (const std::size_t threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (const std::size_t count : {0u, 1u, 2u, 7u, 64u, 1000u, 12345u}) {
      for (const std::size_t grain : {1u, 3u, 16u, 5000u}) {
        std::vector<std::atomic<int>> visits(count);
        std::atomic<int> bad_ranges{0};
        pool.parallel_for(count, grain,
                          [&](std::size_t begin, std::size_t end, std::size_t worker) {
                            if (begin >= end || end > count || worker >= threads ||
                                begin % grain != 0 || (end % grain != 0 && end != count))
                              ++bad_ranges;
                            for (std::size_t i = begin; i < end; ++i) ++visits[i];
                          });
        EXPECT_EQ(bad_ranges, 0) << threads << " threads, " << count << " by " << grain;
        for (std::size_t i = 0; i < count; ++i)
          ASSERT_EQ(visits[i], 1) << "index " << i << " of " << count << " by " << grain;
      }
    }
  }
}

// Plain (not atomic) data written inside one loop and read in the next and by the caller: the
// loop's end must order them. The thread sanitizer sees it when it does not.
TEST(ThreadPool, LoopsFollowOneAnother) {
  ThreadPool pool(4);
  std::vector<std::uint64_t> values(257, 1);
  for (int round = 0; round < 3000; ++round) {
    pool.parallel_for(values.size(), 1 + static_cast<std::size_t>(round) % 7,
                      [&](std::size_t begin, std::size_t end, std::size_t) {
                        for (std::size_t i = begin; i < end; ++i) values[i] = values[i] * 3 + i;
                      });
  }
  std::uint64_t expected_first = 1, expected_last = 1;
  for (int round = 0; round < 3000; ++round) {
    expected_first = expected_first * 3;
    expected_last = expected_last * 3 + 256;
  }
  EXPECT_EQ(values.front(), expected_first);
  EXPECT_EQ(values.back(), expected_last);
}

TEST(ThreadPool, WorkersWakeUpAfterSleeping) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> sum{0};
    pool.parallel_for(100, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      sum += static_cast<int>(end - begin);
    });
    EXPECT_EQ(sum, 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));  // longer than the spinning
  }
}

// Both workers must be inside at the same time for either to finish.
TEST(ThreadPool, RunsInParallel) {
  ThreadPool pool(2);
  std::atomic<int> arrived{0};
  pool.parallel_for(2, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    }
  });
  EXPECT_EQ(arrived, 2);
}

TEST(ThreadPool, ZeroMeansEveryUsableCore) {
  ThreadPool pool(0);
  EXPECT_GE(pool.size(), 1u);
}

TEST(ThreadPoolDeathTest, NestingIsABugOfOurOwn) {
  EXPECT_DEATH(
      {
        ThreadPool pool(2);
        pool.parallel_for(8, 1, [&](std::size_t, std::size_t, std::size_t) {
          pool.parallel_for(8, 1, [](std::size_t, std::size_t, std::size_t) {});
        });
      },
      "parallel_for inside parallel_for");
}

}  // namespace
}  // namespace bantam
