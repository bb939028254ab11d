#include "tokenizer/import.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/unicode.h"
#include "tokenizer/import_config.h"
#include "tokenizer/known_vocabularies.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxGap = 65536;  // ids between the vocabulary and an added token

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

// The raw files that the metadata holds, and what is read from them.
struct Sources {
  std::map<std::string_view, std::string_view> files;
  Json tokenizer;  // the parsed tokenizer.json; null if there is none
  TokenizerConfig config;

  std::string_view file(std::string_view key) const {
    const auto found = files.find(key);
    return found == files.end() ? std::string_view() : found->second;
  }
};

constexpr std::string_view kRawKeys[] = {
    raw_key::kTokenizerJson, raw_key::kTokenizerConfig, raw_key::kTokenizerModel,
    raw_key::kVocabJson,     raw_key::kMergesTxt,       raw_key::kVocabTxt,
    raw_key::kTokenizerBin,  raw_key::kAddedTokens,     raw_key::kSpecialTokensMap};

constexpr std::string_view kMainKeys[] = {raw_key::kTokenizerJson, raw_key::kTokenizerModel,
                                          raw_key::kVocabJson, raw_key::kVocabTxt,
                                          raw_key::kTokenizerBin};

Result<Json> parse_raw(std::string_view text, std::string_view name) {
  Result<Json> value = parse_json(text);
  if (value) return value;
  Error error = std::move(value).error();
  error.code = error.kind == ErrorKind::kTooLarge ? "tokenizer_too_large" : "tokenizer_invalid";
  return std::unexpected(std::move(error).in(name));
}

Result<Sources> read_sources(const Metadata& metadata) {
  Sources sources;
  for (const std::string_view key : kRawKeys) {
    const MetaValue* value = metadata.find(key);
    if (value == nullptr) continue;
    const auto* text = std::get_if<std::string>(&value->value);
    if (text == nullptr) return malformed("{} must be a string", key);
    sources.files.emplace(key, *text);
  }
  if (const std::string_view text = sources.file(raw_key::kTokenizerJson); !text.empty()) {
    sources.tokenizer = TRY(parse_raw(text, "tokenizer.json"));
    if (!sources.tokenizer.is_object())
      return malformed("tokenizer.json: expected an object, found {}",
                       json_type_name(sources.tokenizer));
  }
  if (const std::string_view text = sources.file(raw_key::kTokenizerConfig); !text.empty()) {
    const Json value = TRY(parse_raw(text, "tokenizer_config.json"));
    TRY(sources.config.read(value));
  }
  if (const std::string_view text = sources.file(raw_key::kSpecialTokensMap); !text.empty()) {
    const Json value = TRY(parse_raw(text, "special_tokens_map.json"));
    TRY(sources.config.read_roles(value));
  }
  if (const std::string_view text = sources.file(raw_key::kAddedTokens); !text.empty()) {
    const Json value = TRY(parse_raw(text, "added_tokens.json"));
    TRY(sources.config.read_added_tokens(value));
  }
  return sources;
}

// Whether the spelling of spaces as "▁" makes a BPE model one of SentencePiece's kind.
bool is_sentencepiece(const JsonObject& root, const JsonObject& model) {
  const Json* fallback = model.if_contains("byte_fallback");
  if (fallback != nullptr && fallback->is_bool() && fallback->get_bool()) return true;
  const auto mentions = [&](std::string_view member, std::string_view text) {
    const Json* value = root.if_contains(member);
    return value != nullptr && write_json(*value).contains(text);
  };
  if (mentions("pre_tokenizer", "ByteLevel") || mentions("normalizer", "ByteLevel")) return false;
  return mentions("normalizer", "▁") || mentions("pre_tokenizer", "Metaspace");
}

Result<ImportedVocab> import_json(const JsonObject& root, Metadata& out) {
  const Json* model = root.if_contains("model");
  if (model == nullptr || !model->is_object()) return malformed("/model: expected an object");
  // Old files leave the type of BPE out.
  JsonReader reader(*model, "/model");
  const bool merges = reader.find("merges") != nullptr;
  const std::string type = TRY(reader.string("type", merges ? "BPE" : ""));
  if (type == "BPE")
    return is_sentencepiece(root, model->get_object()) ? import_spm_json(root, out)
                                                       : import_bpe_json(root, out);
  if (type == "Unigram" || (type.empty() && reader.find("unk_id") != nullptr))
    return import_unigram_json(root, out);
  if (type == "WordPiece") return import_wordpiece_json(root, out);
  return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
              "/model/type: unknown tokenizer {}; known are BPE, Unigram and WordPiece",
              quoted(type));
}

bool looks_like_ranks(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), bytes.size()));
  return !line.empty() && line.size() < 4096 && line.contains(' ') &&
         std::ranges::all_of(line, [](char c) { return c >= ' ' && c < 0x7F; });
}

Result<ImportedVocab> import_main(const Sources& sources, Metadata& out) {
  if (sources.tokenizer.is_object()) return import_json(sources.tokenizer.get_object(), out);
  if (const std::string_view file = sources.file(raw_key::kTokenizerModel); !file.empty())
    return looks_like_ranks(file) ? import_ranks(file, out) : import_sentencepiece(file, out);
  if (const std::string_view file = sources.file(raw_key::kVocabJson); !file.empty())
    return import_vocab_merges(file, sources.file(raw_key::kMergesTxt), out);
  if (const std::string_view file = sources.file(raw_key::kVocabTxt); !file.empty())
    return import_vocab_txt(file, out);
  return import_llama2c(sources.file(raw_key::kTokenizerBin), out);
}

// The vocabulary with everything that is laid over it.
class Assembly {
 public:
  Assembly(ImportedVocab vocab, const Sources& sources, Metadata& out)
      : vocab_(std::move(vocab)), sources_(sources), out_(out) {}

  Result<void> run() {
    TRY(add_tokens());
    TRY(set_roles());
    TRY(set_surroundings());
    write();
    return {};
  }

 private:
  Result<void> add_tokens();
  Result<void> add(const NewToken& token);
  Result<void> set_roles();
  Result<void> set_surroundings();
  void write();

  std::optional<TokenId> find(std::string_view piece);
  void set_id(std::string_view key, std::optional<TokenId> id) {
    if (id) out_.set_u32(key, static_cast<std::uint32_t>(*id));
  }

  ImportedVocab vocab_;
  const Sources& sources_;
  Metadata& out_;
  std::unordered_map<std::string_view, TokenId> ids_;  // made when first asked for
  std::vector<std::int32_t> lstrip_, rstrip_, single_word_, normalized_;
  std::vector<bool> added_;  // ids that an earlier source has added
};

std::optional<TokenId> Assembly::find(std::string_view piece) {
  if (ids_.empty())
    for (std::size_t i = 0; i < vocab_.pieces.size(); ++i)
      ids_.try_emplace(vocab_.pieces[i], static_cast<TokenId>(i));
  const auto found = ids_.find(piece);
  return found == ids_.end() ? std::nullopt : std::optional<TokenId>(found->second);
}

Result<void> Assembly::add(const NewToken& token) {
  const std::size_t id = token.id;
  std::vector<std::string>& pieces = vocab_.pieces;
  if (token.text.empty()) return malformed("the added token with id {} is empty", id);
  if (token.text.size() > kMaxPieceBytes || id >= kMaxVocabSize || id > pieces.size() + kMaxGap)
    return malformed(
        "the added token {} has id {} and {} bytes; ids go on from {} and at most {} "
        "bytes fit",
        quoted(token.text), id, token.text.size(), pieces.size(), kMaxPieceBytes);
  while (pieces.size() <= id) {
    pieces.push_back(unused_piece(pieces.size()));
    vocab_.types.push_back(TokenType::kUnused);
    if (!vocab_.scores.empty()) vocab_.scores.push_back(0);
  }
  if (added_.size() < pieces.size()) added_.resize(pieces.size());
  if (added_[id]) return {};  // the first source that has it decides
  added_[id] = true;
  TokenType& type = vocab_.types[id];
  if (pieces[id] != token.text) {
    if (type != TokenType::kUnused)
      return malformed("the added token {} has id {}, which the vocabulary gives to {}",
                       quoted(token.text), id, quoted(std::string_view(pieces[id])));
    pieces[id] = token.text;
  }
  if (type != TokenType::kUnknown)
    type = token.special ? TokenType::kControl : TokenType::kUserDefined;
  const auto number = static_cast<std::int32_t>(id);
  if (token.lstrip) lstrip_.push_back(number);
  if (token.rstrip) rstrip_.push_back(number);
  if (token.single_word) single_word_.push_back(number);
  if (token.normalized) normalized_.push_back(number);
  return {};
}

Result<void> Assembly::add_tokens() {
  std::vector<NewToken> tokens;
  if (sources_.tokenizer.is_object()) {
    const Json* list = sources_.tokenizer.get_object().if_contains("added_tokens");
    if (list != nullptr) tokens = TRY(read_added_tokens(*list));
  }
  tokens.insert(tokens.end(), sources_.config.tokens.begin(), sources_.config.tokens.end());
  if (tokens.empty() && !sources_.tokenizer.is_object()) {
    if (const KnownVocabulary* known = known_vocabulary(vocab_.pieces.size())) {
      for (const NamedId& special : known->specials()) {
        NewToken& token = tokens.emplace_back();
        token.id = special.id;
        token.text = special.text;
        token.special = true;
      }
    }
  }
  // In order of id, so that the vocabulary grows without gaps; of one id in order of source.
  std::vector<std::pair<std::size_t, std::size_t>> order;
  for (std::size_t i = 0; i < tokens.size(); ++i) order.emplace_back(tokens[i].id, i);
  std::ranges::sort(order);
  for (const auto& [id, i] : order) TRY(add(tokens[i]));
  return {};
}

Result<void> Assembly::set_roles() {
  const TokenizerConfig& config = sources_.config;
  // A role whose token the vocabulary lacks is left out, as published files often name one.
  const auto role = [&](std::string_view name, std::optional<TokenId>& id) {
    const auto text = config.roles.find(std::string(name));
    if (text == config.roles.end()) return;
    id = text->second.empty() ? std::nullopt : find(text->second);
  };
  if (const KnownVocabulary* known = known_vocabulary(
          static_cast<std::size_t>(std::ranges::count(vocab_.types, TokenType::kNormal)));
      known != nullptr && !sources_.tokenizer.is_object()) {
    if (!vocab_.bos && !known->bos.empty()) vocab_.bos = find(known->bos);
    if (!vocab_.eos && !known->eos.empty()) vocab_.eos = find(known->eos);
  }
  role("bos_token", vocab_.bos);
  role("eos_token", vocab_.eos);
  role("unk_token", vocab_.unknown);
  role("pad_token", vocab_.pad);
  role("sep_token", vocab_.separator);
  role("cls_token", vocab_.cls);
  role("mask_token", vocab_.mask);
  return {};
}

Result<void> Assembly::set_surroundings() {
  const TokenizerConfig& config = sources_.config;
  std::vector<std::int32_t> prefix, suffix;
  bool known = false;  // what a text is surrounded with
  if (sources_.tokenizer.is_object()) {
    const Json* value = sources_.tokenizer.get_object().if_contains("post_processor");
    Surroundings around = TRY(read_post_processor(
        value == nullptr ? Json() : *value, [&](std::string_view piece) { return find(piece); }));
    prefix = std::move(around.prefix);
    suffix = std::move(around.suffix);
    known = true;
  }
  // An explicit wish in the configuration wins over the post-processor.
  const auto apply = [](std::optional<bool> wish, std::optional<TokenId> id,
                        std::vector<std::int32_t>& ids, bool front) {
    if (!wish || !id) return;
    const bool there = std::ranges::find(ids, *id) != ids.end();
    if (!*wish) std::erase(ids, *id);
    if (*wish && !there) ids.insert(front ? ids.begin() : ids.end(), *id);
  };
  // Where nothing says so, the file's format or the family's habit decides (special_tokens.cpp).
  const std::optional<bool> bos = config.add_bos ? config.add_bos : vocab_.add_bos;
  const std::optional<bool> eos = config.add_eos ? config.add_eos : vocab_.add_eos;
  if (!known) {
    if (bos) out_.set_bool("tokenizer.ggml.add_bos_token", *bos);
    if (eos) out_.set_bool("tokenizer.ggml.add_eos_token", *eos);
    return {};
  }
  apply(config.add_bos, vocab_.bos, prefix, true);
  apply(config.add_eos, vocab_.eos, suffix, false);
  const auto only = [](const std::vector<std::int32_t>& ids, std::optional<TokenId> id) {
    return ids.empty() || (ids.size() == 1 && id == ids.front());
  };
  out_.set_bool("tokenizer.ggml.add_bos_token", !prefix.empty() && only(prefix, vocab_.bos));
  out_.set_bool("tokenizer.ggml.add_eos_token", !suffix.empty() && only(suffix, vocab_.eos));
  if (!only(prefix, vocab_.bos) || !only(suffix, vocab_.eos)) {
    out_.set_i32s("bantam.tokenizer.prefix", prefix);
    out_.set_i32s("bantam.tokenizer.suffix", suffix);
  } else {
    out_.set_bool("tokenizer.ggml.add_sep_token", false);
  }
  return {};
}

void Assembly::write() {
  set_id("tokenizer.ggml.bos_token_id", vocab_.bos);
  set_id("tokenizer.ggml.eos_token_id", vocab_.eos);
  set_id("tokenizer.ggml.unknown_token_id", vocab_.unknown);
  set_id("tokenizer.ggml.padding_token_id", vocab_.pad);
  set_id("tokenizer.ggml.seperator_token_id", vocab_.separator);
  set_id("tokenizer.ggml.cls_token_id", vocab_.cls);
  set_id("tokenizer.ggml.mask_token_id", vocab_.mask);
  std::vector<std::int32_t> types;
  types.reserve(vocab_.types.size());
  for (const TokenType type : vocab_.types) types.push_back(static_cast<std::int32_t>(type));
  out_.set_i32s("tokenizer.ggml.token_type", types);
  if (!vocab_.scores.empty()) out_.set_f32s("tokenizer.ggml.scores", vocab_.scores);
  ids_.clear();  // views into the pieces
  out_.set_strings("tokenizer.ggml.tokens", std::move(vocab_.pieces));
  const auto list = [&](std::string_view key, const std::vector<std::int32_t>& ids) {
    if (!ids.empty()) out_.set_i32s(key, ids);
  };
  list("bantam.tokenizer.lstrip", lstrip_);
  list("bantam.tokenizer.rstrip", rstrip_);
  list("bantam.tokenizer.single_word", single_word_);
  list("bantam.tokenizer.normalized", normalized_);
}

// The model's configuration may name another end than the tokenizer's: both end a generation.
Result<void> keep_other_endings(const Metadata& metadata, Metadata& out) {
  constexpr std::string_view kEnd = "tokenizer.ggml.eos_token_id";
  constexpr std::string_view kEnds = "tokenizer.ggml.eos_token_ids";
  if (!metadata.contains(kEnd) || !out.contains(kEnd)) return {};
  const std::uint64_t other = TRY(metadata.integer(kEnd, 0, kMaxVocabSize - 1));
  std::vector<std::int32_t> ends;
  if (const auto list = TRY(metadata.integers(kEnds)))
    for (const std::int64_t id : *list) ends.push_back(static_cast<std::int32_t>(id));
  ends.push_back(static_cast<std::int32_t>(other));
  out.set_i32s(kEnds, ends);
  return {};
}

}  // namespace

Result<void> canonicalize_tokenizer(Metadata& metadata) {
  const bool any =
      std::ranges::any_of(kMainKeys, [&](std::string_view key) { return metadata.contains(key); });
  if (!any) return {};
  Metadata out;
  {
    const Sources sources = TRY(read_sources(metadata));
    ImportedVocab vocab = TRY(import_main(sources, out));
    if (vocab.types.size() != vocab.pieces.size())
      vocab.types.resize(vocab.pieces.size(), TokenType::kNormal);
    if (!sources.config.pretokenizer.empty() && sources.tokenizer.is_null() &&
        out.contains("tokenizer.ggml.pre") && out.contains("tokenizer.ggml.merges"))
      out.set_string("tokenizer.ggml.pre", sources.config.pretokenizer);
    TRY(Assembly(std::move(vocab), sources, out).run());
  }
  TRY(keep_other_endings(metadata, out));
  for (const auto& [key, value] : out.entries()) metadata.set(key, value);
  for (const std::string_view key : kRawKeys) metadata.erase(key);
  return {};
}

}  // namespace bantam
