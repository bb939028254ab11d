#include "tokenizer/post_processor.h"

#include <string>

namespace bantam {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxAround = 64;

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
}

using Find = std::function<std::optional<TokenId>(std::string_view)>;

Result<TokenId> id_of(std::string_view piece, const std::string& path, const Find& find) {
  if (const std::optional<TokenId> id = find(piece)) return *id;
  return malformed("{}: the vocabulary has no token {}", path, quoted(piece));
}

// ["[SEP]", 102]; the spelling decides.
Result<TokenId> pair_id(JsonReader& reader, std::string_view name, const Find& find) {
  const Json* pair = reader.find(name);
  if (pair == nullptr || !pair->is_array() || pair->get_array().empty() ||
      !pair->get_array()[0].is_string())
    return malformed("{}: expected a token and its id", reader.pointer(name));
  return id_of(pair->get_array()[0].get_string(), reader.pointer(name), find);
}

// A template's special token may stand for several: /special_tokens/NAME/tokens lists them.
Result<std::vector<TokenId>> template_ids(JsonReader& reader, std::string_view name,
                                          const std::string& path, const Find& find) {
  const Json* table = reader.find("special_tokens");
  const Json* entry =
      table != nullptr && table->is_object() ? table->get_object().if_contains(name) : nullptr;
  const Json* tokens =
      entry != nullptr && entry->is_object() ? entry->get_object().if_contains("tokens") : nullptr;
  std::vector<TokenId> ids;
  if (tokens == nullptr || !tokens->is_array()) {
    ids.push_back(TRY(id_of(name, path, find)));
    return ids;
  }
  for (const Json& token : tokens->get_array()) {
    if (!token.is_string()) return malformed("{}: tokens must be strings", path);
    ids.push_back(TRY(id_of(token.get_string(), path, find)));
  }
  return ids;
}

Result<void> read_template(JsonReader& reader, const Find& find, Surroundings& out) {
  const Json* single = reader.find("single");
  if (single == nullptr || !single->is_array())
    return malformed("{}: expected an array", reader.pointer("single"));
  bool seen_text = false;
  for (std::size_t i = 0; i < single->get_array().size(); ++i) {
    const std::string path = fmt::format("{}/{}", reader.pointer("single"), i);
    JsonReader part(single->get_array()[i], path);
    if (part.find("Sequence") != nullptr) {
      seen_text = true;
      continue;
    }
    const Json* special = part.find("SpecialToken");
    if (special == nullptr) return malformed("{}: expected Sequence or SpecialToken", path);
    JsonReader inner(*special, path + "/SpecialToken");
    const std::string name = TRY(inner.required_string("id"));
    const std::vector<TokenId> ids = TRY(template_ids(reader, name, path, find));
    std::vector<std::int32_t>& side = seen_text ? out.suffix : out.prefix;
    side.insert(side.end(), ids.begin(), ids.end());
    if (side.size() > kMaxAround)
      return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                  "{}: more than {} tokens around a text", path, kMaxAround);
  }
  return {};
}

Result<void> read_step(const Json& value, const std::string& path, int depth, const Find& find,
                       Surroundings& out) {
  if (value.is_null()) return {};
  if (depth > kMaxDepth)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                "{}: post-processors nest deeper than {}", path, kMaxDepth);
  JsonReader reader(value, path);
  const std::string type = TRY(reader.required_string("type"));
  if (type == "Sequence") {
    const Json* parts = reader.find("processors");
    if (parts == nullptr || !parts->is_array())
      return malformed("{}: expected an array", reader.pointer("processors"));
    for (std::size_t i = 0; i < parts->get_array().size(); ++i)
      TRY(read_step(parts->get_array()[i], fmt::format("{}/{}", reader.pointer("processors"), i),
                    depth + 1, find, out));
  } else if (type == "TemplateProcessing") {
    TRY(read_template(reader, find, out));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    out.prefix.push_back(TRY(pair_id(reader, "cls", find)));
    out.suffix.push_back(TRY(pair_id(reader, "sep", find)));
  } else if (type != "ByteLevel") {
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "{}: unknown post-processor {}; known are TemplateProcessing, BertProcessing, "
                "RobertaProcessing, ByteLevel and Sequence",
                path, quoted(type));
  }
  return {};
}

}  // namespace

Result<Surroundings> read_post_processor(const Json& value, const Find& find) {
  Surroundings out;
  TRY(read_step(value, "/post_processor", 0, find, out));
  return out;
}

}  // namespace bantam
