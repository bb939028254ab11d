// Attention of some queries to one KV head, written once. What and in which order: attention.h.

// The key or value of one position; those of the same block follow it, `width` elements apart.
template <typename Kv>
inline const typename Kv::Element* position_row(const std::byte* const* blocks,
                                                const AttentionConfig& config, std::int64_t kv_head,
                                                std::int64_t width, std::int64_t position) {
  const std::int64_t block = position / config.block_tokens;
  const std::int64_t row = kv_head * config.block_tokens + position % config.block_tokens;
  return reinterpret_cast<const typename Kv::Element*>(blocks[block]) + row * width;
}

// Some heads of one query that share a KV head, and the positions [begin, end) of one segment.
template <int kHeads>
struct HeadTile {
  const float* queries[kHeads];
  float* out[kHeads];
  float* top[kHeads];    // running maximum of the scores
  float* total[kHeads];  // running sum of the weights
  std::int64_t begin, end;
  float* weights;  // (kHeads, kAttentionSegment): by position in the segment
};

template <typename Kv, int kHeads>
inline void score_position(const HeadTile<kHeads>& tile, const typename Kv::Element* key,
                           std::int64_t width, float scale, std::int64_t slot) {
  Floats acc[kHeads];
  for (Floats& sum : acc) sum = splat(0.0f);
  const std::int64_t rest = width % kLanes, whole = width - rest;
  for (std::int64_t d = 0; d < whole; d += kLanes) {
    const Floats k = Kv::load_lanes(key + d);
    for (int h = 0; h < kHeads; ++h) acc[h] = fma(load(tile.queries[h] + d), k, acc[h]);
  }
  if (rest != 0) {
    const Floats k = Kv::load_lanes(key + whole, rest);
    for (int h = 0; h < kHeads; ++h)
      acc[h] = fma(load_part(tile.queries[h] + whole, rest), k, acc[h]);
  }
  for (int h = 0; h < kHeads; ++h) tile.weights[h * kAttentionSegment + slot] = scale * sum(acc[h]);
}

// Scores become weights: the running maximum and sum move on, the output so far is rescaled.
// Slots between the positions and the next multiples of sixteen weigh nothing.
inline void weigh_segment(float* weights, std::int64_t first, std::int64_t last,
                          const AttentionConfig& config, float* top, float* total, float* out) {
  if (config.soft_cap > 0.0f)
    with_factor<SoftCap>(weights + first, config.soft_cap, weights + first, last - first);
  const std::int64_t low = first / kLanes * kLanes;
  const std::int64_t high = (last + kLanes - 1) / kLanes * kLanes;
  for (std::int64_t i = low; i < first; ++i) weights[i] = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = last; i < high; ++i) weights[i] = -std::numeric_limits<float>::infinity();
  const float segment_top = largest_of(weights + low, high - low);
  const float new_top = segment_top > *top ? segment_top : *top;
  float lanes[16];
  store(lanes, exp(splat(*top - new_top)));
  const float shrink = lanes[0];
  *top = new_top;
  *total = std::fma(*total, shrink, exp_and_sum(weights + low, new_top, high - low));
  if (shrink != 1.0f) with_factor<Scale>(out, shrink, out, config.value_width);
}

// out[h] += sum of weights times values, kWide times sixteen elements of the values at a time.
template <typename Kv, int kHeads, int kWide>
inline void add_values(const HeadTile<kHeads>& tile, const AttentionSpan& span, std::int64_t d,
                       std::int64_t last_lanes) {
  const AttentionConfig& config = *span.config;
  const bool partial = last_lanes != kLanes;
  Floats acc[kHeads][kWide];
  for (int h = 0; h < kHeads; ++h)
    for (int c = 0; c < kWide; ++c)
      acc[h][c] = load_some(tile.out[h] + d + c * kLanes, partial ? last_lanes : kLanes);
  for (std::int64_t j = tile.begin; j < tile.end;) {
    const std::int64_t in_block = config.block_tokens - j % config.block_tokens;
    const std::int64_t stop = in_block < tile.end - j ? j + in_block : tile.end;
    const auto* value =
        position_row<Kv>(span.sequence->value_blocks, config, span.kv_head, config.value_width, j) +
        d;
    for (; j < stop; ++j, value += config.value_width) {
      const float* weights = tile.weights + j % kAttentionSegment;
      for (int c = 0; c < kWide; ++c) {
        const Floats v =
            partial ? Kv::load_lanes(value, last_lanes) : Kv::load_lanes(value + c * kLanes);
        for (int h = 0; h < kHeads; ++h)
          acc[h][c] = fma(splat(weights[h * kAttentionSegment]), v, acc[h][c]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h)
    for (int c = 0; c < kWide; ++c)
      store_some(tile.out[h] + d + c * kLanes, acc[h][c], partial ? last_lanes : kLanes);
}

template <typename Kv, int kHeads>
inline void attend_tile(const HeadTile<kHeads>& tile, const AttentionSpan& span) {
  const AttentionConfig& config = *span.config;
  for (std::int64_t j = tile.begin; j < tile.end;) {
    const std::int64_t in_block = config.block_tokens - j % config.block_tokens;
    const std::int64_t stop = in_block < tile.end - j ? j + in_block : tile.end;
    const auto* key =
        position_row<Kv>(span.sequence->key_blocks, config, span.kv_head, config.key_width, j);
    for (; j < stop; ++j, key += config.key_width)
      score_position<Kv, kHeads>(tile, key, config.key_width, config.scale, j % kAttentionSegment);
  }
  const std::int64_t first = tile.begin % kAttentionSegment;
  for (int h = 0; h < kHeads; ++h)
    weigh_segment(tile.weights + h * kAttentionSegment, first, first + tile.end - tile.begin,
                  config, tile.top[h], tile.total[h], tile.out[h]);
  std::int64_t d = 0;
  for (; d + 2 * kLanes <= config.value_width; d += 2 * kLanes)
    add_values<Kv, kHeads, 2>(tile, span, d, kLanes);
  for (; d < config.value_width; d += kLanes) {
    const std::int64_t left = config.value_width - d;
    add_values<Kv, kHeads, 1>(tile, span, d, left < kLanes ? left : kLanes);
  }
}

// Heads [head, head + kHeads) of the group, query `query` of the sequence, positions [begin, end).
template <typename Kv, int kHeads>
inline void attend_heads(const AttentionSpan& span, std::int64_t query, std::int64_t head,
                         std::int64_t begin, std::int64_t end) {
  const AttentionConfig& config = *span.config;
  const AttentionSequence& sequence = *span.sequence;
  const std::int64_t group = config.query_heads / config.kv_heads;
  HeadTile<kHeads> tile;
  float* state = span.scratch + 4 * kAttentionSegment;
  for (int h = 0; h < kHeads; ++h) {
    const std::int64_t query_head = span.kv_head * group + head + h;
    tile.queries[h] =
        sequence.queries + query * sequence.query_stride + query_head * config.key_width;
    tile.out[h] = sequence.out + query * sequence.out_stride + query_head * config.value_width;
    tile.top[h] = state + 2 * ((query - span.query_begin) * group + head + h);
    tile.total[h] = tile.top[h] + 1;
  }
  tile.begin = begin;
  tile.end = end;
  tile.weights = span.scratch;
  attend_tile<Kv, kHeads>(tile, span);
}

// The first position a query may look at.
inline std::int64_t window_begin(const AttentionConfig& config, std::int64_t position) {
  const std::int64_t begin = position - config.window + 1;
  return config.window > 0 && begin > 0 ? begin : 0;
}

inline void start_span(const AttentionSpan& span) {
  const AttentionConfig& config = *span.config;
  const std::int64_t group = config.query_heads / config.kv_heads;
  float* state = span.scratch + 4 * kAttentionSegment;
  for (std::int64_t i = 0; i < (span.query_end - span.query_begin) * group; ++i) {
    state[2 * i] = -std::numeric_limits<float>::infinity();
    state[2 * i + 1] = 0.0f;
  }
  for (std::int64_t q = span.query_begin; q < span.query_end; ++q) {
    float* out = span.sequence->out + q * span.sequence->out_stride +
                 span.kv_head * group * config.value_width;
    for (std::int64_t i = 0; i < group * config.value_width; ++i) out[i] = 0.0f;
  }
}

inline void finish_span(const AttentionSpan& span) {
  const AttentionConfig& config = *span.config;
  const std::int64_t group = config.query_heads / config.kv_heads, width = config.value_width;
  const float* state = span.scratch + 4 * kAttentionSegment;
  for (std::int64_t q = span.query_begin; q < span.query_end; ++q)
    for (std::int64_t h = 0; h < group; ++h) {
      float* out =
          span.sequence->out + q * span.sequence->out_stride + (span.kv_head * group + h) * width;
      const float total = state[2 * ((q - span.query_begin) * group + h) + 1];
      for (std::int64_t i = 0; i < width; i += kLanes) {
        const std::int64_t n = width - i < kLanes ? width - i : kLanes;
        store_some(out + i, div(load_some(out + i, n), splat(total)), n);
      }
    }
}

template <typename Kv>
void attend(const AttentionSpan& span) {
  const AttentionConfig& config = *span.config;
  const std::int64_t group = config.query_heads / config.kv_heads;
  const std::int64_t first = span.sequence->first_position;
  start_span(span);
  const std::int64_t stop = first + span.query_end;
  // The segment is the outer loop: its keys and values stay in cache for all queries and heads.
  std::int64_t segment = window_begin(config, first + span.query_begin) / kAttentionSegment;
  for (; segment * kAttentionSegment < stop; ++segment) {
    const std::int64_t low = segment * kAttentionSegment, high = low + kAttentionSegment;
    for (std::int64_t q = span.query_begin; q < span.query_end; ++q) {
      const std::int64_t from = window_begin(config, first + q);
      const std::int64_t begin = from > low ? from : low;
      const std::int64_t end = first + q + 1 < high ? first + q + 1 : high;
      if (begin >= end) continue;
      std::int64_t head = 0;
      for (; head + 4 <= group; head += 4) attend_heads<Kv, 4>(span, q, head, begin, end);
      for (; head + 2 <= group; head += 2) attend_heads<Kv, 2>(span, q, head, begin, end);
      if (head < group) attend_heads<Kv, 1>(span, q, head, begin, end);
    }
  }
  finish_span(span);
}
