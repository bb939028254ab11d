// The pre-tokenizers that weight files name (tokenizer.ggml.pre), as the steps that each means.
// Names are those that converters to GGUF write; patterns are those of the models' own files.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace bantam {

// Most pre-tokenizers are one to five regular expressions, applied one after the other to the
// pieces that the last one left: matches and the text between them become pieces.
struct PretokenizerInfo {
  std::string_view name;
  std::span<const std::string_view> patterns;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool add_bos = false;        // what add_bos_token is when the file does not say
  bool add_separator = false;  // likewise add_sep_token
  bool compose = false;        // the text is brought to NFC first
};

// Three patterns stand for steps that no backtracking matcher does in linear time
// (make_thousands_splitter, make_line_end_splitter).
inline constexpr std::string_view kThousandsPattern = "(?=(\\d{3})+(?!\\d))";
inline constexpr std::string_view kThousandsInWordsPattern = "\\d{1,3}(?=(?:\\d{3})*\\b)";
inline constexpr std::string_view kLineEndPattern = "\\s+$";

// nullptr if unknown.
const PretokenizerInfo* find_pretokenizer(std::string_view name);

std::span<const PretokenizerInfo> known_pretokenizers();

}  // namespace bantam
