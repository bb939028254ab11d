// WordPiece: BERT and the embedding models made from it.
//
// The text is cleaned (BertNormalizer), cut at white space and around punctuation, and of each word
// the longest token that it begins with is taken, then the longest that continues it, to its end; a
// word that cannot be spelled so is one unknown token (Devlin et al., "BERT", NAACL 2019). GGUF
// spells a token that begins a word "▁the" and one that continues it "ing", where vocab.txt has
// "the" and "##ing".
#include "tokenizer/wordpiece.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/unicode.h"
#include "tokenizer/families.h"
#include "tokenizer/piece_trie.h"
#include "tokenizer/space_rules.h"

namespace bantam {
namespace {

bool is_bert_punctuation(char32_t c) {
  const bool ascii = (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
                     (c >= '{' && c <= '~');
  return ascii || is_punctuation(c);
}

class WordPieceTokenizer final : public VocabTokenizer {
 public:
  static TokenizerResult make(Vocab vocab, const Metadata& metadata);

  bool drops_leading_space() const override { return true; }

 protected:
  void encode_text(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override;
  std::string normal_bytes(TokenId id) const override;

 private:
  WordPieceTokenizer(Vocab vocab, Normalizer normalizer, std::string description, TokenId unknown,
                     std::size_t max_chars);

  void encode_word(std::string_view word, std::size_t chars, std::vector<TokenId>& ids) const;

  PieceTrie beginnings_, continuations_;
  TokenId unknown_;
  std::size_t max_chars_;  // of a word; a longer one is unknown
};

WordPieceTokenizer::WordPieceTokenizer(Vocab vocab, Normalizer normalizer, std::string description,
                                       TokenId unknown, std::size_t max_chars)
    : VocabTokenizer(std::move(vocab), std::move(normalizer), std::move(description)),
      unknown_(unknown),
      max_chars_(max_chars) {
  std::vector<std::pair<std::string_view, TokenId>> beginnings, continuations;
  for (TokenId id = 0; this->vocab().contains(id); ++id) {
    if (this->vocab().type(id) != TokenType::kNormal) continue;
    std::string_view piece = this->vocab().piece(id);
    if (piece.starts_with(kSpaceMark))
      beginnings.emplace_back(piece.substr(kSpaceMark.size()), id);
    else
      continuations.emplace_back(piece, id);
  }
  beginnings_ = PieceTrie(std::move(beginnings));
  continuations_ = PieceTrie(std::move(continuations));
}

void WordPieceTokenizer::encode_text(std::string_view text, bool /*at_start*/,
                                     std::vector<TokenId>& ids) const {
  std::size_t begin = 0, chars = 0;  // of the word so far
  const auto end_word = [&](std::size_t end) {
    if (chars > 0) encode_word(text.substr(begin, end - begin), chars, ids);
    chars = 0;
  };
  for (std::size_t at = 0; at < text.size();) {
    const DecodedChar next = decode_utf8(text.substr(at));
    if (is_whitespace(next.codepoint)) {
      end_word(at);
    } else if (is_bert_punctuation(next.codepoint)) {
      end_word(at);
      encode_word(text.substr(at, next.bytes), 1, ids);
    } else if (chars++ == 0) {
      begin = at;
    }
    at += next.bytes;
  }
  end_word(text.size());
}

void WordPieceTokenizer::encode_word(std::string_view word, std::size_t chars,
                                     std::vector<TokenId>& ids) const {
  const std::size_t before = ids.size();
  const PieceTrie* trie = &beginnings_;
  while (!word.empty()) {
    std::size_t longest = 0;
    TokenId best = -1;
    if (chars <= max_chars_) {
      trie->for_each_prefix(word, [&](std::size_t bytes, TokenId id) {
        longest = bytes;
        best = id;
      });
    }
    if (best < 0) {
      ids.resize(before);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(best);
    word.remove_prefix(longest);
    trie = &continuations_;
  }
}

std::string WordPieceTokenizer::normal_bytes(TokenId id) const {
  const std::string_view text = piece(id);
  if (!text.starts_with(kSpaceMark)) return std::string(text);
  return ' ' + std::string(text.substr(kSpaceMark.size()));
}

// The normalizer of tokenizer.json if there is one, or else BERT's own with GGUF's two switches.
Result<Normalizer> read_normalizer(const Metadata& metadata) {
  if (metadata.contains(kNormalizerKey)) {
    const std::string steps = TRY(metadata.string(kNormalizerKey));
    return Normalizer::parse_text(steps);
  }
  const bool lowercase = TRY(metadata.boolean_or(kBertLowercaseKey, true));
  const bool strip_accents = TRY(metadata.boolean_or(kBertStripAccentsKey, lowercase));
  return Normalizer::parse_text(
      fmt::format(R"({{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
                  R"("strip_accents":{},"lowercase":{}}})",
                  strip_accents, lowercase));
}

TokenizerResult WordPieceTokenizer::make(Vocab vocab, const Metadata& metadata) {
  const std::optional<TokenId> unknown =
      vocab.specials().unknown ? vocab.specials().unknown : vocab.find("[UNK]");
  if (!unknown)
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "tokenizer.ggml.unknown_token_id is missing: words that no pieces spell need it");
  const std::uint64_t max_chars = TRY(metadata.integer_or(kMaxWordCharsKey, 100, 1, 1u << 20));
  Normalizer normalizer = TRY(read_normalizer(metadata));
  std::string description = fmt::format("WordPiece, {} tokens", vocab.size());
  return std::shared_ptr<const Tokenizer>(
      new WordPieceTokenizer(std::move(vocab), std::move(normalizer), std::move(description),
                             *unknown, static_cast<std::size_t>(max_chars)));
}

}  // namespace

TokenizerResult make_wordpiece(Vocab vocab, const Metadata& metadata) {
  return WordPieceTokenizer::make(std::move(vocab), metadata);
}

}  // namespace bantam
