// The metadata key of Unigram tokenizers that GGUF lacks.
#pragma once

#include <string_view>

namespace bantam {

// Scores as doubles, one a token from the first on, where a tokenizer.json gives them so. They
// replace tokenizer.ggml.scores, and sums are kept as doubles.
inline constexpr std::string_view kExactScoresKey = "bantam.tokenizer.exact_scores";

}  // namespace bantam
