#include "support/random_model.h"

#include <cmath>
#include <cstring>
#include <string_view>

#include "base/random.h"
#include "codec/codec.h"
#include "tensor/storage_types.h"
#include "tokenizer/byte_vocabulary.h"

namespace bantam::support {
namespace {

// Where the scales of the types without an encoder lie in a block, and how they are stored. Types
// whose rows have a header keep the scale there, as F32.
enum class ScaleKind : std::uint8_t { kF16, kF32 };
struct ScaleField {
  DType type;
  ScaleKind kind;
  std::vector<std::size_t> offsets;
  float second = 1;  // the second scale, by the first: what makes the mean of random codes zero
};

const ScaleField& scale_field(DType type) {
  static const std::vector<ScaleField> kFields = {
      {DType::kQ2_K, ScaleKind::kF16, {80, 82}, 1.5f},
      {DType::kQ3_K, ScaleKind::kF16, {108}},
      {DType::kQ8_1, ScaleKind::kF16, {0}},
      {DType::kQ8_K, ScaleKind::kF32, {0}},
  };
  for (const ScaleField& field : kFields)
    if (field.type == type) return field;
  CHECK(false, "no way to make random {} blocks", dtype_info(type).name);
  return kFields.front();
}

void store_scale(std::byte* block, const ScaleField& field, float scale) {
  for (const std::size_t offset : field.offsets) {
    if (offset == field.offsets.back() && field.offsets.size() > 1) scale *= field.second;
    const std::uint16_t bits = float_to_f16(scale);
    if (field.kind == ScaleKind::kF16)
      std::memcpy(block + offset, &bits, sizeof bits);
    else
      std::memcpy(block + offset, &scale, sizeof scale);
  }
}

float scale_for(std::span<const float> values, double deviation) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  const double unit = std::sqrt(squares / static_cast<double>(values.size()));
  return static_cast<float>(deviation / std::max(unit, 1e-3));
}

// Random bits everywhere; then the scales, from what the bits decode to under a scale of one.
void fill_random_row(DType type, std::span<std::byte> row, std::span<float> values,
                     double deviation, Random& random) {
  const DTypeInfo& info = dtype_info(type);
  for (std::byte& byte : row) byte = static_cast<std::byte>(random.next_u64() >> 56);
  const Codec& codec = *find_codec(type);
  if (info.row_header_bytes != 0) {
    const float one = 1;
    std::memcpy(row.data(), &one, sizeof one);
    codec.decode(row.data(), values);
    const float scale = scale_for(values, deviation);
    std::memcpy(row.data(), &scale, sizeof scale);
    return;
  }
  const ScaleField& field = scale_field(type);
  const std::span<float> of_block = values.first(info.block_elements);
  for (std::size_t at = 0; at < row.size(); at += info.block_bytes) {
    std::byte* block = row.data() + at;
    store_scale(block, field, 1);
    codec.decode(block, of_block);
    store_scale(block, field, scale_for(of_block, deviation));
  }
}

// Adds tensors of one model in the order of a converter, each from a random stream of its own.
class ModelMaker {
 public:
  explicit ModelMaker(const RandomModelSpec& spec) : spec_(spec) {
    CHECK(spec.kv_heads > 0 && spec.heads % spec.kv_heads == 0);
    head_width_ = spec.head_width > 0 ? spec.head_width : spec.width / spec.heads;
    value_width_ = spec.value_width > 0 ? spec.value_width : head_width_;
    CHECK(head_width_ > 0 && head_width_ % 2 == 0, "heads of width {}", head_width_);
  }

  std::shared_ptr<WeightFile> make();

 private:
  void add_metadata();
  void add_layer(std::int64_t layer);
  void add_experts(const std::string& prefix);
  void matrix(const std::string& name, const Shape& shape, DType dtype, double deviation) {
    add_random_matrix(*file_, name, shape, dtype, deviation, seed());
  }
  void linear(const std::string& prefix, std::int64_t outputs, std::int64_t inputs) {
    matrix(prefix + ".weight", {outputs, inputs}, spec_.dtype, fan_in(inputs));
    if (spec_.biases) matrix(prefix + ".bias", {outputs}, DType::kF32, 0.2);
  }
  // Around one, as trained ones are.
  void norm(const std::string& name, std::int64_t width);
  static double fan_in(std::int64_t inputs) { return 1 / std::sqrt(static_cast<double>(inputs)); }
  std::uint64_t seed() { return spec_.seed * 0x9E3779B97F4A7C15u + ++tensors_; }

  const RandomModelSpec& spec_;
  std::int64_t head_width_, value_width_;
  std::uint64_t tensors_ = 0;
  std::shared_ptr<WeightFile> file_ = std::make_shared<WeightFile>();
};

void ModelMaker::norm(const std::string& name, std::int64_t width) {
  matrix(name, {width}, DType::kF32, 0.1);
  auto* values = reinterpret_cast<float*>(const_cast<std::byte*>(file_->find(name)->data));
  for (std::int64_t i = 0; i < width; ++i) values[i] += 1;
}

void ModelMaker::add_metadata() {
  Metadata& metadata = file_->metadata;
  const auto u32 = [&metadata, this](const char* key, std::int64_t value) {
    metadata.set_u32(spec_.architecture + "." + key, static_cast<std::uint32_t>(value));
  };
  metadata.set_string("general.architecture", spec_.architecture);
  metadata.set_string("general.name", "random");
  u32("vocab_size", spec_.vocab);
  u32("context_length", spec_.context_length);
  u32("embedding_length", spec_.width);
  u32("block_count", spec_.layers);
  u32("feed_forward_length", spec_.ffn_width);
  u32("attention.head_count", spec_.heads);
  u32("attention.head_count_kv", spec_.kv_heads);
  if (spec_.head_width > 0 || spec_.value_width > 0) {
    u32("attention.key_length", head_width_);
    u32("attention.value_length", value_width_);
  }
  if (spec_.window > 0) u32("attention.sliding_window", spec_.window);
  metadata.set_f32(spec_.architecture + ".attention.layer_norm_rms_epsilon", spec_.norm_epsilon);
  u32("rope.dimension_count", spec_.rope_width > 0 ? spec_.rope_width : head_width_);
  metadata.set_f32(spec_.architecture + ".rope.freq_base", static_cast<float>(spec_.rope_base));
  if (spec_.rope_linear_factor > 0) {
    metadata.set_string(spec_.architecture + ".rope.scaling.type", "linear");
    metadata.set_f32(spec_.architecture + ".rope.scaling.factor",
                     static_cast<float>(spec_.rope_linear_factor));
  }
  if (spec_.experts > 0) {
    u32("expert_count", spec_.experts);
    u32("expert_used_count", spec_.experts_used);
  }
  if (spec_.vocabulary) add_byte_vocabulary(metadata, spec_.vocab);
}

void ModelMaker::add_experts(const std::string& prefix) {
  const std::int64_t width = spec_.width, hidden = spec_.ffn_width, count = spec_.experts;
  matrix(prefix + "ffn_gate_inp.weight", {count, width}, DType::kF32, fan_in(width));
  matrix(prefix + "ffn_gate_exps.weight", {count, hidden, width}, spec_.dtype, fan_in(width));
  matrix(prefix + "ffn_down_exps.weight", {count, width, hidden}, spec_.dtype, fan_in(hidden));
  matrix(prefix + "ffn_up_exps.weight", {count, hidden, width}, spec_.dtype, fan_in(width));
}

void ModelMaker::add_layer(std::int64_t layer) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  const std::int64_t width = spec_.width;
  norm(prefix + "attn_norm.weight", width);
  linear(prefix + "attn_q", spec_.heads * head_width_, width);
  linear(prefix + "attn_k", spec_.kv_heads * head_width_, width);
  linear(prefix + "attn_v", spec_.kv_heads * value_width_, width);
  linear(prefix + "attn_output", width, spec_.heads * value_width_);
  if (spec_.architecture == "qwen3") {
    norm(prefix + "attn_q_norm.weight", head_width_);
    norm(prefix + "attn_k_norm.weight", head_width_);
  }
  norm(prefix + "ffn_norm.weight", width);
  if (spec_.experts > 0) {
    add_experts(prefix);
    return;
  }
  linear(prefix + "ffn_gate", spec_.ffn_width, width);
  linear(prefix + "ffn_down", width, spec_.ffn_width);
  linear(prefix + "ffn_up", spec_.ffn_width, width);
}

std::shared_ptr<WeightFile> ModelMaker::make() {
  add_metadata();
  file_->description = "random model";
  const DType outer = spec_.embedding_dtype.value_or(spec_.dtype);
  // A tied embedding is the output matrix as well, whose inputs have size one.
  const double spread = 2 * fan_in(spec_.width);
  matrix("token_embd.weight", {spec_.vocab, spec_.width}, outer, spec_.tied ? spread : 1.0);
  if (spec_.rope_divisors) {
    const std::int64_t pairs = (spec_.rope_width > 0 ? spec_.rope_width : head_width_) / 2;
    auto* divisors = reinterpret_cast<float*>(
        file_->own_buffer(static_cast<std::size_t>(pairs) * sizeof(float)));
    // From one (fast pairs, left alone) to eight (slow ones), as Llama 3.1 does.
    for (std::int64_t i = 0; i < pairs; ++i)
      divisors[i] = 1 + 7 * static_cast<float>(i) / static_cast<float>(pairs);
    file_->add_tensor("rope_freqs.weight",
                      {DType::kF32, {pairs}, reinterpret_cast<const std::byte*>(divisors)});
  }
  for (std::int64_t layer = 0; layer < spec_.layers; ++layer) add_layer(layer);
  norm("output_norm.weight", spec_.width);
  if (!spec_.tied) matrix("output.weight", {spec_.vocab, spec_.width}, outer, spread);
  return file_;
}

}  // namespace

std::shared_ptr<WeightFile> make_random_model(const RandomModelSpec& spec) {
  return ModelMaker(spec).make();
}

TensorView add_random_matrix(WeightFile& file, const std::string& name, const Shape& shape,
                             DType dtype, double deviation, std::uint64_t seed) {
  const auto row = row_bytes(dtype, static_cast<std::uint64_t>(shape.last()));
  CHECK(row.has_value(), "{} {} has no whole blocks of {}", name, shape.to_string(),
        dtype_info(dtype).name);
  const std::uint64_t size = *row * static_cast<std::uint64_t>(shape.rows());
  std::byte* data = file.own_buffer(size);
  const Codec* codec = find_codec(dtype);
  CHECK(codec != nullptr, "{} has no codec", dtype_info(dtype).name);
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.last()));
  for (std::byte* at = data; at < data + size; at += *row) {
    if (codec->encode == nullptr) {
      fill_random_row(dtype, {at, *row}, values, deviation, random);
    } else {
      for (float& value : values) value = static_cast<float>(deviation * random.next_normal());
      codec->encode(values, {}, at);
    }
  }
  const TensorView view{dtype, shape, data};
  file.add_tensor(name, view);
  return view;
}

}  // namespace bantam::support
