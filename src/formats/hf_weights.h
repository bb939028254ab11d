// The safetensors files of a Hugging Face folder, found, checked and mapped.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "formats/safetensors.h"

namespace bantam {

struct HfTensor {
  SafetensorsEntry entry;
  std::span<const std::byte> file;  // that the entry's offsets count in
};

struct HfWeights {
  std::vector<MappedFile> maps;   // keep the spans valid
  std::vector<HfTensor> tensors;  // names unique
};

// `path` is the folder, or one safetensors file. In a folder: model.safetensors; else what
// model.safetensors.index.json lists, which must be plain names beside it, hold what it says, and
// share no tensor. Errors: "safetensors_invalid", "pickle_unsupported" where there are only PyTorch
// files, "file_not_found".
Result<HfWeights> open_hf_weights(const std::filesystem::path& path);

}  // namespace bantam
