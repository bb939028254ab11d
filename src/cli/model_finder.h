// Which file is meant by the name of a model.
//
// A model is a GGUF file or a Hugging Face folder. A word that names an existing path, or that has
// a slash in it, is a path. Anything else is a name: it is looked up in the model folders, which
// are, in this order, those of $BANTAM_MODELS (separated by colons), the user's own
// (~/.local/share/bantam/models) and the shipped one (models/ beside the program, in the checkout
// it was built in, or in ../share/bantam/models).
//
// A file "seed-Q8_0.gguf" is the model "seed:q8_0": what follows the last dash is the tag if it is
// the name of a storage type, otherwise the whole stem is the name and there is no tag. A folder's
// name is its model's name. "seed" alone means the only tag there is, or Q8_0 among several.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bantam {

struct FoundModel {
  std::string name;  // "seed:q8_0"
  std::filesystem::path path;
  std::uint64_t bytes = 0;  // of the file, or of a folder's safetensors files
  bool is_folder = false;
};

// The model folders that exist, best first.
std::vector<std::filesystem::path> model_folders();

// All models in `folders`, in the order of the folders and by name within one. Of two with the same
// name the first counts; the second is not listed. What cannot be read is left out.
std::vector<FoundModel> find_models(std::span<const std::filesystem::path> folders);

// The path of a model. kNotFound "model_not_found" names the nearest models and the folders that
// were searched; kUsage "model_ambiguous" names the tags to choose from.
Result<std::filesystem::path> resolve_model(std::string_view name,
                                            std::span<const std::filesystem::path> folders);
Result<std::filesystem::path> resolve_model(std::string_view name);  // in model_folders()

// A model, or BASE:ADAPTER: a model and an adapter of it (models/adapter.h), which is a path or the
// name of a GGUF file or a PEFT folder in the model folders. What is a model's whole name, or a
// path that exists, is that. Errors as above.
struct ModelChoice {
  std::filesystem::path model;
  std::filesystem::path adapter;  // empty: none
};
Result<ModelChoice> resolve_model_choice(std::string_view name,
                                         std::span<const std::filesystem::path> folders);
Result<ModelChoice> resolve_model_choice(std::string_view name);  // in model_folders()

}  // namespace bantam
