#include "formats/hf_folder.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <system_error>

#include "base/json.h"
#include "base/log.h"
#include "codec/codec.h"
#include "formats/hf_family.h"
#include "formats/hf_weights.h"
#include "formats/limits.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

template <typename... Args>
std::unexpected<Error> bad_tensor(std::string_view name, fmt::format_string<Args...> format,
                                  Args&&... args) {
  auto error = fail(ErrorKind::kMalformed, "config_invalid", format, std::forward<Args>(args)...);
  error.error().where = fmt::format("tensor {}", quoted(name));
  return error;
}

// Members of config.json that say something about the training, the library or the defaults of a
// program, and nothing about what the model computes or that we take from elsewhere.
constexpr std::string_view kHarmless[] = {"_name_or_path",
                                          "architectures",
                                          "attention_bias",
                                          "attention_dropout",
                                          "dtype",
                                          "hidden_dropout",
                                          "initializer_range",
                                          "is_llama_config",
                                          "mlp_bias",
                                          "output_router_logits",
                                          "pretraining_tp",
                                          "rope_interleaved",
                                          "router_aux_loss_coef",
                                          "router_jitter_noise",
                                          "tokenizer_class",
                                          "torch_dtype",
                                          "transformers.js_config",
                                          "transformers_version",
                                          "use_cache"};

// Turns the tensors of a folder into those of a GGUF file.
class TensorImport {
 public:
  TensorImport(const HfFamily& family, const HfModel& model, WeightFile& out)
      : family_(family), model_(model), out_(out) {}

  Result<void> run(const HfWeights& weights) {
    for (const HfTensor& tensor : weights.tensors) TRY(add(tensor));
    for (const auto& [name, parts] : stacks_) TRY(stack(name, parts));
    if (!model_.rope_factors.empty()) add_rope_factors();
    if (unknown_ > 0)
      log_warning("{} tensors are not part of a {} model and are left out: {}", unknown_,
                  family_.model_type, unknown_names_);
    return {};
  }

 private:
  Result<void> add(const HfTensor& tensor) {
    const std::string& name = tensor.entry.name;
    const auto target = hf_target(family_, name);
    if (!target) {
      if (unknown_++ < 3) unknown_names_ += (unknown_names_.empty() ? "" : ", ") + quoted(name);
      return {};
    }
    if (target->action == HfAction::kDrop) return {};
    if (target->action == HfAction::kOutput && model_.tied) return {};
    if (tensor.entry.shape.rank() == 0 || tensor.entry.begin == tensor.entry.end)
      return bad_tensor(name, "it is empty or a scalar");
    TensorView view = safetensors_view(out_, tensor.entry, tensor.file);
    if (target->action == HfAction::kExpert) {
      stacks_[target->name][target->expert] = view;
      return {};
    }
    if (target->action == HfAction::kQueryRows)
      view = TRY(interleaved(name, view, model_.query_heads));
    if (target->action == HfAction::kKeyRows) view = TRY(interleaved(name, view, model_.key_heads));
    if (view.shape.rank() == 1) view = TRY(widened(name, view));
    if (out_.find(target->name) != nullptr)
      return bad_tensor(name, "another tensor has become {} already", quoted(target->name));
    out_.add_tensor(target->name, view);
    return {};
  }

  // Rows of half-split rotary pairs (j with j + D/2) in the order of interleaved ones (2i with
  // 2i + 1).
  Result<TensorView> interleaved(std::string_view name, TensorView view, std::uint64_t heads) {
    const std::uint64_t width = model_.head_width, half = width / 2;
    const auto rows = static_cast<std::uint64_t>(view.shape[0]);
    if (rows != heads * width)
      return bad_tensor(name, "{} rows, config.json says {} heads of {}", rows, heads, width);
    const std::uint64_t row_bytes = view.bytes() / rows;
    std::byte* out = out_.own_buffer(view.bytes());
    for (std::uint64_t head = 0; head < heads; ++head)
      for (std::uint64_t i = 0; i < width; ++i) {
        const std::uint64_t from = head * width + (i % 2) * half + i / 2;
        std::memcpy(out + (head * width + i) * row_bytes, view.data + from * row_bytes, row_bytes);
      }
    view.data = out;
    return view;
  }

  // Vectors are F32 in GGUF.
  Result<TensorView> widened(std::string_view name, TensorView view) {
    if (view.dtype == DType::kF32) return view;
    const auto codec = decoder_for(view.dtype);
    if (!codec) return std::unexpected(codec.error().in(fmt::format("tensor {}", quoted(name))));
    const auto size = static_cast<std::size_t>(view.shape.elements());
    auto* floats = reinterpret_cast<float*>(out_.own_buffer(size * sizeof(float)));
    (*codec)->decode(view.data, {floats, size});
    return TensorView{DType::kF32, view.shape, reinterpret_cast<const std::byte*>(floats)};
  }

  using Parts = std::map<std::uint64_t, TensorView>;

  Result<void> stack(const std::string& name, const Parts& parts) {
    const TensorView& first = parts.begin()->second;
    if (parts.size() != model_.experts || parts.rbegin()->first + 1 != model_.experts)
      return bad_tensor(name, "{} experts, the last is number {}; config.json says {}",
                        parts.size(), parts.rbegin()->first, model_.experts);
    for (const auto& [expert, view] : parts)
      if (view.shape != first.shape || view.dtype != first.dtype || view.shape.rank() != 2)
        return bad_tensor(name, "expert {} is {} {}, the first is {} {}", expert,
                          dtype_info(view.dtype).name, view.shape.to_string(),
                          dtype_info(first.dtype).name, first.shape.to_string());
    std::byte* data = out_.own_buffer(first.bytes() * parts.size());
    for (const auto& [expert, view] : parts)
      std::memcpy(data + expert * first.bytes(), view.data, first.bytes());
    const auto count = static_cast<std::int64_t>(parts.size());
    out_.add_tensor(name, {first.dtype, Shape{count, first.shape[0], first.shape[1]}, data});
    return {};
  }

  void add_rope_factors() {
    const std::vector<float>& factors = model_.rope_factors;
    std::byte* data = out_.own_buffer(factors.size() * sizeof(float));
    std::memcpy(data, factors.data(), factors.size() * sizeof(float));
    out_.add_tensor("rope_freqs.weight",
                    {DType::kF32, Shape{static_cast<std::int64_t>(factors.size())}, data});
  }

  const HfFamily& family_;
  const HfModel& model_;
  WeightFile& out_;
  std::map<std::string, Parts> stacks_;
  std::size_t unknown_ = 0;
  std::string unknown_names_;
};

// bos_token_id and its like: a number, or a list of which the first is the one. Negative means
// none, as Llama 2 has it for padding.
Result<void> token_id(JsonReader& config, std::string_view name, std::string_view key,
                      Metadata& out) {
  constexpr auto kLast = static_cast<std::int64_t>(limits::kVocabulary);
  const Json* found = config.find(name);
  if (found == nullptr) return {};
  std::vector<std::int32_t> ids;
  if (const auto* list = found->if_array()) {
    if (list->size() > 256)
      return fail(ErrorKind::kTooLarge, "config_invalid", "{}: {} ids, the limit is 256", name,
                  list->size());
    for (std::size_t i = 0; i < list->size(); ++i) {
      const Json wrapped = JsonObject{{"id", (*list)[i]}};
      JsonReader item(wrapped, fmt::format("{}/{}", config.pointer(name), i));
      ids.push_back(static_cast<std::int32_t>(TRY(item.required_integer("id", 0, kLast))));
    }
  } else {
    const std::int64_t id = TRY(config.integer(name, -1, -1, kLast));
    if (id >= 0) ids.push_back(static_cast<std::int32_t>(id));
  }
  if (ids.empty()) return {};
  out.set_u32(key, static_cast<std::uint32_t>(ids.front()));
  if (ids.size() > 1 && name == "eos_token_id") out.set_i32s("tokenizer.ggml.eos_token_ids", ids);
  return {};
}

Result<void> token_ids(JsonReader& config, Metadata& out) {
  TRY(token_id(config, "bos_token_id", "tokenizer.ggml.bos_token_id", out));
  TRY(token_id(config, "eos_token_id", "tokenizer.ggml.eos_token_id", out));
  return token_id(config, "pad_token_id", "tokenizer.ggml.padding_token_id", out);
}

// The recommended sampling, under GGUF's keys; and the list of end tokens, which is fuller there.
Result<void> generation_config(const Json& root, Metadata& out) {
  JsonReader reader(root);
  for (const auto& [name, key] :
       {std::pair{"temperature", "general.sampling.temp"},
        std::pair{"top_p", "general.sampling.top_p"}, std::pair{"min_p", "general.sampling.min_p"},
        std::pair{"repetition_penalty", "general.sampling.penalty_repeat"}}) {
    const double value = TRY(reader.number(name, -1, 0, 100));
    if (value >= 0) out.set_f32(key, static_cast<float>(value));
  }
  const std::int64_t top_k = TRY(reader.integer("top_k", -1, 0, 1 << 24));
  if (top_k >= 0) out.set("general.sampling.top_k", {MetaType::kI32, top_k});
  return token_ids(reader, out);
}

Result<HfModel> read_config(const Json& root, const HfFamily& family, Metadata& out) {
  JsonReader config(root);
  config.find("model_type");  // family_of() has read it
  if (config.find("quantization_config") != nullptr) {
    auto error = fail(ErrorKind::kUnsupported, "config_invalid",
                      "weights that another program has quantized are not supported")
                     .error();
    error.where = "/quantization_config";
    error.hint = "take the original, unquantized model";
    return std::unexpected(std::move(error));
  }
  HfModel model = TRY(family.read_config(config, family.architecture, out));
  TRY(token_ids(config, out));
  std::string unread;
  for (const std::string& name : config.unread())
    if (std::ranges::find(kHarmless, name) == std::end(kHarmless))
      unread += (unread.empty() ? "" : ", ") + quoted(name);
  if (!unread.empty())
    log_warning("config.json: ignored settings {}", std::string_view(unread).substr(0, 400));
  return model;
}

// Parses a JSON file and hands it to `read`; errors get the path and the code of this folder.
template <typename Read>
auto with_json(const fs::path& path, Read read) -> decltype(read(std::declval<const Json&>())) {
  const std::string text = TRY(read_file(path, limits::kConfigBytes));
  const auto in_file = [&](Error error) {
    if (error.code == "invalid_param" || error.code == "invalid_json")
      error.code = "config_invalid";
    return std::unexpected(std::move(error).in(path.string()));
  };
  const auto root = parse_json(text);
  if (!root) return in_file(root.error());
  auto result = read(*root);
  if (!result) return in_file(std::move(result).error());
  return result;
}

std::unexpected<Error> fail_at(const fs::path& path, std::string_view message) {
  auto error = fail(ErrorKind::kNotFound, "file_not_found", "{}", message);
  error.error().where = path.string();
  return error;
}

Result<const HfFamily*> family_of(const Json& root) {
  JsonReader config(root);
  return find_hf_family(TRY(config.required_string("model_type")));
}

Result<std::shared_ptr<WeightFile>> read_folder(const fs::path& path, const fs::path& folder) {
  auto file = std::make_shared<WeightFile>();
  Metadata& metadata = file->metadata;
  const fs::path config = folder / "config.json";
  const HfFamily* family = TRY(with_json(config, family_of));
  metadata.set_string("general.architecture", std::string(family->architecture));
  metadata.set_string("general.type", "model");
  std::string name = fs::weakly_canonical(folder).filename().string();
  metadata.set_string("general.name", std::move(name));
  const HfModel model = TRY(
      with_json(config, [&](const Json& root) { return read_config(root, *family, metadata); }));
  std::error_code ignored;
  if (const fs::path generation = folder / "generation_config.json";
      fs::exists(generation, ignored))
    TRY(with_json(generation, [&](const Json& root) { return generation_config(root, metadata); }));

  HfWeights weights = TRY(open_hf_weights(path));
  if (const auto added = TensorImport(*family, model, *file).run(weights); !added)
    return std::unexpected(added.error().in(folder.string()));
  for (MappedFile& map : weights.maps) file->own(std::move(map));
  TRY(add_tokenizer_files(folder, metadata));
  file->description = fmt::format("Hugging Face folder ({})", family->model_type);
  return file;
}

}  // namespace

Result<std::shared_ptr<WeightFile>> read_hf_folder(const fs::path& path) {
  try {
    if (!fs::exists(path)) return fail_at(path, "there is no such file or folder");
    const bool is_folder = fs::is_directory(path);
    const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return read_folder(path, is_folder ? path : parent);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "out_of_memory", "{}: no memory to open it", path.string());
  } catch (const fs::filesystem_error& error) {
    return fail(ErrorKind::kIo, "io", "{}: {}", path.string(), error.code().message());
  }
}

}  // namespace bantam
