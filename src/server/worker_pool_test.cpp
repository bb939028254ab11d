#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace bantam {
namespace {

TEST(WorkerPool, RunsJobsSideBySideUpToTheLimit) {
  constexpr int kJobs = 8;
  std::atomic<int> done{0};
  std::latch all_running(kJobs), go(1);
  WorkerPool pool(kJobs);
  for (int i = 0; i < kJobs; ++i) {
    EXPECT_TRUE(pool.submit([&] {
      all_running.count_down();
      go.wait();
      ++done;
    }));
  }
  all_running.wait();  // would never return if they shared threads
  EXPECT_EQ(pool.running(), std::size_t{kJobs});
  EXPECT_FALSE(pool.submit([&] { ++done; }));
  go.count_down();
  pool.join();
  EXPECT_EQ(done, kJobs);
  EXPECT_EQ(pool.running(), 0u);
  EXPECT_FALSE(pool.submit([&] { ++done; }));
}

TEST(WorkerPool, JoinWaitsForJobsNotYetTaken) {
  std::atomic<int> done{0};
  {
    WorkerPool pool(100);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(pool.submit([&] { ++done; }));
  }
  EXPECT_EQ(done, 100);
}

TEST(WorkerPool, ReleasesWhatAJobHoldsWithTheJob) {
  WorkerPool pool(1);
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  EXPECT_TRUE(pool.submit([held = std::move(held)] {}));
  while (pool.running() > 0) std::this_thread::yield();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace bantam
