// Attention of new queries over paged keys and values.
//
// For query i of a sequence, at position p = first_position + i, query head h and the KV head
// g = h / (query_heads / kv_heads):
//   s[j]   = dot(scale * q[h], k[j][g]), then soft_cap * tanh(s / soft_cap) if there is a cap
//   out[h] = sum over j of softmax(s)[j] * v[j][g],   j in [max(0, p - window + 1), p].
// The keys and values of positions up to p must be stored already (store_kv), those of the queries
// included.
//
// Order of work. A score is one chain of fused multiply-adds in order of the elements of the key.
// Positions are taken in segments of kAttentionSegment, counted from position 0. A segment's part
// of the result stands for itself: the largest score t of the positions attended to, the weights
// exp(s - t), their sum in sixteen lanes by position, and for each element of the values one chain
// of fused multiply-adds in order of position. The parts are merged in order of segment:
//   T = max(top, t);  total = fma(sum, exp(t - T), total * exp(top - T)), the output likewise
// (online softmax, Milakov and Gimelshein 2018; sharing segments out over threads, Dao et al.
// 2023). So a result depends on the positions attended to, and on nothing else: not on how queries
// are cut into calls, on threads, or on whether blocks before the window still exist (their
// entries in the tables are never read).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/kv_type.h"
#include "tensor/arena.h"

namespace bantam {

inline constexpr std::int64_t kKvBlockTokens = 32;      // positions a block of keys or values
inline constexpr std::int64_t kAttentionSegment = 256;  // positions

struct AttentionConfig {
  std::int64_t query_heads = 0;  // a multiple of kv_heads
  std::int64_t kv_heads = 0;
  std::int64_t key_width = 0;    // floats a head, of queries and keys
  std::int64_t value_width = 0;  // of values and outputs
  float scale = 1.0f;            // usually 1 / sqrt(key_width)
  float soft_cap = 0.0f;         // 0: none
  std::int64_t window = 0;       // 0: everything up to the query
  KvType kv_type;
};

// One sequence's part of a step. Position j lies in block j / kKvBlockTokens.
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
// first_position … of a sequence's blocks, as kv_type.
void store_kv(const KernelTable& kernels, ThreadPool& pool, const AttentionConfig& config,
              KvKind kind, const float* rows, std::int64_t stride, std::int64_t count,
              std::int64_t first_position, std::byte* const* blocks);

// Blocks. A block of keys or values holds one part a KV head; a part holds kKvBlockTokens
// positions. Keys lie position-minor, element d of all positions together, so that sixteen scores
// are computed side by side without a sum across lanes. Values lie position by position, so that
// the same is true of their weighted sums. Widths of values are padded with zeros to multiples of
// sixteen elements.
//   F32, F16, BF16  keys (width, 32), values (32, padded width)
//   Q8_0, Q4_0      for each 32 elements of a row 32 scales, then the bytes of the storage type's
//                   blocks: of keys (bytes of a block, 32), of values (32, bytes of a block)
// Rotated types are the same, of rows that were turned before. 64-byte aligned blocks are best.
std::int64_t kv_part_bytes(const KvType& type, KvKind kind, std::int64_t width);
std::int64_t kv_block_bytes(const AttentionConfig& config, KvKind kind);

// What the table works on: some queries of one sequence, all heads of one KV head's group (the
// rows), the positions of some segments.
struct AttentionSpan {
  const AttentionConfig* config;
  const AttentionSequence* sequence;
  const KvFormat* format;
  std::int64_t kv_head;
  std::int64_t query_begin, query_end;      // indices in the sequence; at most attention_queries()
  std::int64_t segment_begin, segment_end;  // all that these queries look at, or one of those
  float* parts;  // null: attend writes the output. Else attention_part_floats() for each segment:
                 // attend writes the part of its one segment, merge makes the output of several
};
std::int64_t attention_queries(const AttentionConfig& config);
std::int64_t attention_part_floats(const AttentionConfig& config);
std::int64_t attention_scratch_floats(const AttentionConfig& config);  // a thread's

}  // namespace bantam
