#include "models/weights.h"

#include <algorithm>

#include "base/log.h"
#include "codec/codec.h"
#include "kernels/matmul.h"

namespace bantam {
namespace {

constexpr std::size_t kMessageBudget = 800;  // an error stays under 1 KiB

std::string list_within_budget(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (text.size() + items[i].size() > kMessageBudget) {
      return text + fmt::format(" and {} more", items.size() - i);
    }
    if (i > 0) text += ", ";
    text += items[i];
  }
  return text;
}

}  // namespace

TensorView WeightBinder::matrix(const std::string& name, const Shape& shape) {
  const TensorView* found = file_.find(name);
  if (found == nullptr) {
    missing_.push_back({name, shape});
    return {};
  }
  used_.push_back(name);
  if (found->shape != shape) {
    problem(
        fmt::format("{} has shape {}, not {}", name, found->shape.to_string(), shape.to_string()));
    return {};
  }
  if (const auto codec = decoder_for(found->dtype); !codec) {
    problem(fmt::format("{}: {}", name, codec.error().message));
    return {};
  }
  if (shape.rank() > 1 && !has_kernel(found->dtype)) ++without_kernel_[found->dtype];
  return *found;
}

TensorView WeightBinder::vector(const std::string& name, std::int64_t size) {
  const TensorView view = matrix(name, Shape{size});
  if (view.data != nullptr && view.dtype != DType::kF32) {
    problem(fmt::format("{} is {}, not F32", name, dtype_info(view.dtype).name));
    return {};
  }
  return view;
}

TensorView WeightBinder::optional_vector(const std::string& name, std::int64_t size) {
  return has(name) ? vector(name, size) : TensorView{};
}

Linear WeightBinder::linear(const std::string& prefix, std::int64_t outputs, std::int64_t inputs) {
  return {.weight = matrix(prefix + ".weight", Shape{outputs, inputs}),
          .bias = optional_vector(prefix + ".bias", outputs)};
}

std::vector<Linear> WeightBinder::expert_linears(const std::string& prefix, std::int64_t experts,
                                                 std::int64_t outputs, std::int64_t inputs) {
  const TensorView stack = matrix(prefix + ".weight", Shape{experts, outputs, inputs});
  std::vector<Linear> linears;
  if (stack.data == nullptr) return linears;
  for (std::int64_t expert = 0; expert < experts; ++expert) {
    TensorView one = stack.slice(expert, expert + 1);
    one.shape = Shape{outputs, inputs};
    linears.push_back({.weight = one, .bias = {}});
  }
  return linears;
}

Result<void> WeightBinder::finish() const {
  std::vector<std::string> parts;
  if (!missing_.empty()) {
    std::vector<std::string> names;
    for (const MissingTensor& tensor : missing_) names.push_back(tensor.name);
    parts.push_back(fmt::format("{} missing: {}", names.size() == 1 ? "tensor" : "tensors",
                                list_within_budget(names)));
  }
  if (!problems_.empty()) parts.push_back(list_within_budget(problems_));
  if (!parts.empty()) {
    return fail(ErrorKind::kMalformed, "weights_invalid", "{}", fmt::join(parts, "; "));
  }
  std::vector<std::string> extra;
  for (const NamedTensor& tensor : file_.tensors()) {
    if (std::ranges::find(used_, tensor.name) == used_.end()) extra.push_back(tensor.name);
  }
  if (!extra.empty()) {
    log_warning("{} tensors of the file are not part of the model: {}", extra.size(),
                list_within_budget(extra));
  }
  for (const auto& [type, count] : without_kernel_)
    log_warning("no kernel multiplies {}: its {} are decoded to floats at every use, which is slow",
                dtype_info(type).name, count == 1 ? "matrix" : fmt::format("{} matrices", count));
  return {};
}

namespace {

LayerWeights bind_layer(WeightBinder& bind, const ArchSpec& spec, std::int64_t index) {
  const LayerSpec& layer = spec.layers[static_cast<std::size_t>(index)];
  const AttentionSpec& attention = layer.attention;
  const std::string prefix = fmt::format("blk.{}.", index);
  const std::int64_t queries = attention.heads * attention.key_width;

  LayerWeights weights;
  weights.attention_norm = bind.vector(prefix + "attn_norm.weight", spec.width);
  weights.query = bind.linear(prefix + "attn_q", queries, spec.width);
  weights.key =
      bind.linear(prefix + "attn_k", attention.kv_heads * attention.key_width, spec.width);
  weights.value =
      bind.linear(prefix + "attn_v", attention.kv_heads * attention.value_width, spec.width);
  weights.output =
      bind.linear(prefix + "attn_output", spec.width, attention.heads * attention.value_width);
  if (layer.qk_norm) {
    weights.query_norm = bind.vector(prefix + "attn_q_norm.weight", attention.key_width);
    weights.key_norm = bind.vector(prefix + "attn_k_norm.weight", attention.key_width);
  }
  weights.ffn_norm = bind.vector(prefix + "ffn_norm.weight", spec.width);
  if (layer.experts == 0) {
    weights.gate = bind.linear(prefix + "ffn_gate", layer.ffn_width, spec.width);
    weights.up = bind.linear(prefix + "ffn_up", layer.ffn_width, spec.width);
    weights.down = bind.linear(prefix + "ffn_down", spec.width, layer.ffn_width);
  } else {
    weights.router = bind.linear(prefix + "ffn_gate_inp", layer.experts, spec.width);
    weights.experts.gate =
        bind.expert_linears(prefix + "ffn_gate_exps", layer.experts, layer.ffn_width, spec.width);
    weights.experts.up =
        bind.expert_linears(prefix + "ffn_up_exps", layer.experts, layer.ffn_width, spec.width);
    weights.experts.down =
        bind.expert_linears(prefix + "ffn_down_exps", layer.experts, spec.width, layer.ffn_width);
  }
  return weights;
}

DecoderWeights bind_all(WeightBinder& bind, const ArchSpec& spec) {
  DecoderWeights weights;
  weights.embedding = bind.matrix("token_embd.weight", Shape{spec.vocab, spec.width});
  for (std::int64_t layer = 0; layer < spec.layer_count(); ++layer) {
    weights.layers.push_back(bind_layer(bind, spec, layer));
  }
  weights.output_norm = bind.vector("output_norm.weight", spec.width);
  // A model that ties its output to its input has no tensor of its own for the head.
  weights.head = bind.has("output.weight") ? bind.linear("output", spec.vocab, spec.width)
                                           : Linear{.weight = weights.embedding, .bias = {}};
  // Read into the spec when that was made.
  bind.optional_vector("rope_freqs.weight", spec.rope.width / 2);
  return weights;
}

}  // namespace

void for_each_linear(DecoderWeights& weights, const LinearVisitor& visit) {
  const auto stack = [&](const std::string& name, std::vector<Linear>& experts) {
    for (std::size_t i = 0; i < experts.size(); ++i)
      visit(name, static_cast<std::int64_t>(i), experts[i]);
  };
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    const std::string prefix = fmt::format("blk.{}.", i);
    visit(prefix + "attn_q.weight", -1, layer.query);
    visit(prefix + "attn_k.weight", -1, layer.key);
    visit(prefix + "attn_v.weight", -1, layer.value);
    visit(prefix + "attn_output.weight", -1, layer.output);
    if (layer.router.weight.data != nullptr) {
      visit(prefix + "ffn_gate_inp.weight", -1, layer.router);
      stack(prefix + "ffn_gate_exps.weight", layer.experts.gate);
      stack(prefix + "ffn_up_exps.weight", layer.experts.up);
      stack(prefix + "ffn_down_exps.weight", layer.experts.down);
    } else {
      visit(prefix + "ffn_gate.weight", -1, layer.gate);
      visit(prefix + "ffn_up.weight", -1, layer.up);
      visit(prefix + "ffn_down.weight", -1, layer.down);
    }
  }
  const bool tied = weights.head.weight.data == weights.embedding.data;
  visit(tied ? "token_embd.weight" : "output.weight", -1, weights.head);
}

Result<DecoderWeights> bind_decoder_weights(const WeightFile& file, const ArchSpec& spec) {
  WeightBinder bind(file);
  DecoderWeights weights = bind_all(bind, spec);
  TRY(bind.finish());
  return weights;
}

std::vector<MissingTensor> missing_decoder_weights(const WeightFile& file, const ArchSpec& spec) {
  WeightBinder bind(file);
  bind_all(bind, spec);
  return bind.missing();
}

}  // namespace bantam
