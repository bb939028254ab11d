#include "support/reference_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "codec/codec.h"

namespace bantam::support {
namespace {

using Vector = std::vector<double>;

Vector decoded(const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  const auto codec = decoder_for(view.dtype);
  CHECK(codec.has_value(), "{}", codec.error().to_string());
  const auto width = static_cast<std::size_t>(view.shape.last());
  for (std::int64_t row = 0; row < view.shape.rows(); ++row)  // each may begin with a header
    (*codec)->decode(view.row(row),
                     std::span(values).subspan(static_cast<std::size_t>(row) * width, width));
  return Vector(values.begin(), values.end());
}

const TensorView& tensor(const WeightFile& file, const std::string& name) {
  const TensorView* found = file.find(name);
  CHECK(found != nullptr, "no tensor {}", name);
  return *found;
}

std::string full_key(const WeightFile& file, const std::string& key) {
  const auto architecture = file.metadata.string("general.architecture");
  CHECK(architecture.has_value());
  return *architecture + "." + key;
}

double number(const WeightFile& file, const std::string& key, double otherwise) {
  const auto found = file.metadata.number_or(full_key(file, key), otherwise, -1e300, 1e300);
  CHECK(found.has_value(), "{}", found.error().to_string());
  return *found;
}

std::int64_t integer(const WeightFile& file, const std::string& key, std::int64_t otherwise) {
  return static_cast<std::int64_t>(number(file, key, static_cast<double>(otherwise)));
}

std::int64_t required(const WeightFile& file, const std::string& key) {
  CHECK(file.metadata.contains(full_key(file, key)), "no key {}", full_key(file, key));
  return integer(file, key, 0);
}

// y = W x + b.
template <typename Matrix>
Vector product(const Matrix& matrix, const Vector& x) {
  Vector y = matrix.bias;
  y.resize(static_cast<std::size_t>(matrix.outputs), 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double* row = matrix.values.data() + i * y.size();
    for (std::size_t o = 0; o < y.size(); ++o) y[o] += x[i] * row[o];
  }
  return y;
}

template <typename Matrix>
Matrix transposed(const TensorView& view) {
  const Vector rows = decoded(view);
  Matrix matrix;
  matrix.outputs = view.shape[0];
  matrix.inputs = view.shape[1];
  matrix.values.resize(rows.size());
  for (std::int64_t o = 0; o < matrix.outputs; ++o)
    for (std::int64_t i = 0; i < matrix.inputs; ++i)
      matrix.values[static_cast<std::size_t>(i * matrix.outputs + o)] =
          rows[static_cast<std::size_t>(o * matrix.inputs + i)];
  return matrix;
}

template <typename Matrix>
Matrix linear(const WeightFile& file, const std::string& prefix) {
  auto matrix = transposed<Matrix>(tensor(file, prefix + ".weight"));
  if (const TensorView* bias = file.find(prefix + ".bias")) matrix.bias = decoded(*bias);
  return matrix;
}

// One expert of a stack (X, out, in).
template <typename Matrix>
Matrix expert(const WeightFile& file, const std::string& name, std::int64_t index) {
  TensorView view = tensor(file, name).slice(index, index + 1);
  view.shape = {view.shape[1], view.shape[2]};
  return transposed<Matrix>(view);
}

Vector softmax(Vector x) {
  const double largest = *std::ranges::max_element(x);
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - largest);
  for (double& value : x) value /= sum;
  return x;
}

void add(Vector& x, const Vector& y, double weight = 1) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += weight * y[i];
}

double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace

ReferenceModel::ReferenceModel(const WeightFile& file) {
  const TensorView& table = tensor(file, "token_embd.weight");
  embedding_.outputs = table.shape[0];
  embedding_.inputs = table.shape[1];
  embedding_.values = decoded(table);  // not transposed: a row a token
  vocab_ = embedding_.outputs;
  width_ = required(file, "embedding_length");
  CHECK(embedding_.inputs == width_);
  heads_ = required(file, "attention.head_count");
  kv_heads_ = integer(file, "attention.head_count_kv", heads_);
  key_width_ = integer(file, "attention.key_length", width_ / heads_);
  value_width_ = integer(file, "attention.value_length", key_width_);
  window_ = integer(file, "attention.sliding_window", 0);
  experts_used_ = integer(file, "expert_used_count", 1);
  epsilon_ = number(file, "attention.layer_norm_rms_epsilon", 1e-5);
  half_split_ = file.metadata.string_or("general.architecture", "") == "qwen3";
  read_rope(file);

  for (std::int64_t l = 0; l < required(file, "block_count"); ++l) {
    const std::string prefix = fmt::format("blk.{}.", l);
    Layer layer;
    layer.attention_norm = decoded(tensor(file, prefix + "attn_norm.weight"));
    layer.ffn_norm = decoded(tensor(file, prefix + "ffn_norm.weight"));
    layer.query = linear<Matrix>(file, prefix + "attn_q");
    layer.key = linear<Matrix>(file, prefix + "attn_k");
    layer.value = linear<Matrix>(file, prefix + "attn_v");
    layer.output = linear<Matrix>(file, prefix + "attn_output");
    if (half_split_) {
      layer.query_norm = decoded(tensor(file, prefix + "attn_q_norm.weight"));
      layer.key_norm = decoded(tensor(file, prefix + "attn_k_norm.weight"));
    }
    const std::int64_t experts = integer(file, "expert_count", 0);
    if (experts == 0) {
      layer.experts.push_back({linear<Matrix>(file, prefix + "ffn_gate"),
                               linear<Matrix>(file, prefix + "ffn_up"),
                               linear<Matrix>(file, prefix + "ffn_down")});
    } else {
      layer.router = linear<Matrix>(file, prefix + "ffn_gate_inp");
      for (std::int64_t e = 0; e < experts; ++e)
        layer.experts.push_back({expert<Matrix>(file, prefix + "ffn_gate_exps.weight", e),
                                 expert<Matrix>(file, prefix + "ffn_up_exps.weight", e),
                                 expert<Matrix>(file, prefix + "ffn_down_exps.weight", e)});
    }
    layers_.push_back(std::move(layer));
  }
  output_norm_ = decoded(tensor(file, "output_norm.weight"));
  head_ = transposed<Matrix>(
      tensor(file, file.find("output.weight") != nullptr ? "output.weight" : "token_embd.weight"));
}

// Pair i turns by base^(-2i/n) a position, slower where a scaling says so.
void ReferenceModel::read_rope(const WeightFile& file) {
  const std::int64_t n = integer(file, "rope.dimension_count", key_width_);
  const double base = number(file, "rope.freq_base", 10000);
  for (std::int64_t i = 0; i < n / 2; ++i)
    rope_angle_.push_back(std::pow(base, -2 * static_cast<double>(i) / static_cast<double>(n)));
  if (const TensorView* divisors = file.find("rope_freqs.weight")) {
    const Vector by = decoded(*divisors);
    CHECK(by.size() == rope_angle_.size());
    for (std::size_t i = 0; i < by.size(); ++i) rope_angle_[i] /= by[i];
  }
  const auto type = file.metadata.string_or(full_key(file, "rope.scaling.type"), "none");
  CHECK(type.has_value());
  const double factor = number(file, "rope.scaling.factor", 1);
  if (*type == "linear") {
    for (double& angle : rope_angle_) angle /= factor;
  } else if (*type == "yarn") {
    // Pairs that turn often within the original context stay; those that do not turn even once
    // are slowed down by the factor; between the two a linear ramp.
    const double context = number(file, "rope.scaling.original_context_length", 0);
    const auto pair_with_turns = [&](double turns) {
      return static_cast<double>(n) * std::log(context / (turns * 2 * std::numbers::pi)) /
             (2 * std::log(base));
    };
    const double fast = number(file, "rope.scaling.yarn_beta_fast", 32);
    const double slow = number(file, "rope.scaling.yarn_beta_slow", 1);
    const double first = std::max(0.0, std::floor(pair_with_turns(fast)));
    const double last = std::min(static_cast<double>(n) - 1, std::ceil(pair_with_turns(slow)));
    for (std::size_t i = 0; i < rope_angle_.size(); ++i) {
      const double ramp = (static_cast<double>(i) - first) / std::max(0.001, last - first);
      const double kept = 1 - std::clamp(ramp, 0.0, 1.0);
      rope_angle_[i] *= kept + (1 - kept) / factor;
    }
    rope_size_ = 1 + 0.1 * std::log(factor);
  } else {
    CHECK(*type == "none", "rotary scaling {}", *type);
  }
}

// Turns each pair of the rotated part of every head: neighbours, or half of it apart.
void ReferenceModel::rotate(Vector& x, std::int64_t position) const {
  for (std::size_t head = 0; head < x.size(); head += static_cast<std::size_t>(key_width_)) {
    for (std::size_t i = 0; i < rope_angle_.size(); ++i) {
      const double angle = static_cast<double>(position) * rope_angle_[i];
      const double c = rope_size_ * std::cos(angle), s = rope_size_ * std::sin(angle);
      double& a = x[head + (half_split_ ? i : 2 * i)];
      double& b = x[head + (half_split_ ? i + rope_angle_.size() : 2 * i + 1)];
      const double turned = a * c - b * s;
      b = a * s + b * c;
      a = turned;
    }
  }
}

Vector ReferenceModel::normalized(const Vector& x, const Vector& weight) const {
  const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  const double factor = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon_);
  Vector y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * factor * weight[i];
  return y;
}

void ReferenceModel::norm_heads(Vector& x, const Vector& weight) const {
  if (weight.empty()) return;
  for (auto head = x.begin(); head != x.end(); head += key_width_)
    std::ranges::copy(normalized(Vector(head, head + key_width_), weight), head);
}

// Adds one position to the cache, whose size is its number, and attends to it and those before.
Vector ReferenceModel::attend(const Layer& layer, const Vector& x, Cache& cache) const {
  const auto position = static_cast<std::int64_t>(cache.keys.size());
  Vector query = product(layer.query, x), key = product(layer.key, x);
  norm_heads(query, layer.query_norm);
  norm_heads(key, layer.key_norm);
  rotate(query, position);
  rotate(key, position);
  cache.keys.push_back(std::move(key));
  cache.values.push_back(product(layer.value, x));

  const std::int64_t first = window_ > 0 ? std::max<std::int64_t>(0, position - window_ + 1) : 0;
  Vector mixed(static_cast<std::size_t>(heads_ * value_width_), 0.0);
  for (std::int64_t head = 0; head < heads_; ++head) {
    const std::int64_t shared = head / (heads_ / kv_heads_);  // its key/value head
    Vector scores;
    for (std::int64_t p = first; p <= position; ++p) {
      const Vector& stored = cache.keys[static_cast<std::size_t>(p)];
      const double dot = std::inner_product(query.begin() + head * key_width_,
                                            query.begin() + (head + 1) * key_width_,
                                            stored.begin() + shared * key_width_, 0.0);
      scores.push_back(dot / std::sqrt(static_cast<double>(key_width_)));
    }
    scores = softmax(scores);
    for (std::int64_t p = first; p <= position; ++p)
      for (std::int64_t i = 0; i < value_width_; ++i)
        mixed[static_cast<std::size_t>(head * value_width_ + i)] +=
            scores[static_cast<std::size_t>(p - first)] *
            cache.values[static_cast<std::size_t>(p)]
                        [static_cast<std::size_t>(shared * value_width_ + i)];
  }
  return product(layer.output, mixed);
}

Vector ReferenceModel::feed_forward(const Layer& layer, const Vector& x) const {
  // Which experts, and with what share: the largest of a softmax over all, rescaled to sum one.
  std::vector<std::size_t> chosen = {0};
  Vector share = {1};
  if (layer.experts.size() > 1) {
    share = softmax(product(layer.router, x));
    chosen.resize(share.size());
    std::iota(chosen.begin(), chosen.end(), 0u);
    std::ranges::sort(chosen, [&](std::size_t a, std::size_t b) {
      return share[a] > share[b] || (share[a] == share[b] && a < b);
    });
    chosen.resize(static_cast<std::size_t>(experts_used_));
  }
  double total = 0;
  for (const std::size_t e : chosen) total += share[e];

  Vector y(x.size(), 0.0);
  for (const std::size_t e : chosen) {
    const Expert& part = layer.experts[e];
    Vector hidden = product(part.gate, x);
    const Vector up = product(part.up, x);
    for (std::size_t i = 0; i < hidden.size(); ++i) hidden[i] = silu(hidden[i]) * up[i];
    add(y, product(part.down, hidden), share[e] / total);
  }
  return y;
}

// The residual stream after the last layer.
Vector ReferenceModel::step(std::int32_t id, std::vector<Cache>& caches) const {
  CHECK(id >= 0 && id < vocab_, "token {}", id);
  const auto row = embedding_.values.begin() + id * width_;
  Vector x(row, row + width_);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    add(x, attend(layer, normalized(x, layer.attention_norm), caches[l]));
    add(x, feed_forward(layer, normalized(x, layer.ffn_norm)));
  }
  return x;
}

Vector ReferenceModel::head_logits(const Vector& x) const {
  return product(head_, normalized(x, output_norm_));
}

std::vector<Vector> ReferenceModel::logits(std::span<const std::int32_t> ids) const {
  std::vector<Cache> caches(layers_.size());
  std::vector<Vector> all;
  for (const std::int32_t id : ids) all.push_back(head_logits(step(id, caches)));
  return all;
}

Vector ReferenceModel::last_logits(std::span<const std::int32_t> ids) const {
  std::vector<Cache> caches(layers_.size());
  Vector x;
  for (const std::int32_t id : ids) x = step(id, caches);
  return head_logits(x);
}

std::vector<std::int32_t> ReferenceModel::greedy(std::span<const std::int32_t> ids,
                                                 std::size_t count,
                                                 std::span<const std::int32_t> stop) const {
  std::vector<Cache> caches(layers_.size());
  Vector x;
  for (const std::int32_t id : ids) x = step(id, caches);
  std::vector<std::int32_t> out;
  while (out.size() < count) {
    out.push_back(argmax(head_logits(x)));
    if (std::ranges::find(stop, out.back()) != stop.end() || out.size() == count) break;
    x = step(out.back(), caches);
  }
  return out;
}

std::int32_t argmax(std::span<const double> values) {
  return static_cast<std::int32_t>(std::ranges::max_element(values) - values.begin());
}

double log_probability(std::span<const double> values, std::int32_t chosen) {
  const double largest = *std::ranges::max_element(values);
  double sum = 0;
  for (const double value : values) sum += std::exp(value - largest);
  return values[static_cast<std::size_t>(chosen)] - largest - std::log(sum);
}

}  // namespace bantam::support
