#include <algorithm>
#include <cmath>
#include <set>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "codec/codec.h"
#include "formats/gguf_writer.h"
#include "formats/hf_family.h"
#include "formats/safetensors.h"
#include "models/adapter.h"
#include "models/adapter_layers.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

struct Adapted {
  std::string name;
  std::int64_t expert = -1;
  LowRank low_rank;
  std::int64_t rank() const { return low_rank.a.shape[0]; }
  bool has_magnitude() const { return low_rank.magnitude.data != nullptr; }
  double alpha() const { return double{low_rank.scale} * static_cast<double>(rank()); }
};

template <typename... Args>
std::unexpected<Error> cannot_hold(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kUnsupported, "adapter_cannot_hold", format, std::forward<Args>(args)...);
}

// In the order of the layers; experts of a stack follow each other.
Result<std::vector<Adapted>> adapted_layers(const Decoder& decoder) {
  std::vector<Adapted> layers;
  DecoderWeights weights = decoder.weights();
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    if (layer.low_rank.present()) layers.push_back({name, expert, layer.low_rank});
  });
  if (layers.empty())
    return fail(ErrorKind::kUsage, "nothing_adapted", "no layer of the model has an adapter");
  for (const Adapted& layer : layers) {
    if (layer.name == "token_embd.weight")
      return cannot_hold("no form of an adapter holds one of a head that is the embedding, too");
    if (layer.low_rank.gain.data != nullptr && layer.low_rank.magnitude.data == nullptr)
      return cannot_hold("{}: a gain without the magnitude that it was made of",
                         quoted(layer.name));
    if (layer.has_magnitude() != layers.front().has_magnitude())
      return cannot_hold("{}: some layers have magnitudes (DoRA) and some have not",
                         quoted(layer.name));
  }
  return layers;
}

// Makes matrices of another type, `factor` times as large; `file` owns them.
class Converter {
 public:
  Converter(WeightFile& file, DType type) : file_(file), type_(type) {}

  // `values` is (rows, columns) and goes to `out`, which has room for as many.
  Result<void> write(const TensorView& values, float factor, std::byte* out) const {
    const Codec& from = *TRY(decoder_for(values.dtype));
    const Codec& to = *TRY(encoder_for(type_));
    std::vector<float> row(static_cast<std::size_t>(values.shape.last()));
    const std::uint64_t bytes = *row_bytes(type_, row.size());
    for (std::int64_t i = 0; i < values.shape.rows(); ++i) {
      from.decode(values.row(i), row);
      for (float& value : row) value *= factor;
      to.encode(row, {}, out + static_cast<std::uint64_t>(i) * bytes);
    }
    return {};
  }

  // Matrices of one shape, one after the other: the stack, or the one there is.
  Result<TensorView> join(const std::vector<TensorView>& parts, float factor, bool stacked) const {
    const Shape& one = parts.front().shape;
    const auto count = static_cast<std::int64_t>(parts.size());
    TensorView view{type_, stacked ? Shape{count, one[0], one[1]} : one, nullptr};
    std::byte* out = file_.own_buffer(view.bytes());
    view.data = out;
    const std::uint64_t bytes = view.bytes() / parts.size();
    for (const TensorView& part : parts) {
      if (part.data != nullptr) TRY(write(part, factor, out));
      out += bytes;  // what has no adapter stays zero
    }
    return view;
  }

 private:
  WeightFile& file_;
  DType type_;
};

// The alpha of a file, which alpha / r should give the scale of every layer of; the first one's.
float choose_alpha(const Adapted& first) {
  const auto alpha = static_cast<float>(first.alpha());
  for (const float tried : {alpha, std::nextafter(alpha, 0.0F), std::nextafter(alpha, 2 * alpha)})
    if (static_cast<float>(double{tried} / static_cast<double>(first.rank())) ==
        first.low_rank.scale)
      return tried;
  return alpha;
}

// How much larger B has to be where a file's alpha does not give the scale.
float missing_factor(const Adapted& layer, float alpha) {
  const auto scale = static_cast<float>(double{alpha} / static_cast<double>(layer.rank()));
  return layer.low_rank.scale == scale ? 1 : layer.low_rank.scale / scale;
}

// Layers [first, first + count) are a layer, or what is adapted of a stack of experts.
Result<void> add_gguf_layer(WeightFile& out, std::span<const Adapted> layers, std::int64_t experts,
                            float alpha, DType type) {
  const Adapted& first = layers.front();
  const bool stacked = first.expert >= 0;
  std::vector<TensorView> a(stacked ? static_cast<std::size_t>(experts) : 1), b = a;
  a.front().shape = first.low_rank.a.shape;  // even if that expert has none
  b.front().shape = first.low_rank.b.shape;
  for (const Adapted& layer : layers) {
    if (layer.rank() != first.rank() || layer.low_rank.scale != first.low_rank.scale)
      return cannot_hold("{}: experts have different ranks or scales", quoted(layer.name));
    const auto index = static_cast<std::size_t>(std::max<std::int64_t>(0, layer.expert));
    a[index] = layer.low_rank.a;
    b[index] = layer.low_rank.b;
  }
  const Converter converter(out, type);
  out.add_tensor(first.name + ".lora_a", TRY(converter.join(a, 1, stacked)));
  out.add_tensor(first.name + ".lora_b",
                 TRY(converter.join(b, missing_factor(first, alpha), stacked)));
  return {};
}

Result<void> save_gguf(const fs::path& path, const Decoder& decoder,
                       const std::vector<Adapted>& layers, DType type) {
  if (layers.front().has_magnitude())
    return cannot_hold("GGUF adapters have no magnitudes (DoRA): PEFT has");
  const WeightFile& base = *decoder.file();
  WeightFile out;
  // A scale of nothing has no alpha: 0 means 1 there.
  const auto some = std::ranges::find_if(layers, [](const Adapted& l) { return l.alpha() > 0; });
  const float alpha = some == layers.end() ? 1 : choose_alpha(*some);
  out.metadata.set_string("general.type", "adapter");
  out.metadata.set_string("general.architecture",
                          TRY(base.metadata.string("general.architecture")));
  out.metadata.set_string("adapter.type", "lora");
  out.metadata.set_f32("adapter.lora.alpha", alpha);
  out.metadata.set_string(kBaseDigestKey, weights_digest(base));
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t end = i + 1;
    while (end < layers.size() && layers[end].name == layers[i].name) ++end;
    const TensorView* stack = base.find(layers[i].name);
    TRY(add_gguf_layer(out, std::span(layers).subspan(i, end - i),
                       stack == nullptr ? 0 : stack->shape[0], alpha, type));
    i = end;
  }
  return write_gguf(path, out);
}

struct PeftNames {
  std::set<std::string> targets;
  JsonObject ranks, alphas;
};

Result<void> add_peft_layer(WeightFile& out, const Decoder& decoder, const HfFamily& family,
                            const Adapted& layer, const Adapted& usual, DType type,
                            PeftNames& names) {
  const auto expert = static_cast<std::uint64_t>(std::max<std::int64_t>(0, layer.expert));
  const auto source = hf_source(family, layer.name, expert);
  CHECK(source.has_value());  // peft_family() has looked
  const std::string module =
      source->name.substr(0, source->name.size() - std::string_view(".weight").size());
  TensorView b = layer.low_rank.b, magnitude = layer.low_rank.magnitude;
  const AttentionSpec& attention = decoder.spec().layers.front().attention;
  if (source->action == HfAction::kQueryRows || source->action == HfAction::kKeyRows) {
    const std::int64_t heads =
        source->action == HfAction::kQueryRows ? attention.heads : attention.kv_heads;
    b = reorder_rows(out, b, heads, RotaryRows::kToHalves);
    if (layer.has_magnitude())
      magnitude = reorder_rows(out, magnitude, heads, RotaryRows::kToHalves);
  }
  const Converter converter(out, type);
  const std::string prefix = "base_model.model." + module;
  out.add_tensor(prefix + ".lora_A.weight", TRY(converter.join({layer.low_rank.a}, 1, false)));
  out.add_tensor(prefix + ".lora_B.weight", TRY(converter.join({b}, 1, false)));
  if (layer.has_magnitude()) out.add_tensor(prefix + ".lora_magnitude_vector", magnitude);
  names.targets.insert(module.substr(module.rfind('.') + 1));
  if (layer.rank() != usual.rank()) names.ranks[module] = layer.rank();
  if (layer.alpha() != usual.alpha()) names.alphas[module] = layer.alpha();
  return {};
}

// All that save_peft() may find wrong.
Result<const HfFamily*> peft_family(const Decoder& decoder, const std::vector<Adapted>& layers) {
  const std::string architecture = TRY(decoder.file()->metadata.string("general.architecture"));
  const HfFamily* family = hf_family_of(architecture);
  if (family == nullptr)
    return cannot_hold("what transformers calls the modules of {} is not known",
                       quoted(architecture));
  for (const Adapted& layer : layers)
    if (!hf_source(*family, layer.name,
                   static_cast<std::uint64_t>(std::max<std::int64_t>(0, layer.expert))))
      return cannot_hold("transformers has no name for {}", quoted(layer.name));
  return family;
}

Result<void> save_peft(const fs::path& folder, const Decoder& decoder,
                       const std::vector<Adapted>& layers, DType type) {
  const WeightFile& base = *decoder.file();
  const HfFamily* family = TRY(peft_family(decoder, layers));
  WeightFile out;
  PeftNames names;
  const Adapted& usual = layers.front();
  for (const Adapted& layer : layers)
    TRY(add_peft_layer(out, decoder, *family, layer, usual, type, names));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return std::unexpected(
        fail(ErrorKind::kCannotCreate, "io", "{}", error.message()).error().in(folder.string()));
  const JsonObject config{
      {"base_model_name_or_path", TRY(base.metadata.string_or("general.name", ""))},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"inference_mode", true},
      {"lora_alpha", usual.alpha()},
      {"lora_dropout", 0.0},
      {"peft_type", "LORA"},
      {"r", usual.rank()},
      {"rank_pattern", names.ranks},
      {"alpha_pattern", names.alphas},
      {"target_modules", JsonArray(names.targets.begin(), names.targets.end())},
      {"task_type", "CAUSAL_LM"},
      {"use_dora", usual.has_magnitude()},
      {"use_rslora", false}};
  TRY(write_safetensors(folder / "adapter_model.safetensors", out.tensors(),
                        {{"format", "pt"}, {std::string(kBaseDigestKey), weights_digest(base)}}));
  return write_file(folder / "adapter_config.json", write_json(config, {.indent = 2}) + "\n");
}

}  // namespace

Result<void> check_adapter_format(const Decoder& adapted, AdapterFormat format) {
  const std::vector<Adapted> layers = TRY(adapted_layers(adapted));
  if (format == AdapterFormat::kPeft) {
    TRY(peft_family(adapted, layers));
    return {};
  }
  return layers.front().has_magnitude()
             ? cannot_hold("GGUF adapters have no magnitudes (DoRA): PEFT has")
             : Result<void>();
}

Result<void> save_adapter(const fs::path& path, const Decoder& adapted, AdapterFormat format,
                          DType type) {
  if (type != DType::kF32 && type != DType::kF16 && type != DType::kBF16)
    return cannot_hold("adapters are F32, F16 or BF16, not {}", dtype_info(type).name);
  const std::vector<Adapted> layers = TRY(adapted_layers(adapted));
  return format == AdapterFormat::kGguf ? save_gguf(path, adapted, layers, type)
                                        : save_peft(path, adapted, layers, type);
}

}  // namespace bantam
