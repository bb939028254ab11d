// GGUF, versions 1 to 3, little endian, whole or split.
//
// Reading goes in two passes. scan_gguf() walks the header and checks every length, count, type,
// offset and size against the bytes that are there; it keeps views and a few words an entry.
// Only when all is sound does add_gguf() make metadata and tensor views of it, so that a bad file
// costs next to nothing.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"
#include "formats/weight_file.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace bantam {

inline constexpr std::uint64_t kGgufDefaultAlignment = 32;

struct GgufKey {
  std::string_view name;
  MetaType type;
  std::uint64_t value;  // byte offset of the value
};

struct GgufTensor {
  std::string_view name;
  DType dtype;
  Shape shape;          // outermost first, the reverse of the file
  std::uint64_t entry;  // byte offset of its description
  std::uint64_t data;   // byte offset of its data, in the file
  std::uint64_t bytes;
};

// What the header says, checked. The views point into the bytes that were scanned.
struct GgufHeader {
  std::uint32_t version = 0;
  std::uint64_t alignment = kGgufDefaultAlignment;
  std::vector<GgufKey> keys;        // in file order, names unique
  std::vector<GgufTensor> tensors;  // in file order, names unique, data disjoint and without gaps
};

// Errors: kMalformed "gguf_invalid", where "at byte N".
Result<GgufHeader> scan_gguf(std::span<const std::byte> bytes);

// Adds metadata and tensors of a file to `file`; `bytes` must stay valid as long as it. On failure
// nothing has been added. A key that is there already is replaced; a tensor that is there already
// is an error.
Result<void> add_gguf(WeightFile& file, std::span<const std::byte> bytes);

// Opens a file, or the first part of a split one with all the others beside it. The keys split.*
// do not appear in the result. Errors as scan_gguf(), with the path, and those of MappedFile.
Result<std::shared_ptr<WeightFile>> read_gguf(const std::filesystem::path& path);

// "GGUF" at the start.
bool is_gguf(std::span<const std::byte> bytes);

}  // namespace bantam
