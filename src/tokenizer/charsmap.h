// The precompiled normalisation table of SentencePiece (precompiled_charsmap): a double-array trie
// of byte strings and their replacements. Format: u32 little-endian size of the trie in bytes, the
// trie's units (u32), then the replacements, each ended by NUL.
//
// The longest match counts, as in the SentencePiece library. (tokenizers of Hugging Face looks at
// whole grapheme clusters first and so differs for some letters followed by combining marks; the
// models were trained with the library.)
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"

namespace bantam {

class CharsMap {
 public:
  CharsMap() = default;  // replaces nothing but broken bytes

  // Checks sizes; walking the trie checks every index, so hostile tables give wrong text at worst.
  // A replacement of more than 256 bytes is refused, so that no text grows beyond that factor.
  // kMalformed "tokenizer_invalid".
  static Result<CharsMap> parse(std::string_view bytes);

  // The text with the longest match at each place replaced. Each broken byte becomes U+FFFD.
  std::string apply(std::string_view text) const;

 private:
  struct Match {
    std::size_t bytes = 0;          // of the text; 0: nothing matches
    std::uint32_t replacement = 0;  // offset into replacements_
  };
  Match longest_match(std::string_view text) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// tokenizer.ggml.precompiled_charsmap, an array of bytes; none if it is absent or empty.
Result<std::optional<CharsMap>> read_charsmap(const Metadata& metadata);
void set_charsmap(Metadata& metadata, std::string_view bytes);

}  // namespace bantam
