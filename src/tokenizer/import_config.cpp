#include "tokenizer/import_config.h"

#include <charconv>

#include "tokenizer/vocab.h"

namespace bantam {
namespace {

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

Result<NewToken> read_token(const Json& value, const std::string& path) {
  JsonReader reader(value, path);
  NewToken token;
  token.text = TRY(reader.required_string("content"));
  token.special = TRY(reader.boolean("special", false));
  token.lstrip = TRY(reader.boolean("lstrip", false));
  token.rstrip = TRY(reader.boolean("rstrip", false));
  token.single_word = TRY(reader.boolean("single_word", false));
  token.normalized = TRY(reader.boolean("normalized", !token.special));
  if (token.text.empty()) return malformed("{}/content: an added token must not be empty", path);
  return token;
}

}  // namespace

Result<std::vector<NewToken>> read_added_tokens(const Json& list) {
  if (list.is_null()) return {};
  if (!list.is_array())
    return malformed("/added_tokens: expected an array, found {}", json_type_name(list));
  std::vector<NewToken> tokens;
  tokens.reserve(list.get_array().size());
  for (const Json& value : list.get_array()) {
    const std::string path = fmt::format("/added_tokens/{}", tokens.size());
    NewToken token = TRY(read_token(value, path));
    JsonReader reader(value, path);
    token.id = static_cast<std::size_t>(
        TRY(reader.required_integer("id", 0, static_cast<std::int64_t>(kMaxVocabSize) - 1)));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Result<void> TokenizerConfig::read_tokens(const Json& decoder) {
  if (!decoder.is_object())
    return malformed("tokenizer_config.json: /added_tokens_decoder: expected an object, found {}",
                     json_type_name(decoder));
  for (const auto& member : decoder.get_object()) {
    const std::string_view key = member.key();
    NewToken token = TRY(
        read_token(member.value(),
                   fmt::format("tokenizer_config.json: /added_tokens_decoder/{}", quoted(key))));
    const auto [rest, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || rest != key.data() + key.size() || token.id >= kMaxVocabSize)
      return malformed("tokenizer_config.json: /added_tokens_decoder: {} is no token id below {}",
                       quoted(key), kMaxVocabSize);
    tokens.push_back(std::move(token));
  }
  return {};
}

Result<void> TokenizerConfig::read_roles(const Json& value) {
  if (!value.is_object())
    return malformed("the special tokens must be an object, not {}", json_type_name(value));
  for (const std::string_view name : {"bos_token", "eos_token", "unk_token", "pad_token",
                                      "sep_token", "cls_token", "mask_token"}) {
    const Json* token = value.get_object().if_contains(name);
    if (token == nullptr || roles.contains(std::string(name))) continue;
    std::string text;
    if (token->is_string()) {
      text = token->get_string();
    } else if (token->is_object()) {
      JsonReader reader(*token, fmt::format("/{}", name));
      text = TRY(reader.required_string("content"));
    } else if (!token->is_null()) {
      return malformed("/{}: expected a string or an object, found {}", name,
                       json_type_name(*token));
    }
    roles.emplace(name, std::move(text));
  }
  return {};
}

Result<void> TokenizerConfig::read(const Json& value) {
  TRY(read_roles(value));
  JsonReader reader(value, "");
  const auto flag = [&](std::string_view name, std::optional<bool>& out) -> Result<void> {
    if (reader.find(name) != nullptr) out = TRY(reader.boolean(name, false));
    return {};
  };
  TRY(flag("add_bos_token", add_bos));
  TRY(flag("add_eos_token", add_eos));
  if (const Json* decoder = reader.find("added_tokens_decoder")) TRY(read_tokens(*decoder));
  // Classes without a tokenizer.json whose pre-tokenizer is in their code.
  std::string name = TRY(reader.string("tokenizer_class", ""));
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (name == "Qwen2Tokenizer" || name == "Qwen3Tokenizer") pretokenizer = "qwen2";
  if (name == "GPT2Tokenizer" || name == "RobertaTokenizer") pretokenizer = "gpt-2";
  return {};
}

Result<void> TokenizerConfig::read_added_tokens(const Json& value) {
  if (!value.is_object())
    return malformed("added_tokens.json: expected an object, found {}", json_type_name(value));
  for (const auto& member : value.get_object()) {
    const Json& id = member.value();
    if (!id.is_int64() || id.get_int64() < 0 ||
        id.get_int64() >= static_cast<std::int64_t>(kMaxVocabSize) || member.key().empty())
      return malformed("added_tokens.json: /{}: expected an id below {}",
                       quoted(std::string_view(member.key())), kMaxVocabSize);
    NewToken token;
    token.id = static_cast<std::size_t>(id.get_int64());
    token.text = member.key();
    token.special = true;
    tokens.push_back(std::move(token));
  }
  return {};
}

}  // namespace bantam
