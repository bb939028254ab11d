// A batch in a fixed number of pieces, whoever computes them.
//
// Floating-point sums depend on their order. So a global batch is always cut into the same shards,
// each shard's gradient is a sum of its own, and shards are added in a fixed binary tree:
// ((s0 + s1) + (s2 + s3)) + … . A rank of K computes a run of shards / K of them, which is a
// subtree; exchange.h adds the subtrees. So K ranks give the bits of one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"
#include "kernels/kernels.h"

namespace bantam {

// Runs of whole groups of about equal numbers of tokens; together they are all examples, in order.
// With fewer groups than shards some are empty.
std::vector<std::span<const Example>> cut_shards(std::span<const Example> examples,
                                                 std::int64_t group, std::int64_t shards);

// The sum of arrays that come one after the other. Holds as many as the tree is deep.
class ShardSum {
 public:
  explicit ShardSum(const KernelTable& kernels) : kernels_(kernels) {}

  void add(std::span<const float> shard);
  // After 2^n of them; CHECKed. Starts again.
  void take(std::span<float> total);

 private:
  void pair();  // the last two of pending_ become one

  const KernelTable& kernels_;
  std::uint64_t count_ = 0;
  std::vector<std::vector<float>> pending_;  // sums of 2^a, 2^b, … shards, a > b > …
  std::vector<std::vector<float>> spare_;    // to be used again
};

// The same tree over numbers that are all there. As many as 2^n; CHECKed.
double sum_of_shards(std::span<const double> shards);

}  // namespace bantam
