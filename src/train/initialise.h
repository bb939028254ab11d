// Weights of a model that has learned nothing yet, from its shape: where pretraining begins.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/thread_pool.h"
#include "formats/weight_file.h"
#include "models/shapes.h"

namespace bantam {

// Each tensor is drawn from a stream of its own, named by the seed and the tensor's name: the same
// bits whatever the threads, and whatever other tensors there are.
struct InitOptions {
  std::uint64_t seed = 1;
  double embedding_deviation = 0.02;  // of the lookup, which may be the head, too
  double head_deviation = 0.02;       // of a head of its own
  // What a layer adds to the stream starts at zero (attn_output, ffn_down): at first the model is
  // its embedding and its head, and layers grow into it.
  bool zero_outputs = true;
};

// F32 tensors of the family's names: norms of ones, the matrices normal with deviation 1 / √in.
// Metadata are the shape's, and the keys of `tokenizer` that say what a vocabulary is (tokenizer.*,
// bantam.tokenizer.*), which may be none. Errors: those of shape_outline(); kConfiguration
// "tokenizer_too_large" if it has more tokens than the shape's vocabulary; kUsage
// "deviation_invalid"; kTooLarge "out_of_memory".
Result<std::shared_ptr<WeightFile>> initial_weights(const ModelShape& shape,
                                                    const Metadata& tokenizer, ThreadPool& pool,
                                                    const InitOptions& options);

}  // namespace bantam
