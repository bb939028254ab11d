#include "models/decoder.h"

#include <utility>

#include "models/registry.h"

namespace bantam {

Decoder::Decoder(std::shared_ptr<const WeightFile> file, ArchSpec spec, DecoderWeights weights)
    : file_(std::move(file)),
      spec_(std::move(spec)),
      weights_(std::move(weights)),
      rope_(spec_.rope) {}

FloatTensor Decoder::forward(Ops& ops, const Batch& batch,
                             std::span<const std::int32_t> rows) const {
  return ops.linear(hidden(ops, batch, rows), weights_.head);
}

FloatTensor Decoder::hidden(Ops& ops, const Batch& batch,
                            std::span<const std::int32_t> rows) const {
  FloatTensor x = ops.embed(weights_.embedding, batch.tokens);
  for (std::int64_t layer = 0; layer < spec_.layer_count(); ++layer) {
    ops.begin_scope();
    x = ops.add(x, attend(ops, x, batch, layer));
    x = ops.add(x, feed_forward(ops, x, layer));
    x = ops.end_scope(x);
  }
  x = ops.gather_rows(x, rows);
  return ops.rms_norm(x, weights_.output_norm, spec_.norm_epsilon);
}

FloatTensor Decoder::attend(Ops& ops, const FloatTensor& x, const Batch& batch,
                            std::int64_t layer) const {
  const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const AttentionSpec& spec = spec_.layers[static_cast<std::size_t>(layer)].attention;

  const FloatTensor normed = ops.rms_norm(x, weights.attention_norm, spec_.norm_epsilon);
  const Linear* const projections[] = {&weights.query, &weights.key, &weights.value};
  const std::vector<FloatTensor> qkv = ops.linears(normed, projections);
  const FloatTensor queries =
      ops.rope(norm_heads(ops, qkv[0], weights.query_norm), rope_, spec.heads, batch.positions);
  const FloatTensor keys =
      ops.rope(norm_heads(ops, qkv[1], weights.key_norm), rope_, spec.kv_heads, batch.positions);
  const FloatTensor mixed = ops.attention(queries, keys, qkv[2], spec, batch, layer);
  return ops.linear(mixed, weights.output);
}

// Every head of x (T, heads · D) as a row of its own; x itself where the model has no such norm.
FloatTensor Decoder::norm_heads(Ops& ops, const FloatTensor& x, const TensorView& weight) const {
  if (weight.data == nullptr) return x;
  const std::int64_t width = weight.shape[0];
  const FloatTensor heads{Shape{x.shape.elements() / width, width}, x.data};
  return {x.shape, ops.rms_norm(heads, weight, spec_.norm_epsilon).data};
}

FloatTensor Decoder::feed_forward(Ops& ops, const FloatTensor& x, std::int64_t layer) const {
  const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const FloatTensor normed = ops.rms_norm(x, weights.ffn_norm, spec_.norm_epsilon);
  if (spec_.layers[static_cast<std::size_t>(layer)].experts > 0) {
    return mix_experts(ops, normed, layer);
  }
  const Linear* const inputs[] = {&weights.gate, &weights.up};
  const std::vector<FloatTensor> hidden = ops.linears(normed, inputs);
  return ops.linear(ops.gated(hidden[0], hidden[1], spec_.activation), weights.down);
}

FloatTensor Decoder::mix_experts(Ops& ops, const FloatTensor& x, std::int64_t layer) const {
  const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const LayerSpec& spec = spec_.layers[static_cast<std::size_t>(layer)];

  const Routing routing =
      ops.route(ops.linear(x, weights.router), spec.experts_used, spec.normalize_experts);
  // The tokens of each expert together, so that its weights are read once.
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(spec.experts));
  for (std::size_t i = 0; i < routing.expert.size(); ++i) {
    rows[static_cast<std::size_t>(routing.expert[i])].push_back(
        static_cast<std::int32_t>(i / static_cast<std::size_t>(routing.used)));
  }
  std::vector<FloatTensor> parts(static_cast<std::size_t>(spec.experts));
  for (std::size_t expert = 0; expert < parts.size(); ++expert) {
    if (rows[expert].empty()) continue;
    const FloatTensor input = ops.gather_rows(x, rows[expert]);
    const Linear* const inputs[] = {&weights.experts.gate[expert], &weights.experts.up[expert]};
    const std::vector<FloatTensor> hidden = ops.linears(input, inputs);
    parts[expert] =
        ops.linear(ops.gated(hidden[0], hidden[1], spec_.activation), weights.experts.down[expert]);
  }
  return ops.mix(parts, routing);
}

Result<std::shared_ptr<const Decoder>> load_decoder(std::shared_ptr<const WeightFile> file) {
  const Family* family = TRY(find_family(file->metadata));
  ArchSpec spec = TRY(family->read_spec(*file));
  DecoderWeights weights = TRY(bind_decoder_weights(*file, spec));
  return std::make_shared<const Decoder>(std::move(file), std::move(spec), std::move(weights));
}

}  // namespace bantam
