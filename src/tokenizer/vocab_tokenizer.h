// The part of a tokenizer that does not depend on its family.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"
#include "tokenizer/special_splitter.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

namespace bantam {

// A tokenizer on a Vocab: everything but the encoding of plain text and the bytes of a piece.
//
// encode() finds the added tokens, hands each stretch of plain text between them to encode_text(),
// and puts prefix and suffix around the whole. `normalizer` is applied to each stretch, and tokens
// marked `normalized` are looked for after it; a family that normalises by itself passes none.
class VocabTokenizer : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const final;
  std::string piece_bytes(TokenId id, bool show_control) const final;
  std::size_t vocab_size() const final { return vocab_.size(); }
  std::string_view piece(TokenId id) const final;
  TokenType type(TokenId id) const final;
  std::optional<TokenId> find(std::string_view piece) const final { return vocab_.find(piece); }
  const SpecialTokens& specials() const final { return vocab_.specials(); }
  std::string_view description() const final { return description_; }

 protected:
  VocabTokenizer(Vocab vocab, std::optional<Normalizer> normalizer, std::string description);

  const Vocab& vocab() const { return vocab_; }

  // Appends the ids of a stretch of plain text, never empty and not necessarily UTF-8. `at_start`
  // says that it begins the text; every other stretch comes after an added token.
  virtual void encode_text(std::string_view text, bool at_start,
                           std::vector<TokenId>& ids) const = 0;

  // Called before the first token of a text that begins with a user-defined one: what the family
  // puts there.
  virtual void begin_with_user_defined(std::vector<TokenId>& /*ids*/) const {}

  // The bytes of a token of type kNormal, kUnused or kByte. (Control, unknown and user-defined
  // tokens stand for their spelling; the first two are shown only on request.)
  virtual std::string normal_bytes(TokenId id) const = 0;

 private:
  void encode_stretch(std::string_view text, bool at_start, bool parse_specials,
                      std::vector<TokenId>& ids) const;

  Vocab vocab_;
  std::optional<Normalizer> normalizer_;
  std::string description_;
  SpecialSplitter raw_, normalized_;  // for added tokens of either kind
};

}  // namespace bantam
