// Cuts text into the words that a BPE or WordPiece model looks at one by one.
//
// Either by name (tokenizer.ggml.pre) or as tokenizer.json's /pre_tokenizer spells it out: Split,
// ByteLevel, Digits, Punctuation, Whitespace, WhitespaceSplit, Metaspace, BertPreTokenizer,
// CharDelimiterSplit, Sequence. Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/splitter.h"

namespace bantam {

class Pretokenizer {
 public:
  // Text as one word.
  Pretokenizer() = default;

  // kUnsupported "tokenizer_unsupported" for an unknown name, with those that are near it.
  static Result<Pretokenizer> named(std::string_view name);
  // `value` is /pre_tokenizer (null: the text is one word); `path` its JSON pointer. The errors of
  // Regex::compile, and kUnsupported "tokenizer_unsupported" for an unknown type.
  static Result<Pretokenizer> parse(const Json& value, std::string_view path = "/pre_tokenizer");

  // Whether the model's vocabulary spells bytes in the byte alphabet (byte_alphabet.h).
  bool byte_level() const { return byte_level_; }
  // Whether words come out spelled in it already; otherwise they are plain bytes.
  bool spells_bytes() const { return spells_bytes_; }
  // Whether every word is a view into the text.
  bool keeps_text() const;

  // Hands the words of `text` to `words`, in order. Bytes that are not UTF-8 are words of their
  // own, one for each run of them. `at_start` says that the text begins the whole input.
  void split(std::string_view text, bool at_start, PieceSink& words) const;

 private:
  Result<void> add(const Json& value, const std::string& path, int depth);
  Result<void> add_pattern(std::string_view pattern, bool trusted);

  std::vector<std::shared_ptr<const PretokenizerStep>> steps_;
  bool byte_level_ = false;
  bool spells_bytes_ = false;
};

}  // namespace bantam
