// The derivative of a linear layer, whatever of it trains: its weight, its bias, its adapter, all
// or nothing.
#pragma once

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "nn/ops.h"
#include "tensor/arena.h"
#include "train/parameters.h"

namespace bantam {

// What derivatives are computed with.
struct BackwardContext {
  const KernelTable& kernels;
  ThreadPool& pool;
  Arena& scratch;  // given back
  Parameters& parameters;
  MatmulMode mode;  // of the forward pass
};

// With z = x Wᵀ + scale · (x Aᵀ) Bᵀ and y = gain · z + b: adds to the gradients of what trains, and
// to dx (T, in) unless its data is null. x (T, in), y and dy (T, out). Sums over tokens are chains
// in order of token.
void linear_backward(const BackwardContext& context, const FloatTensor& x, const Linear& layer,
                     const FloatTensor& y, const FloatTensor& dy, const FloatTensor& dx);

// Whether anything of the layer trains.
bool trains(const Parameters& parameters, const Linear& layer);

// body(begin, count) for stretches of [0, width): what sums over rows, column by column, are shared
// out by. Every column is summed by one thread.
template <typename Body>
void for_each_column_stretch(ThreadPool& pool, std::int64_t width, const Body& body) {
  constexpr std::size_t kStretch = 64;
  pool.parallel_for(static_cast<std::size_t>(width), kStretch,
                    [&](std::size_t begin, std::size_t end, std::size_t) {
                      body(static_cast<std::int64_t>(begin),
                           static_cast<std::int64_t>(end - begin));
                    });
}

}  // namespace bantam
