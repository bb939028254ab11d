// What this machine can do at most: bytes read from memory and operations a second, of a pool's
// threads together. Every other figure of `bantam bench` is given as a share of these.
#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace bantam {

struct Peaks {
  std::size_t threads = 0;
  double read_bytes_per_second = 0;  // of a buffer far larger than the caches
  // Operations of kernels/peaks.h: a multiply-add is two.
  double int8_per_second = 0, bf16_per_second = 0, f32_per_second = 0;
};

// Measures with the loops of one table (kernels/peaks.h). For the time of a measurement it takes
// 512 MiB, or a quarter of the free memory where that is less. One thread at a time.
class PeakMeter {
 public:
  explicit PeakMeter(const KernelTable& kernels);

  // Best of some passes of each kind, in turn; takes about a second.
  Peaks measure(ThreadPool& pool);
  // Measures again and keeps the better: other programs only ever slow a pass down.
  void raise(Peaks& peaks, ThreadPool& pool);

 private:
  PeakLoops loops_;
};

// 1, 2, 4, … and `most`.
std::vector<std::size_t> thread_counts(std::size_t most);

}  // namespace bantam
