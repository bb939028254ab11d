// A fixed set of workers that share out one loop at a time.
//
// Passed by reference to whoever computes; never a global. The calling thread is worker 0, so a
// pool of one starts no thread. How work is divided never changes a result: the ranges a body gets
// depend on the thread count, therefore a body must compute each index independently of the others.
//
// Between loops a worker spins for some tens of microseconds and then sleeps: a pool that nobody
// uses costs no processor time, so a process can have any number of them. Nobody waits for a worker
// that has not begun: where a core is busy with other work the loop goes on without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace bantam {

// A callable passed without allocation; valid while the callee runs.
class RangeBody {
 public:
  template <typename F>
  RangeBody(const F& body)  // NOLINT: implicit, so that a lambda can be passed
      : object_(&body),
        call_([](const void* object, std::size_t begin, std::size_t end, std::size_t worker) {
          (*static_cast<const F*>(object))(begin, end, worker);
        }) {}
  void operator()(std::size_t begin, std::size_t end, std::size_t worker) const {
    call_(object_, begin, end, worker);
  }

 private:
  const void* object_;
  void (*call_)(const void*, std::size_t, std::size_t, std::size_t);
};

class ThreadPool {
 public:
  static constexpr std::size_t kMaxThreads = 1024;

  // kFree leaves it to the kernel which core a worker is on, but for keeping off the caller's.
  // kPinned gives each worker a core for good, for a process that has the machine to itself: two
  // such pools would share the same cores while others idle.
  enum class Placement : std::uint8_t { kFree, kPinned };

  // `threads` includes the caller, at most kMaxThreads; 0 means one per usable core. Where the
  // system refuses that many, the pool has fewer and the log says so.
  explicit ThreadPool(std::size_t threads, Placement placement = Placement::kFree);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const;

  // Calls body(begin, end, worker) on disjoint ranges that cover [0, count), each a multiple of
  // `grain` long except the last, and returns when all are done. Workers take the next range when
  // they are free, so a slow core does not hold up the rest. Not reentrant: a body must not call
  // back into the pool, and only one thread may use a pool at a time.
  void parallel_for(std::size_t count, std::size_t grain, RangeBody body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam
