#include "models/text/transformer.h"

#include <cmath>
#include <cstring>
#include <string>

namespace bantam {
namespace {

constexpr std::uint64_t kMaxWidth = 1u << 20;
constexpr std::uint64_t kMaxLayers = 1024;
constexpr std::uint64_t kMaxVocab = 1u << 24;
constexpr std::uint64_t kMaxContext = 1u << 30;
constexpr double kMaxRopeBase = 1e12;

// Numbers under "ARCHITECTURE." that every layer shares.
class Keys {
 public:
  Keys(const Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), architecture_(architecture) {}
  Result<std::int64_t> required(std::string_view key, std::uint64_t low, std::uint64_t high) const {
    return static_cast<std::int64_t>(TRY(metadata_.integer(name(key), low, high)));
  }
  Result<std::int64_t> optional(std::string_view key, std::int64_t otherwise, std::uint64_t low,
                                std::uint64_t high) const {
    return static_cast<std::int64_t>(
        TRY(metadata_.integer_or(name(key), static_cast<std::uint64_t>(otherwise), low, high)));
  }
  Result<double> number(std::string_view key, double otherwise, double low, double high) const {
    return metadata_.number_or(name(key), otherwise, low, high);
  }
  std::string name(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  std::unexpected<Error> inconsistent(std::string_view key, std::string message) const {
    return std::unexpected(Error{.kind = ErrorKind::kMalformed,
                                 .code = "architecture_invalid",
                                 .message = std::move(message),
                                 .where = name(key),
                                 .hint = {}});
  }

 private:
  const Metadata& metadata_;
  std::string_view architecture_;
};

Result<AttentionSpec> read_attention(const Keys& keys, std::int64_t width) {
  AttentionSpec spec;
  spec.heads = TRY(keys.required("attention.head_count", 1, kMaxWidth));
  spec.kv_heads = TRY(keys.optional("attention.head_count_kv", spec.heads, 1, kMaxWidth));
  if (spec.kv_heads > spec.heads || spec.heads % spec.kv_heads != 0) {
    return keys.inconsistent(
        "attention.head_count_kv",
        fmt::format("{} key/value heads do not divide {} query heads", spec.kv_heads, spec.heads));
  }
  // Most files leave the head width out: it is the width shared out among the heads.
  const bool divides = width % spec.heads == 0;
  const std::int64_t usual = divides ? width / spec.heads : 0;
  spec.key_width = TRY(keys.optional("attention.key_length", usual, divides ? 1 : 0, kMaxWidth));
  if (spec.key_width == 0) {
    return keys.inconsistent("attention.head_count",
                             fmt::format("{} heads do not divide the width {}, and there is no {}",
                                         spec.heads, width, keys.name("attention.key_length")));
  }
  spec.value_width = TRY(keys.optional("attention.value_length", spec.key_width, 1, kMaxWidth));
  spec.window = TRY(keys.optional("attention.sliding_window", 0, 0, kMaxContext));
  spec.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.key_width)));
  return spec;
}

Result<RopeSpec> read_rope(const WeightFile& file, const Keys& keys, std::int64_t head_width) {
  RopeSpec rope;
  rope.width = TRY(
      keys.optional("rope.dimension_count", head_width, 2, static_cast<std::uint64_t>(head_width)));
  if (rope.width % 2 != 0) {
    return keys.inconsistent("rope.dimension_count", fmt::format("{} is odd", rope.width));
  }
  rope.base = TRY(keys.number("rope.freq_base", 10000.0, 1.0, kMaxRopeBase));
  const std::string type = TRY(file.metadata.string_or(keys.name("rope.scaling.type"), "none"));
  rope.factor = TRY(keys.number("rope.scaling.factor", 1.0, 1e-6, 1e6));
  if (type == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    rope.original_context =
        TRY(keys.required("rope.scaling.original_context_length", 1, kMaxContext));
    rope.beta_fast = TRY(keys.number("rope.scaling.yarn_beta_fast", 32.0, 1e-3, 1e6));
    rope.beta_slow = TRY(keys.number("rope.scaling.yarn_beta_slow", 1.0, 1e-3, 1e6));
    const double factor = TRY(keys.number("rope.scaling.attn_factor", 0.0, 0.0, 1e3));
    rope.attention_factor = factor;
  } else if (type != "none") {
    return keys.inconsistent(
        "rope.scaling.type",
        fmt::format("unknown rotary scaling {}; known: none, linear, yarn (Llama "
                    "3's is the tensor rope_freqs.weight)",
                    quoted(type)));
  }
  // Llama 3.1 and later: a tensor of divisors.
  if (const TensorView* divisors = file.find("rope_freqs.weight")) {
    if (divisors->dtype != DType::kF32 || divisors->shape != Shape{rope.width / 2}) {
      return keys.inconsistent(
          "rope.dimension_count",
          fmt::format("rope_freqs.weight is {} {}, not F32 ({})", dtype_info(divisors->dtype).name,
                      divisors->shape.to_string(), rope.width / 2));
    }
    rope.divisors.resize(static_cast<std::size_t>(rope.width / 2));
    std::memcpy(rope.divisors.data(), divisors->data, divisors->bytes());
    for (const float divisor : rope.divisors) {
      if (!(divisor > 0.0F && divisor < 1e6F)) {
        return keys.inconsistent("rope.dimension_count",
                                 fmt::format("rope_freqs.weight holds {}", divisor));
      }
    }
  }
  return rope;
}

}  // namespace

Result<ArchSpec> read_transformer_spec(const WeightFile& file, std::string_view architecture) {
  const Keys keys(file.metadata, architecture);
  ArchSpec spec;
  spec.architecture = architecture;
  spec.name = TRY(file.metadata.string_or("general.name", ""));
  spec.width = TRY(keys.required("embedding_length", 1, kMaxWidth));
  spec.context_length = TRY(keys.required("context_length", 1, kMaxContext));
  spec.norm_epsilon =
      static_cast<float>(TRY(keys.number("attention.layer_norm_rms_epsilon", 1e-5, 1e-12, 1.0)));

  LayerSpec layer;
  layer.attention = TRY(read_attention(keys, spec.width));
  layer.ffn_width = TRY(keys.required("feed_forward_length", 1, kMaxWidth));
  layer.experts = TRY(keys.optional("expert_count", 0, 0, 1024));
  if (layer.experts > 0) {
    layer.experts_used =
        TRY(keys.required("expert_used_count", 1, static_cast<std::uint64_t>(layer.experts)));
  }
  const std::int64_t count = TRY(keys.required("block_count", 1, kMaxLayers));
  spec.layers.assign(static_cast<std::size_t>(count), layer);
  spec.rope = TRY(read_rope(file, keys, layer.attention.key_width));

  // The embedding says how many tokens there are; the vocabulary may list fewer (padding rows).
  const TensorView* embedding = file.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.rank() != 2) {
    return fail(ErrorKind::kMalformed, "weights_invalid", "tensor missing: token_embd.weight");
  }
  spec.vocab = embedding->shape[0];
  if (spec.vocab < 1 || static_cast<std::uint64_t>(spec.vocab) > kMaxVocab) {
    return keys.inconsistent("vocab_size",
                             fmt::format("token_embd.weight has {} rows", spec.vocab));
  }
  const std::vector<std::string>* pieces = TRY(file.metadata.strings("tokenizer.ggml.tokens"));
  if (pieces != nullptr && pieces->size() > static_cast<std::size_t>(spec.vocab)) {
    return fail(ErrorKind::kMalformed, "architecture_invalid",
                "the vocabulary lists {} tokens, token_embd.weight has {} rows", pieces->size(),
                spec.vocab);
  }
  return spec;
}

}  // namespace bantam
