// Floats to packed rows and back, one codec a dtype. Portable, exact, not hot: the kernels have
// their own unpackers and are tested against these.
//
// What the bytes of each type mean is in tensor/storage_types.h. Decoding is correctly rounded.
// Encoding is deterministic: the same bytes on every machine.
//  * F16, BF16 and F8 round to nearest, ties to even; a finite value past their range becomes their
//    largest, so that finite weights never turn into infinities. The same holds for block scales.
//  * Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 without importance are the reference quantizer's blocks, bit
//    for bit, and a fixed point: encoding what was decoded gives the same bytes (for Q4_1 and Q5_1
//    as long as the minimum is not thousands of times the step).
//  * Q4_K, Q5_K, Q6_K, and the others with importance, search. A second round moves weights by a
//    small part of the first rounding error.
// On Gaussian weights the root mean square error is, of their deviation: Q4_0 8.5 %, Q4_1 7.8 %,
// Q4_K 7.0 %, Q5_0 4.2 %, Q5_1 3.8 %, Q5_K 3.5 %, Q6_K 1.7 %, Q8_0 0.53 %.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/dtype.h"

namespace bantam {

struct Codec {
  DType type;
  // `blocks` holds row_bytes(type, out.size()) bytes, at any address; every bit pattern decodes
  // without a fault.
  void (*decode)(const std::byte* blocks, std::span<float> out);
  // Null where there is no encoder. `importance` is empty or one non-negative weight an element;
  // the encoder minimises the weighted squared error. Inputs must be finite: a block with one that
  // is not has unspecified values, but encodes without a fault.
  void (*encode)(std::span<const float> in, std::span<const float> importance, std::byte* blocks);
};

// Null for types that have no codec; callers answer kUnsupported "dtype_unsupported".
const Codec* find_codec(DType type);

// The codec, or the error that says which types can be decoded (or encoded).
Result<const Codec*> decoder_for(DType type);
Result<const Codec*> encoder_for(DType type);

}  // namespace bantam
