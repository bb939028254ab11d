#include "nn/cpu_ops.h"

#include <algorithm>
#include <cstring>

#include "codec/codec.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/rowwise.h"

namespace bantam {
namespace {

const float* floats_of(const TensorView& view) {
  CHECK(view.dtype == DType::kF32);
  return reinterpret_cast<const float*>(view.data);
}

}  // namespace

CpuOps::CpuOps(const KernelTable& kernels, ThreadPool& pool, Arena& arena, MatmulMode mode)
    : kernels_(kernels), pool_(pool), arena_(arena), mode_(mode) {}

FloatTensor CpuOps::make(const Shape& shape) { return arena_.alloc_floats(shape); }

FloatTensor CpuOps::embed(const TensorView& table, std::span<const std::int32_t> ids) {
  const Codec* codec = find_codec(table.dtype);
  CHECK(codec != nullptr && table.shape.rank() == 2);
  const std::int64_t width = table.shape[1];
  const FloatTensor out = make(Shape{static_cast<std::int64_t>(ids.size()), width});
  for_each_row(pool_, out.shape[0], width, [&](std::int64_t t) {
    const std::int32_t id = ids[static_cast<std::size_t>(t)];
    codec->decode(table.row(id), {out.row(t), static_cast<std::size_t>(width)});
  });
  return out;
}

FloatTensor CpuOps::linear(const FloatTensor& x, const Linear& layer) {
  const Linear* const layers[] = {&layer};
  return linears(x, layers)[0];
}

std::vector<FloatTensor> CpuOps::linears(const FloatTensor& x,
                                         std::span<const Linear* const> layers) {
  const std::int64_t tokens = x.shape[0];
  std::vector<FloatTensor> results, inner;  // inner: x Aᵀ of the layers that have an adapter
  std::vector<MatmulOutput> outputs;
  for (const Linear* layer : layers) {
    CHECK(layer->weight.shape.rank() == 2 && layer->weight.shape[1] == x.shape[1], "{} times {}",
          x.shape.to_string(), layer->weight.shape.to_string());
    results.push_back(make(Shape{tokens, layer->outputs()}));
    outputs.push_back(
        {.weight = layer->weight, .out = results.back().data, .out_stride = layer->outputs()});
  }
  const Arena::Mark mark = arena_.mark();
  for (const Linear* layer : layers) {
    if (!layer->low_rank.present()) continue;
    const std::int64_t rank = layer->low_rank.a.shape[0];
    inner.push_back(make(Shape{tokens, rank}));
    outputs.push_back({.weight = layer->low_rank.a, .out = inner.back().data, .out_stride = rank});
  }
  matmul(kernels_, pool_, arena_, x, outputs, mode_);
  std::size_t next = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i]->low_rank.present()) add_low_rank(inner[next++], layers[i]->low_rank, results[i]);
    if (layers[i]->bias.data == nullptr) continue;
    const float* bias = floats_of(layers[i]->bias);
    for_each_row(pool_, tokens, layers[i]->outputs(), [&](std::int64_t t) {
      kernels_.add(results[i].row(t), bias, results[i].row(t), layers[i]->outputs());
    });
  }
  arena_.rewind(mark);
  return results;
}

void CpuOps::add_low_rank(const FloatTensor& inner, const LowRank& low_rank,
                          const FloatTensor& result) {
  const std::int64_t outputs = result.shape.last();
  const FloatTensor outer = make(result.shape);
  const MatmulOutput output{.weight = low_rank.b, .out = outer.data, .out_stride = outputs};
  matmul(kernels_, pool_, arena_, inner, {&output, 1}, mode_);
  const float* gain = low_rank.gain.data == nullptr ? nullptr : floats_of(low_rank.gain);
  for_each_row(pool_, result.shape.rows(), outputs, [&](std::int64_t t) {
    kernels_.add_scaled(outer.row(t), low_rank.scale, result.row(t), outputs);
    if (gain != nullptr) kernels_.multiply(result.row(t), gain, result.row(t), outputs);
  });
}

FloatTensor CpuOps::rms_norm(const FloatTensor& x, const TensorView& weight, float epsilon) {
  CHECK(weight.shape == Shape{x.shape.last()});
  const FloatTensor out = make(x.shape);
  const float* weights = floats_of(weight);
  for_each_row(pool_, x.shape.rows(), x.shape.last(), [&](std::int64_t t) {
    kernels_.rms_norm(x.row(t), weights, epsilon, out.row(t), x.shape.last());
  });
  return out;
}

FloatTensor CpuOps::add(const FloatTensor& a, const FloatTensor& b) {
  CHECK(a.shape == b.shape);
  const FloatTensor out = make(a.shape);
  for_each_row(pool_, a.shape.rows(), a.shape.last(), [&](std::int64_t t) {
    kernels_.add(a.row(t), b.row(t), out.row(t), a.shape.last());
  });
  return out;
}

FloatTensor CpuOps::multiply(const FloatTensor& a, const FloatTensor& b) {
  CHECK(a.shape == b.shape);
  const FloatTensor out = make(a.shape);
  for_each_row(pool_, a.shape.rows(), a.shape.last(), [&](std::int64_t t) {
    kernels_.multiply(a.row(t), b.row(t), out.row(t), a.shape.last());
  });
  return out;
}

FloatTensor CpuOps::activate(const FloatTensor& x, Activation activation) {
  const FloatTensor out = make(x.shape);
  for_each_row(pool_, x.shape.rows(), x.shape.last(), [&](std::int64_t t) {
    kernels_.activate[static_cast<std::size_t>(activation)](x.row(t), out.row(t), x.shape.last());
  });
  return out;
}

FloatTensor CpuOps::gated(const FloatTensor& gate, const FloatTensor& up, Activation activation) {
  CHECK(gate.shape == up.shape);
  const FloatTensor out = make(gate.shape);
  for_each_row(pool_, gate.shape.rows(), gate.shape.last(), [&](std::int64_t t) {
    kernels_.gated[static_cast<std::size_t>(activation)](gate.row(t), up.row(t), out.row(t),
                                                         gate.shape.last());
  });
  return out;
}

const float* CpuOps::angles_of(const RopeTable& table, std::span<const std::int64_t> positions) {
  auto known = std::ranges::find(angles_, &table, &Angles::table);
  if (known == angles_.end()) {
    angles_.push_back({.table = &table, .positions = {}, .values = {}});
    known = angles_.end() - 1;
  }
  if (std::ranges::equal(known->positions, positions)) return known->values.data();
  known->positions.assign(positions.begin(), positions.end());
  const auto pairs = static_cast<std::size_t>(table.width() / 2);
  known->values.resize(positions.size() * 2 * pairs);
  const std::span<float> all = known->values;
  // A cosine and a sine take as long as dozens of the other elements that loops are measured in.
  constexpr std::int64_t kCost = 32;
  for_each_row(pool_, static_cast<std::int64_t>(positions.size()), kCost * table.width(),
               [&](std::int64_t t) {
                 const auto row = static_cast<std::size_t>(t);
                 const std::span<float> mine = all.subspan(2 * pairs * row, 2 * pairs);
                 table.angles(positions[row], mine.first(pairs), mine.last(pairs));
               });
  return known->values.data();
}

FloatTensor CpuOps::rope(const FloatTensor& x, const RopeTable& table, std::int64_t heads,
                         std::span<const std::int64_t> positions) {
  const std::int64_t width = x.shape.last() / heads;
  CHECK(width * heads == x.shape.last() && table.width() <= width);
  CHECK(positions.size() == static_cast<std::size_t>(x.shape.rows()));
  const std::int64_t pairs = table.width() / 2;
  const auto turn =
      table.pairing() == RopePairing::kInterleaved ? kernels_.rope_interleaved : kernels_.rope_half;
  const FloatTensor out = make(x.shape);
  const float* const angles = angles_of(table, positions);
  for_each_row(pool_, x.shape.rows(), x.shape.last(), [&](std::int64_t t) {
    const float* const cosines = angles + 2 * pairs * t;
    std::memcpy(out.row(t), x.row(t), static_cast<std::size_t>(x.shape.last()) * sizeof(float));
    for (std::int64_t head = 0; head < heads; ++head) {
      turn(out.row(t) + head * width, cosines, cosines + pairs, pairs);
    }
  });
  return out;
}

FloatTensor CpuOps::attention(const FloatTensor& queries, const FloatTensor& keys,
                              const FloatTensor& values, const AttentionSpec& spec,
                              const Batch& batch, std::int64_t layer) {
  const std::int64_t out_width = spec.heads * spec.value_width;
  const FloatTensor out = make(Shape{queries.shape[0], out_width});
  std::vector<AttentionSequence> sequences;
  AttentionConfig config{.query_heads = spec.heads,
                         .kv_heads = spec.kv_heads,
                         .key_width = spec.key_width,
                         .value_width = spec.value_width,
                         .scale = spec.scale,
                         .window = spec.window};
  for (const SequenceRows& rows : batch.sequences) {
    KvSequence& kv = *rows.kv;
    CHECK(rows.first_position + rows.count <= kv.capacity());
    config.kv_type = kv.layout().type();
    store_kv(kernels_, pool_, config, KvKind::kKeys, keys.row(rows.first_row), keys.shape.last(),
             rows.count, rows.first_position, kv.keys(layer));
    store_kv(kernels_, pool_, config, KvKind::kValues, values.row(rows.first_row),
             values.shape.last(), rows.count, rows.first_position, kv.values(layer));
    sequences.push_back({.queries = queries.row(rows.first_row),
                         .query_stride = queries.shape.last(),
                         .query_count = rows.count,
                         .first_position = rows.first_position,
                         .key_blocks = kv.keys(layer),
                         .value_blocks = kv.values(layer),
                         .out = out.row(rows.first_row),
                         .out_stride = out_width});
  }
  const Arena::Mark mark = arena_.mark();
  bantam::attention(kernels_, pool_, arena_, config, sequences);
  arena_.rewind(mark);
  return out;
}

FloatTensor CpuOps::gather_rows(const FloatTensor& x, std::span<const std::int32_t> indices) {
  const FloatTensor out = make(Shape{static_cast<std::int64_t>(indices.size()), x.shape.last()});
  for (std::size_t i = 0; i < indices.size(); ++i) {
    CHECK(indices[i] >= 0 && indices[i] < x.shape.rows());
    std::memcpy(out.row(static_cast<std::int64_t>(i)), x.row(indices[i]),
                static_cast<std::size_t>(x.shape.last()) * sizeof(float));
  }
  return out;
}

Routing CpuOps::route(const FloatTensor& logits, std::int64_t used, bool normalize) {
  const std::int64_t tokens = logits.shape[0], experts = logits.shape[1];
  CHECK(used >= 1 && used <= experts);
  Routing routing{.used = used, .expert = {}, .weight = make(Shape{tokens, used})};
  std::vector<float> shares(static_cast<std::size_t>(experts));
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::copy_n(logits.row(t), experts, shares.begin());
    kernels_.softmax(shares.data(), experts);
    float sum = 0;
    for (std::int64_t u = 0; u < used; ++u) {
      const std::int64_t best = kernels_.argmax(shares.data(), experts);
      float& share = shares[static_cast<std::size_t>(best)];
      routing.expert.push_back(static_cast<std::int32_t>(best));
      routing.weight.row(t)[u] = share;
      sum += share;
      share = -1.0F;  // taken; every other share is at least 0
    }
    if (normalize) kernels_.scale(routing.weight.row(t), 1.0F / sum, routing.weight.row(t), used);
  }
  return routing;
}

FloatTensor CpuOps::mix(std::span<const FloatTensor> parts, const Routing& routing) {
  const std::int64_t tokens = routing.weight.shape[0];
  std::int64_t width = 0;
  for (const FloatTensor& part : parts) width = std::max(width, part.shape.last());
  const FloatTensor out = make(Shape{tokens, width});
  std::memset(out.data, 0, out.values().size_bytes());
  std::vector<std::int64_t> next(parts.size(), 0);  // row of each part
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t u = 0; u < routing.used; ++u) {
      const auto expert =
          static_cast<std::size_t>(routing.expert[static_cast<std::size_t>(t * routing.used + u)]);
      kernels_.add_scaled(parts[expert].row(next[expert]++), routing.weight.row(t)[u], out.row(t),
                          width);
    }
  }
  return out;
}

void CpuOps::begin_scope() { scopes_.push_back(arena_.mark()); }

FloatTensor CpuOps::end_scope(const FloatTensor& keep) {
  CHECK(!scopes_.empty());
  arena_.rewind(scopes_.back());
  scopes_.pop_back();
  // It moves down to where the scope began, perhaps over its own beginning.
  const FloatTensor moved = make(keep.shape);
  std::memmove(moved.data, keep.data, keep.values().size_bytes());
  return moved;
}

}  // namespace bantam
