// Ops that compute like CpuOps and remember how, so that gradients can be had.
//
//   TapeOps tape(kernels, pool, arena, parameters, {});
//   const FloatTensor y = decoder.hidden(tape, batch, rows);
//   tape.backward(y, dy);            // adds to the gradients of the parameters
//
// The forward pass is CpuOps' own calls: the same kernels on the same packed weights, so the same
// bits as serving. Activations rounded to bytes for an integer product and keys and values rounded
// in the cache count as not rounded when derivatives are taken (straight through); products with
// packed weights are differentiated with the decoded weight.
//
// A value is known by its address: a tensor that an Ops returned may be seen under another shape
// of as many elements (a row of heads as rows of a head). A tensor that this tape did not return
// is a constant, unless it was declared by leaf().
//
// Scopes (a layer is one). A scope is kept or forgotten, by TapeOptions. A kept scope's activations
// stay until the tape is reset. A forgotten one keeps its inputs and its result; backward computes
// it once more, bit for bit, and gives the memory back: a step's memory is then L inputs and one
// layer. Gradients are the same bits either way.
//
// Gradients of values are kept from the first addition to when the step that made the value has
// been differentiated. Those of parameters are added to what was there: a batch can be fed in
// pieces, and the bits do not depend on where it was cut (kernels/product.h).
//
// Spans in the arguments of Ops' methods are copied, but for the batch and the weights, which have
// to outlive backward(). Sequences of a taped batch begin at position 0. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "nn/cpu_ops.h"
#include "train/parameters.h"

namespace bantam {

struct TapeOptions {
  // Of the outermost scopes, counted from the first, how many are forgotten; the rest are kept.
  std::int64_t forgotten_scopes = 0;
  MatmulMode mode = MatmulMode::kServing;  // kFloats: the oracle of integer products
};

class TapeOps final : public Ops {
 public:
  // Keeps references to all. Activations live in the arena; the caller resets it after reset().
  TapeOps(const KernelTable& kernels, ThreadPool& pool, Arena& arena, Parameters& parameters,
          const TapeOptions& options);
  ~TapeOps() override;

  FloatTensor embed(const TensorView& table, std::span<const std::int32_t> ids) override;
  FloatTensor linear(const FloatTensor& x, const Linear& layer) override;
  std::vector<FloatTensor> linears(const FloatTensor& x,
                                   std::span<const Linear* const> layers) override;
  FloatTensor rms_norm(const FloatTensor& x, const TensorView& weight, float epsilon) override;
  FloatTensor add(const FloatTensor& a, const FloatTensor& b) override;
  FloatTensor multiply(const FloatTensor& a, const FloatTensor& b) override;
  FloatTensor activate(const FloatTensor& x, Activation activation) override;
  FloatTensor gated(const FloatTensor& gate, const FloatTensor& up, Activation activation) override;
  FloatTensor rope(const FloatTensor& x, const RopeTable& table, std::int64_t heads,
                   std::span<const std::int64_t> positions) override;
  FloatTensor attention(const FloatTensor& queries, const FloatTensor& keys,
                        const FloatTensor& values, const AttentionSpec& spec, const Batch& batch,
                        std::int64_t layer) override;
  FloatTensor gather_rows(const FloatTensor& x, std::span<const std::int32_t> indices) override;
  Routing route(const FloatTensor& logits, std::int64_t used, bool normalize) override;
  FloatTensor mix(std::span<const FloatTensor> parts, const Routing& routing) override;
  void begin_scope() override;
  FloatTensor end_scope(const FloatTensor& keep) override;

  // Makes a tensor of the caller's a value that has a gradient.
  void leaf(const FloatTensor& x);
  // Adds `gradient` to that of `result` and differentiates everything that was done since the
  // start, last first. Once before a reset().
  void backward(const FloatTensor& result, const FloatTensor& gradient);
  // Of a leaf, after backward(); zeros if nothing depended on it.
  FloatTensor gradient_of(const FloatTensor& leaf);
  // Forgets all values.
  void reset();
  // Held for gradients of values.
  std::size_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam
