// Activations times packed weights: y[t][n] = sum over k of x[t][k] * w[n][k].
//
// The dtype of a weight decides in what form it wants the activations:
//   * F32, F16, BF16, F8: as floats. The weight is converted exactly and the sum is the fixed
//     sixteen-lane chain of kernels.h.
//   * Everything whose values are small integers times scales (has_integer_dot): as signed bytes
//     with a scale per 32 elements (PackedActivations). The sum is exact but for one rounded
//     multiply-add per 32 elements, so the error against the true product is, with
//     a_b = max |x| and W_b = sum |w| over each block b of 32:
//       |error| <= sum over b of W_b * a_b * (1 / 254 + (K / 256 + 8) * 2^-22).
//   * Everything else that codec/codec.h decodes (F64; IQ6_K, whose levels are no integers): the
//     row is decoded to floats first, which is slow. Loaders tell (has_kernel).
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace bantam {

struct MatmulOutput {
  TensorView weight;            // (N, K)
  float* out = nullptr;         // (T, N), rows out_stride apart; must not overlap the input
  std::int64_t out_stride = 0;  // floats between rows, at least N
};

// kServing: as above. kFloats: every packed weight is decoded to floats and multiplied as an F32
// one; slow, and what the integer products are compared with.
enum class MatmulMode : std::uint8_t { kServing, kFloats };

// x is (T, K); all weights have the same K. Several outputs share one packing of the activations
// (q, k and v; gate and up). Scratch is taken from the arena and not given back. CHECKs the shapes,
// and that every dtype has a codec: loaders refuse others (codec.h, decoder_for).
void matmul(const KernelTable& kernels, ThreadPool& pool, Arena& scratch, FloatTensor x,
            std::span<const MatmulOutput> outputs, MatmulMode mode = MatmulMode::kServing);

// Whether weights of this dtype are multiplied as integers.
bool has_integer_dot(DType type);
// Or as floats straight from the row: whether it need not be decoded first.
bool has_kernel(DType type);

}  // namespace bantam
