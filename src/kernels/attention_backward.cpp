#include "kernels/attention_backward.h"

#include <algorithm>
#include <vector>

#include "base/result.h"
#include "kernels/product.h"

namespace bantam {
namespace {

// A KV head of a sequence, with the keys and values of all its positions as floats, and room for
// the weights of a block of queries.
struct HeadWork {
  const KernelTable& kernels;
  const AttentionConfig& config;
  const AttentionGradient& sequence;
  std::int64_t kv_head;
  std::int64_t positions;  // that there is room for
  float *keys, *values;    // (positions, key_width), (positions, value_width)
  // The same turned over: (key_width, positions), (value_width, positions).
  float *keys_across, *values_across;
  float *weights, *changes;  // (kBackwardQueries, positions): p, and ds
  float* scratch;            // of product_here()
  float* tile;               // a block as KvFormat unpacks it
};

std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }

std::int64_t tile_floats(const AttentionConfig& config) {
  return kKvBlockTokens * std::max(padded(config.key_width), padded(config.value_width));
}

const KvFormat* find_format(const KernelTable& kernels, const KvType& type) {
  const auto found = std::ranges::find(kernels.kv_formats, type.dtype, &KvFormat::type);
  CHECK(found != kernels.kv_formats.end(), "keys and values as {}", dtype_info(type.dtype).name);
  return &*found;
}

// Element (i, j) of `from` (rows, width) to to[j * stride + i].
void turn_over(const float* from, std::int64_t rows, std::int64_t width, float* to,
               std::int64_t stride) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < width; ++j) to[j * stride + i] = from[i * width + j];
}

// What the forward pass saw, rotated back where it was rotated.
void unpack(const HeadWork& work) {
  const AttentionConfig& config = work.config;
  const KvFormat& format = *find_format(work.kernels, config.kv_type);
  const std::int64_t key_part = kv_part_bytes(config.kv_type, KvKind::kKeys, config.key_width);
  const std::int64_t value_part =
      kv_part_bytes(config.kv_type, KvKind::kValues, config.value_width);
  const std::int64_t count = work.sequence.forward.query_count;
  for (std::int64_t first = 0; first < count; first += kKvBlockTokens) {
    const std::int64_t block = first / kKvBlockTokens;
    const std::int64_t slots = std::min(kKvBlockTokens, count - first);
    const std::byte* part = work.sequence.forward.key_blocks[block] + work.kv_head * key_part;
    format.unpack_keys(part, part, config.key_width, work.tile);
    for (std::int64_t slot = 0; slot < slots; ++slot)
      for (std::int64_t d = 0; d < config.key_width; ++d)
        work.keys[(first + slot) * config.key_width + d] = work.tile[d * kKvBlockTokens + slot];
    part = work.sequence.forward.value_blocks[block] + work.kv_head * value_part;
    format.unpack_values(part, part, config.value_width, work.tile);
    for (std::int64_t slot = 0; slot < slots; ++slot)
      std::copy_n(work.tile + slot * padded(config.value_width), config.value_width,
                  work.values + (first + slot) * config.value_width);
  }
  for (std::int64_t i = 0; i < count && config.kv_type.rotated; ++i) {
    work.kernels.rotate(work.keys + i * config.key_width, config.key_width);
    work.kernels.rotate(work.values + i * config.value_width, config.value_width);
  }
  turn_over(work.keys, count, config.key_width, work.keys_across, work.positions);
  turn_over(work.values, count, config.value_width, work.values_across, work.positions);
}

// Queries [first, first + count) of one head, and the positions [low, low + seen) that any of them
// sees.
struct QueryBlock {
  std::int64_t head, first, count, low, seen;
};

// Rows of weights become softmax, rows of changes (dp) become ds; what a query does not see is
// zero.
void weigh(const HeadWork& work, const QueryBlock& block) {
  const std::int64_t window = work.config.window;
  for (std::int64_t i = 0; i < block.count; ++i) {
    const std::int64_t query = block.first + i;
    const std::int64_t from = std::max(block.low, window > 0 ? query - window + 1 : 0) - block.low;
    const std::int64_t to = query + 1 - block.low;
    float* const p = work.weights + i * block.seen;
    float* const change = work.changes + i * block.seen;
    work.kernels.scale(p + from, work.config.scale, p + from, to - from);
    work.kernels.softmax(p + from, to - from);
    work.kernels.softmax_backward(p + from, work.config.scale, change + from, to - from);
    for (float* row : {p, change}) {
      std::fill(row, row + from, 0.0F);
      std::fill(row + to, row + block.seen, 0.0F);
    }
  }
}

void differentiate(const HeadWork& work, const QueryBlock& block) {
  const AttentionConfig& config = work.config;
  const AttentionGradient& sequence = work.sequence;
  const std::int64_t keys = config.key_width, values = config.value_width;
  const FloatMatrix queries = {
      sequence.forward.queries + block.first * sequence.forward.query_stride + block.head * keys,
      sequence.forward.query_stride};
  const FloatMatrix d_out = {
      sequence.d_out + block.first * sequence.d_out_stride + block.head * values,
      sequence.d_out_stride};
  const FloatMatrix k = {work.keys + block.low * keys, keys};
  const FloatMatrix k_across = {work.keys_across + block.low, work.positions};
  const FloatMatrix v_across = {work.values_across + block.low, work.positions};
  const FloatMatrix p = {work.weights, block.seen}, ds = {work.changes, block.seen};
  const auto multiply = [&](const FloatMatrix& a, const FloatMatrix& b, float* c,
                            std::int64_t stride, std::int64_t rows, std::int64_t depth,
                            std::int64_t columns, bool add) {
    product_here(work.kernels,
                 {.a = a,
                  .b = b,
                  .c = c,
                  .c_stride = stride,
                  .rows = rows,
                  .depth = depth,
                  .columns = columns,
                  .add = add},
                 work.scratch);
  };
  multiply(queries, k_across, work.weights, block.seen, block.count, keys, block.seen, false);
  multiply(d_out, v_across, work.changes, block.seen, block.count, values, block.seen, false);
  weigh(work, block);
  float* const d_queries =
      sequence.d_queries + block.first * sequence.d_query_stride + block.head * keys;
  float* const d_keys = sequence.d_keys + block.low * sequence.d_key_stride + work.kv_head * keys;
  float* const d_values =
      sequence.d_values + block.low * sequence.d_value_stride + work.kv_head * values;
  multiply(ds, k, d_queries, sequence.d_query_stride, block.count, block.seen, keys, true);
  multiply(transposed(ds), queries, d_keys, sequence.d_key_stride, block.seen, block.count, keys,
           true);
  multiply(transposed(p), d_out, d_values, sequence.d_value_stride, block.seen, block.count, values,
           true);
}

void differentiate_head(const HeadWork& work) {
  unpack(work);
  const std::int64_t group = work.config.query_heads / work.config.kv_heads;
  const std::int64_t total = work.sequence.forward.query_count;
  for (std::int64_t first = 0; first < total; first += kBackwardQueries) {
    const std::int64_t count = std::min(kBackwardQueries, total - first);
    const std::int64_t low =
        work.config.window > 0 ? std::max<std::int64_t>(0, first - work.config.window + 1) : 0;
    for (std::int64_t h = 0; h < group; ++h)
      differentiate(work, {work.kv_head * group + h, first, count, low, first + count - low});
  }
}

}  // namespace

void attention_backward(const KernelTable& kernels, ThreadPool& pool, Arena& scratch,
                        const AttentionConfig& config,
                        std::span<const AttentionGradient> sequences) {
  CHECK(config.soft_cap == 0.0F);
  CHECK(config.kv_heads > 0 && config.query_heads % config.kv_heads == 0);
  std::int64_t longest = 0;
  for (const AttentionGradient& sequence : sequences) {
    CHECK(sequence.forward.first_position == 0);
    longest = std::max(longest, sequence.forward.query_count);
  }
  const std::int64_t keys = longest * config.key_width, values = longest * config.value_width;
  const std::int64_t weights = kBackwardQueries * longest, tile = tile_floats(config);
  const std::int64_t floats = 2 * (keys + values) + 2 * weights + tile + kProductScratchFloats;
  const Arena::Mark mark = scratch.mark();
  float* const memory = scratch.alloc<float>(static_cast<std::size_t>(floats) * pool.size());
  const auto heads = static_cast<std::size_t>(config.kv_heads);
  pool.parallel_for(sequences.size() * heads, 1,
                    [&](std::size_t begin, std::size_t end, std::size_t worker) {
                      float* const mine = memory + static_cast<std::int64_t>(worker) * floats;
                      for (std::size_t i = begin; i < end; ++i) {
                        float* next = mine;
                        const auto take = [&next](std::int64_t count) {
                          float* const at = next;
                          next += count;
                          return at;
                        };
                        differentiate_head({.kernels = kernels,
                                            .config = config,
                                            .sequence = sequences[i / heads],
                                            .kv_head = static_cast<std::int64_t>(i % heads),
                                            .positions = longest,
                                            .keys = take(keys),
                                            .values = take(values),
                                            .keys_across = take(keys),
                                            .values_across = take(values),
                                            .weights = take(weights),
                                            .changes = take(weights),
                                            .scratch = take(kProductScratchFloats),
                                            .tile = take(tile)});
                      }
                    });
  scratch.rewind(mark);
}

}  // namespace bantam
