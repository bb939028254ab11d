// Writes GGUF version 3, as a stream: the header when it is made, then the tensors' bytes in
// order, in pieces of any size. The file appears under its name on commit() and not before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "formats/metadata.h"
#include "formats/weight_file.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace bantam {

struct GgufTensorPlan {
  std::string name;
  DType dtype;
  Shape shape;
};

class GgufWriter {
 public:
  // Writes the header. Data is aligned to 32 bytes, whatever general.alignment was; the key itself
  // is left out. Errors: those of AtomicFile; kUnsupported "gguf_cannot_hold" for a dtype that
  // GGUF lacks, a name over 64 bytes, a scalar or an empty tensor; kMalformed "gguf_invalid" for
  // names or keys that a reader would refuse.
  static Result<GgufWriter> create(const std::filesystem::path& path, const Metadata& metadata,
                                   std::vector<GgufTensorPlan> tensors);

  // The next bytes of the tensors, in the order of the plan. CHECKs that they are no more than
  // planned; a piece may not cross from one tensor to the next.
  Result<void> write(std::span<const std::byte> bytes);
  // CHECKs that every byte of every tensor has been written.
  Result<void> commit();

  std::uint64_t file_bytes() const { return total_; }  // of the finished file

 private:
  explicit GgufWriter(AtomicFile file) : file_(std::move(file)) {}
  Result<void> finish_tensor();

  AtomicFile file_;
  std::vector<GgufTensorPlan> tensors_;
  std::size_t current_ = 0;  // tensor being written
  std::uint64_t left_ = 0;   // bytes it still lacks
  std::uint64_t total_ = 0;
};

// The whole of `file` under another name: same metadata, tensors in their order.
Result<void> write_gguf(const std::filesystem::path& path, const WeightFile& file);

// The header alone, up to where the data begins. For tests.
Result<std::string> gguf_header_bytes(const Metadata& metadata,
                                      std::span<const GgufTensorPlan> tensors);

}  // namespace bantam
