#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "codec/codec.h"
#include "formats/hf_family.h"
#include "formats/limits.h"
#include "formats/safetensors.h"
#include "models/adapter.h"
#include "models/adapter_layers.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostRank = 65'536;
constexpr double kMostAlpha = 1e9;

// Settings by module: what is not in the list has the default. A key is a whole name after "^", and
// otherwise that or the end of one from a dot on. (PEFT takes regular expressions; of those it
// writes and people use, only these are understood.)
using Pattern = std::vector<std::pair<std::string, double>>;

struct PeftConfig {
  double alpha = 0;
  std::int64_t rank = 0;
  bool rank_stabilized = false, magnitude = false;
  Pattern alphas, ranks;
};

std::unexpected<Error> refuse(const JsonReader& config, std::string_view name,
                              std::string_view why) {
  auto error = fail(ErrorKind::kUnsupported, "adapter_unsupported", "{}", why);
  error.error().where = config.pointer(name);
  return error;
}

// Members that are about training, or say where the tensors came from, which the tensors do too.
constexpr std::string_view kHarmless[] = {
    "alpha_pattern",  "arrow_config",        "auto_mapping",        "base_model_name_or_path",
    "corda_config",   "ensure_weight_tying", "eva_config",          "exclude_modules",
    "inference_mode", "layers_pattern",      "layers_to_transform", "loftq_config",
    "lora_dropout",   "lora_ga_config",      "megatron_config",     "megatron_core",
    "peft_version",   "qalora_group_size",   "rank_pattern",        "revision",
    "runtime_config", "target_modules",      "target_parameters",   "task_type"};

// Settings that would make the adapter something else; false, null and empty leave it what it is.
constexpr std::string_view kUnsupported[] = {
    "alora_invocation_tokens", "fan_in_fan_out", "layer_replication",       "lora_bias",
    "modules_to_save",         "use_bdlora",     "trainable_token_indices", "use_qalora"};

bool is_set(const Json* value) {
  if (value == nullptr) return false;
  if (const bool* flag = value->if_bool()) return *flag;
  if (const JsonArray* list = value->if_array()) return !list->empty();
  if (const JsonObject* object = value->if_object()) return !object->empty();
  return true;
}

Result<Pattern> read_pattern(JsonReader& config, std::string_view name, double least, double most) {
  const Json* found = TRY(config.object(name));
  Pattern pattern;
  if (found == nullptr) return pattern;
  JsonReader reader(*found, config.pointer(name));
  for (const auto& member : found->as_object()) {
    const std::string_view key = member.key();
    const std::string_view plain = key.starts_with('^') ? key.substr(1) : key;
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    if (plain.empty() || plain.find_first_not_of(kLetters) != plain.npos)
      return refuse(config, name, fmt::format("{} is no plain name of a module", quoted(key)));
    pattern.emplace_back(key, TRY(reader.required_number(key, least, most)));
  }
  return pattern;
}

double value_for(const Pattern& pattern, std::string_view module, double otherwise) {
  for (const auto& [key, value] : pattern) {
    const bool whole = key.starts_with('^');
    const std::string_view plain = std::string_view(key).substr(whole ? 1 : 0);
    if (module == plain) return value;
    if (!whole && module.ends_with(plain) && module[module.size() - plain.size() - 1] == '.')
      return value;
  }
  return otherwise;
}

// Initialisations that change the base's weights as well, so that the adapter fits no other.
Result<void> check_initialisation(JsonReader& config) {
  const Json* found = config.find("init_lora_weights");
  if (found == nullptr || !found->is_string()) return {};
  const std::string_view name = found->as_string();
  for (const std::string_view known : {"pissa", "olora", "corda", "loftq", "lora_ga"})
    if (name.starts_with(known))
      return refuse(
          config, "init_lora_weights",
          fmt::format("{} changes the base, too; save it converted to plain LoRA", quoted(name)));
  return {};
}

Result<PeftConfig> read_config(const Json& root) {
  JsonReader config(root);
  const std::string type = TRY(config.required_string("peft_type"));
  if (type != "LORA") return refuse(config, "peft_type", fmt::format("{}, not LORA", quoted(type)));
  for (const std::string_view name : kUnsupported)
    if (is_set(config.find(name)))
      return refuse(config, name, "an adapter with this is not understood");
  if (const std::string bias = TRY(config.string("bias", "none")); bias != "none")
    return refuse(config, "bias", "biases that were trained are not understood");
  TRY(check_initialisation(config));
  PeftConfig out;
  out.rank = TRY(config.required_integer("r", 1, kMostRank));
  out.alpha = TRY(config.number("lora_alpha", 8, 0, kMostAlpha));
  out.rank_stabilized = TRY(config.boolean("use_rslora", false));
  out.magnitude = TRY(config.boolean("use_dora", false));
  out.alphas = TRY(read_pattern(config, "alpha_pattern", 0, kMostAlpha));
  out.ranks = TRY(read_pattern(config, "rank_pattern", 1, kMostRank));
  std::string ignored;
  for (const std::string& name : config.unread())
    if (std::ranges::find(kHarmless, name) == std::end(kHarmless))
      ignored += (ignored.empty() ? "" : ", ") + quoted(name);
  if (!ignored.empty())
    log_warning("adapter_config.json: ignored settings {}",
                std::string_view(ignored).substr(0, 400));
  return out;
}

struct Module {
  HfTarget target;
  TensorView a, b, magnitude;
};

// What a tensor is of its module; `name` becomes the module's.
TensorView Module::* part_of(std::string_view& name) {
  constexpr std::pair<std::string_view, TensorView Module::*> kParts[] = {
      {".lora_A.weight", &Module::a},
      {".lora_B.weight", &Module::b},
      {".lora_magnitude_vector", &Module::magnitude},
      {".lora_magnitude_vector.weight", &Module::magnitude}};
  for (const auto& [suffix, part] : kParts)
    if (name.ends_with(suffix)) {
      name.remove_suffix(suffix.size());
      return part;
    }
  return nullptr;
}

Result<std::map<std::string, Module>> read_modules(const WeightFile& file, const HfFamily& family) {
  constexpr std::string_view kPrefix = "base_model.model.";
  std::map<std::string, Module> modules;
  for (const NamedTensor& tensor : file.tensors()) {
    std::string_view name = tensor.name;
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    TensorView Module::* part = part_of(name);
    if (part == nullptr)
      return fail(ErrorKind::kUnsupported, "adapter_unsupported",
                  "tensor {} is no part of a LoRA of a linear layer", quoted(tensor.name));
    const auto target = hf_target(family, fmt::format("{}.weight", name));
    if (!target || target->action == HfAction::kDrop)
      return fail(ErrorKind::kUnsupported, "adapter_base", "a {} model has no module {}",
                  family.architecture, quoted(name));
    Module& module = modules[std::string(name)];
    module.target = *target;
    if ((module.*part).data != nullptr)
      return fail(ErrorKind::kMalformed, "adapter_invalid", "{} is there twice",
                  quoted(tensor.name));
    module.*part = tensor.view;
  }
  return modules;
}

// Rows of queries and keys as the base has them.
Result<void> order_rows(WeightFile& file, const ArchSpec& spec, Module& module) {
  const HfAction action = module.target.action;
  if (action != HfAction::kQueryRows && action != HfAction::kKeyRows) return {};
  const AttentionSpec& attention = spec.layers.front().attention;
  const std::int64_t heads = action == HfAction::kQueryRows ? attention.heads : attention.kv_heads;
  const std::int64_t rows = heads * attention.key_width;
  for (TensorView* view : {&module.b, &module.magnitude}) {
    if (view->data == nullptr) continue;
    if (view->shape[0] != rows)
      return fail(ErrorKind::kUnsupported, "adapter_base",
                  "{} has {} rows in the base, the adapter's has {}", quoted(module.target.name),
                  rows, view->shape[0]);
    *view = reorder_rows(file, *view, heads, RotaryRows::kToInterleaved);
  }
  return {};
}

Result<AdapterLayer> make_layer(WeightFile& file, const Decoder& base, const PeftConfig& config,
                                const std::string& name, Module module) {
  TRY(check_low_rank(name, module.a, module.b));
  if (module.magnitude.data != nullptr && module.magnitude.shape.rank() != 1)
    return fail(ErrorKind::kMalformed, "adapter_invalid", "{}: the magnitude is {}, not a vector",
                quoted(name), module.magnitude.shape.to_string());
  if (const auto codec = decoder_for(module.magnitude.dtype); !codec)
    return std::unexpected(codec.error().in(quoted(name)));
  if ((module.magnitude.data != nullptr) != config.magnitude)
    return fail(ErrorKind::kMalformed, "adapter_invalid",
                "{} {} lora_magnitude_vector, use_dora is {}", quoted(name),
                config.magnitude ? "has no" : "has a", config.magnitude);
  const std::int64_t rank = module.a.shape[0];
  const double wanted = value_for(config.ranks, name, static_cast<double>(config.rank));
  if (static_cast<double>(rank) != wanted)
    return fail(ErrorKind::kMalformed, "adapter_invalid",
                "{}: A has {} rows, adapter_config.json says {}", quoted(name), rank, wanted);
  TRY(order_rows(file, base.spec(), module));
  const double divisor =
      config.rank_stabilized ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
  const double scale = value_for(config.alphas, name, config.alpha) / divisor;
  const bool stacked = module.target.action == HfAction::kExpert;
  return AdapterLayer{
      .name = module.target.name,
      .expert = stacked ? static_cast<std::int64_t>(module.target.expert) : -1,
      .low_rank = {.a = module.a, .b = module.b, .gain = {}, .scale = static_cast<float>(scale)},
      .magnitude = module.magnitude};
}

Result<PeftConfig> open_config(const fs::path& path) {
  const std::string text = TRY(read_file(path, limits::kConfigBytes));
  const auto in_file = [&](Error error) {
    if (error.code == "invalid_param" || error.code == "invalid_json")
      error.code = "adapter_invalid";
    return std::unexpected(std::move(error).in(path.string()));
  };
  const auto root = parse_json(text);
  if (!root) return in_file(root.error());
  auto config = read_config(*root);
  if (!config) return in_file(std::move(config).error());
  return config;
}

}  // namespace

Result<AdapterLayers> read_peft_adapter(const fs::path& folder, const Decoder& base) {
  const PeftConfig config = TRY(open_config(folder / "adapter_config.json"));
  const std::string architecture = TRY(base.file()->metadata.string("general.architecture"));
  const HfFamily* family = hf_family_of(architecture);
  if (family == nullptr)
    return fail(ErrorKind::kUnsupported, "adapter_unsupported",
                "what transformers calls the modules of {} is not known", quoted(architecture));
  AdapterLayers adapter{.file = TRY(read_safetensors(folder / "adapter_model.safetensors")),
                        .layers = {},
                        .base_digest = {}};
  adapter.base_digest = TRY(adapter.file->metadata.string_or(kBaseDigestKey, ""));
  for (auto& [name, module] : TRY(read_modules(*adapter.file, *family)))
    adapter.layers.push_back(TRY(make_layer(*adapter.file, base, config, name, module)));
  return adapter;
}

}  // namespace bantam
