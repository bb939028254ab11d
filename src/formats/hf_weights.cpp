#include "formats/hf_weights.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "base/json.h"
#include "formats/limits.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCode = "safetensors_invalid";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A plain name: no folder, no parent, no URL.
bool is_shard_name(std::string_view name) {
  return name.size() <= 255 && name.ends_with(".safetensors") && !name.starts_with('.') &&
         name.find_first_of(std::string_view("/\\:\0", 4)) == name.npos;
}

Result<void> add_file(HfWeights& weights, const fs::path& path) {
  MappedFile map = TRY(MappedFile::open(path));
  auto header = scan_safetensors(map.bytes());
  if (!header) return std::unexpected(std::move(header).error().in(path.string()));
  for (SafetensorsEntry& entry : header->tensors)
    weights.tensors.push_back({std::move(entry), map.bytes()});
  weights.maps.push_back(std::move(map));
  if (weights.tensors.size() <= limits::kFolderTensors) return {};
  return std::unexpected(
      fail(ErrorKind::kTooLarge, kCode, "more than {} tensors in all files", limits::kFolderTensors)
          .error()
          .in(path.string()));
}

// Names of tensors by the file that is said to hold them.
using ShardMap = std::map<std::string, std::vector<std::string>, std::less<>>;

Result<ShardMap> read_weight_map(std::string_view text) {
  const JsonLimits json_limits{.max_bytes = limits::kIndexBytes, .max_depth = 4};
  const Json root = TRY(parse_json(text, json_limits));
  JsonReader reader(root);
  const Json* map = TRY(reader.object("weight_map"));
  if (map == nullptr) return fail(ErrorKind::kMalformed, kCode, "there is no \"weight_map\"");
  ShardMap shards;
  for (const auto& member : map->get_object()) {
    const auto* shard = member.value().if_string();
    if (shard == nullptr || !is_shard_name(*shard)) {
      auto error = fail(ErrorKind::kMalformed, kCode, "shard name not allowed: {}",
                        quoted(shard ? std::string_view(*shard) : json_type_name(member.value())))
                       .error();
      error.where = "/weight_map/" + quoted(std::string_view(member.key()));
      error.hint = "expected the plain name of a .safetensors file in the same folder";
      return std::unexpected(std::move(error));
    }
    shards[std::string(*shard)].emplace_back(std::string_view(member.key()));
    if (shards.size() > limits::kShards)
      return fail(ErrorKind::kTooLarge, kCode, "more than {} shards", limits::kShards);
  }
  if (shards.empty()) return fail(ErrorKind::kMalformed, kCode, "\"weight_map\" is empty");
  return shards;
}

Result<void> check_names(const HfWeights& weights, const ShardMap& shards) {
  std::unordered_set<std::string_view> names;
  for (const HfTensor& tensor : weights.tensors)
    if (!names.insert(tensor.entry.name).second)
      return fail(ErrorKind::kMalformed, kCode, "tensor {} is in two shards",
                  quoted(tensor.entry.name));
  for (const auto& [shard, expected] : shards)
    for (const std::string& name : expected)
      if (!names.contains(name))
        return fail(ErrorKind::kMalformed, kCode, "shard {} lacks tensor {}", quoted(shard),
                    quoted(name));
  return {};
}

Result<HfWeights> open_shards(const fs::path& index) {
  const std::string text = TRY(read_file(index, limits::kIndexBytes));
  const auto in_index = [&](Error error) {
    error.code = kCode;
    return std::unexpected(std::move(error).in(index.string()));
  };
  const auto shards = read_weight_map(text);
  if (!shards) return in_index(shards.error());
  HfWeights weights;
  for (const auto& [shard, names] : *shards) TRY(add_file(weights, index.parent_path() / shard));
  if (const auto checked = check_names(weights, *shards); !checked)
    return in_index(checked.error());
  return weights;
}

bool is_pickle(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
         extension == ".pkl";
}

// What to say of a folder without safetensors.
std::unexpected<Error> no_weights(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (is_pickle(entry.path())) {
      auto error = fail(ErrorKind::kUnsupported, "pickle_unsupported",
                        "pickle is not supported: the folder's weights are in {}",
                        quoted(entry.path().filename().string()));
      error.error().where = folder.string();
      error.error().hint = "convert them to safetensors where you trust them";
      return error;
    }
  auto error = fail(ErrorKind::kNotFound, "file_not_found", "there is no model.safetensors");
  error.error().where = folder.string();
  return error;
}

}  // namespace

Result<HfWeights> open_hf_weights(const fs::path& path) {
  HfWeights weights;
  if (path.extension() == ".safetensors" && !fs::is_directory(path)) {
    TRY(add_file(weights, path));
    return weights;
  }
  if (is_there(path / "model.safetensors")) {
    TRY(add_file(weights, path / "model.safetensors"));
    return weights;
  }
  if (is_there(path / "model.safetensors.index.json"))
    return open_shards(path / "model.safetensors.index.json");
  return no_weights(path);
}

}  // namespace bantam
