// What the pool costs and how it bears other work on its cores.
//
//   build/release/bench/thread_pool_bench
//
// "Steps" is the shape of a decode step: 81 loops of 200 pieces of 1.5 microseconds with a little
// serial work between them, 24.5 ms of arithmetic in all. The second argument counts busy threads
// that are pinned to a core of their own each, from the highest down. BANTAM_THREADS chooses the
// pool's threads (0: every core).
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/core_set.h"
#include "base/thread_pool.h"

namespace bantam {
namespace {

constexpr std::size_t kLoops = 81, kPieces = 200;
constexpr double kPieceNanoseconds = 1500;

std::size_t threads() {
  const char* text = std::getenv("BANTAM_THREADS");
  return text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
}

// A chain of multiplications that nothing can shorten.
void burn(std::size_t rounds) {
  std::uint64_t x = rounds;
  for (std::size_t i = 0; i < rounds; ++i) {
    x = x * 6364136223846793005u + 1;
    benchmark::DoNotOptimize(x);
  }
}

double nanoseconds(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

std::size_t rounds_of_a_piece() {
  constexpr std::size_t kRounds = 100'000;
  double best = 1e18;
  for (int i = 0; i < 20; ++i) best = std::min(best, nanoseconds([] { burn(kRounds); }));
  return static_cast<std::size_t>(kPieceNanoseconds / best * kRounds);
}

// Threads that want their core all the time.
class BusyCores {
 public:
  explicit BusyCores(std::size_t count) {
    const CoreSet all = CoreSet::of_this_thread();
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([all, i](std::stop_token stop) {
        CoreSet one = all;
        one.keep_only(all.at(all.count() - 1 - i % all.count()));
        one.apply();
        while (!stop.stop_requested()) burn(1000);
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

void step(ThreadPool& pool, std::size_t rounds) {
  for (std::size_t loop = 0; loop < kLoops; ++loop) {
    burn(2 * rounds);
    pool.parallel_for(kPieces, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t i = begin; i < end; ++i) burn(rounds);
    });
  }
}

void EmptyLoop(benchmark::State& state) {
  ThreadPool pool(threads());
  for (auto _ : state)
    pool.parallel_for(pool.size() + 1, 1, [](std::size_t, std::size_t, std::size_t) {});
}
BENCHMARK(EmptyLoop)->UseRealTime();

// From a loop's opening until a worker that slept has taken part in it.
void WakeUp(benchmark::State& state) {
  ThreadPool pool(2);
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> inside{0};
    state.SetIterationTime(1e-9 * nanoseconds([&] {
                             pool.parallel_for(2, 1, [&](std::size_t, std::size_t, std::size_t) {
                               ++inside;
                               while (inside < 2) std::this_thread::yield();
                             });
                           }));
  }
}
BENCHMARK(WakeUp)->UseManualTime()->Iterations(300)->Unit(benchmark::kMicrosecond);

void Steps(benchmark::State& state) {
  const std::size_t rounds = rounds_of_a_piece();
  const BusyCores busy(static_cast<std::size_t>(state.range(0)));
  ThreadPool pool(threads());
  for (auto _ : state) step(pool, rounds);
}
BENCHMARK(Steps)->ArgName("busy")->Arg(0)->Arg(1)->MinTime(2)->UseRealTime()->Unit(
    benchmark::kMillisecond);

// Several engines in one process, each with its pool, each doing one step: the time of all.
void Engines(benchmark::State& state) {
  const std::size_t rounds = rounds_of_a_piece();
  std::vector<std::unique_ptr<ThreadPool>> pools;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    pools.push_back(std::make_unique<ThreadPool>(threads()));
  for (auto _ : state) {
    std::vector<std::jthread> callers;
    for (const auto& pool : pools)
      callers.emplace_back([&pool, rounds] {
        for (int i = 0; i < 10; ++i) step(*pool, rounds);
      });
  }
}
BENCHMARK(Engines)->ArgName("engines")->Arg(1)->Arg(2)->Arg(4)->UseRealTime()->Unit(
    benchmark::kMillisecond);

}  // namespace
}  // namespace bantam

BENCHMARK_MAIN();
