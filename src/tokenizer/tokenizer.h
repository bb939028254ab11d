// Text to token ids and back: the interface that everybody else sees.
//
// A Tokenizer is immutable once made and may be used by any number of threads. Every algorithm is
// linear in the text for any input, up to the logarithm of one word's length (P03, P04 of the
// catalogue of bad inputs).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/metadata.h"

namespace bantam {

using TokenId = std::int32_t;

enum class TokenType : std::uint8_t {  // GGUF's tokenizer.ggml.token_type
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// The tokens with a role; absent where the vocabulary has none.
struct SpecialTokens {
  std::optional<TokenId> bos, eos, eot, unknown, separator, pad, mask, cls;
  // What add_specials puts before and after a text: BOS and EOS, or [CLS] and [SEP], or whatever
  // the model wants. add_bos and add_eos say whether bos is in `prefix` and eos in `suffix`.
  std::vector<TokenId> prefix, suffix;
  bool add_bos = false, add_eos = false;
  // eos, eot and their like, ascending: generation stops at any of them.
  std::vector<TokenId> end_of_generation;

  bool ends_generation(TokenId id) const;
};

// Bytes [begin, end) of a text.
struct ByteRange {
  std::size_t begin = 0, end = 0;
  bool operator==(const ByteRange&) const = default;
};

struct EncodeOptions {
  bool add_specials = false;    // the BOS, EOS, CLS, SEP that the model wants around a text
  bool parse_specials = false;  // "<|im_end|>" in the text is the token, not its characters
  // Where parse_specials does not hold: an occurrence that overlaps one of these ranges is treated
  // as if parse_specials were false, so that what a user typed cannot become a control token.
  // Sorted, disjoint, within the text. The ranges change nothing else: text without a special's
  // spelling in them gets the same ids with them and without.
  std::span<const ByteRange> plain_ranges = {};
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text`. Bytes that are not UTF-8 are encoded byte by byte where the vocabulary can,
  // and as U+FFFD or the unknown token where it cannot. User-defined tokens (which models use for
  // text such as "<think>" or runs of spaces) are found whatever the options; control tokens only
  // with parse_specials.
  virtual std::vector<TokenId> encode(std::string_view text,
                                      const EncodeOptions& options) const = 0;

  // The bytes a token stands for in running text: "▁the" is " the", "<0x0A>" a newline, a control
  // token nothing unless `show_control`. Ids out of range give nothing.
  virtual std::string piece_bytes(TokenId id, bool show_control) const = 0;

  // Whether decode() drops a space at the start of the first token that gives any bytes: the one
  // that the encoder had put there.
  virtual bool drops_leading_space() const = 0;

  // The bytes of a whole sequence: its pieces in a row, less the leading space if so. Not
  // necessarily valid UTF-8.
  std::string decode(std::span<const TokenId> ids, bool show_control) const;

  virtual std::size_t vocab_size() const = 0;
  virtual std::string_view piece(TokenId id) const = 0;  // as the vocabulary file spells it
  virtual TokenType type(TokenId id) const = 0;          // kUnused out of range
  virtual std::optional<TokenId> find(std::string_view piece) const = 0;  // exact spelling
  virtual const SpecialTokens& specials() const = 0;
  virtual std::string_view description() const = 0;  // "byte-level BPE (llama-bpe), 128256 tokens"
};

// From a weight file's metadata (tokenizer.ggml.*), which is also what a Hugging Face folder
// becomes (canonicalize_tokenizer in tokenizer/import.h). kNotFound "no_tokenizer" if there is
// none; kUnsupported "tokenizer_unsupported" names an unknown model or pre-tokenizer and those that
// are known; kMalformed "tokenizer_invalid".
Result<std::shared_ptr<const Tokenizer>> make_tokenizer(const Metadata& metadata);

// From a file in its original format: tokenizer.json, tokenizer.model (SentencePiece or ranks),
// *.tiktoken ranks, tokenizer.bin of llama2.c, vocab.json + merges.txt, vocab.txt (WordPiece), a
// folder that holds one of them, or a GGUF file. Goes through the same canonical metadata.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::filesystem::path& path);
// The canonical metadata that it is made of, to be put into another model's file.
Result<Metadata> load_tokenizer_metadata(const std::filesystem::path& path);

}  // namespace bantam
