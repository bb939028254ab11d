// tokenizer.json of type Unigram → canonical metadata.
#include <cmath>

#include "tokenizer/fallback.h"
#include "tokenizer/hf_spaces.h"
#include "tokenizer/import.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

// Appends one entry of /model/vocab: [piece, score].
Result<void> read_entry(const Json& value, ImportedVocab& vocab, MetaArray& exact) {
  const std::size_t at = vocab.pieces.size();
  const JsonArray* const pair = value.if_array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_number())
    return malformed("/model/vocab/{}: expected a piece and its score", at);
  const std::string_view piece = (*pair)[0].get_string();
  if (piece.size() > kMaxPieceBytes)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "/model/vocab/{}: token too long: {} bytes (limit {})", at, piece.size(),
                kMaxPieceBytes);
  exact.floats.push_back((*pair)[1].to_number<double>());
  const auto score = static_cast<float>(exact.floats.back());
  if (!std::isfinite(score)) return malformed("/model/vocab/{}: the score is too large", at);
  vocab.pieces.emplace_back(piece);
  vocab.scores.push_back(score);
  vocab.types.push_back(TokenType::kNormal);
  return {};
}

}  // namespace

Result<ImportedVocab> import_unigram_json(const JsonObject& root, Metadata& out) {
  const Json* const model_value = json_member(root, "model");
  if (model_value == nullptr || !model_value->is_object())
    return malformed("/model: expected an object");
  const JsonObject& model = model_value->get_object();
  const Json* const list = json_member(model, "vocab");
  if (list == nullptr || !list->is_array()) return malformed("/model/vocab: expected an array");
  if (list->get_array().size() > kMaxVocabSize)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large", "/model/vocab: {} tokens, at most {}",
                list->get_array().size(), kMaxVocabSize);

  ImportedVocab vocab;
  MetaArray exact;
  exact.element = MetaType::kF64;
  for (const Json& entry : list->get_array()) TRY(read_entry(entry, vocab, exact));
  if (const Json* const unknown = json_member(model, "unk_id"); unknown != nullptr) {
    const auto id = unknown->is_int64() ? unknown->get_int64() : -1;
    if (id < 0 || static_cast<std::size_t>(id) >= vocab.pieces.size())
      return malformed("/model/unk_id: expected an id below {}", vocab.pieces.size());
    vocab.unknown = static_cast<TokenId>(id);
    vocab.types[static_cast<std::size_t>(id)] = TokenType::kUnknown;
  }
  if (const Json* const bytes = json_member(model, "byte_fallback");
      bytes != nullptr && bytes->is_bool() && bytes->get_bool()) {
    for (std::size_t id = 0; id < vocab.pieces.size(); ++id)
      if (is_byte_piece(vocab.pieces[id])) vocab.types[id] = TokenType::kByte;
  }
  TRY(import_spaces(root, out));
  out.set_string("tokenizer.ggml.model", "t5");
  out.set(kExactScoresKey, {.type = MetaType::kArray, .value = std::move(exact)});
  out.set_string("tokenizer.ggml.pre", "default");
  return vocab;
}

}  // namespace bantam
