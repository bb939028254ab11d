#include "runtime/benchmark_peaks.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/cpu_info.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Rounds of a call that takes about a millisecond, so that threads share a pass out evenly.
std::int64_t calibrate(PeakLoop loop) {
  constexpr std::int64_t kMostRounds = std::int64_t{1} << 20;
  for (std::int64_t rounds = 1;; rounds *= 2) {
    const Clock::time_point start = Clock::now();
    loop(rounds);
    if (seconds_since(start) > 0.0005 || rounds >= kMostRounds) return rounds;
  }
}

double operation_rate(PeakLoop loop, ThreadPool& pool) {
  constexpr int kPasses = 8;
  constexpr std::size_t kCallsPerThread = 16;
  const std::int64_t rounds = calibrate(loop);
  const std::int64_t operations = loop(rounds);  // of a call; the same of every one
  const std::size_t calls = kCallsPerThread * pool.size();
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point start = Clock::now();
    pool.parallel_for(calls, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t i = begin; i < end; ++i) loop(rounds);
    });
    best = std::max(
        best, static_cast<double>(calls) * static_cast<double>(operations) / seconds_since(start));
  }
  return best;
}

constexpr std::size_t kReadGrain = 4u << 20;

// Far more than the caches hold, but never a burden to the machine.
std::size_t buffer_bytes() {
  constexpr std::uint64_t kWanted = std::uint64_t{512} << 20;
  const std::uint64_t allowed = read_cpu_info().available_memory_bytes / 4;
  const std::uint64_t bytes = std::min(kWanted, allowed) / kReadGrain * kReadGrain;
  return static_cast<std::size_t>(std::max<std::uint64_t>(bytes, kReadGrain));
}

double read_rate(void (*read)(const std::byte*, std::size_t), ThreadPool& pool) {
  constexpr int kPasses = 4;
  const std::size_t bytes = buffer_bytes();
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(bytes);
  // Written by threads that will read, so that every page exists and lies near one of them.
  pool.parallel_for(bytes, kReadGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
    std::memset(&buffer[begin], 1, end - begin);
  });
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point start = Clock::now();
    pool.parallel_for(bytes, kReadGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
      read(&buffer[begin], end - begin);
    });
    best = std::max(best, static_cast<double>(bytes) / seconds_since(start));
  }
  return best;
}

}  // namespace

PeakMeter::PeakMeter(const KernelTable& kernels) : loops_(peak_loops(kernels, read_cpu_info())) {}

Peaks PeakMeter::measure(ThreadPool& pool) {
  return {.threads = pool.size(),
          .read_bytes_per_second = read_rate(loops_.read, pool),
          .int8_per_second = operation_rate(loops_.int8, pool),
          .bf16_per_second = operation_rate(loops_.bf16, pool),
          .f32_per_second = operation_rate(loops_.f32, pool)};
}

void PeakMeter::raise(Peaks& peaks, ThreadPool& pool) {
  const auto keep = [](double& best, double now) { best = std::max(best, now); };
  keep(peaks.read_bytes_per_second, read_rate(loops_.read, pool));
  keep(peaks.int8_per_second, operation_rate(loops_.int8, pool));
  keep(peaks.f32_per_second, operation_rate(loops_.f32, pool));
}

std::vector<std::size_t> thread_counts(std::size_t most) {
  std::vector<std::size_t> counts;
  for (std::size_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

}  // namespace bantam
