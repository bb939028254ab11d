#include "kernels/attention.h"

#include <algorithm>
#include <vector>

#include "base/result.h"

namespace bantam {
namespace {

constexpr std::int64_t kLanes = 16;
// Rows of a span: enough that unpacking a block costs little next to its products, few enough that
// they stay in the second-level cache.
constexpr std::int64_t kRows = 64;
// Spans a thread below which segments are shared out too.
constexpr std::int64_t kFewSpans = 4;

std::int64_t padded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

std::int64_t group_of(const AttentionConfig& config) {
  return config.query_heads / config.kv_heads;
}
std::int64_t width_of(const AttentionConfig& config, KvKind kind) {
  return kind == KvKind::kKeys ? config.key_width : config.value_width;
}

// Numbers that a span of `rows` rows keeps a row: attention.inl says which.
std::int64_t padded_rows(const AttentionConfig& config) {
  return padded(attention_queries(config) * group_of(config));
}

const KvFormat* find_format(const KernelTable& kernels, const KvType& type) {
  const auto found = std::ranges::find(kernels.kv_formats, type.dtype, &KvFormat::type);
  CHECK(found != kernels.kv_formats.end(), "keys and values as {}", dtype_info(type.dtype).name);
  return &*found;
}

// Calls visit(span) for the queries and KV heads of every sequence. KV heads inside the queries:
// neighbours in the order of work then have the same length.
template <typename Visit>
void for_each_span(const AttentionConfig& config, const KvFormat* format,
                   std::span<const AttentionSequence> sequences, const Visit& visit) {
  const std::int64_t step = attention_queries(config);
  for (const AttentionSequence& sequence : sequences) {
    for (std::int64_t begin = 0; begin < sequence.query_count; begin += step) {
      const std::int64_t end = std::min(begin + step, sequence.query_count);
      const std::int64_t first = sequence.first_position + begin - config.window + 1;
      const std::int64_t from = config.window > 0 ? std::max<std::int64_t>(first, 0) : 0;
      const std::int64_t to = sequence.first_position + end;
      for (std::int64_t head = 0; head < config.kv_heads; ++head) {
        visit(AttentionSpan{.config = &config,
                            .sequence = &sequence,
                            .format = format,
                            .kv_head = head,
                            .query_begin = begin,
                            .query_end = end,
                            .segment_begin = from / kAttentionSegment,
                            .segment_end = (to + kAttentionSegment - 1) / kAttentionSegment,
                            .parts = nullptr});
      }
    }
  }
}

using SpanFunction = void (*)(const AttentionSpan& span, float* scratch);

void run_spans(ThreadPool& pool, std::span<const AttentionSpan> spans, SpanFunction function,
               float* scratch, std::int64_t scratch_floats) {
  pool.parallel_for(spans.size(), 1, [&](std::size_t begin, std::size_t end, std::size_t worker) {
    float* const mine = scratch + static_cast<std::int64_t>(worker) * scratch_floats;
    for (std::size_t i = begin; i < end; ++i) function(spans[i], mine);
  });
}

// One span for each segment of each of `spans`, each with the place of its part.
std::span<AttentionSpan> split_by_segment(Arena& scratch, std::span<AttentionSpan> spans,
                                          std::int64_t part_floats) {
  std::int64_t segments = 0;
  for (const AttentionSpan& span : spans) segments += span.segment_end - span.segment_begin;
  float* parts = scratch.alloc<float>(static_cast<std::size_t>(segments * part_floats));
  const auto split = scratch.alloc_span<AttentionSpan>(static_cast<std::size_t>(segments));
  std::size_t next = 0;
  for (AttentionSpan& span : spans) {
    span.parts = parts;
    for (std::int64_t segment = span.segment_begin; segment < span.segment_end; ++segment) {
      AttentionSpan& one = split[next++];
      one = span;
      one.segment_begin = segment;
      one.segment_end = segment + 1;
      one.parts = parts;
      parts += part_floats;
    }
  }
  return split;
}

}  // namespace

std::int64_t kv_part_bytes(const KvType& type, KvKind kind, std::int64_t width) {
  const DTypeInfo& info = dtype_info(type.dtype);
  const auto block = static_cast<std::int64_t>(info.block_elements);
  const std::int64_t elements = kind == KvKind::kKeys ? width : padded(width);
  return kKvBlockTokens * ((elements + block - 1) / block) *
         static_cast<std::int64_t>(info.block_bytes);
}

std::int64_t kv_block_bytes(const AttentionConfig& config, KvKind kind) {
  return config.kv_heads * kv_part_bytes(config.kv_type, kind, width_of(config, kind));
}

std::int64_t attention_queries(const AttentionConfig& config) {
  return std::max<std::int64_t>(1, kRows / group_of(config));
}

std::int64_t attention_part_floats(const AttentionConfig& config) {
  return padded_rows(config) * (2 + padded(config.value_width));
}

std::int64_t attention_scratch_floats(const AttentionConfig& config) {
  const std::int64_t rows = padded_rows(config);
  const std::int64_t key_width = padded(config.key_width), sums = padded(config.value_width);
  return rows * (key_width + kAttentionSegment + 4) + std::max(key_width, sums) * kKvBlockTokens +
         attention_part_floats(config);
}

void attention(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
               const AttentionConfig& config, std::span<const AttentionSequence> sequences) {
  CHECK(config.kv_heads > 0 && config.query_heads % config.kv_heads == 0);
  CHECK(config.key_width > 0 && config.value_width > 0);
  const KvFormat* const format = find_format(kernels, config.kv_type);
  std::size_t count = 0;
  for_each_span(config, format, sequences, [&](const AttentionSpan&) { ++count; });
  const std::span<AttentionSpan> spans = scratch.alloc_span<AttentionSpan>(count);
  std::size_t next = 0;
  for_each_span(config, format, sequences,
                [&](const AttentionSpan& span) { spans[next++] = span; });

  const std::int64_t floats = attention_scratch_floats(config);
  float* const memory = scratch.alloc<float>(static_cast<std::size_t>(floats) * pool.size());
  if (pool.size() == 1 || count >= static_cast<std::size_t>(kFewSpans) * pool.size()) {
    run_spans(pool, spans, kernels.attend, memory, floats);
    return;
  }
  const std::span<const AttentionSpan> split =
      split_by_segment(scratch, spans, attention_part_floats(config));
  run_spans(pool, split, kernels.attend, memory, floats);
  run_spans(pool, spans, kernels.merge, memory, floats);
}

void store_kv(const KernelTable& kernels, ThreadPool& pool, const AttentionConfig& config,
              KvKind kind, const float* rows, std::int64_t stride, std::int64_t count,
              std::int64_t first_position, std::byte* const* blocks) {
  if (count == 0) return;
  constexpr std::int64_t kElementsWorthAThread = 1 << 14;
  const std::int64_t width = width_of(config, kind);
  const std::int64_t part_bytes = kv_part_bytes(config.kv_type, kind, width);
  const KvFormat* const format = find_format(kernels, config.kv_type);
  const auto pack = kind == KvKind::kKeys ? format->pack_key : format->pack_value;
  // A part is written by one thread, position by position.
  const std::int64_t first_block = first_position / kKvBlockTokens;
  const std::int64_t end = first_position + count;
  const std::int64_t last_block = (end - 1) / kKvBlockTokens;
  const auto parts = static_cast<std::size_t>((last_block - first_block + 1) * config.kv_heads);
  const std::int64_t grain =
      std::max<std::int64_t>(1, kElementsWorthAThread / (std::min(count, kKvBlockTokens) * width));
  pool.parallel_for(
      parts, static_cast<std::size_t>(grain), [&](std::size_t from, std::size_t to, std::size_t) {
        std::vector<float> turned(static_cast<std::size_t>(config.kv_type.rotated ? width : 0));
        for (std::size_t i = from; i < to; ++i) {
          const std::int64_t block = first_block + static_cast<std::int64_t>(i) / config.kv_heads;
          const std::int64_t head = static_cast<std::int64_t>(i) % config.kv_heads;
          std::byte* const part = blocks[block] + head * part_bytes;
          const std::int64_t low = std::max(first_position, block * kKvBlockTokens);
          const std::int64_t high = std::min(end, (block + 1) * kKvBlockTokens);
          for (std::int64_t position = low; position < high; ++position) {
            const float* row = rows + (position - first_position) * stride + head * width;
            if (config.kv_type.rotated) {
              std::copy_n(row, width, turned.data());
              kernels.rotate(turned.data(), width);
              row = turned.data();
            }
            pack(row, width, position % kKvBlockTokens, part);
          }
        }
      });
}

}  // namespace bantam
