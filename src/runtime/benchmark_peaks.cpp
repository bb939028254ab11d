#include "runtime/benchmark_peaks.h"

#include <algorithm>
#include <atomic>
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

// Rounds of a call that takes about a millisecond, so that threads share a pass out evenly. The
// best of three counts: a call that was interrupted would look long enough.
std::int64_t calibrate(PeakLoop loop) {
  constexpr std::int64_t kMostRounds = std::int64_t{1} << 20;
  for (std::int64_t rounds = 1;; rounds *= 2) {
    double best = 1;
    for (int i = 0; i < 3; ++i) {
      const Clock::time_point start = Clock::now();
      loop(rounds);
      best = std::min(best, seconds_since(start));
    }
    if (best > 0.0005 || rounds >= kMostRounds) return rounds;
  }
}

// A loop and the best rate that any of its passes had so far.
class OperationPeak {
 public:
  OperationPeak(PeakLoop loop, double& best) : loop_(loop), rounds_(calibrate(loop)), best_(best) {}

  void pass(ThreadPool& pool) {
    constexpr std::size_t kCallsPerThread = 8;
    const std::size_t calls = kCallsPerThread * pool.size();
    const Clock::time_point start = Clock::now();
    pool.parallel_for(calls, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t i = begin; i < end; ++i) operations_ = loop_(rounds_);
    });
    const double operations = static_cast<double>(calls) * static_cast<double>(operations_);
    best_ = std::max(best_, operations / seconds_since(start));
  }

 private:
  PeakLoop loop_;
  std::int64_t rounds_;
  std::atomic<std::int64_t> operations_ = 0;  // of a call: the same of every one
  double& best_;
};

constexpr std::size_t kReadGrain = 4u << 20;

// Far more than the caches hold, but never a burden to the machine.
std::size_t buffer_bytes() {
  constexpr std::uint64_t kWanted = std::uint64_t{512} << 20;
  const std::uint64_t allowed = read_cpu_info().available_memory_bytes / 4;
  const std::uint64_t bytes = std::min(kWanted, allowed) / kReadGrain * kReadGrain;
  return static_cast<std::size_t>(std::max<std::uint64_t>(bytes, kReadGrain));
}

// The same of reading memory.
class ReadPeak {
 public:
  ReadPeak(void (*read)(const std::byte*, std::size_t), double& best, ThreadPool& pool)
      : read_(read),
        bytes_(buffer_bytes()),
        buffer_(std::make_unique_for_overwrite<std::byte[]>(bytes_)),
        best_(best) {
    // Written by threads that will read, so that every page exists and lies near one of them.
    pool.parallel_for(bytes_, kReadGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
      std::memset(&buffer_[begin], 1, end - begin);
    });
  }

  void pass(ThreadPool& pool) {
    const Clock::time_point start = Clock::now();
    pool.parallel_for(bytes_, kReadGrain, [&](std::size_t begin, std::size_t end, std::size_t) {
      read_(&buffer_[begin], end - begin);
    });
    best_ = std::max(best_, static_cast<double>(bytes_) / seconds_since(start));
  }

 private:
  void (*read_)(const std::byte*, std::size_t);
  std::size_t bytes_;
  std::unique_ptr<std::byte[]> buffer_;
  double& best_;
};

}  // namespace

PeakMeter::PeakMeter(const KernelTable& kernels) : loops_(peak_loops(kernels, read_cpu_info())) {}

Peaks PeakMeter::measure(ThreadPool& pool) {
  Peaks peaks{.threads = pool.size()};
  raise(peaks, pool);
  return peaks;
}

void PeakMeter::raise(Peaks& peaks, ThreadPool& pool) {
  constexpr int kRounds = 4, kPassesOfARound = 4;
  ReadPeak read(loops_.read, peaks.read_bytes_per_second, pool);
  OperationPeak int8(loops_.int8, peaks.int8_per_second);
  OperationPeak bf16(loops_.bf16, peaks.bf16_per_second);
  OperationPeak f32(loops_.f32, peaks.f32_per_second);
  // In turn, so that a busy moment of the machine does not fall on one of them alone.
  for (int round = 0; round < kRounds; ++round) {
    read.pass(pool);
    for (int pass = 0; pass < kPassesOfARound; ++pass) {
      int8.pass(pool);
      bf16.pass(pool);
      f32.pass(pool);
    }
  }
}

std::vector<std::size_t> thread_counts(std::size_t most) {
  std::vector<std::size_t> counts;
  for (std::size_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

}  // namespace bantam
