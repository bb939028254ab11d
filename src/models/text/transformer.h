// What the families of plain transformers have in common: the keys of GGUF that say how many layers
// and heads there are, how wide, how positions turn, how many experts. A family sets what differs.
#pragma once

#include <string_view>

#include "base/result.h"
#include "formats/weight_file.h"
#include "models/spec.h"

namespace bantam {

// Keys are those under "ARCHITECTURE.". Errors: kMalformed "missing_key", "out_of_range",
// "architecture_invalid"; all name the key.
Result<ArchSpec> read_transformer_spec(const WeightFile& file, std::string_view architecture);

}  // namespace bantam
