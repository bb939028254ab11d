// safetensors: a JSON header and raw little-endian rows.
//
// The reader accepts what the format's own specification accepts and nothing more: unique names,
// offsets that cover the data exactly, without overlap or hole. The header is read as a stream of
// events; nothing is built of it before it has passed.
// Format: https://github.com/huggingface/safetensors#format
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "formats/weight_file.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace bantam {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // byte offsets in the file
};

struct SafetensorsHeader {
  std::vector<std::pair<std::string, std::string>> metadata;  // "__metadata__"
  std::vector<SafetensorsEntry> tensors;                      // in the order of the header
};

// Errors: kMalformed, kTooLarge or kUnsupported (a dtype, more than four dimensions), all with the
// code "safetensors_invalid" and the place in the header or the tensor's name.
Result<SafetensorsHeader> scan_safetensors(std::span<const std::byte> bytes);

// A view into `bytes`, or, where its numbers do not lie on their natural alignment, on a copy of
// them that `file` owns.
TensorView safetensors_view(WeightFile& file, const SafetensorsEntry& entry,
                            std::span<const std::byte> bytes);

// One file with the names it has: an adapter, say. "__metadata__" becomes string keys.
Result<std::shared_ptr<WeightFile>> read_safetensors(const std::filesystem::path& path);

using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

// Writes one file. Tensors are ordered by the size of their elements, largest first, so that all
// are aligned, and otherwise as given. kUnsupported "safetensors_cannot_hold" for a dtype that the
// format lacks. CHECKs that names are unique and not "__metadata__".
Result<void> write_safetensors(const std::filesystem::path& path,
                               std::span<const NamedTensor> tensors,
                               const SafetensorsMetadata& metadata = {});

// Writes model.safetensors, or model-00001-of-0000N.safetensors and so on with their
// model.safetensors.index.json where the tensors have more than `shard_bytes` together. The index
// comes last: a folder that has one is complete.
Result<void> write_safetensors_folder(const std::filesystem::path& folder,
                                      std::span<const NamedTensor> tensors,
                                      std::uint64_t shard_bytes,
                                      const SafetensorsMetadata& metadata = {});

}  // namespace bantam
