// Threads for handlers that wait and compute: one a running job, started when needed, gone again
// after a second without work.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace bantam {

class WorkerPool {
 public:
  explicit WorkerPool(std::size_t max_jobs) : max_jobs_(max_jobs) {}
  // Waits for the running jobs.
  ~WorkerPool() { join(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs the job at once on a thread of its own; false if max_jobs run already or the system gives
  // no thread, and then the job has not been kept. Jobs must not throw. Any thread.
  bool submit(std::function<void()> job);
  // Waits until no job runs and every thread has ended; submit() then says no.
  void join();

  std::size_t running() const;

 private:
  void work();
  void reap();  // joins threads that have ended; with mutex_ held

  const std::size_t max_jobs_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // accepted and not yet taken: a thread is on its way
  std::map<std::thread::id, std::thread> threads_;
  std::vector<std::thread::id> ended_;
  std::size_t running_ = 0;  // jobs accepted and not finished
  std::size_t idle_ = 0;     // threads waiting for a job
  bool closed_ = false;
};

}  // namespace bantam
