// Attention of some queries to one KV head, written once. What and in which order: attention.h.
//
// The rows of a span are its queries' heads, query by query. All work is products of two small
// matrices: queries with a block's keys give scores, weights with its values are added to sums.

// c += a b, or c = a b, for rows [0, kRows): an element is one chain in order of k. Element (r, k)
// of a is a[r * kRowStride + k * step]; b is (depth, …), c (rows, …), with these strides.
struct Product {
  const float* a;
  std::int64_t step;
  const float* b;
  std::int64_t b_stride, depth;
  float* c;
  std::int64_t c_stride, columns;  // columns: a multiple of sixteen
};

template <bool kAdd, std::int64_t kRowStride, int kRows, int kVectors>
inline void product_tile(const Product& p, std::int64_t row, std::int64_t column) {
  const float* a = p.a + row * kRowStride;
  const float* b = p.b + column;
  float* c = p.c + row * p.c_stride + column;
  Floats acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      acc[r][v] = kAdd ? load(c + r * p.c_stride + v * kLanes) : splat(0.0f);
  for (std::int64_t k = 0; k < p.depth; ++k, a += p.step, b += p.b_stride) {
    Floats lanes[kVectors];
    for (int v = 0; v < kVectors; ++v) lanes[v] = load(b + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Floats factor = splat(a[r * kRowStride]);
      for (int v = 0; v < kVectors; ++v) acc[r][v] = fma(factor, lanes[v], acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(c + r * p.c_stride + v * kLanes, acc[r][v]);
}

template <bool kAdd, std::int64_t kRowStride, int kRows>
inline void product_rows(const Product& p, std::int64_t row, std::int64_t end) {
  for (; row + kRows <= end; row += kRows) {
    std::int64_t column = 0;
    for (; column + kAttentionVectors * kLanes <= p.columns; column += kAttentionVectors * kLanes)
      product_tile<kAdd, kRowStride, kRows, kAttentionVectors>(p, row, column);
    if constexpr (kAttentionVectors > 1)
      for (; column < p.columns; column += kLanes)
        product_tile<kAdd, kRowStride, kRows, 1>(p, row, column);
  }
  if constexpr (kRows > 1) product_rows<kAdd, kRowStride, kRows / 2>(p, row, end);
}

// Where a span's numbers lie. Rows are padded to multiples of sixteen.
struct AttentionWork {
  std::int64_t rows, row_stride, sum_stride;
  std::int64_t key_offset, value_offset;  // bytes, of the KV head's parts in blocks
  float* queries;                         // (key_width, row_stride)
  float* weights;                         // (rows, kAttentionSegment)
  float* tile;                            // a block's keys or values
  float *top, *total;                     // (rows) so far
  float *shrink, *grow;                   // (rows) of the merge
  float* part;  // of the segment: top (rows), total (rows), sums (rows, sum_stride)
  float* part_top() const { return part; }
  float* part_total() const { return part + row_stride; }
  float* part_sums() const { return part + 2 * row_stride; }
};

inline AttentionWork attention_work(const AttentionSpan& span, float* scratch) {
  const AttentionConfig& config = *span.config;
  const std::int64_t group = config.query_heads / config.kv_heads;
  AttentionWork work;
  work.rows = (span.query_end - span.query_begin) * group;
  work.row_stride = padded_to_lanes(work.rows);
  work.sum_stride = padded_to_lanes(config.value_width);
  work.key_offset = span.kv_head * kv_part_bytes(config.kv_type, KvKind::kKeys, config.key_width);
  work.value_offset =
      span.kv_head * kv_part_bytes(config.kv_type, KvKind::kValues, config.value_width);
  const std::int64_t key_stride = padded_to_lanes(config.key_width);
  const std::int64_t widest = work.sum_stride > key_stride ? work.sum_stride : key_stride;
  const auto take = [&scratch](std::int64_t floats) {
    float* const at = scratch;
    scratch += floats;
    return at;
  };
  work.queries = take(key_stride * work.row_stride);
  work.weights = take(work.rows * kAttentionSegment);
  work.tile = take(widest * kKvBlockTokens);
  work.top = take(work.row_stride);
  work.total = take(work.row_stride);
  work.shrink = take(work.row_stride);
  work.grow = take(work.row_stride);
  work.part = take(work.row_stride * (2 + work.sum_stride));
  return work;
}

// Positions [begin, end) of a query, cut to [low, high); none if begin >= end.
struct Positions {
  std::int64_t begin, end;
  bool operator==(const Positions&) const = default;
  bool none() const { return begin >= end; }
};
inline Positions visible(const AttentionSpan& span, std::int64_t query, std::int64_t low,
                         std::int64_t high) {
  const std::int64_t position = span.sequence->first_position + query;
  const std::int64_t first = span.config->window > 0 ? position - span.config->window + 1 : 0;
  return {first > low ? first : low, position + 1 < high ? position + 1 : high};
}

// Calls body(row, rows, positions) for each run of queries that see the same, not empty, part of
// [low, high); row counts from the span's first.
template <typename Body>
inline void for_each_run(const AttentionSpan& span, std::int64_t low, std::int64_t high,
                         const Body& body) {
  const std::int64_t group = span.config->query_heads / span.config->kv_heads;
  for (std::int64_t q = span.query_begin; q < span.query_end;) {
    const Positions seen = visible(span, q, low, high);
    std::int64_t next = q + 1;
    while (next < span.query_end && visible(span, next, low, high) == seen) ++next;
    if (!seen.none()) body((q - span.query_begin) * group, (next - q) * group, seen);
    q = next;
  }
}

// Element k of every row together, times `scale`. Sixteen rows at a time go through the tile.
inline void pack_queries(const AttentionSpan& span, const AttentionWork& work) {
  const AttentionConfig& config = *span.config;
  const AttentionSequence& sequence = *span.sequence;
  const std::int64_t group = config.query_heads / config.kv_heads, width = config.key_width;
  const std::int64_t stride = padded_to_lanes(width);
  for (std::int64_t row = 0; row < work.row_stride; row += kLanes) {
    for (std::int64_t i = 0; i < kLanes && row + i < work.rows; ++i) {
      const std::int64_t query = span.query_begin + (row + i) / group;
      const std::int64_t head = span.kv_head * group + (row + i) % group;
      const float* from = sequence.queries + query * sequence.query_stride + head * width;
      float* const to = work.tile + i * stride;
      for (std::int64_t d = 0; d < width; d += kLanes) {
        const std::int64_t n = width - d < kLanes ? width - d : kLanes;
        store(to + d, mul(load_some(from + d, n), splat(config.scale)));
      }
      if (config.kv_type.rotated) rotate(to, width);
    }
    for (std::int64_t d = 0; d < width; d += kLanes) {
      Bytes columns[16];
      transpose(reinterpret_cast<const std::uint8_t*>(work.tile + d),
                static_cast<std::size_t>(stride) * sizeof(float), columns);
      for (std::int64_t k = 0; k < kLanes; ++k)
        store_bytes(work.queries + (d + k) * work.row_stride + row, columns[k]);
    }
  }
}

// Scores of blocks [begin, end) into the weights. Those of positions that a row may not see, or
// that are not stored yet, are numbers that nobody reads.
inline void score_blocks(const AttentionSpan& span, const AttentionWork& work, std::int64_t begin,
                         std::int64_t end) {
  const AttentionSequence& sequence = *span.sequence;
  for (std::int64_t block = begin; block < end; ++block) {
    const std::byte* next = block + 1 < end ? sequence.key_blocks[block + 1] + work.key_offset
                                            : sequence.value_blocks[begin] + work.value_offset;
    span.format->unpack_keys(sequence.key_blocks[block] + work.key_offset, next,
                             span.config->key_width, work.tile);
    const std::int64_t low = block * kKvBlockTokens;
    std::int64_t first = work.rows, last = 0;
    for_each_run(span, low, low + kKvBlockTokens,
                 [&](std::int64_t row, std::int64_t rows, const Positions&) {
                   first = row < first ? row : first;
                   last = row + rows;
                 });
    const Product product{.a = work.queries,
                          .step = work.row_stride,
                          .b = work.tile,
                          .b_stride = kKvBlockTokens,
                          .depth = span.config->key_width,
                          .c = work.weights + low % kAttentionSegment,
                          .c_stride = kAttentionSegment,
                          .columns = kKvBlockTokens};
    product_rows<false, 1, kAttentionRows>(product, first, last);
  }
}

// exp(x) for x <= 0, as exp() computes it but in one factor and without a bound above: 0 below -87,
// where the result would soon be subnormal.
inline Floats weight_of(const Floats& x) {
  // Adding this leaves a whole number, plus the bias of an exponent, in a float's low bits.
  constexpr float kRound = 0x1.8p23f + 127;
  const Floats low = splat(-87.0f);
  const Floats bounded = maximum(low, x);
  const Floats shifted = fma(bounded, splat(0x1.715476p+0f), splat(kRound));
  const Floats r = exp_remainder(sub(shifted, splat(kRound)), bounded);
  const Floats power = as_floats(shift_left<23>(as_ints(shifted)));
  return select(less(x, low), splat(0.0f), mul(exp_small(r), power));
}

// Stores the weights of scores that are at most `top`; returns their sum in sixteen lanes. n is a
// multiple of sixteen.
inline float weigh(float* scores, float top, std::int64_t n) {
  Floats total = splat(0.0f);
  const Floats shift = splat(top);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const Floats weight = weight_of(sub(load(scores + i), shift));
    store(scores + i, weight);
    total = add(total, weight);
  }
  return sum(total);
}

// Scores at slots [first, last) of a segment become weights; slots between those and the next
// multiples of sixteen weigh nothing.
inline void weigh_row(const AttentionConfig& config, float* weights, std::int64_t first,
                      std::int64_t last, float* top, float* total) {
  if (config.soft_cap > 0.0f)
    with_factor<SoftCap>(weights + first, config.soft_cap, weights + first, last - first);
  const std::int64_t low = first / kLanes * kLanes, high = padded_to_lanes(last);
  for (std::int64_t i = low; i < first; ++i) weights[i] = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = last; i < high; ++i) weights[i] = -std::numeric_limits<float>::infinity();
  *top = largest_of(weights + low, high - low);
  *total = weigh(weights + low, *top, high - low);
}

inline void sum_blocks(const AttentionSpan& span, const AttentionWork& work, std::int64_t begin,
                       std::int64_t end) {
  for (std::int64_t i = 0; i < work.rows * work.sum_stride; i += kLanes)
    store(work.part_sums() + i, splat(0.0f));
  const std::byte* const* blocks = span.sequence->value_blocks;
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t next = block + 1 < end ? block + 1 : block;
    span.format->unpack_values(blocks[block] + work.value_offset, blocks[next] + work.value_offset,
                               span.config->value_width, work.tile);
    const std::int64_t low = block * kKvBlockTokens;
    for_each_run(span, low, low + kKvBlockTokens,
                 [&](std::int64_t row, std::int64_t rows, const Positions& seen) {
                   const Product product{.a = work.weights + seen.begin % kAttentionSegment,
                                         .step = 1,
                                         .b = work.tile + (seen.begin - low) * work.sum_stride,
                                         .b_stride = work.sum_stride,
                                         .depth = seen.end - seen.begin,
                                         .c = work.part_sums(),
                                         .c_stride = work.sum_stride,
                                         .columns = work.sum_stride};
                   product_rows<true, kAttentionSegment, kAttentionRows>(product, row, row + rows);
                 });
  }
}

// The segment's part for every row that sees some of it.
inline void attend_segment(const AttentionSpan& span, const AttentionWork& work,
                           std::int64_t segment) {
  const std::int64_t low = segment * kAttentionSegment, high = low + kAttentionSegment;
  std::int64_t from = visible(span, span.query_begin, low, high).begin;
  std::int64_t to = visible(span, span.query_end - 1, low, high).end;
  from /= kKvBlockTokens;
  to = (to + kKvBlockTokens - 1) / kKvBlockTokens;
  score_blocks(span, work, from, to);
  for_each_run(span, low, high, [&](std::int64_t row, std::int64_t rows, const Positions& seen) {
    for (std::int64_t r = row; r < row + rows; ++r)
      weigh_row(*span.config, work.weights + r * kAttentionSegment, seen.begin - low,
                seen.end - low, work.part_top() + r, work.part_total() + r);
  });
  sum_blocks(span, work, from, to);
}

inline float* output_row(const AttentionSpan& span, std::int64_t row) {
  const AttentionSequence& sequence = *span.sequence;
  const std::int64_t group = span.config->query_heads / span.config->kv_heads;
  const std::int64_t query = span.query_begin + row / group;
  const std::int64_t head = span.kv_head * group + row % group;
  return sequence.out + query * sequence.out_stride + head * span.config->value_width;
}

inline void start_output(const AttentionSpan& span, const AttentionWork& work) {
  for (std::int64_t row = 0; row < work.rows; ++row) {
    work.top[row] = -std::numeric_limits<float>::infinity();
    work.total[row] = 0.0f;
    float* out = output_row(span, row);
    for (std::int64_t i = 0; i < span.config->value_width; ++i) out[i] = 0.0f;
  }
}

// The part in `work`, of `segment`, joins the output.
inline void merge_segment(const AttentionSpan& span, const AttentionWork& work,
                          std::int64_t segment) {
  const std::int64_t low = segment * kAttentionSegment, high = low + kAttentionSegment;
  const std::int64_t width = span.config->value_width;
  for_each_run(span, low, high, [&](std::int64_t row, std::int64_t rows, const Positions&) {
    const std::int64_t end = row + rows;
    for (std::int64_t r = row; r < end; r += kLanes) {
      const std::int64_t n = end - r < kLanes ? end - r : kLanes;
      const Floats top = load_some(work.top + r, n), part = load_some(work.part_top() + r, n);
      const Floats highest = maximum(part, top);
      const Floats shrink = exp(sub(top, highest)), grow = exp(sub(part, highest));
      const Floats total = mul(load_some(work.total + r, n), shrink);
      store_some(work.top + r, highest, n);
      store_some(work.total + r, fma(load_some(work.part_total() + r, n), grow, total), n);
      store_some(work.shrink + r, shrink, n);
      store_some(work.grow + r, grow, n);
    }
    for (std::int64_t r = row; r < end; ++r) {
      float* out = output_row(span, r);
      const float* sums = work.part_sums() + r * work.sum_stride;
      const Floats shrink = splat(work.shrink[r]), grow = splat(work.grow[r]);
      for (std::int64_t i = 0; i < width; i += kLanes) {
        const std::int64_t n = width - i < kLanes ? width - i : kLanes;
        store_some(out + i, fma(load(sums + i), grow, mul(load_some(out + i, n), shrink)), n);
      }
    }
  });
}

inline void finish_output(const AttentionSpan& span, const AttentionWork& work) {
  const std::int64_t width = span.config->value_width;
  for (std::int64_t row = 0; row < work.rows; ++row) {
    float* out = output_row(span, row);
    const Floats total = splat(work.total[row]);
    for (std::int64_t i = 0; i < width; i += kLanes) {
      const std::int64_t n = width - i < kLanes ? width - i : kLanes;
      store_some(out + i, div(load_some(out + i, n), total), n);
    }
    if (span.config->kv_type.rotated) rotate(out, width);
  }
}

void attend(const AttentionSpan& span, float* scratch) {
  AttentionWork work = attention_work(span, scratch);
  pack_queries(span, work);
  if (span.parts != nullptr) {
    work.part = span.parts;
    attend_segment(span, work, span.segment_begin);
    return;
  }
  start_output(span, work);
  for (std::int64_t segment = span.segment_begin; segment < span.segment_end; ++segment) {
    attend_segment(span, work, segment);
    merge_segment(span, work, segment);
  }
  finish_output(span, work);
}

void merge(const AttentionSpan& span, float* scratch) {
  AttentionWork work = attention_work(span, scratch);
  start_output(span, work);
  work.part = span.parts;
  for (std::int64_t segment = span.segment_begin; segment < span.segment_end; ++segment) {
    merge_segment(span, work, segment);
    work.part += attention_part_floats(*span.config);
  }
  finish_output(span, work);
}
