#include "tokenizer/hf_spaces.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "tokenizer/charsmap.h"

namespace bantam {
namespace {

std::optional<std::string_view> string_member(const Json& value, std::string_view name) {
  const JsonObject* const object = value.if_object();
  const Json* const member = object == nullptr ? nullptr : json_member(*object, name);
  if (member == nullptr || !member->is_string()) return std::nullopt;
  return std::string_view(member->get_string());
}

bool bool_member(const Json& value, std::string_view name, bool otherwise) {
  const JsonObject* const object = value.if_object();
  const Json* const member = object == nullptr ? nullptr : json_member(*object, name);
  return member != nullptr && member->is_bool() ? member->get_bool() : otherwise;
}

// A Sequence as its members, anything else as a list of itself.
std::vector<Json> steps_of(const Json* value, std::string_view members) {
  if (value == nullptr) return {};
  if (!json_type_is(*value, "Sequence")) return {*value};
  const Json* const list = json_member(value->get_object(), members);
  if (list == nullptr || !list->is_array()) return {*value};  // refused by whoever reads it
  return {list->get_array().begin(), list->get_array().end()};
}

bool prepends_mark(const Json& step) {
  return json_type_is(step, "Prepend") && string_member(step, "prepend") == kSpaceMark;
}

bool replaces_spaces(const Json& step) {
  if (!json_type_is(step, "Replace") || string_member(step, "content") != kSpaceMark) return false;
  const Json* const pattern = json_member(step.get_object(), "pattern");
  return pattern != nullptr && string_member(*pattern, "String") == " ";
}

std::unexpected<Error> unsupported(std::string_view what) {
  return fail(
      ErrorKind::kUnsupported, "tokenizer_unsupported",
      "/pre_tokenizer: {}; known with pieces that begin with U+2581 are none, Metaspace, and "
      "WhitespaceSplit before Metaspace",
      what);
}

Result<void> read_metaspace(const Json& step, SpaceRules& rules) {
  const auto mark = string_member(step, "replacement");
  if (mark && *mark != kSpaceMark) return unsupported(fmt::format("replacement {}", quoted(*mark)));
  const auto scheme = string_member(step, "prepend_scheme");
  if (scheme && *scheme != "always" && *scheme != "first" && *scheme != "never")
    return unsupported(fmt::format("prepend_scheme {}", quoted(*scheme)));
  const bool prefix = scheme ? *scheme != "never" : bool_member(step, "add_prefix_space", true);
  // After a normalizer that prepends the mark there is one already, wherever this one looks.
  if (!rules.prefix && prefix) {
    rules.prefix = true;
    rules.first_only = scheme && *scheme == "first";
    rules.unless_space = true;
  }
  rules.split = bool_member(step, "split", true);
  return {};
}

Result<void> read_pre_tokenizer(const Json* value, bool escaped, SpaceRules& rules) {
  bool metaspace = false;
  for (const Json& step : steps_of(value, "pretokenizers")) {
    if (json_type_is(step, "Metaspace") && !metaspace) {
      TRY(read_metaspace(step, rules));
      metaspace = true;
    } else if (json_type_is(step, "WhitespaceSplit") && !metaspace) {
      rules.words = true;
    } else if (json_type_is(step, "Split") && escaped && !metaspace &&
               string_member(step, "behavior") == "MergedWithPrevious" &&
               step.get_object().contains("pattern") &&
               string_member(step.get_object().at("pattern"), "String") == " ") {
      // Cuts at spaces, of which the normalizer has left none.
    } else {
      return unsupported(quoted(string_member(step, "type").value_or("without a type")));
    }
  }
  if (!escaped && !metaspace) return unsupported("nothing spells spaces as U+2581");
  if (rules.words && !(rules.prefix && !rules.first_only))
    return unsupported("WhitespaceSplit without a space before each word");
  return {};
}

}  // namespace

const Json* json_member(const JsonObject& object, std::string_view name) {
  const Json* const member = object.if_contains(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

bool json_type_is(const Json& value, std::string_view type) {
  return string_member(value, "type") == type;
}

Result<void> import_spaces(const JsonObject& root, Metadata& out) {
  SpaceRules rules;
  rules.prefix = false;
  bool escaped = false;
  std::vector<Json> steps = steps_of(json_member(root, "normalizer"), "normalizers");
  while (!steps.empty() && (prepends_mark(steps.back()) || replaces_spaces(steps.back()))) {
    if (prepends_mark(steps.back()))
      rules.prefix = true;
    else
      escaped = true;
    steps.pop_back();
  }
  TRY(read_pre_tokenizer(json_member(root, "pre_tokenizer"), escaped, rules));
  rules.to_metadata(out);

  if (steps.size() == 1 && json_type_is(steps[0], "Precompiled")) {
    const auto text = string_member(steps[0], "precompiled_charsmap");
    if (!text) return {};
    const std::optional<std::string> bytes = decode_base64(*text);
    if (!bytes)
      return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                  "/normalizer/precompiled_charsmap: expected base64");
    if (!bytes->empty()) set_charsmap(out, *bytes);
  } else if (!steps.empty()) {
    const Json left = {{"type", "Sequence"},
                       {"normalizers", JsonArray(steps.begin(), steps.end())}};
    out.set_string(kNormalizerKey, write_json(left));
  }
  return {};
}

}  // namespace bantam
