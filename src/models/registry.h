// The list of families. A new one is a file in models/text/ and a line in registry.cpp.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "formats/weight_file.h"
#include "models/spec.h"

namespace bantam {

struct Family {
  std::string_view architecture;  // general.architecture
  std::string_view description;   // which models those are
  // Canonical metadata (and tensors, where they say something about the shape) → spec. Every value
  // is range checked; errors name the key.
  Result<ArchSpec> (*read_spec)(const WeightFile& file);
};

std::span<const Family> families();

// By general.architecture. Unknown: kUnsupported "unknown_architecture" with the nearest names.
Result<const Family*> find_family(const Metadata& metadata);

// models/text/
Result<ArchSpec> read_llama_spec(const WeightFile& file);
Result<ArchSpec> read_qwen3_spec(const WeightFile& file);

}  // namespace bantam
