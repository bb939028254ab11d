// A *.model file of the SentencePiece library: a protocol-buffer message
// (sentencepiece_model.proto) with the pieces, how they were trained, and how text is normalised.
//
// Own reader of the wire format: every length is checked against what is left before anything is
// made of it, fields that we do not know are skipped, and memory stays within a few times the
// file's size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

struct SentencePieceModel {
  enum class Kind : std::uint8_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

  Kind kind = Kind::kUnigram;
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<TokenType> types;
  std::optional<TokenId> unknown, bos, eos, pad;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false;
  std::string charsmap;  // may be empty

  // kMalformed "tokenizer_invalid" with the byte offset; kTooLarge "tokenizer_too_large".
  static Result<SentencePieceModel> parse(std::string_view bytes);
};

}  // namespace bantam
