// Products of float matrices, which is what training multiplies: c (+)= a b.
//
//   c[i][j] = (add ? c[i][j] : 0) + a(i, 0) b(0, j) + a(i, 1) b(1, j) + …
//
// Every element of c is one chain of fused multiply-adds in order of k, as if no other element
// were computed, whatever the thread count and the instruction set. So a product over many tokens
// may be cut anywhere along k: adding the parts in order gives the same bits. (That is what makes
// gradients independent of how a batch is cut into micro-batches.)
//
// a and b may be read by rows or by columns. With dY (T, N), X (T, K) and W (N, K):
//   dX += dY W     a = dY, b = W         dW += dYᵀ X    a = transposed(dY), b = X
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace bantam {

// Element (i, j) lies at data[i * row + j * column].
struct FloatMatrix {
  const float* data = nullptr;
  std::int64_t row = 0, column = 1;
};
inline FloatMatrix transposed(const FloatMatrix& m) { return {m.data, m.column, m.row}; }
// Of a tensor seen as (rows, last).
inline FloatMatrix matrix_of(const FloatTensor& x) { return {x.data, x.shape.last(), 1}; }

struct FloatProduct {
  FloatMatrix a, b;    // (rows, depth), (depth, columns)
  float* c = nullptr;  // (rows, columns), rows c_stride apart; overlaps neither a nor b
  std::int64_t c_stride = 0;
  std::int64_t rows = 0, depth = 0, columns = 0;
  bool add = false;
};

// Shared out to the pool. Scratch is taken from the arena and given back.
void product(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
             const FloatProduct& product);

// On the calling thread; `scratch` has kProductScratchFloats.
void product_here(const KernelTable& kernels, const FloatProduct& product, float* scratch);

// dx += dy W for a weight (N, K) of any dtype that has a codec: dy (T, N), dx (T, K). Packed rows
// are decoded a panel at a time, so the weight is never there whole. The same bits as product() of
// the decoded weight.
void product_packed(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
                    const FloatTensor& dy, const TensorView& weight, const FloatTensor& dx);

// What KernelTable::multiply_block takes at most: rows and columns of c, whatever the depth. The
// rows of a are packed a stretch of kProductDepth at a time and stay in the second-level cache,
// those of b a panel of at most 48 columns at a time.
inline constexpr std::int64_t kProductRows = 384, kProductColumns = 1024, kProductDepth = 256;
inline constexpr std::int64_t kMostPanelColumns = 48, kProductPanelRows = 16;
inline constexpr std::int64_t kProductScratchFloats =
    kProductRows * (kProductDepth + 16) + kProductDepth * kMostPanelColumns;

}  // namespace bantam
