// The precompiled normalisation table of SentencePiece (precompiled_charsmap): a double-array trie
// of byte strings and their replacements. Format: u32 little-endian size of the trie in bytes, the
// trie's units (u32), then the replacements, each ended by NUL.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bantam {

class CharsMap {
 public:
  // Checks sizes; walking the trie checks every index, so hostile tables give wrong text at worst.
  // kMalformed "tokenizer_invalid".
  static Result<CharsMap> parse(std::string_view bytes);

  // The text with the longest match at each place replaced. Each broken byte becomes U+FFFD.
  std::string apply(std::string_view text) const;

 private:
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace bantam
