// What is done to one row at a time, and how many rows are shared out to the pool.
//
// The functions are members of KernelTable, called as kernels.rms_norm(…); all lengths are in
// floats, nothing need be aligned, and `out` may be one of the inputs.
//
//   rms_norm          out = x / sqrt(mean(x^2) + epsilon) * weight; weight may be null (ones)
//   layer_norm        out = (x - mean) / sqrt(variance + epsilon) * weight + bias; either may be
//                     null; two passes, so a large mean does no harm
//   softmax           in place; -inf gives exactly 0; a row that is all -inf, or that has a NaN or
//                     +inf, becomes NaN; n > 0
//   rope_interleaved  turns pair (x[2i], x[2i + 1]) by the angle whose cosine and sine are given
//   rope_half         turns pair (x[i], x[i + pairs]): the layout of GPT-NeoX and Hugging Face
//   rotate            in place, times the normalised Hadamard matrix of the largest power of two
//                     that divides n, block by block; its own inverse
//   activate[a]       silu(x) = x / (1 + exp(-x)); gelu by the error function; gelu_tanh, its
//                     approximation by tanh; relu. Indexed by Activation
//   gated[a]          activation(gate) * up
//   add, multiply     elementwise; scale: by one number; add_scaled: inout = fma(x, factor, inout)
//   soft_cap          cap * tanh(x / cap), within 6 ulp and cap * 2^-148; cap > 0
//   exponential       exp(x): 0 below -103.98, +inf above 88.73, within 2 ulp between
//   log_sum_exp       log(sum(exp(x))) as a double; error below 1e-6 * (1 + |result|); -inf for an
//                     empty row or one of all -inf
//   argmax            index of the largest, the lowest on ties; NaNs never win; 0 if all are NaN;
//                     n > 0
//   to_f16 …          whole rows between formats, rounding to nearest even; NaNs stay NaNs
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace bantam {

// body(row) for every row in [0, rows): through the pool where the work pays for it, else right
// here. `row_elements` is the length of a row. Bodies must be independent of one another.
template <typename Body>
void for_each_row(ThreadPool& pool, std::int64_t rows, std::int64_t row_elements,
                  const Body& body) {
  constexpr std::int64_t kElementsWorthAThread = 1 << 13;
  const std::int64_t grain =
      std::max<std::int64_t>(1, kElementsWorthAThread / std::max<std::int64_t>(1, row_elements));
  pool.parallel_for(static_cast<std::size_t>(rows), static_cast<std::size_t>(grain),
                    [&](std::size_t begin, std::size_t end, std::size_t) {
                      for (std::size_t row = begin; row < end; ++row)
                        body(static_cast<std::int64_t>(row));
                    });
}

}  // namespace bantam
