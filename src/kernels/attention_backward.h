// Derivatives of attention.h: one sequence whose queries are all its positions, from 0.
//
// Weights are not kept by the forward pass; they are computed again, some queries at a time, so
// memory grows with the length of the sequence and not with its square (Dao et al.,
// "FlashAttention", 2022). With p = softmax(s), s = scale q·k:
//   dv_j += Σ p_ij do_i;  dp_ij = do_i · v_j;  ds_ij = p_ij (dp_ij - Σ_j p_ij dp_ij)
//   dq_i += scale Σ ds_ij k_j;  dk_j += scale Σ ds_ij q_i
// Keys and values are read from the cache, as the forward pass read them: rounded where its type
// rounds. The rounding itself counts as the identity (straight through).
//
// A thread owns a sequence's KV head. Sums over positions are chains in order of position; sums
// over queries go through blocks of kBackwardQueries queries, in a block head by head, in a head
// query by query. Nothing depends on threads or on what else is in the batch.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/kernels.h"
#include "tensor/arena.h"

namespace bantam {

inline constexpr std::int64_t kBackwardQueries = 32;

struct AttentionGradient {
  // Of the forward pass: queries, their stride and count, the blocks. first_position is 0 and
  // `out` is not read.
  AttentionSequence forward;
  const float* d_out = nullptr;  // (query_count, query_heads, value_width)
  std::int64_t d_out_stride = 0;
  // Added to: rows as those of the queries, of the keys and of the values.
  float *d_queries = nullptr, *d_keys = nullptr, *d_values = nullptr;
  std::int64_t d_query_stride = 0, d_key_stride = 0, d_value_stride = 0;
};

// CHECKs that the config has no soft cap.
void attention_backward(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
                        const AttentionConfig& config,
                        std::span<const AttentionGradient> sequences);

}  // namespace bantam
