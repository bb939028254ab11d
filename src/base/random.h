// One counter-based random generator: value number i of stream (seed, stream) is a pure function,
// so the same seed gives the same text on every machine, in any order of asking.
// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <array>
#include <cstdint>

namespace bantam {

// The bijection itself: ten rounds on a counter under a key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

// A stream of values. Value number i is the first half of block (i, stream) under the key `seed`.
// Uses no function of the C library that could differ between processors. Not for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint64_t next_u64();
  // Uniform in [0, 1), a multiple of 2^-53.
  double next_double();
  // Standard normal, by Box-Muller.
  double next_normal();
  // Uniform in [0, bound) without bias; bound > 0.
  std::uint64_t next_below(std::uint64_t bound);

 private:
  std::uint64_t seed_, stream_, counter_ = 0;
};

}  // namespace bantam
