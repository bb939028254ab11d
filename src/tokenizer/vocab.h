// The vocabulary that every family of tokenizers shares: spelling, type and score of each token,
// the id of a spelling, and the tokens with a role.
//
// Canonical metadata, beyond GGUF's own tokenizer.ggml.* keys, holds what tokenizer.json says and
// GGUF has no key for. All of these are optional and written by canonicalize_tokenizer():
//   bantam.tokenizer.lstrip        ids of tokens that take the white space before them along
//   bantam.tokenizer.rstrip        … after them along
//   bantam.tokenizer.single_word   ids of tokens that match only between non-word characters
//   bantam.tokenizer.normalized    ids of tokens that are looked for in normalised text
//   bantam.tokenizer.prefix        ids that add_specials puts before a text (replaces
//   add_bos_token) bantam.tokenizer.suffix        ids that it puts after a text (replaces
//   add_eos_token) bantam.tokenizer.normalizer    JSON text of tokenizer.json's /normalizer
//   bantam.tokenizer.pre_tokenizer JSON text of tokenizer.json's /pre_tokenizer, replaces
//                                  tokenizer.ggml.pre
//   bantam.tokenizer.ignore_merges BPE: a word that is a token is that token
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

inline constexpr std::size_t kMaxVocabSize = 1u << 22;
inline constexpr std::size_t kMaxPieceBytes = 64u << 10;

// A token that is looked for in the text before anything else looks at it.
struct AddedToken {
  TokenId id = 0;
  bool control = false;      // only with parse_specials
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool single_word = false;  // only where no word character (\w) touches it
  bool normalized = false;   // looked for after normalisation
};

class Vocab {
 public:
  // Checks counts, ranges and types; nothing is allocated for more tokens than the metadata holds.
  // Two tokens with one spelling are allowed, and find() gives the first. Errors: kNotFound
  // "no_tokenizer", kMalformed "tokenizer_invalid", kTooLarge "tokenizer_too_large".
  static Result<Vocab> from_metadata(const Metadata& metadata);

  std::size_t size() const { return types_.size(); }
  bool contains(TokenId id) const { return id >= 0 && static_cast<std::size_t>(id) < size(); }

  // The id must be contained.
  std::string_view piece(TokenId id) const {
    const auto i = static_cast<std::size_t>(id);
    return std::string_view(text_).substr(begin_[i], begin_[i + 1] - begin_[i]);
  }
  TokenType type(TokenId id) const { return types_[static_cast<std::size_t>(id)]; }
  float score(TokenId id) const {  // 0 without scores
    return scores_.empty() ? 0.0f : scores_[static_cast<std::size_t>(id)];
  }
  bool has_scores() const { return !scores_.empty(); }

  std::optional<TokenId> find(std::string_view piece) const;

  // The token of type kByte spelled <0xNN>.
  std::optional<TokenId> byte_token(std::uint8_t byte) const {
    const TokenId id = byte_tokens_[byte];
    return id < 0 ? std::nullopt : std::optional<TokenId>(id);
  }
  // The byte that a token of type kByte stands for.
  std::uint8_t byte_value(TokenId id) const;

  const SpecialTokens& specials() const { return specials_; }
  // Tokens of the types kControl, kUnknown and kUserDefined, in order of id, less empty ones.
  std::span<const AddedToken> added() const { return added_; }

 private:
  Result<void> read_pieces(const Metadata& metadata);
  Result<void> read_types(const Metadata& metadata);
  Result<void> read_scores(const Metadata& metadata);
  Result<void> index_pieces();
  Result<void> index_bytes();
  Result<void> read_added(const Metadata& metadata);
  std::size_t slot_of(std::string_view piece) const;

  std::string text_;                  // all spellings in a row
  std::vector<std::uint32_t> begin_;  // size() + 1 offsets into it
  std::vector<TokenType> types_;
  std::vector<float> scores_;
  std::vector<TokenId> slots_;  // open addressing, a power of two; -1 is free
  std::array<TokenId, 256> byte_tokens_{};
  std::vector<AddedToken> added_;
  SpecialTokens specials_;
};

}  // namespace bantam
