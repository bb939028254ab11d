#include "kernels/attention.h"

#include <algorithm>

#include "base/result.h"

namespace bantam {
namespace {

std::int64_t width_of(const AttentionConfig& config, KvKind kind) {
  return kind == KvKind::kKeys ? config.key_width : config.value_width;
}
std::int64_t element_bytes(const AttentionConfig& config) {
  return static_cast<std::int64_t>(dtype_info(config.kv_dtype).block_bytes);
}
std::int64_t units_of(const AttentionSequence& sequence) {
  return (sequence.query_count + kAttentionQueries - 1) / kAttentionQueries;
}

}  // namespace

std::int64_t kv_block_bytes(const AttentionConfig& config, KvKind kind) {
  return config.kv_heads * config.block_tokens * width_of(config, kind) * element_bytes(config);
}

std::int64_t attention_scratch_floats(const AttentionConfig& config) {
  const std::int64_t group = config.query_heads / config.kv_heads;
  const std::int64_t floats = 4 * kAttentionSegment + 2 * kAttentionQueries * group;
  return (floats + 15) / 16 * 16;  // no two threads on one cache line
}

void attention(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
               const AttentionConfig& config, std::span<const AttentionSequence> sequences) {
  CHECK(config.kv_heads > 0 && config.query_heads % config.kv_heads == 0);
  CHECK(config.block_tokens > 0 && config.key_width > 0 && config.value_width > 0);
  CHECK(config.kv_dtype == DType::kF32 || config.kv_dtype == DType::kF16);
  std::int64_t units = 0;
  for (const AttentionSequence& sequence : sequences) units += units_of(sequence);
  const std::int64_t floats = attention_scratch_floats(config);
  float* memory = scratch.alloc<float>(static_cast<std::size_t>(floats) * pool.size());
  const auto attend = config.kv_dtype == DType::kF32 ? kernels.attend_f32 : kernels.attend_f16;

  // KV heads inside the queries: neighbours in the order of work then have the same length.
  pool.parallel_for(
      static_cast<std::size_t>(units * config.kv_heads), 1,
      [&](std::size_t begin, std::size_t end, std::size_t worker) {
        for (std::size_t i = begin; i < end; ++i) {
          std::int64_t unit = static_cast<std::int64_t>(i) / config.kv_heads;
          const AttentionSequence* sequence = sequences.data();
          while (unit >= units_of(*sequence)) unit -= units_of(*sequence++);
          const std::int64_t first = unit * kAttentionQueries;
          attend({.config = &config,
                  .sequence = sequence,
                  .kv_head = static_cast<std::int64_t>(i) % config.kv_heads,
                  .query_begin = first,
                  .query_end = std::min(first + kAttentionQueries, sequence->query_count),
                  .scratch = memory + static_cast<std::int64_t>(worker) * floats});
        }
      });
}

void store_kv(const KernelTable& kernels, const AttentionConfig& config, KvKind kind,
              const float* rows, std::int64_t stride, std::int64_t count,
              std::int64_t first_position, std::byte* const* blocks) {
  const std::int64_t width = width_of(config, kind);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t position = first_position + i;
    std::byte* block = blocks[position / config.block_tokens];
    for (std::int64_t head = 0; head < config.kv_heads; ++head) {
      const float* from = rows + i * stride + head * width;
      const std::int64_t row = head * config.block_tokens + position % config.block_tokens;
      std::byte* to = block + row * width * element_bytes(config);
      if (config.kv_dtype == DType::kF32)
        std::copy_n(from, width, reinterpret_cast<float*>(to));
      else
        kernels.to_f16(from, reinterpret_cast<std::uint16_t*>(to), width);
    }
  }
}

}  // namespace bantam
