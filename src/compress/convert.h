// From any weight file to a GGUF of chosen storage types: GGUF or Hugging Face in, GGUF out.
//
// Tensor by tensor and panel of rows by panel of rows: decode, check, encode, decode again to
// measure, write. Memory is a panel for each direction whatever the size of the model. The result
// does not depend on the number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "codec/codec.h"
#include "compress/recipe.h"
#include "formats/weight_file.h"

namespace bantam {

struct ConvertProgress {
  std::size_t tensor = 0, tensors = 0;  // the one being worked on, of all
  std::string_view name;
  std::uint64_t done = 0, total = 0;  // elements
};

// Comes between decoding and encoding the rows of some tensors. Called by several threads at once.
class RowEditor {
 public:
  virtual ~RowEditor() = default;
  virtual bool edits(std::string_view tensor) const = 0;
  // `row` counts through all dimensions but the last.
  virtual void edit(std::string_view tensor, std::int64_t row, std::span<float> values) const = 0;
  // What was edited, into the bytes of a row.
  virtual void encode(std::string_view tensor, std::int64_t row, const Codec& codec,
                      std::span<const float> values, std::byte* out) const;
};

struct ConvertOptions {
  std::filesystem::path out;
  const Recipe* recipe = nullptr;
  const RowEditor* editor = nullptr;  // none
  // Called from the calling thread after each panel; false stops with kCancelled "cancelled".
  std::function<bool(const ConvertProgress&)> progress = {};
};

struct ConvertedType {
  DType type;
  std::size_t tensors = 0;
  std::uint64_t elements = 0, bytes = 0;
  // √(Σ(x' − x)² / Σx²) over all elements that got this type; 0 where nothing was lost.
  double relative_error = 0;
};

struct ConvertReport {
  std::vector<ConvertedType> types;  // in the order of DType
  std::uint64_t elements = 0;
  std::uint64_t tensor_bytes_in = 0, tensor_bytes_out = 0;
  std::uint64_t file_bytes = 0;
  double bits_per_weight = 0;
  double relative_error = 0;  // over all elements
  // Tensors that were blocks of another block type before: their errors add up.
  std::size_t requantized = 0;
};

// Writes options.out, atomically: on failure, or when cancelled, what was there before still is.
// The tokenizer becomes tokenizer.ggml.*. Errors: those of GgufWriter and of
// canonicalize_tokenizer; kUnsupported "dtype_unsupported" for types that cannot be decoded;
// kMalformed "not_finite" names the tensor and the element; kUnsupported "out_of_range" where the
// type cannot hold a value (F16 above 65504).
Result<ConvertReport> convert(const WeightFile& in, const ConvertOptions& options,
                              ThreadPool& pool);

}  // namespace bantam
