#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

#include "base/core_set.h"
#include "base/cpu_info.h"
#include "base/log.h"
#include "base/result.h"

namespace bantam {
namespace {

// The state of the pool is one word, so that entering a loop and closing it cannot cross:
//   bits 0..11   workers inside the current loop
//   bit  12      the loop is open: a worker may enter
//   bits 13..30  number of the loop, modulo 2^18
//   bit  31      the pool is closing down
// Nobody waits for a worker that has not entered: once the caller finds no work left, it closes
// the loop and a worker that wakes up late just goes back to waiting. A number that has wrapped
// round can therefore at worst make a worker miss a loop.
constexpr std::uint32_t kInsideMask = (1u << 12) - 1;
constexpr std::uint32_t kOpen = 1u << 12;
constexpr std::uint32_t kLoopUnit = 1u << 13;
constexpr std::uint32_t kClosing = 1u << 31;
constexpr std::uint32_t kLoopMask = kClosing - kLoopUnit;

using Clock = std::chrono::steady_clock;

// About what it costs to wake a sleeper: longer than the gap between two loops of one forward pass,
// much shorter than a time slice.
constexpr std::chrono::microseconds kSpin{60};
// Where other work wants the same core, the kernel takes it away at its next tick, and a worker
// stopped in the middle of a range holds up everybody for a whole slice of the other work. A worker
// that now and then offers its core between two loops is stopped there instead, where nobody waits
// for it. Shorter than the shortest time between ticks that is common (4 ms).
constexpr std::chrono::milliseconds kTurn{2};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits until `done(word)` holds: first by spinning, then asleep. Returns the word seen.
template <typename Done>
std::uint32_t wait_until(const std::atomic<std::uint32_t>& word, Done done) {
  std::uint32_t seen = word.load(std::memory_order_acquire);
  if (done(seen)) return seen;
  const Clock::time_point deadline = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      relax();
      seen = word.load(std::memory_order_acquire);
      if (done(seen)) return seen;
    }
  } while (Clock::now() < deadline);
  while (!done(seen)) {
    word.wait(seen, std::memory_order_acquire);
    seen = word.load(std::memory_order_acquire);
  }
  return seen;
}

}  // namespace

struct ThreadPool::State {
  // Written by the caller while nobody is inside, read by those who have entered.
  const RangeBody* body = nullptr;
  std::size_t count = 0, grain = 1;

  alignas(64) std::atomic<std::uint32_t> word{0};
  alignas(64) std::atomic<std::size_t> next{0};
  std::atomic<int> caller_core{-1};  // where the loop was opened
  std::size_t size = 1;              // written before the first loop
  bool roomy = false;                // there is a core for each
  CoreSet cores;                     // that the pool may use
  std::vector<std::thread> threads;

  // A share of what is left, so that long loops need few handovers and the last ranges are short.
  bool take(std::size_t& begin, std::size_t& end) {
    begin = next.load(std::memory_order_relaxed);
    do {
      if (begin >= count) return false;
      const std::size_t share = (count - begin) / (2 * size);
      const std::size_t length = std::max(grain, share / grain * grain);
      end = length < count - begin ? begin + length : count;
    } while (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    return true;
  }

  void work(std::size_t worker) {
    std::size_t begin = 0, end = 0;
    while (take(begin, end)) (*body)(begin, end, worker);
  }

  bool enter(std::uint32_t seen) {
    while ((seen & kOpen) != 0) {
      if (word.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  void leave() {
    const std::uint32_t before = word.fetch_sub(1, std::memory_order_release);
    if ((before & (kInsideMask | kOpen)) == 1) word.notify_all();  // last out of a closed loop
  }

  // The kernel may leave a worker on the caller's core while others are free or shared with work
  // that is none of ours. The caller is the one who cannot be waited for: every loop starts and
  // ends with it. So the worker makes way.
  void leave_callers_core() const {
    if (!roomy) return;
    const int core = caller_core.load(std::memory_order_relaxed);
    if (core < 0 || core != CoreSet::current()) return;
    CoreSet others = cores;
    others.remove(core);
    if (others.apply()) cores.apply();
  }

  void run(std::size_t worker, bool pinned) {
    if (pinned) {
      CoreSet own = cores;
      own.keep_only(cores.at(worker % cores.count()));
      own.apply();
    }
    std::uint32_t loop = 0;
    Clock::time_point turn = Clock::now();
    while (true) {
      if (Clock::now() - turn > kTurn) {
        std::this_thread::yield();
        turn = Clock::now();
      }
      const std::uint32_t seen = wait_until(word, [loop](std::uint32_t value) {
        return (value & kClosing) != 0 || ((value & kOpen) != 0 && (value & kLoopMask) != loop);
      });
      if ((seen & kClosing) != 0) return;
      loop = seen & kLoopMask;
      if (!pinned) leave_callers_core();
      if (!enter(seen)) continue;
      work(worker);
      leave();
    }
  }
};

ThreadPool::ThreadPool(std::size_t threads, Placement placement)
    : state_(std::make_unique<State>()) {
  if (threads == 0) threads = std::min(read_cpu_info().cores, kMaxThreads);
  CHECK(threads <= kMaxThreads, "{} threads", threads);
  State& state = *state_;
  state.cores = CoreSet::of_this_thread();
  state.roomy = threads <= state.cores.count();
  const bool pinned = placement == Placement::kPinned && state.cores.count() > 0;
  state.threads.reserve(threads - 1);
  try {
    for (std::size_t worker = 1; worker < threads; ++worker)
      state.threads.emplace_back([&state, worker, pinned] { state.run(worker, pinned); });
  } catch (const std::system_error& error) {
    log_warning("{} of {} threads could be started: {}", state.threads.size() + 1, threads,
                error.what());
  }
  state.size = state.threads.size() + 1;
}

ThreadPool::~ThreadPool() {
  state_->word.fetch_or(kClosing, std::memory_order_release);
  state_->word.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

std::size_t ThreadPool::size() const { return state_->size; }

void ThreadPool::parallel_for(std::size_t count, std::size_t grain, RangeBody body) {
  CHECK(grain > 0);
  if (count == 0) return;
  State& state = *state_;
  if (state.size == 1 || count <= grain) {
    body(0, count, 0);
    return;
  }
  CHECK((state.word.load(std::memory_order_relaxed) & (kOpen | kInsideMask)) == 0,
        "parallel_for inside parallel_for, or from two threads");
  state.body = &body;
  state.count = count;
  state.grain = grain;
  state.next.store(0, std::memory_order_relaxed);
  state.caller_core.store(CoreSet::current(), std::memory_order_relaxed);
  const std::uint32_t loop = (state.word.load(std::memory_order_relaxed) + kLoopUnit) & kLoopMask;
  state.word.store(loop | kOpen, std::memory_order_release);
  state.word.notify_all();
  state.work(0);
  state.word.fetch_and(~kOpen, std::memory_order_relaxed);
  wait_until(state.word, [](std::uint32_t value) { return (value & kInsideMask) == 0; });
}

}  // namespace bantam
