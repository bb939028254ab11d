#include "cli/model_finder.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/nearest.h"
#include "tensor/dtype.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxEntries = 10000;  // a folder with more is not a model folder
constexpr std::string_view kPreferredTag = "q8_0";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return std::nullopt;
  return value;
}

// "Q4_K_M" and "Q4_K_S", which name a mixture that is mostly Q4_K, are tags too.
bool is_storage_type(std::string_view tag) {
  if (dtype_from_name(tag)) return true;
  const std::size_t mixture = tag.rfind('_');
  return mixture != std::string_view::npos && tag.size() - mixture <= 3 &&
         dtype_from_name(tag.substr(0, mixture)).has_value();
}

std::string name_of_file(const fs::path& path) {
  const std::string stem = path.stem().string();
  const std::size_t dash = stem.rfind('-');
  if (dash == std::string::npos || dash == 0 || !is_storage_type(stem.substr(dash + 1)))
    return stem;
  return stem.substr(0, dash) + ":" + lower(stem.substr(dash + 1));
}

std::uint64_t safetensors_bytes(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  std::size_t entries = 0;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (++entries > kMaxEntries) break;
    std::error_code unreadable;
    if (at->path().extension() != ".safetensors") continue;
    const std::uintmax_t size = at->file_size(unreadable);
    if (!unreadable) bytes += size;
  }
  return bytes;
}

std::optional<FoundModel> model_at(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error) && path.extension() == ".gguf") {
    const std::uintmax_t bytes = fs::file_size(path, error);
    if (error) return std::nullopt;
    return FoundModel{.name = name_of_file(path), .path = path, .bytes = bytes};
  }
  if (fs::is_regular_file(path / "config.json", error))
    return FoundModel{.name = path.filename().string(),
                      .path = path,
                      .bytes = safetensors_bytes(path),
                      .is_folder = true};
  return std::nullopt;
}

std::pair<std::string_view, std::string_view> split_tag(std::string_view name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string_view::npos) return {name, {}};
  return {name.substr(0, colon), name.substr(colon + 1)};
}

std::unexpected<Error> not_found(std::string_view name, std::span<const FoundModel> models,
                                 std::span<const fs::path> folders) {
  std::vector<std::string_view> known;
  for (const FoundModel& model : models) {
    known.push_back(model.name);
    known.push_back(split_tag(model.name).first);
  }
  std::vector<std::string> searched;
  for (const fs::path& folder : folders) searched.push_back(quoted(folder.string(), 200));
  auto error = fail(ErrorKind::kNotFound, "model_not_found",
                    "there is no model {}, neither as a path nor in {}.{}", quoted(name),
                    searched.empty() ? "a model folder (none exists)"
                                     : fmt::format("{}", fmt::join(searched, ", ")),
                    did_you_mean(name, known));
  return std::unexpected(std::move(error).error().with_hint(
      "`bantam list` shows the models there are; $BANTAM_MODELS names further folders"));
}

}  // namespace

std::vector<fs::path> model_folders() {
  std::vector<fs::path> wanted;
  if (const auto listed = environment("BANTAM_MODELS")) {
    std::string_view rest = *listed;
    while (!rest.empty()) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      if (colon > 0) wanted.emplace_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  if (const auto data = environment("XDG_DATA_HOME")) {
    wanted.push_back(fs::path(*data) / "bantam/models");
  } else if (const auto home = environment("HOME")) {
    wanted.push_back(fs::path(*home) / ".local/share/bantam/models");
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error)
    for (const char* place : {"models", "../../models", "../share/bantam/models"})
      wanted.push_back((program.parent_path() / place).lexically_normal());

  std::vector<fs::path> folders;
  for (const fs::path& folder : wanted) {
    if (!fs::is_directory(folder, error)) continue;
    if (std::ranges::find(folders, folder) == folders.end()) folders.push_back(folder);
  }
  return folders;
}

std::vector<FoundModel> find_models(std::span<const fs::path> folders) {
  std::vector<FoundModel> models;
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    std::vector<FoundModel> here;
    std::error_code error;
    std::size_t entries = 0;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      if (++entries > kMaxEntries) break;
      if (auto model = model_at(at->path())) here.push_back(std::move(*model));
    }
    std::ranges::sort(here, {}, &FoundModel::name);
    for (FoundModel& model : here)
      if (names.insert(model.name).second) models.push_back(std::move(model));
  }
  return models;
}

Result<fs::path> resolve_model(std::string_view name, std::span<const fs::path> folders) {
  std::error_code error;
  if (name.empty()) return fail(ErrorKind::kUsage, "model_not_found", "the model's name is empty");
  if (name.contains('/') || fs::exists(fs::path(name), error)) return fs::path(name);

  const std::vector<FoundModel> models = find_models(folders);
  std::vector<const FoundModel*> tagged;
  for (const FoundModel& model : models) {
    if (lower(model.name) == lower(name)) return model.path;
    if (lower(split_tag(model.name).first) == lower(name)) tagged.push_back(&model);
  }
  if (tagged.size() == 1) return tagged[0]->path;
  std::vector<std::string_view> choices;
  for (const FoundModel* model : tagged) {
    if (split_tag(model->name).second == kPreferredTag) return model->path;
    choices.push_back(model->name);
  }
  if (!choices.empty())
    return fail(ErrorKind::kUsage, "model_ambiguous", "{} may be {}", quoted(name),
                fmt::join(choices, " or "));
  return not_found(name, models, folders);
}

namespace {

// Where the adapter of that name is; empty if there is none.
fs::path find_adapter(std::string_view name, std::span<const fs::path> folders) {
  std::error_code error;
  if (name.empty()) return {};
  if (fs::exists(fs::path(name), error)) return fs::path(name);
  if (name.contains('/')) return {};
  for (const fs::path& folder : folders) {
    if (fs::is_regular_file(folder / name / "adapter_config.json", error)) return folder / name;
    const fs::path file = folder / fmt::format("{}.gguf", name);
    if (fs::is_regular_file(file, error)) return file;
  }
  return {};
}

}  // namespace

Result<ModelChoice> resolve_model_choice(std::string_view name, std::span<const fs::path> folders) {
  std::error_code error;
  auto whole = resolve_model(name, folders);
  if (whole && fs::exists(*whole, error)) return ModelChoice{*whole, {}};
  for (std::size_t colon = name.find(':'); colon != name.npos; colon = name.find(':', colon + 1)) {
    const fs::path adapter = find_adapter(name.substr(colon + 1), folders);
    if (adapter.empty()) continue;
    const auto base = resolve_model(name.substr(0, colon), folders);
    if (base && fs::exists(*base, error)) return ModelChoice{*base, adapter};
  }
  return ModelChoice{TRY(std::move(whole)), {}};
}

Result<ModelChoice> resolve_model_choice(std::string_view name) {
  return resolve_model_choice(name, model_folders());
}

Result<fs::path> resolve_model(std::string_view name) {
  return resolve_model(name, model_folders());
}

}  // namespace bantam
