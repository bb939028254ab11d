// Floats to packed rows and back, one codec a dtype. Portable, exact, not hot: the kernels have
// their own unpackers and are tested against these.
//
// Block layouts: research note on GGUF block formats; ggml's published format is the authority.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/dtype.h"

namespace bantam {

struct Codec {
  DType type;
  // `blocks` holds row_bytes(type, out.size()) bytes; every bit pattern decodes without a fault.
  void (*decode)(const std::byte* blocks, std::span<float> out);
  // Null where there is no encoder. `importance` is empty or one non-negative weight an element;
  // the encoder minimises the weighted squared error. Deterministic on every machine. Inputs must
  // be finite.
  void (*encode)(std::span<const float> in, std::span<const float> importance, std::byte* blocks);
};

// Null for types that have no codec yet; callers answer kUnsupported "dtype_unsupported".
const Codec* find_codec(DType type);

// The codec, or the error that says which types can be decoded (or encoded).
Result<const Codec*> decoder_for(DType type);
Result<const Codec*> encoder_for(DType type);

}  // namespace bantam
