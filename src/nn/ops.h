// The operations that models are written on.
//
// A model calls Ops and nothing below it. CpuOps computes at once; a tape records the same calls
// for gradients; a watcher passes them on and looks at the activations. So there is one forward
// pass, and whoever runs, trains, calibrates or measures a model interprets that one.
//
// Dimension letters, used in every comment of the program:
//   T tokens of this step     E model width          L layers
//   S sequences of this step  F feed-forward width   V vocabulary
//   H query heads             D head width           X experts
//   K key/value heads         B tokens a KV block    U experts used by a token
//
// Rules of the interface:
//   * Activations are float tensors, one row a token. Every result is a new tensor that nobody
//     writes to after it is returned; it lives until the scope it was made in ends.
//   * A row of a result depends on the same row of the inputs (and, for attention, on the rows
//     and cached keys of its own sequence) and is reduced in one fixed order. How many other rows
//     the step has changes no bit of it.
//   * A fused method has a body made of the simple ones. That body is its meaning, its fallback
//     and the oracle of whoever overrides it.
//   * Shapes are CHECKed: a mismatch is a bug in the model's code, since weights were checked
//     when they were loaded.
// An Ops belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "nn/kv.h"
#include "nn/rope.h"
#include "tensor/tensor.h"

namespace bantam {

// What an adapter adds to a layer: scale · (x Aᵀ) Bᵀ (Hu et al., "LoRA", 2021).
struct LowRank {
  TensorView a;     // (r, in); any dtype that has a codec; no data: there is no adapter
  TensorView b;     // (out, r)
  TensorView gain;  // (out) F32 or no data: what the sum of both is multiplied by before the bias
                    // ("DoRA": magnitude / row norm of the adapted weight)
  TensorView magnitude = {};  // (out) F32 or no data: the lengths that `gain` gives the rows of the
                              // adapted weight. Nobody computes with it; it is what trains
  float scale = 1;            // alpha / r
  bool present() const { return a.data != nullptr; }
};

// y = x Wᵀ + b, and what an adapter makes of it: gain · (x Wᵀ + scale · (x Aᵀ) Bᵀ) + b.
struct Linear {
  TensorView weight;  // (out, in), any dtype
  TensorView bias;    // (out) F32, or no data
  LowRank low_rank = {};
  std::int64_t outputs() const { return weight.shape[0]; }
};

// One sequence's share of a step: rows [first_row, first_row + count) are its tokens at positions
// first_position, first_position + 1, …; its cache holds everything before.
struct SequenceRows {
  std::int64_t first_row = 0;
  std::int64_t count = 0;
  std::int64_t first_position = 0;
  KvSequence* kv = nullptr;  // with room for first_position + count tokens
};

// What one step computes: S sequences, T tokens in all.
struct Batch {
  std::span<const std::int32_t> tokens;     // (T) ids, each in [0, V)
  std::span<const std::int64_t> positions;  // (T)
  std::span<const SequenceRows> sequences;  // (S)
};

struct AttentionSpec {
  std::int64_t heads = 0, kv_heads = 0;         // H, K; K divides H
  std::int64_t key_width = 0, value_width = 0;  // D of queries and keys, and of values
  float scale = 0;                              // of the dot products
  std::int64_t window = 0;                      // keys a query sees, itself included; 0: all
};

// Which experts each token goes to.
struct Routing {
  std::int64_t used = 0;             // U
  std::vector<std::int32_t> expert;  // (T, U), best first; ties go to the lower id
  FloatTensor weight;                // (T, U)
};

class Ops {
 public:
  virtual ~Ops() = default;

  // Rows of `table` (V, E): one a token id. → (T, E)
  virtual FloatTensor embed(const TensorView& table, std::span<const std::int32_t> ids) = 0;

  // x (T, in) → (T, out)
  virtual FloatTensor linear(const FloatTensor& x, const Linear& layer) = 0;

  // Several layers of one input; fused, so that the input is prepared for its product once.
  virtual std::vector<FloatTensor> linears(const FloatTensor& x,
                                           std::span<const Linear* const> layers);

  // x / sqrt(mean(x²) + epsilon) · weight, over rows. weight (E) F32.
  virtual FloatTensor rms_norm(const FloatTensor& x, const TensorView& weight, float epsilon) = 0;

  virtual FloatTensor add(const FloatTensor& a, const FloatTensor& b) = 0;
  virtual FloatTensor multiply(const FloatTensor& a, const FloatTensor& b) = 0;
  virtual FloatTensor activate(const FloatTensor& x, Activation activation) = 0;

  // activation(gate) · up; fused.
  virtual FloatTensor gated(const FloatTensor& gate, const FloatTensor& up, Activation activation);

  // Rotates every head of x (T, heads · D) by its token's position.
  virtual FloatTensor rope(const FloatTensor& x, const RopeTable& table, std::int64_t heads,
                           std::span<const std::int64_t> positions) = 0;

  // Stores keys (T, K·D) and values (T, K·D) of `layer` in the sequences' caches, then lets each
  // query (T, H·D) attend to its own sequence up to and including its own position. → (T, H·D)
  virtual FloatTensor attention(const FloatTensor& queries, const FloatTensor& keys,
                                const FloatTensor& values, const AttentionSpec& spec,
                                const Batch& batch, std::int64_t layer) = 0;

  // Rows of x by index, in the order given; an index may repeat. → (indices, width)
  virtual FloatTensor gather_rows(const FloatTensor& x, std::span<const std::int32_t> indices) = 0;

  // Softmax over all X router logits (T, X), the `used` largest, rescaled to sum 1 if `normalize`.
  virtual Routing route(const FloatTensor& logits, std::int64_t used, bool normalize) = 0;

  // Undoes a gather by expert: row t of the result is Σ over u = 0 … U-1 of weight[t,u] times the
  // row of `parts[expert[t,u]]` that stands for (t, u); part e holds its rows in order of (t, u).
  // → (T, width)
  virtual FloatTensor mix(std::span<const FloatTensor> parts, const Routing& routing) = 0;

  // Between begin_scope and end_scope results may be forgotten; `keep` survives the end. Scopes
  // nest. A layer is a scope, so that a step needs the memory of one layer.
  virtual void begin_scope() = 0;
  virtual FloatTensor end_scope(const FloatTensor& keep) = 0;
};

}  // namespace bantam
