#include "compress/recipe.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/nearest.h"

namespace bantam {
namespace {

constexpr auto kRecipes = std::to_array<Recipe>({
    {"F32", DType::kF32, 0},           {"F16", DType::kF16, 1},
    {"BF16", DType::kBF16, 32},        {"Q8_0", DType::kQ8_0, 7},
    {"Q6_K", DType::kQ6_K, 18},        {"Q5_K_M", DType::kQ5_K, 17},
    {"Q5_K_S", DType::kQ5_K, 16},      {"Q4_K_M", DType::kQ4_K, 15},
    {"Q4_K_S", DType::kQ4_K, 14},      {"Q4_0", DType::kQ4_0, 2},
    {"Q4_1", DType::kQ4_1, 3},         {"Q5_0", DType::kQ5_0, 8},
    {"Q5_1", DType::kQ5_1, 9},         {"Q6_0", DType::kQ6_0, 135},
    {"Q8_KV", DType::kQ8_KV, 149},     {"IQ6_K", DType::kIQ6_K, 142},
    {"IQ5_K", DType::kIQ5_K, 141},     {"IQ5_KS", DType::kIQ5_KS, 150},
    {"IQ4_K", DType::kIQ4_K, 140},     {"IQ4_KS", DType::kIQ4_KS, 145},
    {"IQ4_KSS", DType::kIQ4_KSS, 148}, {"IQ4_NL", DType::kIQ4_NL, 25},
    {"IQ4_XS", DType::kIQ4_XS, 30},    {"NVFP4", DType::kNVFP4, 39},
    {"MXFP4", DType::kMXFP4, 38},      {"IQ3_K", DType::kIQ3_K, 139},
    {"IQ3_KS", DType::kIQ3_KS, 154},   {"IQ2_K", DType::kIQ2_K, 138},
    {"IQ2_KS", DType::kIQ2_KS, 147},   {"Q2_0", DType::kQ2_0, 41},
    {"TQ2_0", DType::kTQ2_0, 37},      {"TQ1_0", DType::kTQ1_0, 36},
    {"IQ2_BN", DType::kIQ2_BN, 137},   {"IQ1_BN", DType::kIQ1_BN, 136},
    {"Q1_0", DType::kQ1_0, 40},
});

// What the rules ask about a model as a whole.
struct ModelFacts {
  std::uint64_t layers = 0;
  std::uint64_t experts = 0;
  bool tied = false;  // the embedding is the output, too
};

// "blk.12.attn_v.weight" as 12 and "attn_v".
struct Place {
  std::uint64_t layer = 0;
  std::string_view role;
};

Place place_of(std::string_view name) {
  Place place;
  if (name.ends_with(".weight")) name.remove_suffix(7);
  place.role = name;
  if (!name.starts_with("blk.")) return place;
  const char* end = name.data() + name.size();
  const auto [stop, status] = std::from_chars(name.data() + 4, end, place.layer);
  if (status == std::errc() && stop != end && *stop == '.')
    place.role = name.substr(static_cast<std::size_t>(stop + 1 - name.data()));
  return place;
}

// The first and the last eighth of the layers, and every third of those between.
bool use_more_bits(std::uint64_t layer, std::uint64_t layers) {
  const std::uint64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

DType type_of_value(const Recipe& recipe, std::uint64_t layer, const ModelFacts& facts) {
  if (facts.experts == 8) return DType::kQ8_0;
  if (recipe.name.ends_with("_M") && use_more_bits(layer, facts.layers)) return DType::kQ6_K;
  if (recipe.name == "Q4_K_S" && layer < 4) return DType::kQ5_K;
  return recipe.base;
}

DType type_of_down(const Recipe& recipe, std::uint64_t layer, const ModelFacts& facts) {
  if (recipe.name.ends_with("_M") && use_more_bits(layer, facts.layers)) return DType::kQ6_K;
  if (recipe.name == "Q4_K_S" && layer < facts.layers / 8) return DType::kQ5_K;
  return recipe.base;
}

DType wanted_type(const Recipe& recipe, std::string_view name, const ModelFacts& facts) {
  const Place place = place_of(name);
  const bool is_output = place.role == "output" || (facts.tied && place.role == "token_embd");
  const bool eight_bits = recipe.base == DType::kQ8_0 || recipe.base == DType::kQ8_KV;
  if (is_output) return eight_bits ? DType::kQ8_0 : DType::kQ6_K;
  if (place.role == "attn_v") return type_of_value(recipe, place.layer, facts);
  if (place.role == "attn_k" && facts.experts == 8) return DType::kQ8_0;
  if (place.role.starts_with("ffn_down")) return type_of_down(recipe, place.layer, facts);
  if (place.role == "attn_output" && facts.experts == 8 && recipe.base == DType::kQ4_K)
    return DType::kQ5_K;
  if (place.role == "attn_qkv" && recipe.name == "Q4_K_M") return DType::kQ5_K;
  if (place.role == "attn_qkv" && recipe.name == "Q5_K_M") return DType::kQ6_K;
  return recipe.base;
}

// The type, or the next that a row of this length can have.
DType fitting_type(DType type, std::uint64_t row_elements) {
  for (const DType candidate : {type, DType::kQ8_0})
    if (row_bytes(candidate, row_elements)) return candidate;
  return DType::kF16;
}

bool is_float(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kF64;
}

bool is_integer(DType type) {
  return type == DType::kI8 || type == DType::kI16 || type == DType::kI32 || type == DType::kI64;
}

ModelFacts facts_of(const WeightFile& file) {
  ModelFacts facts;
  for (const NamedTensor& tensor : file.tensors())
    if (tensor.name.starts_with("blk."))
      facts.layers = std::max(facts.layers, place_of(tensor.name).layer + 1);
  facts.tied = file.find("output.weight") == nullptr;
  const std::string architecture = file.metadata.string_or("general.architecture", "").value_or("");
  facts.experts =
      file.metadata.integer_or(architecture + ".expert_count", 0, 0, ~std::uint64_t{0}).value_or(0);
  return facts;
}

}  // namespace

std::span<const Recipe> all_recipes() { return kRecipes; }

Result<const Recipe*> find_recipe(std::string_view name) {
  std::string wanted(name);
  std::ranges::transform(wanted, wanted.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (wanted == "Q4_K" || wanted == "Q5_K") wanted += "_M";
  std::vector<std::string_view> known;
  for (const Recipe& recipe : kRecipes) {
    if (recipe.name == wanted) return &recipe;
    known.push_back(recipe.name);
  }
  auto error = fail(ErrorKind::kUsage, "unknown_recipe", "there is no type {}.{}", quoted(name),
                    did_you_mean(name, known))
                   .error();
  error.hint = fmt::format("known: {}", fmt::join(known, ", "));
  return std::unexpected(std::move(error));
}

Metadata recipe_metadata(Metadata metadata, const Recipe& recipe) {
  constexpr std::uint32_t kQuantizationVersion = 2;  // of ggml's block formats
  metadata.set_u32("general.file_type", recipe.file_type);
  if (dtype_info(recipe.base).block_elements > 1) {
    metadata.set_u32("general.quantization_version", kQuantizationVersion);
  } else {
    metadata.erase("general.quantization_version");
  }
  return metadata;
}

std::vector<DType> plan_types(const Recipe& recipe, const WeightFile& file) {
  const ModelFacts facts = facts_of(file);
  std::vector<DType> types;
  for (const NamedTensor& tensor : file.tensors()) {
    const TensorView& view = tensor.view;
    const Place place = place_of(tensor.name);
    if (is_integer(view.dtype)) {
      types.push_back(view.dtype);
    } else if (view.shape.rank() < 2 || place.role == "ffn_gate_inp" ||
               place.role.ends_with("_norm") || !tensor.name.ends_with(".weight")) {
      types.push_back(DType::kF32);
    } else if (is_float(recipe.base)) {
      types.push_back(recipe.base);
    } else {
      types.push_back(fitting_type(wanted_type(recipe, tensor.name, facts),
                                   static_cast<std::uint64_t>(view.shape.last())));
    }
  }
  return types;
}

}  // namespace bantam
