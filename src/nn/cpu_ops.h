// Ops that compute at once, on this machine's kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "nn/ops.h"
#include "tensor/arena.h"

namespace bantam {

// Activations live in the arena, which the caller resets between steps. Keeps references to all
// three arguments; use from the thread that owns the pool.
class CpuOps final : public Ops {
 public:
  CpuOps(const KernelTable& kernels, ThreadPool& pool, Arena& arena,
         MatmulMode mode = MatmulMode::kServing);

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

 private:
  FloatTensor make(const Shape& shape);
  // result = gain · (result + scale · inner Bᵀ); inner is x Aᵀ.
  void add_low_rank(const FloatTensor& inner, const LowRank& low_rank, const FloatTensor& result);
  // Cosines, then sines, of each position: (T, 2, D/2). Valid until the next call with this table.
  const float* angles_of(const RopeTable& table, std::span<const std::int64_t> positions);

  // The last angles of each table: all layers of a step ask for the same ones.
  struct Angles {
    const RopeTable* table;
    std::vector<std::int64_t> positions;
    std::vector<float> values;
  };

  const KernelTable& kernels_;
  ThreadPool& pool_;
  Arena& arena_;
  MatmulMode mode_;
  std::vector<Arena::Mark> scopes_;
  std::vector<Angles> angles_;
};

}  // namespace bantam
