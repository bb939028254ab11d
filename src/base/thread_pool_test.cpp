#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <thread>
#include <vector>

#include "base/core_set.h"

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

// One falls asleep between the loops, the other while it waits for the end of one: each must be
// woken, and the caller may not go on before.
TEST(ThreadPool, SleepersAreWokenAndWaitedFor) {
  constexpr std::chrono::milliseconds kLongerThanTheSpinning(3);
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> arrived{0};
    std::atomic<bool> slow_is_done{false};
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    pool.parallel_for(2, 1, [&](std::size_t, std::size_t, std::size_t worker) {
      ++arrived;
      while (arrived < 2 && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
      if (worker == 0) return;
      std::this_thread::sleep_for(kLongerThanTheSpinning);
      slow_is_done = true;
    });
    ASSERT_TRUE(slow_is_done) << arrived << " came";
    std::this_thread::sleep_for(kLongerThanTheSpinning);
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

// More threads than cores, up to the most there can be.
TEST(ThreadPool, ComputesWithAnyNumberOfThreads) {
  for (const std::size_t threads : {std::size_t{64}, ThreadPool::kMaxThreads}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (int round = 0; round < 3; ++round) {
      std::atomic<std::size_t> sum{0};
      pool.parallel_for(
          5000, 1, [&](std::size_t begin, std::size_t end, std::size_t) { sum += end - begin; });
      EXPECT_EQ(sum, 5000u);
    }
  }
}

// As under a limit on processes: the pool works with the threads it got.
TEST(ThreadPool, MakesDoWithFewerThreadsThanAskedFor) {
  constexpr std::size_t kRoom = std::size_t{1} << 30;  // for the stacks of some, not of all
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  if (pages > kRoom / 4096) GTEST_SKIP() << "a sanitizer has the address space";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = kRoom;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  testing::internal::CaptureStderr();
  std::size_t size = 0, sum = 0, too_high = 0;
  {
    ThreadPool pool(ThreadPool::kMaxThreads);
    size = pool.size();
    std::atomic<std::size_t> visited{0}, strangers{0};
    pool.parallel_for(5000, 1, [&](std::size_t begin, std::size_t end, std::size_t worker) {
      visited += end - begin;
      if (worker >= size) ++strangers;
    });
    sum = visited;
    too_high = strangers;
  }
  setrlimit(RLIMIT_AS, &before);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("of 1024 threads could be started"));
  EXPECT_LT(size, ThreadPool::kMaxThreads);
  EXPECT_EQ(sum, 5000u);
  EXPECT_EQ(too_high, 0u);
}

TEST(ThreadPool, PinnedWorkersKeepTheirCores) {
  const CoreSet all = CoreSet::of_this_thread();
  ThreadPool pool(all.count() + 1, ThreadPool::Placement::kPinned);
  std::atomic<int> wrong{0};
  for (int round = 0; round < 50; ++round) {
    pool.parallel_for(64, 1, [&](std::size_t, std::size_t, std::size_t worker) {
      if (worker > 0 && CoreSet::current() != all.at(worker % all.count())) ++wrong;
    });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(CoreSet::of_this_thread().count(), all.count());  // the caller is left alone
}

// Processor time, not time: however busy the machine is, a pool that spins would use it.
TEST(ThreadPool, IdleWorkersUseNoProcessorTime) {
  const auto used = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  ThreadPool first(4), second(4);
  for (ThreadPool* pool : {&first, &second})
    pool->parallel_for(64, 1, [](std::size_t, std::size_t, std::size_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LT(used() - before, std::chrono::milliseconds(20));
}

// Two pools at once, each with its own caller.
TEST(ThreadPool, PoolsDoNotDisturbOneAnother) {
  const auto count = [](std::size_t& total) {
    ThreadPool pool(2);
    for (int round = 0; round < 500; ++round) {
      std::atomic<std::size_t> sum{0};
      pool.parallel_for(
          100, 3, [&](std::size_t begin, std::size_t end, std::size_t) { sum += end - begin; });
      total += sum;
    }
  };
  std::size_t one = 0, two = 0;
  std::thread other([&] { count(one); });
  count(two);
  other.join();
  EXPECT_EQ(one, 50'000u);
  EXPECT_EQ(two, 50'000u);
}

TEST(ThreadPoolDeathTest, MoreThreadsThanThereCanBeAreABugOfOurOwn) {
  EXPECT_DEATH(ThreadPool(ThreadPool::kMaxThreads + 1), "1025 threads");
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
