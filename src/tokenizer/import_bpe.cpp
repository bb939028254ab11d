// Byte-level BPE from tokenizer.json, from vocab.json with merges.txt, and from tiktoken ranks.
#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "base/base64.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/import.h"
#include "tokenizer/known_vocabularies.h"
#include "tokenizer/pretokenizer_names.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

// Ids that nothing names: models leave a few for later, hostile files millions.
constexpr std::size_t kMaxGap = 65536;
// Bytes of a token among ranks; the longest published one has 128.
constexpr std::size_t kLongestRank = 256;

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

// One merge as GGUF spells it. tokenizer.json has both "a b" and ["a","b"].
Result<std::string> merge_line(const Json& value, std::size_t at) {
  if (value.is_string()) return std::string(value.get_string());
  if (!value.is_array() || value.get_array().size() != 2 || !value.get_array()[0].is_string() ||
      !value.get_array()[1].is_string())
    return malformed("/model/merges/{}: expected \"a b\" or [\"a\", \"b\"], found {}", at,
                     json_type_name(value));
  const std::string_view left = value.get_array()[0].get_string();
  const std::string_view right = value.get_array()[1].get_string();
  if (left.find(' ', 1) != std::string_view::npos)
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "/model/merges/{}: the token {} has a space in it", at, quoted(left));
  return fmt::format("{} {}", left, right);
}

Result<std::vector<std::string>> read_merges(JsonReader& model) {
  const Json* list = model.find("merges");
  if (list == nullptr || !list->is_array()) return malformed("/model/merges: expected an array");
  if (list->get_array().size() > kMaxVocabSize)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large", "/model/merges: {} merges, at most {}",
                list->get_array().size(), kMaxVocabSize);
  std::vector<std::string> lines;
  lines.reserve(list->get_array().size());
  for (const Json& value : list->get_array()) lines.push_back(TRY(merge_line(value, lines.size())));
  return lines;
}

Result<void> refuse_unsupported(JsonReader& model) {
  for (const std::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!TRY(model.string(name, "")).empty())
      return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                  "{}: only an empty one is known for BPE", model.pointer(name));
  if (TRY(model.number("dropout", 0, 0, 1)) > 0)
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "{}: merges that are left out by chance give other tokens each time",
                model.pointer("dropout"));
  return {};
}

// The patterns that a /pre_tokenizer of tokenizer.json stands for, if it is made of Split, Digits
// and ByteLevel steps as the named pre-tokenizers are.
bool append_patterns(const Json& value, std::vector<std::string>& patterns, bool& byte_level) {
  if (!value.is_object() || byte_level) return false;  // nothing may follow ByteLevel
  const JsonObject& step = value.get_object();
  const auto text = [&](std::string_view name) -> std::string_view {
    const Json* member = step.if_contains(name);
    return member != nullptr && member->is_string() ? std::string_view(member->get_string())
                                                    : std::string_view();
  };
  const auto flag = [&](std::string_view name, bool otherwise) {
    const Json* member = step.if_contains(name);
    return member != nullptr && member->is_bool() ? member->get_bool() : otherwise;
  };
  if (text("type") == "Sequence") {
    const Json* parts = step.if_contains("pretokenizers");
    return parts != nullptr && parts->is_array() &&
           std::ranges::all_of(parts->get_array(), [&](const Json& part) {
             return append_patterns(part, patterns, byte_level);
           });
  }
  if (text("type") == "Digits") {
    patterns.emplace_back(flag("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
    return true;
  }
  if (text("type") == "ByteLevel") {
    byte_level = true;
    if (flag("use_regex", true))
      patterns.emplace_back(find_pretokenizer("gpt-2")->patterns.front());
    return !flag("add_prefix_space", true);
  }
  const Json* pattern = step.if_contains("pattern");
  const Json* regex = pattern != nullptr && pattern->is_object()
                          ? pattern->get_object().if_contains("Regex")
                          : nullptr;
  if (text("type") != "Split" || regex == nullptr || !regex->is_string()) return false;
  patterns.emplace_back(regex->get_string());
  return (text("behavior") == "Isolated" && !flag("invert", false)) ||
         (text("behavior") == "Removed" && flag("invert", false));
}

// The named pre-tokenizer that does the same; nullptr if there is none.
const PretokenizerInfo* name_for(const Json& value, bool ignore_merges, bool compose) {
  std::vector<std::string> patterns;
  bool byte_level = false;
  if (!append_patterns(value, patterns, byte_level) || !byte_level) return nullptr;
  for (const PretokenizerInfo& info : known_pretokenizers())
    if (std::ranges::equal(info.patterns, patterns) && info.ignore_merges == ignore_merges &&
        info.compose == compose)
      return &info;
  return nullptr;
}

// Pre-tokenizer and normalizer: by name where there is one, so that other readers of the file know
// it too, and word for word otherwise.
Result<void> import_pipeline(const JsonObject& root, bool ignore_merges, Metadata& out) {
  const auto member = [&](std::string_view name) -> Json {
    const Json* value = root.if_contains(name);
    return value == nullptr ? Json() : *value;
  };
  const Json normalizer = member("normalizer"), pretokenizer = member("pre_tokenizer");
  const Json nfc = {{"type", "NFC"}};
  const Json no_steps = {{"type", "Sequence"}, {"normalizers", JsonArray()}};
  const bool plain = normalizer.is_null() || normalizer == no_steps;
  const PretokenizerInfo* info = nullptr;
  if (plain || normalizer == nfc) info = name_for(pretokenizer, ignore_merges, !plain);
  out.set_string("tokenizer.ggml.pre", info != nullptr ? std::string(info->name) : "custom");
  if (info != nullptr) return {};
  out.set_string("bantam.tokenizer.pre_tokenizer", write_json(pretokenizer));
  if (!plain) out.set_string("bantam.tokenizer.normalizer", write_json(normalizer));
  out.set_bool("bantam.tokenizer.ignore_merges", ignore_merges);
  return {};
}

// Lines of base64, a space and a number, which must be 0 to n - 1 in order.
Result<std::vector<std::string>> read_ranks(std::string_view text) {
  std::vector<std::string> tokens;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) continue;
    const std::size_t space = row.find(' ');
    std::size_t rank = 0;
    std::optional<std::string> bytes;
    if (space != std::string_view::npos) {
      const std::string_view number = row.substr(space + 1);
      const auto [rest, error] =
          std::from_chars(number.data(), number.data() + number.size(), rank);
      if (error == std::errc() && rest == number.data() + number.size())
        bytes = decode_base64(row.substr(0, space));
    }
    if (!bytes || bytes->empty())
      return malformed("line {} of the ranks is {}, expected base64, a space and a number", line,
                       quoted(row));
    if (rank != tokens.size())
      return malformed("line {} of the ranks has rank {}, expected {}", line, rank, tokens.size());
    if (bytes->size() > kMaxPieceBytes || tokens.size() >= kMaxVocabSize)
      return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                  "line {} of the ranks: at most {} tokens of {} bytes fit", line, kMaxVocabSize,
                  kMaxPieceBytes);
    tokens.push_back(std::move(*bytes));
  }
  return tokens;
}

// A rank says when a token is made, not of what: of any two tokens that make it. In the order of
// the ranks of the parts, as the converters to tokenizer.json have it.
Result<std::vector<std::string>> merges_of(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, std::size_t> ranks;
  ranks.reserve(tokens.size());
  std::size_t longest = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    longest = std::max(longest, tokens[i].size());
    if (!ranks.try_emplace(tokens[i], i).second)
      return malformed("the ranks {} and {} are of the same bytes", ranks[tokens[i]], i);
  }
  // Cutting a token of n bytes everywhere costs n² byte comparisons.
  if (longest > kLongestRank)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "the ranks have a token of {} bytes, over the limit of {}", longest, kLongestRank);
  std::vector<std::string> lines;
  std::vector<std::pair<std::size_t, std::size_t>> cuts;
  for (const std::string& token : tokens) {
    cuts.clear();
    const std::string_view bytes = token;
    for (std::size_t at = 1; at < bytes.size(); ++at) {
      const auto left = ranks.find(bytes.substr(0, at)), right = ranks.find(bytes.substr(at));
      if (left != ranks.end() && right != ranks.end())
        cuts.emplace_back(left->second, right->second);
    }
    std::ranges::sort(cuts);
    for (const auto& [left, right] : cuts) {
      std::string line;
      append_spelling(line, tokens[left]);
      line += ' ';
      append_spelling(line, tokens[right]);
      lines.push_back(std::move(line));
      if (lines.size() > kMaxVocabSize)
        return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                    "the ranks stand for more than {} merges", kMaxVocabSize);
    }
  }
  return lines;
}

}  // namespace

Result<std::vector<std::string>> read_vocab_object(const Json& vocab, std::string_view path) {
  if (!vocab.is_object())
    return malformed("{}: expected an object, found {}", path, json_type_name(vocab));
  const JsonObject& object = vocab.get_object();
  std::vector<std::string> pieces(object.size());
  std::vector<bool> named(object.size());
  for (const auto& member : object) {
    const Json& value = member.value();
    const std::int64_t id = value.is_int64() ? value.get_int64() : -1;
    if (id < 0 || static_cast<std::size_t>(id) >= object.size() + kMaxGap ||
        static_cast<std::size_t>(id) >= kMaxVocabSize)
      return malformed("{}/{}: expected an id below {}, found {}", path,
                       quoted(std::string_view(member.key())), object.size() + kMaxGap,
                       quoted(write_json(value)));
    const auto at = static_cast<std::size_t>(id);
    if (at >= pieces.size()) {
      pieces.resize(at + 1);
      named.resize(at + 1);
    }
    if (named[at])
      return malformed("{}: {} and {} have the same id {}", path, quoted(pieces[at]),
                       quoted(std::string_view(member.key())), at);
    pieces[at] = member.key();
    named[at] = true;
  }
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (!named[i]) pieces[i] = unused_piece(i);
  return pieces;
}

Result<ImportedVocab> import_bpe_json(const JsonObject& root, Metadata& out) {
  const Json* value = root.if_contains("model");
  if (value == nullptr) return malformed("/model is missing");
  JsonReader model(*value, "/model");
  TRY(refuse_unsupported(model));
  const Json* vocab = model.find("vocab");
  if (vocab == nullptr) return malformed("/model/vocab is missing");
  ImportedVocab imported;
  imported.pieces = TRY(read_vocab_object(*vocab, "/model/vocab"));
  imported.types.assign(imported.pieces.size(), TokenType::kNormal);
  const std::string unknown = TRY(model.string("unk_token", ""));
  if (!unknown.empty()) {
    const auto found = std::ranges::find(imported.pieces, unknown);
    if (found != imported.pieces.end())
      imported.unknown = static_cast<TokenId>(found - imported.pieces.begin());
  }
  out.set_string("tokenizer.ggml.model", "gpt2");
  out.set_strings("tokenizer.ggml.merges", TRY(read_merges(model)));
  const bool ignore_merges = TRY(model.boolean("ignore_merges", false));
  TRY(import_pipeline(root, ignore_merges, out));
  return imported;
}

Result<ImportedVocab> import_vocab_merges(std::string_view vocab_json, std::string_view merges_txt,
                                          Metadata& out) {
  const Json vocab = TRY(parse_json(vocab_json));
  ImportedVocab imported;
  imported.pieces = TRY(read_vocab_object(vocab, ""));
  imported.types.assign(imported.pieces.size(), TokenType::kNormal);
  std::vector<std::string> merges;
  for (bool first = true; !merges_txt.empty(); first = false) {
    const std::size_t end = std::min(merges_txt.find('\n'), merges_txt.size());
    std::string_view line = merges_txt.substr(0, end);
    merges_txt.remove_prefix(std::min(end + 1, merges_txt.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (first && line.starts_with("#version"))) continue;
    if (merges.size() >= kMaxVocabSize)
      return fail(ErrorKind::kTooLarge, "tokenizer_too_large", "more than {} merges",
                  kMaxVocabSize);
    merges.emplace_back(line);
  }
  const KnownVocabulary* known = known_vocabulary(imported.pieces.size());
  out.set_string("tokenizer.ggml.model", "gpt2");
  out.set_string("tokenizer.ggml.pre",
                 known != nullptr ? std::string(known->pretokenizer) : "gpt-2");
  out.set_strings("tokenizer.ggml.merges", std::move(merges));
  return imported;
}

Result<ImportedVocab> import_ranks(std::string_view bytes, Metadata& out) {
  const std::vector<std::string> tokens = TRY(read_ranks(bytes));
  const KnownVocabulary* known = known_vocabulary(tokens.size());
  if (known == nullptr)
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "a file of {} ranks; it does not say how text is cut into words, and only the "
                "vocabularies of GPT-2, GPT-4, GPT-4o, Llama 3 and Qwen are known by their sizes",
                tokens.size());
  ImportedVocab imported;
  imported.pieces.reserve(tokens.size());
  for (const std::string& token : tokens) append_spelling(imported.pieces.emplace_back(), token);
  imported.types.assign(tokens.size(), TokenType::kNormal);
  out.set_string("tokenizer.ggml.model", "gpt2");
  out.set_string("tokenizer.ggml.pre", std::string(known->pretokenizer));
  out.set_strings("tokenizer.ggml.merges", TRY(merges_of(tokens)));
  return imported;
}

}  // namespace bantam
