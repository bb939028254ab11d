// From the files a model's makers publish to canonical metadata.
//
// formats/ puts the files' bytes into the metadata as they are, under the raw keys below;
// canonicalize_tokenizer() turns them into tokenizer.ggml.* and bantam.tokenizer.* (see vocab.h)
// and erases the raw keys. Nothing beyond the metadata is read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "formats/metadata.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

namespace raw_key {
inline constexpr std::string_view kTokenizerJson = "bantam.tokenizer_json";
inline constexpr std::string_view kTokenizerConfig = "bantam.tokenizer_config_json";
inline constexpr std::string_view kTokenizerModel = "bantam.tokenizer_model";  // either kind
inline constexpr std::string_view kVocabJson = "bantam.vocab_json";
inline constexpr std::string_view kMergesTxt = "bantam.merges_txt";
inline constexpr std::string_view kVocabTxt = "bantam.vocab_txt";
inline constexpr std::string_view kTokenizerBin = "bantam.tokenizer_bin";  // llama2.c
inline constexpr std::string_view kAddedTokens = "bantam.added_tokens_json";
inline constexpr std::string_view kSpecialTokensMap = "bantam.special_tokens_map_json";
}  // namespace raw_key

// Does nothing when no raw key is there. When there are several sources, tokenizer.json wins, then
// tokenizer.model, then the others. On failure the metadata is as before. Errors: kMalformed
// "tokenizer_invalid" (with JSON pointer, line or byte), kUnsupported "tokenizer_unsupported",
// kTooLarge "tokenizer_too_large".
Result<void> canonicalize_tokenizer(Metadata& metadata);

// ---- For the family files -------------------------------------------------------------------

// What a source of any format gives. The caller (import.cpp) lays added tokens, the configuration
// and the post-processor over it and writes the keys that all families share
// (tokenizer.ggml.tokens, scores, token_type, the ids of special tokens). Keys of one family only
// (tokenizer.ggml.model, pre, add_space_prefix, remove_extra_whitespaces, precompiled_charsmap,
// merges …) go into the Metadata straight from the family's function.
struct ImportedVocab {
  std::vector<std::string> pieces;
  std::vector<float> scores;     // empty, or one a piece
  std::vector<TokenType> types;  // one a piece
  std::optional<TokenId> bos, eos, unknown, pad, separator, cls, mask;
  std::optional<bool> add_bos, add_eos;
};

// /model of tokenizer.json, by its type; `root` is the whole document (normalizer, pre-tokenizer,
// decoder). BPE goes to import_spm_json when it has byte_fallback or spells spaces as "▁".
Result<ImportedVocab> import_bpe_json(const JsonObject& root, Metadata& out);
Result<ImportedVocab> import_spm_json(const JsonObject& root, Metadata& out);
Result<ImportedVocab> import_unigram_json(const JsonObject& root, Metadata& out);
Result<ImportedVocab> import_wordpiece_json(const JsonObject& root, Metadata& out);

// Files without JSON. `bytes` is the whole file.
Result<ImportedVocab> import_sentencepiece(std::string_view bytes, Metadata& out);  // *.model
Result<ImportedVocab> import_llama2c(std::string_view bytes, Metadata& out);        // tokenizer.bin
Result<ImportedVocab> import_vocab_txt(std::string_view bytes, Metadata& out);      // WordPiece
Result<ImportedVocab> import_ranks(std::string_view bytes, Metadata& out);          // tiktoken
Result<ImportedVocab> import_vocab_merges(std::string_view vocab_json, std::string_view merges_txt,
                                          Metadata& out);

// /model/vocab of BPE and WordPiece: an object of spelling → id. Ids must be unique and form, with
// /added_tokens, a range without wild gaps (at most kMaxVocabSize); ids of the range that nothing
// names get the type kUnused and a unique spelling.
Result<std::vector<std::string>> read_vocab_object(const Json& vocab, std::string_view path);

}  // namespace bantam
