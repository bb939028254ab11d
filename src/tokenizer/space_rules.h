// How SentencePiece-style tokenizers treat spaces: what becomes of them before the pieces of a
// vocabulary, which spell a space as "▁" (U+2581), are looked for.
//
// From tokenizer.ggml.add_space_prefix (true if absent), tokenizer.ggml.remove_extra_whitespaces
// (false if absent), and bantam.tokenizer.space_rules, a list of words for what GGUF has no key
// for: "first", "unless_space", "inline", "whitespace", "split" (see the members).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/vocab.h"

namespace bantam {

inline constexpr std::string_view kSpaceMark = "\u2581";
inline constexpr std::string_view kSpaceRulesKey = "bantam.tokenizer.space_rules";
inline constexpr std::string_view kNormalizerKey = "bantam.tokenizer.normalizer";

// What a stretch of text begins with.
enum class StretchBegin : std::uint8_t { kText, kAfterUserDefined, kAfterControl };

// For a stretch whose ids will be added to `ids`; `at_start` as in VocabTokenizer::encode_text.
StretchBegin stretch_begin(const Vocab& vocab, bool at_start, const std::vector<TokenId>& ids);

struct SpaceRules {
  bool prefix = true;         // a space goes before each stretch of text …
  bool first_only = false;    // … but only where the whole text begins ("first")
  bool unless_space = false;  // … but only if it does not begin with one ("unless_space")
  // User-defined tokens are part of the text around them: there is no space after one that the text
  // does not have, and one before a token that the text begins with ("inline"). The SentencePiece
  // library has it so; elsewhere text begins anew after every token that is cut out of it.
  bool inline_tokens = false;
  bool collapse = false;  // a run of spaces counts as one, and at either end as none
  // Text is split at every white-space character, and each word is a stretch ("whitespace"). Needs
  // prefix without first_only, and makes collapse say nothing new.
  bool words = false;
  bool split = false;  // no piece reaches across the beginning of a word ("split")

  static Result<SpaceRules> from_metadata(const Metadata& metadata);
  // Writes the keys; those of bantam only where GGUF's do not say it all.
  void to_metadata(Metadata& metadata) const;

  // The text with its spaces spelled "▁".
  std::string apply(std::string_view text, StretchBegin begin) const;

 private:
  std::string apply_to_words(std::string_view text) const;
};

// The bytes that a piece stands for: "▁" is a space.
std::string unescape_spaces(std::string_view piece);

}  // namespace bantam
