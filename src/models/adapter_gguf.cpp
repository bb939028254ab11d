#include <map>

#include "formats/gguf_reader.h"
#include "formats/limits.h"
#include "models/adapter.h"
#include "models/adapter_layers.h"

namespace bantam {
namespace {

struct Pair {
  TensorView a, b;
};

std::unexpected<Error> unsupported(std::string message) {
  return fail(ErrorKind::kUnsupported, "adapter_unsupported", "{}", message);
}

Result<float> read_alpha(const Metadata& metadata, const Decoder& base) {
  constexpr double kMostAlpha = 1e9;
  const std::string type = TRY(metadata.string_or("general.type", "model"));
  if (type != "adapter")
    return fail(ErrorKind::kMalformed, "adapter_invalid",
                "general.type is {}, not \"adapter\": this is no adapter", quoted(type));
  const std::string kind = TRY(metadata.string("adapter.type"));
  if (kind != "lora") return unsupported(fmt::format("adapter.type is {}", quoted(kind)));
  if (metadata.contains("adapter.alora.invocation_tokens"))
    return unsupported("it is for what follows certain tokens only (aLoRA)");
  const std::string wanted = TRY(metadata.string("general.architecture"));
  const std::string found = TRY(base.file()->metadata.string("general.architecture"));
  if (wanted != found)
    return fail(ErrorKind::kUnsupported, "adapter_base",
                "it is for the architecture {}, this is {}", quoted(wanted), quoted(found));
  return static_cast<float>(TRY(metadata.number("adapter.lora.alpha", 0, kMostAlpha)));
}

Result<std::map<std::string, Pair>> pair_up(const WeightFile& file) {
  std::map<std::string, Pair> pairs;
  for (const NamedTensor& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    const bool is_a = name.ends_with(".lora_a");
    if (!is_a && !name.ends_with(".lora_b"))
      return unsupported(fmt::format("tensor {} is neither lora_a nor lora_b", quoted(name)));
    const std::string layer(name.substr(0, name.size() - std::string_view(".lora_a").size()));
    if (layer == "token_embd.weight") return unsupported("it adapts the embedding");
    Pair& pair = pairs[layer];
    (is_a ? pair.a : pair.b) = tensor.view;
  }
  return pairs;
}

TensorView one_of(const TensorView& stack, std::int64_t index) {
  TensorView one = stack.slice(index, index + 1);
  one.shape = Shape{stack.shape[1], stack.shape[2]};
  return one;
}

Result<void> add_layers(const std::string& name, const Pair& pair, double alpha,
                        const Decoder& base, std::vector<AdapterLayer>& layers) {
  const bool stacked = pair.a.shape.rank() == 3 && pair.b.shape.rank() == 3;
  const std::int64_t experts = stacked ? pair.a.shape[0] : 1;
  const TensorView* tensor = base.file()->find(name);
  if (stacked && (experts != pair.b.shape[0] || tensor == nullptr || tensor->shape.rank() != 3 ||
                  tensor->shape[0] != experts))
    return fail(ErrorKind::kUnsupported, "adapter_base",
                "{}: A {} and B {} are no stacks for the base's {}", quoted(name),
                pair.a.shape.to_string(), pair.b.shape.to_string(),
                tensor == nullptr ? "none" : tensor->shape.to_string());
  for (std::int64_t expert = 0; expert < experts; ++expert) {
    const TensorView a = stacked ? one_of(pair.a, expert) : pair.a;
    const TensorView b = stacked ? one_of(pair.b, expert) : pair.b;
    TRY(check_low_rank(name, a, b));
    const double scale = alpha > 0 ? alpha / static_cast<double>(a.shape[0]) : 1;
    layers.push_back(
        {.name = name,
         .expert = stacked ? expert : -1,
         .low_rank = {.a = a, .b = b, .gain = {}, .scale = static_cast<float>(scale)}});
  }
  return {};
}

}  // namespace

Result<AdapterLayers> read_gguf_adapter(const std::filesystem::path& path, const Decoder& base) {
  AdapterLayers adapter{.file = TRY(read_gguf(path)), .layers = {}, .base_digest = {}};
  const double alpha{TRY(read_alpha(adapter.file->metadata, base))};
  adapter.base_digest = TRY(adapter.file->metadata.string_or(kBaseDigestKey, ""));
  for (const auto& [name, pair] : TRY(pair_up(*adapter.file)))
    TRY(add_layers(name, pair, alpha, base, adapter.layers));
  return adapter;
}

}  // namespace bantam
