// The metadata keys of WordPiece tokenizers. The first two are GGUF's and count when there is no
// bantam.tokenizer.normalizer.
#pragma once

#include <string_view>

namespace bantam {

inline constexpr std::string_view kBertLowercaseKey = "tokenizer.ggml.normalizer.lowercase";
inline constexpr std::string_view kBertStripAccentsKey = "tokenizer.ggml.normalizer.strip_accents";
inline constexpr std::string_view kMaxWordCharsKey = "bantam.tokenizer.max_word_chars";

}  // namespace bantam
