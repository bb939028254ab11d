// Named tensors of a file → the weights that a decoder reads, all checked at once.
//
// A binder collects every problem (missing tensors, wrong shapes, types nothing can compute) and
// reports them in one error, so that a user mends a file once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/weight_file.h"
#include "models/spec.h"
#include "nn/ops.h"

namespace bantam {

struct ExpertWeights {
  std::vector<Linear> gate, up, down;  // (X) each
};

struct LayerWeights {
  TensorView attention_norm;         // (E)
  Linear query, key, value, output;  // (H·D, E) (K·D, E) (K·D, E) (E, H·D)
  TensorView query_norm, key_norm;   // (D) of every head; no data: none
  TensorView ffn_norm;               // (E)
  Linear gate, up, down;             // (F, E) (F, E) (E, F); dense layers
  Linear router;                     // (X, E); layers of experts
  ExpertWeights experts;
};

struct DecoderWeights {
  TensorView embedding;              // (V, E)
  std::vector<LayerWeights> layers;  // (L)
  TensorView output_norm;            // (E)
  Linear head;                       // (V, E); the embedding where the model ties them
};

struct MissingTensor {
  std::string name;
  Shape shape;
};

class WeightBinder {
 public:
  explicit WeightBinder(const WeightFile& file) : file_(file) {}

  // A matrix or stack of matrices of that exact shape and a type that can be computed.
  TensorView matrix(const std::string& name, const Shape& shape);
  // A vector of floats; one stored as F16 or BF16 is refused by name, as converters keep F32.
  TensorView vector(const std::string& name, std::int64_t size);
  TensorView optional_vector(const std::string& name, std::int64_t size);
  // prefix.weight and, where the file has it, prefix.bias.
  Linear linear(const std::string& prefix, std::int64_t outputs, std::int64_t inputs);
  // The X slices of prefix.weight (X, out, in).
  std::vector<Linear> expert_linears(const std::string& prefix, std::int64_t experts,
                                     std::int64_t outputs, std::int64_t inputs);
  bool has(std::string_view name) const { return file_.find(name) != nullptr; }
  // Asked for and not there, in the order of asking.
  const std::vector<MissingTensor>& missing() const { return missing_; }

  // kMalformed "weights_invalid" with every problem met, or nothing. Tensors of the file that
  // nobody asked for are a warning in the log, as are types that no kernel multiplies, each once.
  Result<void> finish() const;

 private:
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  const WeightFile& file_;
  std::vector<std::string> problems_;
  std::vector<MissingTensor> missing_;
  std::vector<std::string> used_;
  std::map<DType, int> without_kernel_;  // how many matrices of such a type
};

// Binds the canonical names of the Llama-like families (GGUF's: token_embd, blk.N.attn_q, …).
Result<DecoderWeights> bind_decoder_weights(const WeightFile& file, const ArchSpec& spec);

// Every linear layer with the name of its tensor: "blk.0.attn_q.weight", …, "output.weight" (that
// of the embedding where the model ties them). One of a stack of experts has the stack's name and
// its number; others have -1.
using LinearVisitor =
    std::function<void(const std::string& name, std::int64_t expert, Linear& layer)>;
void for_each_linear(DecoderWeights& weights, const LinearVisitor& visit);

// What `file` lacks to be bound so: with a file that has metadata only, the tensors of a model.
// Those that a model may do without (biases, a head of its own, rotary divisors) are not missing.
std::vector<MissingTensor> missing_decoder_weights(const WeightFile& file, const ArchSpec& spec);

}  // namespace bantam
