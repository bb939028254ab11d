#include "cli/model_summary.h"

#include <algorithm>
#include <type_traits>

#include "base/unicode.h"
#include "cli/text.h"
#include "models/registry.h"
#include "models/spec.h"

namespace bantam {
namespace {

constexpr std::size_t kShownElements = 4;
constexpr std::size_t kWholeElements = 16;
constexpr std::size_t kShownCharacters = 80;

bool is_signed(MetaType type) {
  return type == MetaType::kI8 || type == MetaType::kI16 || type == MetaType::kI32 ||
         type == MetaType::kI64;
}

Json element_json(const MetaArray& array, std::size_t i) {
  if (array.element == MetaType::kString) return Json(repair_utf8(array.strings[i]));
  if (array.element == MetaType::kF32 || array.element == MetaType::kF64)
    return Json(array.floats[i]);
  if (array.element == MetaType::kBool) return Json(array.integers[i] != 0);
  if (is_signed(array.element)) return Json(static_cast<std::int64_t>(array.integers[i]));
  return Json(array.integers[i]);
}

JsonArray elements_json(const MetaArray& array, std::size_t count) {
  JsonArray elements;
  for (std::size_t i = 0; i < std::min(count, array.size()); ++i)
    elements.push_back(element_json(array, i));
  return elements;
}

std::string array_text(const MetaArray& array) {
  std::string text = "[";
  for (std::size_t i = 0; i < std::min(kShownElements, array.size()); ++i) {
    const bool is_text = array.element == MetaType::kString;
    text += i > 0 ? ", " : "";
    text += is_text ? quoted(array.strings[i], 24) : write_json(element_json(array, i));
  }
  if (array.size() > kShownElements)
    text += fmt::format(", … {} {}s", array.size(), meta_type_name(array.element));
  return text + "]";
}

Result<ArchSpec> read_spec(const WeightFile& file) {
  const Family* family = TRY(find_family(file.metadata));
  return family->read_spec(file);
}

}  // namespace

double ModelSummary::bits_per_weight() const {
  if (parameters == 0) return 0;
  return 8.0 * static_cast<double>(tensor_bytes) / static_cast<double>(parameters);
}

std::vector<std::pair<std::string, std::string>> ModelSummary::facts() const {
  std::vector<std::pair<std::string, std::string>> facts;
  if (!architecture.empty()) facts.emplace_back("architecture", quoted(architecture));
  if (!name.empty()) facts.emplace_back("name", quoted(name));
  facts.emplace_back("parameters", human_count(parameters));
  facts.emplace_back("weights", fmt::format("{}, {:.2f} bits per weight", human_bytes(tensor_bytes),
                                            bits_per_weight()));
  for (const auto& [type, bytes] : bytes_by_type)
    facts.emplace_back("", fmt::format("{} in {}", human_bytes(bytes), type));
  if (context_length) facts.emplace_back("context", fmt::format("{} tokens", *context_length));
  if (vocabulary) facts.emplace_back("vocabulary", fmt::format("{} tokens", *vocabulary));
  if (kv_bytes_per_token && context_length) {
    const std::uint64_t kv = *kv_bytes_per_token * *context_length;
    facts.emplace_back("memory",
                       fmt::format("{} at full context: weights and {} of keys and values",
                                   human_bytes(tensor_bytes + kv), human_bytes(kv)));
    std::string others;
    for (const auto& [type, bytes] : kv_bytes_by_type)
      others += fmt::format("{}{} {}", others.empty() ? "" : ", ", type,
                            human_bytes(bytes * *context_length));
    facts.emplace_back("", fmt::format("by --kv: {}", others));
  }
  if (!cannot_run.empty()) facts.emplace_back("cannot run", cannot_run);
  return facts;
}

void ModelSummary::add_to(JsonObject& document) const {
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  document["architecture"] = architecture.empty() ? Json(nullptr) : Json(architecture);
  document["name"] = name.empty() ? Json(nullptr) : Json(name);
  document["parameters"] = parameters;
  document["bytes"] = tensor_bytes;
  document["bits_per_weight"] = bits_per_weight();
  JsonObject types;
  for (const auto& [type, bytes] : bytes_by_type) types[type] = bytes;
  document["bytes_by_type"] = std::move(types);
  document["context_length"] = or_null(context_length);
  document["vocabulary"] = or_null(vocabulary);
  document["kv_bytes_per_token"] = or_null(kv_bytes_per_token);
  JsonObject kv_types;
  for (const auto& [type, bytes] : kv_bytes_by_type) kv_types[type] = bytes;
  document["kv_bytes_per_token_by_type"] = std::move(kv_types);
  document["cannot_run"] = cannot_run.empty() ? Json(nullptr) : Json(cannot_run);
}

ModelSummary summarize(const WeightFile& file) {
  ModelSummary summary;
  // A file that lies about these is still worth showing, so what is wrong counts as unsaid here.
  summary.architecture = file.metadata.string_or("general.architecture", "").value_or("");
  summary.name = file.metadata.string_or("general.name", "").value_or("");
  for (const auto& [name, view] : file.tensors()) {
    summary.parameters += static_cast<std::uint64_t>(view.shape.elements());
    summary.bytes_by_type[std::string(dtype_info(view.dtype).name)] += view.bytes();
  }
  summary.tensor_bytes = file.tensor_bytes();
  const auto context =
      file.metadata.integer(summary.architecture + ".context_length", 1, UINT32_MAX);
  if (context) summary.context_length = *context;
  const auto tokens = file.metadata.strings("tokenizer.ggml.tokens");
  if (tokens && *tokens) summary.vocabulary = (*tokens)->size();

  const Result<ArchSpec> spec = read_spec(file);
  if (spec) {
    summary.kv_bytes_per_token = kv_layout(*spec, DType::kF16).bytes_per_token();
    for (const KvTypeInfo& info : all_kv_types())
      summary.kv_bytes_by_type[std::string(info.name)] =
          kv_layout(*spec, info.type).bytes_per_token();
  } else {
    summary.cannot_run = spec.error().to_string();
  }
  return summary;
}

std::string short_text(const MetaValue& value) {
  return std::visit(
      [&value](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, MetaArray>) {
          return array_text(held);
        } else if constexpr (std::is_same_v<Held, std::string>) {
          return quoted(held, kShownCharacters);
        } else if (value.type == MetaType::kF32) {
          return fmt::format("{}", static_cast<float>(held));  // 1e-05, not 9.99999974737875e-06
        } else {
          return fmt::format("{}", held);
        }
      },
      value.value);
}

Json meta_json(const MetaValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, MetaArray>) {
          if (held.size() <= kWholeElements) return elements_json(held, held.size());
          return JsonObject{{"type", meta_type_name(held.element)},
                            {"size", held.size()},
                            {"first", elements_json(held, kShownElements)}};
        } else if constexpr (std::is_same_v<Held, std::string>) {
          return Json(repair_utf8(held));
        } else {
          return Json(held);
        }
      },
      value.value);
}

}  // namespace bantam
