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
//  * Q6_0 is made in the same way. TQ1_0, TQ2_0, Q1_0 and the BN types have the scale of least
//    error, and keep rows that are ternary (binary) already; encoding twice changes nothing.
//  * All others, and those with importance, search. A second round moves weights by a small part
//    of the first rounding error. Q8_KV heeds no importance.
//  * Some types store a scale once a row (DTypeInfo::row_header_bytes): a row is encoded and
//    decoded whole. The trellis types (KT) are decoded only, as are Q2_K and Q3_K.
// On Gaussian weights the root mean square error is, in per cent of their deviation: Q8_0 0.53,
// Q8_KV 1.0 (a row of 102400), Q6_K 1.7, Q6_0 2.1, Q5_K 3.5, Q5_1 3.8, Q5_0 4.2, Q4_K 7.0, Q4_1
// 7.8, Q4_0 8.5; IQ6_K 1.4, IQ5_K 3.1, IQ5_KS 3.5, IQ4_K 6.1, IQ4_KS 7.1, IQ4_NL 7.3, IQ4_XS 7.4,
// NVFP4 8.1, IQ4_KSS 9.5, MXFP4 11, IQ3_K 13, IQ3_KS 15, IQ2_K 28, IQ2_KS 31; Q2_0 36, TQ1_0,
// TQ2_0, IQ1_BN and IQ2_BN 43, Q1_0 60.
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
