// Several machines, one training run.
//
// Every rank holds all parameters and takes every step; what they exchange is gradients. Sums go up
// a fixed binary tree: a rank swaps its values with the rank whose number differs in bit 0, adds,
// then with the one that differs in bit 1, and so on, so that all ranks hold the same bits at the
// end, and with shards.h the bits that one rank alone would have had.
//
// All calls are collective: every rank makes the same ones in the same order. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"

namespace bantam {

class Exchange {
 public:
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  std::int64_t rank() const { return rank_; }
  std::int64_t ranks() const { return ranks_; }

  // values = values of the lower ranks + values of the upper, pairwise up the tree; afterwards all
  // ranks hold the total. Sizes are the same everywhere. kUnavailable "peer_lost".
  Result<void> add(std::span<float> values);
  Result<void> add(std::span<double> values);
  // Rank 0's bytes become everybody's.
  Result<void> broadcast(std::span<std::byte> bytes);
  // Whether all ranks are well so far. This rank's own error comes first; kUnavailable
  // "peer_failed" if another has one.
  Result<void> agree(Result<void> mine);

 protected:
  // CHECKs that `ranks` is a power of two: makers refuse others.
  Exchange(std::int64_t rank, std::int64_t ranks);

 private:
  // Sends `out` to the partner, which does the same at the same time, and receives `in`, which is
  // as long as what the partner sends. They do not overlap. Either may be empty.
  virtual Result<void> swap(std::int64_t partner, std::span<const std::byte> out,
                            std::span<std::byte> in) = 0;

  template <typename T>
  Result<void> add_values(std::span<T> values);

  std::int64_t rank_, ranks_;
};

// One rank: nothing is sent anywhere.
std::unique_ptr<Exchange> alone();

}  // namespace bantam
