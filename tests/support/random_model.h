// Models with random weights, of any Llama shape and any dtype that has a codec: what a test needs
// to run a real forward pass in a millisecond.
//
//   const auto model = support::make_random_model({.width = 96, .heads = 3, .dtype =
//   DType::kQ8_0});
//
// The same spec gives the same bytes on every machine. Matrices have deviation 1/sqrt(inputs), so
// activations keep their size from layer to layer and logits have a deviation of about two: far
// enough apart that rounding rarely changes the largest.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/weight_file.h"
#include "tensor/dtype.h"

namespace bantam::support {

struct RandomModelSpec {
  std::string architecture = "llama";  // or "qwen3"
  std::int64_t vocab = 320;
  std::int64_t width = 64;
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;     // divides heads
  std::int64_t head_width = 0;   // even; 0: width / heads
  std::int64_t value_width = 0;  // of a head; 0: head_width
  std::int64_t ffn_width = 160;
  std::int64_t context_length = 256;

  std::int64_t experts = 0;       // 0: a dense feed-forward
  std::int64_t experts_used = 2;  // of them, a token

  bool tied = false;    // no output.weight: the embedding serves
  bool biases = false;  // on all seven linear layers (attention's four where there are experts)

  double rope_base = 10000;
  std::int64_t rope_width = 0;    // rotated part of a head, even; 0: all
  double rope_linear_factor = 0;  // rope.scaling.type "linear"; 0: none
  bool rope_divisors = false;     // rope_freqs.weight, as Llama 3.1 has
  std::int64_t window = 0;        // attention.sliding_window; 0: none
  float norm_epsilon = 1e-5f;

  // Of the matrices; norms, biases and routers are F32. Rows must be whole blocks: a K format needs
  // width, ffn_width and heads * value_width to be multiples of 256. Types without an encoder get
  // random blocks with scales that give the same deviation.
  DType dtype = DType::kF32;
  std::optional<DType> embedding_dtype =
      std::nullopt;  // of the embedding and the output, if another

  bool vocabulary = true;  // tokenizer/byte_vocabulary.h; needs vocab >= kLeastByteVocabulary
  std::uint64_t seed = 1;
};

std::shared_ptr<WeightFile> make_random_model(const RandomModelSpec& spec);

// `rows` x `columns` random values of the given deviation, stored as `dtype`.
TensorView add_random_matrix(WeightFile& file, const std::string& name, const Shape& shape,
                             DType dtype, double deviation, std::uint64_t seed);

}  // namespace bantam::support
