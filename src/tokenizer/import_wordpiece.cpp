// WordPiece vocabularies, tokenizer.json of that type and vocab.txt → canonical metadata.
#include <utility>

#include "tokenizer/hf_spaces.h"
#include "tokenizer/import.h"
#include "tokenizer/space_rules.h"
#include "tokenizer/vocab.h"
#include "tokenizer/wordpiece.h"

namespace bantam {
namespace {

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

bool is_special(std::string_view piece) {
  return piece.size() > 2 && piece.starts_with('[') && piece.ends_with(']');
}

// "the" → "▁the" and "##ing" → "ing"; [CLS] and its like stay.
std::string gguf_spelling(std::string_view piece, std::string_view continuing) {
  if (is_special(piece)) return std::string(piece);
  if (!continuing.empty() && piece.size() > continuing.size() && piece.starts_with(continuing))
    return std::string(piece.substr(continuing.size()));
  return std::string(kSpaceMark) + std::string(piece);
}

// The tokens that BERT's code looks up by name.
void name_specials(ImportedVocab& vocab, std::string_view unknown) {
  const std::pair<std::string_view, std::optional<TokenId> ImportedVocab::*> names[] = {
      {"[CLS]", &ImportedVocab::cls},
      {"[SEP]", &ImportedVocab::separator},
      {"[PAD]", &ImportedVocab::pad},
      {"[MASK]", &ImportedVocab::mask},
      {unknown, &ImportedVocab::unknown}};
  for (std::size_t id = 0; id < vocab.pieces.size(); ++id) {
    for (const auto& [name, member] : names) {
      if (vocab.pieces[id] != name || (vocab.*member)) continue;
      vocab.*member = static_cast<TokenId>(id);
      vocab.types[id] = name == unknown ? TokenType::kUnknown : TokenType::kControl;
    }
  }
}

// BertNormalizer as GGUF's two switches if they say it all.
Result<void> import_normalizer(const JsonObject& root, Metadata& out) {
  const Json* const normalizer = json_member(root, "normalizer");
  if (normalizer == nullptr) {
    out.set_string(kNormalizerKey, "null");
    return {};
  }
  JsonReader reader(*normalizer, "/normalizer");
  const bool bert = json_type_is(*normalizer, "BertNormalizer");
  if (!bert || !TRY(reader.boolean("clean_text", true)) ||
      !TRY(reader.boolean("handle_chinese_chars", true))) {
    out.set_string(kNormalizerKey, write_json(*normalizer));
    return {};
  }
  const bool lowercase = TRY(reader.boolean("lowercase", true));
  out.set_bool(kBertLowercaseKey, lowercase);
  out.set_bool(kBertStripAccentsKey, TRY(reader.boolean("strip_accents", lowercase)));
  return {};
}

}  // namespace

Result<ImportedVocab> import_wordpiece_json(const JsonObject& root, Metadata& out) {
  const Json* const model_value = json_member(root, "model");
  if (model_value == nullptr || !model_value->is_object())
    return malformed("/model: expected an object");
  const Json* const pre = json_member(root, "pre_tokenizer");
  if (pre == nullptr || !json_type_is(*pre, "BertPreTokenizer"))
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "/pre_tokenizer: only BertPreTokenizer is known with WordPiece");
  const Json* const list = json_member(model_value->get_object(), "vocab");
  if (list == nullptr) return malformed("/model/vocab is missing");
  JsonReader model(*model_value, "/model");
  const std::string continuing = TRY(model.string("continuing_subword_prefix", "##"));
  const std::string unknown = TRY(model.string("unk_token", "[UNK]"));
  const std::int64_t max_chars = TRY(model.integer("max_input_chars_per_word", 100, 1, 1 << 20));

  ImportedVocab vocab;
  vocab.pieces = TRY(read_vocab_object(*list, "/model/vocab"));
  vocab.types.assign(vocab.pieces.size(), TokenType::kNormal);
  name_specials(vocab, unknown);
  if (!vocab.unknown) return malformed("/model/unk_token: {} is no token", quoted(unknown));
  for (std::size_t id = 0; id < vocab.pieces.size(); ++id)
    if (vocab.types[id] == TokenType::kNormal)
      vocab.pieces[id] = gguf_spelling(vocab.pieces[id], continuing);
  TRY(import_normalizer(root, out));
  out.set_string("tokenizer.ggml.model", "bert");
  if (max_chars != 100) out.set_u32(kMaxWordCharsKey, static_cast<std::uint32_t>(max_chars));
  return vocab;
}

Result<ImportedVocab> import_vocab_txt(std::string_view bytes, Metadata& out) {
  ImportedVocab vocab;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (vocab.pieces.size() == kMaxVocabSize || line.size() > kMaxPieceBytes)
      return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                  "line {}: {} bytes; at most {} lines of {} bytes", vocab.pieces.size() + 1,
                  line.size(), kMaxVocabSize, kMaxPieceBytes);
    vocab.pieces.emplace_back(line);
  }
  vocab.types.assign(vocab.pieces.size(), TokenType::kNormal);
  name_specials(vocab, "[UNK]");
  if (!vocab.unknown) return malformed("expected a WordPiece vocabulary, found no line [UNK]");
  bool has_upper = false;
  for (std::size_t id = 0; id < vocab.pieces.size(); ++id) {
    if (vocab.types[id] != TokenType::kNormal) continue;
    for (const char c : vocab.pieces[id])
      has_upper = has_upper || (!is_special(vocab.pieces[id]) && c >= 'A' && c <= 'Z');
    vocab.pieces[id] = gguf_spelling(vocab.pieces[id], "##");
  }
  // The file does not say whether text is lowercased; a vocabulary with capitals is a cased one.
  out.set_bool(kBertLowercaseKey, !has_upper);
  out.set_bool(kBertStripAccentsKey, !has_upper);
  out.set_string("tokenizer.ggml.model", "bert");
  return vocab;
}

}  // namespace bantam
