// Makes a model trainable: decides which tensors are parameters and builds the decoder that reads
// them.
//
//   full       chosen tensors are decoded to floats in memory; the others stay where they are
//   adapter    the base stays as it is, mapped and packed; A and B of the chosen linear layers are
//              parameters
// The decoder that comes back is served, scored and saved like any other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "models/decoder.h"
#include "train/parameters.h"

namespace bantam {

// The parameters have to outlive whatever runs the decoder.
struct TrainableModel {
  std::unique_ptr<Parameters> parameters;
  // What the decoder reads: parameters among the base's own tensors. Of an adapter the base.
  std::shared_ptr<const WeightFile> file;
  std::shared_ptr<const Decoder> decoder;
};

using TensorChoice = std::function<bool(std::string_view name)>;

// What matrices and embeddings may be trained as, so that the file is what the loss was measured
// on: F32, F16, BF16, Q8_0.
bool is_trained_type(DType type);

// An empty choice takes every tensor but the rotary divisors, which are part of the shape; then the
// file says of itself that it is of `type`, which is_trained_type(). Matrices and embeddings whose
// rows are made of blocks of `type` have images in it (parameters.h); F32: none has. Errors: those
// of load_decoder() and of Parameters::create(), "dtype_unsupported", and kUsage
// "nothing_to_train".
Result<TrainableModel> train_tensors(std::shared_ptr<const WeightFile> base,
                                     const TensorChoice& chosen, DType type = DType::kF32);

struct AdapterOptions {
  std::int64_t rank = 16;
  double alpha = 32;
  bool rank_stabilized = false;  // scale alpha / √r instead of alpha / r (Kalajdzievski, 2023)
  double b_rate = 1;             // learning rate of B over A's (LoRA+, Hayou et al., 2024: 16)
  TensorChoice chosen = {};      // names of linear weights; empty: all but head and router
  bool magnitude = false;        // rows of adapted weights have lengths that train (DoRA)
  std::uint64_t seed = 1;        // A is uniform in ±1 / √in, B is zero
};

// Parameters are named as in GGUF adapters: NAME.lora_a (r, in), NAME.lora_b (out, r), those of
// stacks of experts with one dimension more; NAME.lora_magnitude (out), or (experts, out). Errors
// as above. Parameters::refresh() makes the gains of magnitudes.
Result<TrainableModel> train_adapter(std::shared_ptr<const WeightFile> base,
                                     const AdapterOptions& options);

}  // namespace bantam
