// Attention of new queries over paged keys and values.
//
// For query i of a sequence, at position p = first_position + i, query head h and the KV head
// g = h / (query_heads / kv_heads):
//   s[j]   = scale * dot(q[h], k[j][g]), then soft_cap * tanh(s / soft_cap) if there is a cap
//   out[h] = sum over j of softmax(s)[j] * v[j][g],   j in [max(0, p - window + 1), p].
// The keys and values of positions up to p must be stored already (store_kv), those of the queries
// included.
//
// Order of work. Positions are taken in segments of kAttentionSegment, counted from position 0: a
// segment's scores, their maximum, the rescaling of what came before (online softmax, Milakov and
// Gimelshein 2018), then the sum of weights in sixteen lanes and the values in order of position.
// So a result depends on the positions attended to, and on nothing else: not on block_tokens, on
// how queries are cut into calls, or on whether blocks before the window still exist (their
// entries in the tables are never read).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "tensor/arena.h"
#include "tensor/dtype.h"

namespace bantam {

inline constexpr std::int64_t kAttentionSegment = 256;  // positions

struct AttentionConfig {
  std::int64_t query_heads = 0;  // a multiple of kv_heads
  std::int64_t kv_heads = 0;
  std::int64_t key_width = 0;     // floats a head, of queries and keys
  std::int64_t value_width = 0;   // of values and outputs
  std::int64_t block_tokens = 0;  // positions a KV block
  float scale = 1.0f;             // usually 1 / sqrt(key_width)
  float soft_cap = 0.0f;          // 0: none
  std::int64_t window = 0;        // 0: everything up to the query
  DType kv_dtype = DType::kF32;   // kF32 or kF16
};

// One sequence's part of a step. Position j lies in block j / block_tokens; a block holds
// (kv_heads, block_tokens, width) elements of kv_dtype.
struct AttentionSequence {
  const float* queries = nullptr;  // (query_count, query_heads, key_width)
  std::int64_t query_stride = 0;   // floats from one query to the next
  std::int64_t query_count = 0;
  std::int64_t first_position = 0;  // of queries[0]
  const std::byte* const* key_blocks = nullptr;
  const std::byte* const* value_blocks = nullptr;
  float* out = nullptr;         // (query_count, query_heads, value_width)
  std::int64_t out_stride = 0;  // floats
};

void attention(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
               const AttentionConfig& config, std::span<const AttentionSequence> sequences);

// Which of the two widths a row of keys or values has.
enum class KvKind : std::uint8_t { kKeys, kValues };

// Writes `count` rows of (kv_heads, width) floats, `stride` floats apart, to positions
// first_position … of a sequence's blocks, rounding to kv_dtype.
void store_kv(const KernelTable& kernels, const AttentionConfig& config, KvKind kind,
              const float* rows, std::int64_t stride, std::int64_t count,
              std::int64_t first_position, std::byte* const* blocks);

// Bytes of one block of keys or values.
std::int64_t kv_block_bytes(const AttentionConfig& config, KvKind kind);

// What the table works on: some queries of one sequence, all heads of one KV head's group.
struct AttentionSpan {
  const AttentionConfig* config;
  const AttentionSequence* sequence;
  std::int64_t kv_head;
  std::int64_t query_begin, query_end;  // indices in the sequence; at most kAttentionQueries
  float* scratch;                       // attention_scratch_floats(config)
};
inline constexpr std::int64_t kAttentionQueries = 8;
std::int64_t attention_scratch_floats(const AttentionConfig& config);

}  // namespace bantam
