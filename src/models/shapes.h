// The shapes of published models: all that is needed to know a model's speed and size without
// having its weights.
//
// A shape is numbers only. It becomes metadata and from there on goes the way of every file: the
// family of that name makes the spec, and the spec says which tensors there are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/weight_file.h"

namespace bantam {

// Letters as in nn/ops.h.
struct ModelShape {
  double parameters = 0;                                 // as published
  std::int64_t layers = 0, width = 0;                    // L, E
  std::int64_t heads = 0, kv_heads = 0, head_width = 0;  // H, K, D
  std::int64_t ffn_width = 0, vocab = 0, context = 0;    // F, V
  bool tied = false;                                     // the embedding is the output, too
  double rope_base = 10000;
  double rope_stretch = 0;  // the largest divisor of Llama 3.1's rotary scaling; 0: none
  std::int64_t window = 0;  // of sliding attention; 0: none
  std::int64_t experts = 0, experts_used = 0;  // X, U
  std::string_view family = {};                // general.architecture
  std::string_view name = {};                  // "llama-3.2-3b"
};

std::span<const ModelShape> model_shapes();

// Models whose shape takes more than these numbers, and why bantam cannot run them yet.
struct OtherShape {
  std::string_view name, why;
};
std::span<const OtherShape> other_shapes();

// By name. kUsage "unknown_shape" with the nearest names; kUnsupported "shape_unsupported" with
// the reason for one of other_shapes() or of a family that bantam lacks.
Result<const ModelShape*> find_shape(std::string_view name);

// Why a shape cannot be run; empty if it can.
std::string why_not(const ModelShape& shape);

// Metadata, and the tensors with names and shapes, as F32 and without data (the divisors of the
// rotary frequencies aside, which are part of the spec). Errors are those of the family.
Result<std::shared_ptr<WeightFile>> shape_outline(const ModelShape& shape);

}  // namespace bantam
