// A model on disk: metadata and named tensors, as views on memory maps.
//
// GGUF files (v1 to v3, split or not) and Hugging Face folders (config.json, tokenizer files,
// safetensors, sharded or not) both become a WeightFile with canonical metadata keys and tensor
// names, which are GGUF's. Opening checks every size, offset and count against the bytes that are
// there before anything is allocated or mapped on their word; it reads the header only, so it
// costs the same for any size of file.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "formats/metadata.h"
#include "tensor/tensor.h"

namespace bantam {

struct NamedTensor {
  std::string name;
  TensorView view;
};

class WeightFile {
 public:
  Metadata metadata;
  std::string description;  // "GGUF v3", "Hugging Face folder": for people

  // Bytes that views point into must be owned by the file: a map, or a buffer made at load time.
  void own(MappedFile map);
  std::byte* own_buffer(std::size_t bytes);  // 64-byte aligned, zeroed
  // Or by something else, which then lives as long as the file: another file, say.
  void own(std::shared_ptr<const void> owner);
  // CHECKs that the name is new: readers refuse duplicates before they get here.
  void add_tensor(std::string name, TensorView view);

  std::span<const NamedTensor> tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const;
  std::uint64_t tensor_bytes() const;  // sum over all

 private:
  std::vector<NamedTensor> tensors_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<MappedFile> maps_;
  std::vector<std::shared_ptr<std::byte[]>> buffers_;
  std::vector<std::shared_ptr<const void>> owners_;
};

// Opens whatever `path` is: a GGUF file, a split GGUF's first part, a safetensors file beside its
// config.json, or a Hugging Face folder. Errors name the file, the byte or key, what was expected
// and what was found; codes "gguf_invalid", "safetensors_invalid", "config_invalid",
// "pickle_unsupported", "file_not_found".
Result<std::shared_ptr<WeightFile>> open_weights(const std::filesystem::path& path);

}  // namespace bantam
