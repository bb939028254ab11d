// tokenizer.json of type BPE over characters (Llama 2, Mistral, Phi-3, Gemma) → canonical metadata.
#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/unicode.h"
#include "tokenizer/fallback.h"
#include "tokenizer/hf_spaces.h"
#include "tokenizer/import.h"
#include "tokenizer/spm_merges.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxMerges = std::size_t{1} << 24;
// Longer tokens are not checked for every way to make them; the merges are then kept as a list.
constexpr std::size_t kMaxCheckedBytes = 128;

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

// The ids of the pieces, by spelling; of two equal ones the first counts.
using Ids = std::unordered_map<std::string_view, std::size_t>;

struct Merge {
  std::string_view left, right;
  std::size_t merged;  // id
};

// One merge of /model/merges: ["a", "b"] or "a b".
Result<std::pair<std::string_view, std::string_view>> read_pair(const Json& value, std::size_t at) {
  if (value.is_array() && value.get_array().size() == 2 && value.get_array()[0].is_string() &&
      value.get_array()[1].is_string())
    return std::pair<std::string_view, std::string_view>(value.get_array()[0].get_string(),
                                                         value.get_array()[1].get_string());
  if (value.is_string()) {
    const std::string_view both = value.get_string();
    const std::size_t space = both.find(' ', 1);
    if (space != both.npos && space + 1 < both.size())
      return std::pair(both.substr(0, space), both.substr(space + 1));
  }
  return malformed("/model/merges/{}: expected two tokens", at);
}

Result<std::vector<Merge>> read_merges(const JsonObject& model, const Ids& ids) {
  const Json* const list = json_member(model, "merges");
  if (list == nullptr || !list->is_array()) return malformed("/model/merges: expected an array");
  if (list->get_array().size() > kMaxMerges)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large", "/model/merges: {} merges, at most {}",
                list->get_array().size(), kMaxMerges);
  std::vector<Merge> merges;
  merges.reserve(list->get_array().size());
  std::string joined;
  for (const Json& value : list->get_array()) {
    const auto [left, right] = TRY(read_pair(value, merges.size()));
    joined.assign(left).append(right);
    const auto merged = ids.find(joined);
    if (merged == ids.end() || !ids.contains(left) || !ids.contains(right))
      return malformed("/model/merges/{}: {} and {} must be tokens that make another one",
                       merges.size(), quoted(left), quoted(right));
    merges.push_back({.left = left, .right = right, .merged = merged->second});
  }
  return merges;
}

// Scores that put the tokens in the order in which the list makes them: 0 for the first, -1 for the
// next. What no merge makes comes last.
std::vector<float> scores_of(const std::vector<Merge>& merges, std::size_t tokens) {
  std::vector<float> scores(tokens, std::numeric_limits<float>::quiet_NaN());
  float next = 0;
  for (const Merge& merge : merges) {
    float& score = scores[merge.merged];
    if (score != score) score = next--;
  }
  for (float& score : scores)
    if (score != score) score = next--;
  return scores;
}

// Whether the scores say all that the list says: each token's merges stand together, in the order
// of the scores, and every way to make a token of two others is among them. Lists that were made
// from a SentencePiece model are like that.
bool scores_suffice(const std::vector<Merge>& merges, const std::vector<float>& scores,
                    const std::vector<std::string>& pieces, const Ids& ids) {
  const auto key = [](std::size_t left, std::size_t right) {
    return std::uint64_t{left} << 32 | right;  // ids are below kMaxVocabSize
  };
  std::unordered_set<std::uint64_t> pairs;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    if (i > 0 && scores[merges[i].merged] > scores[merges[i - 1].merged]) return false;
    pairs.insert(key(ids.at(merges[i].left), ids.at(merges[i].right)));
  }
  for (const std::string& piece : pieces) {
    if (piece.size() > kMaxCheckedBytes) return false;
    const std::string_view text = piece;
    for (std::size_t at = decode_utf8(text).bytes; at < text.size();
         at += decode_utf8(text.substr(at)).bytes) {
      const auto left = ids.find(text.substr(0, at));
      if (left == ids.end()) continue;
      const auto right = ids.find(text.substr(at));
      if (right != ids.end() && !pairs.contains(key(left->second, right->second))) return false;
    }
  }
  return true;
}

bool flag(const JsonObject& model, std::string_view name) {
  const Json* const member = json_member(model, name);
  return member != nullptr && member->is_bool() && member->get_bool();
}

// Settings of the BPE model that would change its tokens and that no such model uses.
Result<void> refuse_unsupported(const JsonObject& model) {
  for (const std::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json* const member = json_member(model, name);
    if (member != nullptr && !(member->is_string() && member->get_string().empty()))
      return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                  "/model/{}: only an empty one is known with pieces that begin with U+2581", name);
  }
  if (flag(model, "ignore_merges"))
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "/model/ignore_merges: only false is known with pieces that begin with U+2581");
  return {};
}

}  // namespace

Result<ImportedVocab> import_spm_json(const JsonObject& root, Metadata& out) {
  const Json* const model_value = json_member(root, "model");
  if (model_value == nullptr || !model_value->is_object())
    return malformed("/model: expected an object");
  const JsonObject& model = model_value->get_object();
  TRY(refuse_unsupported(model));
  const Json* const vocab_value = json_member(model, "vocab");
  if (vocab_value == nullptr) return malformed("/model/vocab is missing");

  ImportedVocab vocab;
  vocab.pieces = TRY(read_vocab_object(*vocab_value, "/model/vocab"));
  Ids ids;
  for (std::size_t id = 0; id < vocab.pieces.size(); ++id) ids.try_emplace(vocab.pieces[id], id);
  const std::vector<Merge> merges = TRY(read_merges(model, ids));
  vocab.scores = scores_of(merges, vocab.pieces.size());
  vocab.types.assign(vocab.pieces.size(), TokenType::kNormal);
  if (flag(model, "byte_fallback")) {
    for (std::size_t id = 0; id < vocab.pieces.size(); ++id)
      if (is_byte_piece(vocab.pieces[id])) vocab.types[id] = TokenType::kByte;
  }
  if (const Json* const unknown = json_member(model, "unk_token"); unknown != nullptr) {
    const auto found = unknown->is_string() ? ids.find(unknown->get_string()) : ids.end();
    if (found == ids.end()) return malformed("/model/unk_token: expected a token of /model/vocab");
    vocab.unknown = static_cast<TokenId>(found->second);
    vocab.types[found->second] = TokenType::kUnknown;
  }

  TRY(import_spaces(root, out));
  out.set_string("tokenizer.ggml.model", "llama");
  out.set_string("tokenizer.ggml.pre", "default");
  if (!flag(model, "fuse_unk")) out.set_bool(kFuseUnknownKey, false);
  if (!scores_suffice(merges, vocab.scores, vocab.pieces, ids)) {
    std::vector<std::string> list;
    list.reserve(merges.size());
    for (const Merge& merge : merges) list.push_back(fmt::format("{} {}", merge.left, merge.right));
    out.set_strings(kSpmMergesKey, std::move(list));
  }
  return vocab;
}

}  // namespace bantam
