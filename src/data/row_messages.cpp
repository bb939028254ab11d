#include <algorithm>
#include <array>
#include <utility>

#include "data/row_json.h"

namespace bantam {
namespace {

// What other makers' files call the roles.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRoles = {{
    {"system", "system"},
    {"developer", "system"},
    {"user", "user"},
    {"human", "user"},
    {"assistant", "assistant"},
    {"gpt", "assistant"},
    {"model", "assistant"},
    {"function_call", "assistant"},
    {"tool", "tool"},
    {"function", "tool"},
    {"observation", "tool"},
}};

// The first of two spellings of one member that is there; null if neither is.
const Json* either(const JsonObject& object, std::string_view one, std::string_view other) {
  const Json* found = object.if_contains(one);
  if (found == nullptr || found->is_null()) found = object.if_contains(other);
  return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::string> text_of(const Json& value, const std::string& pointer) {
  if (const auto* text = value.if_string()) return std::string(*text);
  return bad_row(pointer, "expected a string, found {}", json_type_name(value));
}

// {"name":…,"arguments":…}: arguments as JSON text, whichever way they came.
Result<ToolCall> read_call(const Json& value, const std::string& pointer) {
  const auto* function = value.if_object();
  const Json* name = function == nullptr ? nullptr : function->if_contains("name");
  if (name == nullptr) return bad_row(pointer, "expected an object with the name of a function");
  ToolCall call{.id = {}, .name = TRY(text_of(*name, pointer + "/name")), .arguments = "{}"};
  if (const Json* arguments = function->if_contains("arguments"); arguments != nullptr)
    call.arguments =
        arguments->is_string() ? std::string(arguments->get_string()) : write_json(*arguments);
  return call;
}

Result<void> read_calls(const Json& value, const std::string& pointer, Message& message) {
  const auto* calls = value.if_array();
  if (calls == nullptr)
    return bad_row(pointer, "expected an array of calls, found {}", json_type_name(value));
  if (calls->size() > kMaxRowMessages)
    return bad_row(pointer, "{} calls, at most {} fit", calls->size(), kMaxRowMessages);
  for (std::size_t i = 0; i < calls->size(); ++i) {
    const std::string place = fmt::format("{}/{}", pointer, i);
    const auto* call = (*calls)[i].if_object();
    const Json* function = call == nullptr ? nullptr : call->if_contains("function");
    message.tool_calls.push_back(
        TRY(read_call(function == nullptr ? (*calls)[i] : *function, place)));
    if (const Json* id = call->if_contains("id"); id != nullptr && !id->is_null())
      message.tool_calls.back().id = TRY(text_of(*id, place + "/id"));
  }
  return {};
}

// A call as JSON text, or several.
Result<void> read_call_text(std::string_view text, const std::string& pointer, Message& message) {
  const Result<Json> json = parse_json(text);
  if (!json) return bad_row(pointer, "a call that is no JSON: {}", json.error().message);
  if (json->is_array()) return read_calls(*json, pointer, message);
  message.tool_calls.push_back(TRY(read_call(*json, pointer)));
  return {};
}

// A string, or parts: of text, of thinking, and calls as JSON text.
Result<void> read_content(const Json& content, const std::string& pointer, Message& message) {
  if (content.is_string()) {
    message.content = TRY(text_of(content, pointer));
    return {};
  }
  const auto* parts = content.if_array();
  if (parts == nullptr)
    return bad_row(pointer, "expected a string or an array of parts, found {}",
                   json_type_name(content));
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const std::string place = fmt::format("{}/{}", pointer, i);
    const auto* part = (*parts)[i].if_object();
    const Json* type = part == nullptr ? nullptr : part->if_contains("type");
    if (type == nullptr || !type->is_string()) return bad_row(place, "expected a part with a type");
    const std::string_view kind = type->get_string();
    const Json* value = either(*part, "text", "value");
    if ((kind != "text" && kind != "reasoning" && kind != "tool_call") || value == nullptr)
      return bad_row(place, "only parts of text can be learned from, not {}", quoted(kind));
    std::string text = TRY(text_of(*value, place));
    if (kind == "tool_call") {
      TRY(read_call_text(text, place, message));
      continue;
    }
    std::optional<std::string>& into = kind == "text" ? message.content : message.reasoning;
    into = into ? *into + '\n' + text : std::move(text);
  }
  return {};
}

Result<float> read_weight(const JsonObject& object, const std::string& pointer, bool assistant) {
  const Json* weight = either(object, "weight", "loss_weight");
  if (weight == nullptr) return assistant ? 1.0f : 0.0f;
  const double value = weight->is_number() ? weight->to_number<double>() : -1;
  if (!(value >= 0 && value <= 100))
    return bad_row(pointer + "/weight", "expected a number from 0 to 100");
  if (value > 0 && !assistant)
    return bad_row(pointer + "/weight", "only the assistant's turns can be learned");
  return static_cast<float>(value);
}

Result<Message> read_message(const Json& value, const std::string& pointer, float& weight) {
  const auto* object = value.if_object();
  if (object == nullptr)
    return bad_row(pointer, "expected a message, found {}", json_type_name(value));
  const Json* role = either(*object, "role", "from");
  if (role == nullptr) return bad_row(pointer, "a message without a role");
  const std::string said = TRY(text_of(*role, pointer + "/role"));
  const auto* known = std::ranges::find(kRoles, said, &decltype(kRoles)::value_type::first);
  if (known == kRoles.end())
    return bad_row(pointer + "/role",
                   "expected system, developer, user, assistant or tool, found {}", quoted(said));
  Message message;
  message.role = known->second;
  if (const Json* content = either(*object, "content", "value"))
    TRY(read_content(*content, pointer + "/content", message));
  if (const Json* thinking = either(*object, "reasoning_content", "reasoning"))
    message.reasoning = TRY(text_of(*thinking, pointer + "/reasoning_content"));
  if (const Json* calls = object->if_contains("tool_calls"); calls != nullptr && !calls->is_null())
    TRY(read_calls(*calls, pointer + "/tool_calls", message));
  if (said == "function_call") {  // its text is the call
    const std::string call = std::exchange(message.content, std::nullopt).value_or("");
    TRY(read_call_text(call, pointer + "/value", message));
  }
  if (const Json* id = object->if_contains("tool_call_id"); id != nullptr && !id->is_null())
    message.tool_call_id = TRY(text_of(*id, pointer + "/tool_call_id"));
  if (const Json* name = object->if_contains("name"); name != nullptr && !name->is_null())
    message.name = TRY(text_of(*name, pointer + "/name"));
  if (!message.content && message.tool_calls.empty())
    return bad_row(pointer, "a message without content");
  weight = TRY(read_weight(*object, pointer, message.role == "assistant"));
  return message;
}

}  // namespace

Result<std::vector<Message>> parse_messages(const Json& value, const std::string& pointer,
                                            std::vector<float>& weights) {
  const auto* list = value.if_array();
  if (list == nullptr || list->empty())
    return bad_row(pointer, "expected an array of messages, found {}",
                   list == nullptr ? json_type_name(value) : "an empty one");
  if (list->size() > kMaxRowMessages)
    return bad_row(pointer, "{} messages, at most {} fit", list->size(), kMaxRowMessages);
  std::vector<Message> messages;
  weights.assign(list->size(), 0);
  for (std::size_t i = 0; i < list->size(); ++i)
    messages.push_back(TRY(read_message((*list)[i], fmt::format("{}/{}", pointer, i), weights[i])));
  return messages;
}

}  // namespace bantam
