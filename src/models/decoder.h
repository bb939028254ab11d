// THE forward pass of the transformer families.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "formats/weight_file.h"
#include "models/spec.h"
#include "models/weights.h"
#include "nn/ops.h"

namespace bantam {

// Immutable; any number of threads may run it, each on its own Ops. Keeps the file alive whose
// bytes its weights are.
class Decoder {
 public:
  Decoder(std::shared_ptr<const WeightFile> file, ArchSpec spec, DecoderWeights weights);

  const ArchSpec& spec() const { return spec_; }
  const DecoderWeights& weights() const { return weights_; }
  // Whose bytes the weights are, or most of them: what an adapter has changed is elsewhere.
  const std::shared_ptr<const WeightFile>& file() const { return file_; }

  // One step: stores the batch's keys and values in its sequences and gives the logits of the rows
  // asked for, in that order. → (rows, V). Rows are indices into the batch's tokens; the output
  // head is computed for no others. The result lives until the Ops' current scope ends.
  FloatTensor forward(Ops& ops, const Batch& batch, std::span<const std::int32_t> rows) const;
  // The same without the head, which is all that is left to do: → (rows, E). The logits are
  // ops.linear(hidden, weights().head).
  FloatTensor hidden(Ops& ops, const Batch& batch, std::span<const std::int32_t> rows) const;

 private:
  FloatTensor attend(Ops& ops, const FloatTensor& x, const Batch& batch, std::int64_t layer) const;
  FloatTensor norm_heads(Ops& ops, const FloatTensor& x, const TensorView& weight) const;
  FloatTensor feed_forward(Ops& ops, const FloatTensor& x, std::int64_t layer) const;
  FloatTensor mix_experts(Ops& ops, const FloatTensor& x, std::int64_t layer) const;

  std::shared_ptr<const WeightFile> file_;
  ArchSpec spec_;
  DecoderWeights weights_;
  RopeTable rope_;
};

// Reads the family, makes its spec, binds its weights. Errors: kUnsupported
// "unknown_architecture" names the nearest known ones; kMalformed "missing_key", "out_of_range",
// "weights_invalid"; all name the key or tensor.
Result<std::shared_ptr<const Decoder>> load_decoder(std::shared_ptr<const WeightFile> file);

}  // namespace bantam
