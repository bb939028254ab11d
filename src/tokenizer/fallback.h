// What becomes of characters that are no token: their bytes as <0xNN>, or the unknown token.
//
// A run of unknown characters is one unknown token unless bantam.tokenizer.fuse_unknown is false.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/vocab.h"

namespace bantam {

inline constexpr std::string_view kFuseUnknownKey = "bantam.tokenizer.fuse_unknown";

// Whether a piece is spelled <0xNN>, with capital letters.
bool is_byte_piece(std::string_view piece);

class Fallback {
 public:
  // The unknown token is the one the metadata names, or else the first of that type. kMalformed
  // "tokenizer_invalid" if there is none and a byte has no token either: then some text could not
  // be encoded at all.
  static Result<Fallback> from_metadata(const Vocab& vocab, const Metadata& metadata);

  // Any bytes at all can be encoded as they are.
  bool has_all_bytes() const { return has_all_bytes_; }
  std::optional<TokenId> unknown() const { return unknown_; }

  // Appends the tokens of `character`; those of the stretch that it belongs to begin at ids[first].
  void append(std::string_view character, std::size_t first, std::vector<TokenId>& ids) const;

 private:
  std::array<TokenId, 256> bytes_{};  // -1: none
  std::optional<TokenId> unknown_;
  bool has_all_bytes_ = false;
  bool fuse_ = true;
};

}  // namespace bantam
