#include "chat/chat_inputs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/unicode.h"

namespace bantam {
namespace {

using jinja::Dict;
using jinja::Value;

constexpr std::array<std::string_view, 6> kUsualRoles = {"system",    "developer", "user",
                                                         "assistant", "tool",      "function"};

bool is_usual_role(std::string_view role) {
  return std::find(kUsualRoles.begin(), kUsualRoles.end(), role) != kUsualRoles.end();
}

// Messages are made of a known few parts: only the inputs' size decides what this costs.
jinja::Budget unlimited() { return jinja::Budget({.fuel = std::int64_t{1} << 60}); }

std::unexpected<Error> invalid(std::string where, std::string_view what) {
  auto error = fail(ErrorKind::kUsage, "invalid_param", "{}", what);
  error.error().where = std::move(where);
  return error;
}

class MessageImporter {
 public:
  explicit MessageImporter(const MessageShape& shape) : shape_(shape), budget_(unlimited()) {}

  Result<Value> import(const std::vector<Message>& messages) {
    std::vector<Value> items;
    items.reserve(messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i) {
      said_ = jinja::kMessage + static_cast<jinja::Origin>(i);
      items.push_back(TRY(import(messages[i], fmt::format("/messages/{}", i))));
    }
    return list(std::move(items));
  }

 private:
  using Entries = std::vector<Dict::Entry>;

  Result<Value> import(const Message& message, const std::string& where) {
    if (message.role.empty()) return invalid(where + "/role", "a message needs a role");
    Entries entries;
    add(entries, "role",
        TRY(text(message.role, where + "/role",
                 is_usual_role(message.role) ? jinja::kTemplate : jinja::kCaller)));
    // Templates add contents to strings; one that is absent is an empty one to them.
    add(entries, "content", TRY(text(message.content.value_or(""), where + "/content", said_)));
    if (message.reasoning)
      add(entries, shape_.reasoning_key,
          TRY(text(*message.reasoning, where + "/reasoning", said_)));
    if (!message.tool_calls.empty())
      add(entries, "tool_calls", TRY(import_calls(message.tool_calls, where + "/tool_calls")));
    if (!message.tool_call_id.empty())
      add(entries, "tool_call_id",
          TRY(text(message.tool_call_id, where + "/tool_call_id", jinja::kCaller)));
    if (!message.name.empty())
      add(entries, "name", TRY(text(message.name, where + "/name", jinja::kCaller)));
    return dict(std::move(entries));
  }

  Result<Value> import_calls(const std::vector<ToolCall>& calls, const std::string& where) {
    std::vector<Value> items;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const ToolCall& call = calls[i];
      const std::string place = fmt::format("{}/{}", where, i);
      Entries function, entries;
      add(function, "name", TRY(text(call.name, place + "/function/name", said_)));
      add(function, "arguments", TRY(import_arguments(call.arguments, place)));
      if (!call.id.empty()) add(entries, "id", TRY(text(call.id, place + "/id", jinja::kCaller)));
      add(entries, "type", Value::literal("function"));
      add(entries, "function", TRY(dict(std::move(function))));
      items.push_back(TRY(dict(std::move(entries))));
    }
    return list(std::move(items));
  }

  // What a model wrote as arguments need not be JSON; then the template gets it as it is.
  Result<Value> import_arguments(const std::string& arguments, const std::string& place) {
    const std::string where = place + "/function/arguments";
    if (shape_.arguments_as_text) return text(arguments, where, said_);
    if (arguments.empty()) return dict({});
    const Result<Json> json = parse_json(arguments);
    if (!json || !json->is_object()) return text(arguments, where, said_);
    return jinja::from_json(*json, said_, where);
  }

  static Result<Value> text(std::string_view bytes, const std::string& where,
                            jinja::Origin origin) {
    if (!is_valid_utf8(bytes))
      return invalid(where,
                     fmt::format("text that is not UTF-8 at byte {}", first_invalid_utf8(bytes)));
    return Value(jinja::make_text(std::string(bytes), origin));
  }

  static void add(Entries& entries, std::string_view key, Value value) {
    entries.emplace_back(Value::literal(key), std::move(value));
  }

  Result<Value> list(std::vector<Value> items) {
    auto made = jinja::make_list(budget_, std::move(items));
    if (!made) return std::unexpected(std::move(*made.error()));
    return std::move(*made);
  }
  Result<Value> dict(Entries entries) {
    auto made = Dict::make(budget_, std::move(entries));
    if (!made) return std::unexpected(std::move(*made.error()));
    return Value(std::move(*made));
  }

  const MessageShape shape_;
  jinja::Budget budget_;
  jinja::Origin said_ = jinja::kCaller;  // of the message at hand
};

}  // namespace

Result<Value> message_list(const std::vector<Message>& messages, const MessageShape& shape) {
  if (messages.empty()) return invalid("/messages", "at least one message is needed");
  return MessageImporter(shape).import(messages);
}

std::size_t text_bytes(const std::vector<Message>& messages) {
  std::size_t bytes = 0;
  for (const Message& message : messages) {
    bytes += message.role.size() + message.name.size() + message.tool_call_id.size();
    bytes += message.content.value_or("").size() + message.reasoning.value_or("").size();
    for (const ToolCall& call : message.tool_calls)
      bytes += call.id.size() + call.name.size() + call.arguments.size();
  }
  return bytes;
}

}  // namespace bantam
