#include "server/worker_pool.h"

#include <chrono>
#include <system_error>
#include <utility>

namespace bantam {

bool WorkerPool::submit(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  reap();
  if (closed_ || running_ >= max_jobs_) return false;
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_) {
    try {
      std::thread thread([this] { work(); });
      const std::thread::id id = thread.get_id();
      threads_.emplace(id, std::move(thread));
    } catch (const std::system_error&) {  // no more threads; a waiting one cannot be counted on
      jobs_.pop_back();
      return false;
    }
  }
  ++running_;
  wake_.notify_one();
  return true;
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    const bool found =
        wake_.wait_for(lock, std::chrono::seconds(1), [this] { return closed_ || !jobs_.empty(); });
    --idle_;
    if (!found || jobs_.empty()) break;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes before it counts as finished
    lock.lock();
    --running_;
  }
  ended_.push_back(std::this_thread::get_id());
}

void WorkerPool::reap() {
  for (const std::thread::id id : ended_) {
    threads_.at(id).join();
    threads_.erase(id);
  }
  ended_.clear();
}

void WorkerPool::join() {
  std::map<std::thread::id, std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    wake_.notify_all();
    threads.swap(threads_);
  }
  for (auto& [id, thread] : threads) thread.join();
  const std::lock_guard lock(mutex_);
  ended_.clear();
}

std::size_t WorkerPool::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

}  // namespace bantam
