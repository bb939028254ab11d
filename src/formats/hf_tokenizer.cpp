#include "base/file.h"
#include "base/json.h"
#include "formats/hf_folder.h"
#include "formats/limits.h"

namespace bantam {
namespace {

constexpr std::string_view kTemplateKey = "tokenizer.chat_template";

struct RawFile {
  const char* name;
  std::string_view key;
  std::uint64_t limit;
};

constexpr RawFile kAlways[] = {
    {"tokenizer_config.json", "bantam.tokenizer_config_json", limits::kTokenizerConfigBytes},
    {"special_tokens_map.json", "bantam.special_tokens_map_json", limits::kTokenizerConfigBytes},
    {"added_tokens.json", "bantam.added_tokens_json", limits::kTokenizerConfigBytes},
};

// The first of these sources that is there.
constexpr RawFile kTokenizerJson = {"tokenizer.json", "bantam.tokenizer_json",
                                    limits::kTokenizerBytes};
constexpr RawFile kTokenizerModel = {"tokenizer.model", "bantam.tokenizer_model",
                                     limits::kTokenizerBytes};
constexpr RawFile kParts[] = {
    {"vocab.json", "bantam.vocab_json", limits::kTokenizerBytes},
    {"merges.txt", "bantam.merges_txt", limits::kTokenizerBytes},
    {"vocab.txt", "bantam.vocab_txt", limits::kTokenizerBytes},
};

// Whether there was such a file.
Result<bool> add_raw(const std::filesystem::path& folder, const RawFile& file, Metadata& metadata) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / file.name, ignored)) return false;
  metadata.set_string(file.key, TRY(read_file(folder / file.name, file.limit)));
  return true;
}

Result<void> set_template(std::string_view key, std::string text, Metadata& metadata) {
  if (text.size() > limits::kChatTemplateBytes)
    return fail(ErrorKind::kTooLarge, "config_invalid",
                "a chat template of {} bytes, the limit is {}", text.size(),
                limits::kChatTemplateBytes);
  metadata.set_string(key, std::move(text));
  return {};
}

// [{"name": "default", "template": "…"}, …]: the default under the plain key, the others under
// their names.
Result<void> set_templates(const JsonArray& list, std::string_view pointer, Metadata& metadata) {
  if (list.size() > limits::kChatTemplates)
    return fail(ErrorKind::kTooLarge, "config_invalid", "{} chat templates, the limit is {}",
                list.size(), limits::kChatTemplates);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    JsonReader entry(list[i], fmt::format("{}/{}", pointer, i));
    const std::string name = TRY(entry.required_string("name"));
    const std::string text = TRY(entry.required_string("template"));
    const bool usable = !name.empty() && name.size() <= 64 &&
                        name.find_first_not_of(
                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "0123456789_-") == name.npos;
    const std::string key =
        name == "default" ? std::string(kTemplateKey) : fmt::format("{}.{}", kTemplateKey, name);
    if (!usable || metadata.contains(key))
      return fail(ErrorKind::kMalformed, "config_invalid", "the chat template name {} is {}",
                  quoted(name), usable ? "there twice" : "no plain word");
    TRY(set_template(key, text, metadata));
    if (name != "default") names.push_back(name);
  }
  if (!names.empty()) metadata.set_strings("tokenizer.chat_templates", std::move(names));
  return {};
}

// The member "chat_template" of a JSON file, a text or a list.
Result<void> templates_of(std::string_view text, Metadata& metadata) {
  const Json root = TRY(parse_json(text));
  JsonReader reader(root);
  const Json* found = reader.find("chat_template");
  if (found == nullptr) return {};
  if (const auto* list = found->if_array())
    return set_templates(*list, reader.pointer("chat_template"), metadata);
  return set_template(kTemplateKey, TRY(reader.string("chat_template", "")), metadata);
}

// A template file beside the configuration is newer than the configuration's own.
Result<void> add_chat_template(const std::filesystem::path& folder, Metadata& metadata) {
  std::error_code ignored;
  const std::filesystem::path jinja = folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja, ignored)) {
    metadata.set_string(kTemplateKey, TRY(read_file(jinja, limits::kChatTemplateBytes)));
    return {};
  }
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (!std::filesystem::exists(folder / name, ignored)) continue;
    const std::string text = TRY(read_file(folder / name, limits::kTokenizerConfigBytes));
    if (auto added = templates_of(text, metadata); !added) {
      Error error = std::move(added).error();
      error.code = "config_invalid";
      return std::unexpected(std::move(error).in((folder / name).string()));
    }
    if (metadata.contains(kTemplateKey)) return {};
  }
  return {};
}

}  // namespace

Result<void> add_tokenizer_files(const std::filesystem::path& folder, Metadata& metadata) {
  for (const RawFile& file : kAlways) TRY(add_raw(folder, file, metadata));
  if (!TRY(add_raw(folder, kTokenizerJson, metadata)) &&
      !TRY(add_raw(folder, kTokenizerModel, metadata)))
    for (const RawFile& file : kParts) TRY(add_raw(folder, file, metadata));
  return add_chat_template(folder, metadata);
}

}  // namespace bantam
