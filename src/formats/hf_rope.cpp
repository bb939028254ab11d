#include <cmath>
#include <numbers>

#include "formats/hf_family.h"
#include "formats/limits.h"

namespace bantam {
namespace {

constexpr double kMostFactor = 1e6;

// Divisors of the rotary frequencies, as Llama 3.1 defines them: wave lengths short against the
// original context keep their frequency, long ones are stretched by `factor`, and between the two
// the inverse divisor is interpolated linearly.
// Source: the reference code of Llama 3.1 (models/llama3/reference_impl/model.py).
Result<std::vector<float>> llama3_factors(JsonReader& scaling, double base, std::uint64_t width) {
  const double factor = TRY(scaling.required_number("factor", 1, kMostFactor));
  const double low = TRY(scaling.number("low_freq_factor", 1, 1e-3, kMostFactor));
  const double high = TRY(scaling.number("high_freq_factor", 4, 1e-3, kMostFactor));
  const std::int64_t context = TRY(
      scaling.integer("original_max_position_embeddings", 8192, 1, std::int64_t{limits::kContext}));
  if (!(high > low))
    return fail(ErrorKind::kMalformed, "config_invalid",
                "high_freq_factor {} is not above low_freq_factor {}", high, low);
  std::vector<float> factors;
  for (std::uint64_t i = 0; i < width / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(width);
    const double wave = 2 * std::numbers::pi * std::pow(base, exponent);
    const double turns = static_cast<double>(context) / wave;
    double divisor = 1;
    if (turns < low) {
      divisor = factor;
    } else if (turns <= high) {
      const double smooth = (turns - low) / (high - low);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    factors.push_back(static_cast<float>(divisor));
  }
  return factors;
}

Result<void> yarn_keys(JsonReader& scaling, const std::string& prefix, Metadata& out) {
  const std::int64_t context = TRY(scaling.required_integer("original_max_position_embeddings", 1,
                                                            std::int64_t{limits::kContext}));
  out.set_string(prefix + "scaling.type", "yarn");
  out.set_u32(prefix + "scaling.original_context_length", static_cast<std::uint32_t>(context));
  for (const auto& [name, key] :
       {std::pair{"beta_fast", "yarn_beta_fast"}, std::pair{"beta_slow", "yarn_beta_slow"},
        std::pair{"attention_factor", "attn_factor"}}) {
    const double value = TRY(scaling.number(name, 0, 0, kMostFactor));
    if (value > 0) out.set_f32(prefix + "scaling." + key, static_cast<float>(value));
  }
  return {};
}

Result<std::vector<float>> read_scaling(JsonReader& scaling, const std::string& prefix, double base,
                                        std::uint64_t width, Metadata& out) {
  const std::string old_name = TRY(scaling.string("type", "default"));
  const std::string type = TRY(scaling.string("rope_type", old_name));
  std::vector<float> factors;
  if (type == "llama3") {
    factors = TRY(llama3_factors(scaling, base, width));
  } else if (type == "linear" || type == "yarn") {
    const double factor = TRY(scaling.required_number("factor", 1, kMostFactor));
    out.set_f32(prefix + "scaling.factor", static_cast<float>(factor));
    if (type == "linear") {
      out.set_string(prefix + "scaling.type", "linear");
    } else {
      TRY(yarn_keys(scaling, prefix, out));
    }
  } else if (type != "default") {
    auto error = fail(ErrorKind::kUnsupported, "config_invalid", "RoPE scaling {} is not supported",
                      quoted(type))
                     .error();
    error.where = scaling.pointer("rope_type");
    error.hint = "known: default, linear, llama3, yarn";
    return std::unexpected(std::move(error));
  }
  if (const auto unread = scaling.unread(); !unread.empty()) {
    auto error = fail(ErrorKind::kUnsupported, "config_invalid",
                      "the RoPE scaling setting {} is not supported", quoted(unread.front()));
    error.error().where = scaling.path();
    return error;
  }
  return factors;
}

}  // namespace

Result<std::vector<float>> read_hf_rope(JsonReader& config, std::string_view architecture,
                                        std::uint64_t width, Metadata& out) {
  const std::string prefix = fmt::format("{}.rope.", architecture);
  double base = TRY(config.number("rope_theta", 10000, 1, 1e12));
  // Transformers 5 keeps both settings in one object, version 4 in two members.
  const Json* parameters = TRY(config.object("rope_parameters"));
  const Json* old_scaling = TRY(config.object("rope_scaling"));
  const std::string_view name = parameters != nullptr ? "rope_parameters" : "rope_scaling";
  const Json* found = parameters != nullptr ? parameters : old_scaling;
  const Json none = JsonObject{};
  JsonReader scaling(found != nullptr ? *found : none, config.pointer(name));
  base = TRY(scaling.number("rope_theta", base, 1, 1e12));
  out.set_f32(prefix + "freq_base", static_cast<float>(base));
  return read_scaling(scaling, prefix, base, width, out);
}

}  // namespace bantam
