// The metadata key of Unigram tokenizers that GGUF lacks.
#pragma once

#include <string_view>

namespace bantam {

// Whether sums of scores are kept as doubles; false if absent.
inline constexpr std::string_view kExactSumsKey = "bantam.tokenizer.exact_sums";

}  // namespace bantam
