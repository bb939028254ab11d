#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/json_events.h"
#include "base/nearest.h"
#include "server/openai.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();

std::unexpected<Error> refuse(std::string_view code, std::string pointer, std::string message) {
  return std::unexpected(Error{.kind = ErrorKind::kUsage,
                               .code = std::string(code),
                               .message = std::move(message),
                               .where = std::move(pointer),
                               .hint = {}});
}

std::unexpected<Error> bad_param(std::string pointer, std::string message) {
  return refuse("invalid_param", std::move(pointer), std::move(message));
}

std::unexpected<Error> unsupported(std::string pointer, std::string message) {
  return refuse("unsupported_param", std::move(pointer), std::move(message));
}

std::unexpected<Error> schema_unsupported(std::string pointer) {
  return refuse("schema_unsupported", std::move(pointer),
                "structured output comes in a later version of bantam; until then the answer "
                "cannot be held to a schema");
}

std::string element(const std::string& pointer, std::size_t index) {
  return fmt::format("{}/{}", pointer, index);
}

Result<void> refuse_unread(const JsonReader& reader) {
  const std::vector<std::string> unread = reader.unread();
  if (unread.empty()) return {};
  return refuse("unknown_param", reader.pointer(unread.front()), "nobody knows this member");
}

// --- members that both endpoints have ----------------------------------------------------------

Result<std::string> short_string(const Json& value, const std::string& pointer) {
  const auto* text = value.if_string();
  if (!text) {
    return bad_param(pointer, fmt::format("expected string, found {}", json_type_name(value)));
  }
  if (text->empty() || text->size() > kMaxStopBytes) {
    return bad_param(pointer,
                     fmt::format("expected 1 to {} bytes, found {}", kMaxStopBytes, text->size()));
  }
  return std::string(*text);
}

Result<std::vector<std::string>> short_strings(const JsonArray& array, const std::string& pointer) {
  if (array.size() > kMaxStops)
    return bad_param(pointer, fmt::format("at most {} strings, found {}", kMaxStops, array.size()));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < array.size(); ++i)
    out.push_back(TRY(short_string(array[i], element(pointer, i))));
  return out;
}

Result<std::vector<std::int32_t>> token_ids(const JsonArray& array, const std::string& pointer) {
  std::vector<std::int32_t> out;
  out.reserve(array.size());
  for (std::size_t i = 0; i < array.size(); ++i) {
    const auto* id = array[i].if_int64();
    if (!id || *id < 0 || *id > kMaxInt32)
      return bad_param(
          element(pointer, i),
          fmt::format("token id out of range: expected an integer from 0 to {}", kMaxInt32));
    out.push_back(static_cast<std::int32_t>(*id));
  }
  return out;
}

Result<void> read_stop(JsonReader& reader, StopOptions& stop) {
  if (const Json* value = reader.find("stop")) {
    const std::string pointer = reader.pointer("stop");
    if (const auto* array = value->if_array()) {
      stop.strings = TRY(short_strings(*array, pointer));
    } else {
      stop.strings = {TRY(short_string(*value, pointer))};
    }
  }
  if (const JsonArray* ids = TRY(reader.array("stop_token_ids"))) {
    const std::string pointer = reader.pointer("stop_token_ids");
    if (ids->size() > kMaxStops)
      return bad_param(pointer, fmt::format("at most {} ids, found {}", kMaxStops, ids->size()));
    stop.tokens = TRY(token_ids(*ids, pointer));
  }
  stop.ignore_end_tokens = TRY(reader.boolean("ignore_eos", false));
  return {};
}

// A number in (0, high].
Result<double> positive(JsonReader& reader, std::string_view name, double otherwise, double high) {
  const double value = TRY(reader.number(name, otherwise, 0, high));
  if (value > 0) return value;
  return bad_param(reader.pointer(name), fmt::format("expected a number above 0 up to {}", high));
}

Result<void> read_logit_bias(JsonReader& reader, SamplingOptions& sampling) {
  const Json* value = TRY(reader.object("logit_bias"));
  if (!value) return {};
  const JsonObject& entries = value->get_object();
  if (entries.size() > kMaxLogitBias)
    return bad_param(reader.pointer("logit_bias"),
                     fmt::format("at most {} entries, found {}", kMaxLogitBias, entries.size()));
  JsonReader biases(*value, reader.pointer("logit_bias"));
  for (const auto& entry : entries) {
    const std::string_view key = entry.key();
    std::int32_t id = -1;
    const auto [end, failure] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (failure != std::errc() || end != key.data() + key.size() || id < 0)
      return bad_param(biases.pointer(key.substr(0, 64)), "expected a token id as the name");
    const double bias = TRY(biases.required_number(key, -100, 100));
    sampling.logit_bias.emplace_back(id, bias);
  }
  return {};
}

Result<void> read_repetition(JsonReader& reader, SamplingOptions& sampling) {
  if (reader.find("repetition_penalty") && reader.find("repeat_penalty"))
    return bad_param(reader.pointer("repeat_penalty"),
                     "repetition_penalty is the same; send one of them");
  const double first = TRY(positive(reader, "repetition_penalty", 1, 10));
  sampling.repetition_penalty = TRY(positive(reader, "repeat_penalty", first, 10));
  sampling.penalty_window = TRY(reader.integer("repeat_last_n", -1, -1, kMaxInt32));
  sampling.frequency_penalty = TRY(reader.number("frequency_penalty", 0, -2, 2));
  sampling.presence_penalty = TRY(reader.number("presence_penalty", 0, -2, 2));
  sampling.dry_multiplier = TRY(reader.number("dry_multiplier", 0, 0, 100));
  sampling.dry_base = TRY(reader.number("dry_base", sampling.dry_base, 1, 10));
  sampling.dry_allowed_length =
      TRY(reader.integer("dry_allowed_length", sampling.dry_allowed_length, 0, kMaxInt32));
  if (const JsonArray* breakers = TRY(reader.array("dry_sequence_breakers")))
    sampling.dry_breakers = TRY(short_strings(*breakers, reader.pointer("dry_sequence_breakers")));
  return {};
}

Result<void> read_sampling(JsonReader& reader, SamplingOptions& sampling) {
  sampling.temperature = TRY(reader.number("temperature", 1, 0, 2));
  sampling.top_k = std::max<std::int64_t>(0, TRY(reader.integer("top_k", 0, -1, kMaxInt32)));
  // 0 leaves one token, as every threshold does: at least one is always kept.
  sampling.top_p =
      std::max(TRY(reader.number("top_p", 1, 0, 1)), std::numeric_limits<double>::min());
  sampling.min_p = TRY(reader.number("min_p", 0, 0, 1));
  sampling.typical_p = TRY(positive(reader, "typical_p", 1, 1));
  sampling.xtc_probability = TRY(reader.number("xtc_probability", 0, 0, 1));
  sampling.xtc_threshold = TRY(reader.number("xtc_threshold", sampling.xtc_threshold, 0, 0.5));
  TRY(read_repetition(reader, sampling));
  TRY(read_logit_bias(reader, sampling));
  if (reader.find("seed"))
    sampling.seed = static_cast<std::uint64_t>(TRY(reader.required_integer("seed", 0, kMaxInt64)));
  return {};
}

Result<void> read_streaming(JsonReader& reader, OpenAiRequest& out) {
  out.stream = TRY(reader.boolean("stream", false));
  const Json* options = TRY(reader.object("stream_options"));
  if (!options) return {};
  if (!out.stream)
    return bad_param(reader.pointer("stream_options"), "goes with \"stream\": true only");
  JsonReader inner(*options, reader.pointer("stream_options"));
  out.include_usage = TRY(inner.boolean("include_usage", false));
  if (TRY(inner.boolean("include_obfuscation", false)))
    return unsupported(inner.pointer("include_obfuscation"), "not supported; leave it out");
  return refuse_unread(inner);
}

Result<void> read_response_format(JsonReader& reader) {
  const Json* format = TRY(reader.object("response_format"));
  if (!format) return {};
  JsonReader inner(*format, reader.pointer("response_format"));
  const std::string type = TRY(inner.required_string("type"));
  if (type == "json_object" || type == "json_schema")
    return schema_unsupported(inner.pointer("type"));
  if (type != "text")
    return bad_param(inner.pointer("type"),
                     fmt::format("expected \"text\", found {}", quoted(type)));
  return refuse_unread(inner);
}

Result<void> read_common(JsonReader& reader, OpenAiRequest& out, ChatRequest& request) {
  out.model = TRY(reader.string("model", ""));
  out.n = static_cast<std::size_t>(TRY(reader.integer("n", 1, 1, kMaxChoices)));
  TRY(read_streaming(reader, out));
  TRY(read_stop(reader, request.stop));
  TRY(read_sampling(reader, request.sampling));
  return read_response_format(reader);
}

// What the table knows and nobody has asked for yet.
Result<void> settle_the_rest(JsonReader& reader, OpenAiEndpoint endpoint) {
  std::vector<std::string_view> known;
  for (const OpenAiField& field : openai_fields()) {
    if (!(endpoint == OpenAiEndpoint::kChat ? field.chat : field.completions)) continue;
    known.push_back(field.name);
    if (field.treatment == FieldTreatment::kHonoured) continue;
    if (reader.find(field.name) && field.treatment == FieldTreatment::kRefused)
      return unsupported(reader.pointer(field.name), std::string(field.note));
  }
  const std::vector<std::string> unread = reader.unread();
  if (unread.empty()) return {};
  const std::string name = unread.front().substr(0, 64);
  return refuse(
      "unknown_param", reader.pointer(name),
      fmt::format("there is no parameter {}.{}", quoted(name), did_you_mean(name, known)));
}

// Counts values and stops at the limit; looks at nothing else.
class ValueCounter final : public JsonEvents {
 public:
  Result<void> begin_object() override { return count(); }
  Result<void> end_object() override { return {}; }
  Result<void> begin_array() override { return count(); }
  Result<void> end_array() override { return {}; }
  Result<void> key(std::string_view) override { return {}; }
  Result<void> string(std::string_view) override { return count(); }
  Result<void> integer(std::int64_t) override { return count(); }
  Result<void> natural(std::uint64_t) override { return count(); }
  Result<void> real(double) override { return count(); }
  Result<void> boolean(bool) override { return count(); }
  Result<void> null() override { return count(); }

 private:
  Result<void> count() {
    if (++values_ <= kMaxValues) return {};
    return fail(ErrorKind::kTooLarge, "json_too_large", "more than {} JSON values", kMaxValues);
  }
  std::size_t values_ = 0;
};

// A value takes at least two bytes, so only a long body needs to be counted before it is built.
Result<Json> parse_bounded(std::string_view body) {
  if (body.size() > 2 * kMaxValues) {
    ValueCounter counter;
    TRY(parse_json_events(body, counter));
  }
  return parse_json(body);
}

// --- chat --------------------------------------------------------------------------------------

// A string, or text parts joined by line breaks.
Result<std::string> read_content(const Json& content, const std::string& pointer) {
  if (const auto* text = content.if_string()) return std::string(*text);
  const auto* parts = content.if_array();
  if (!parts)
    return bad_param(pointer, fmt::format("expected a string or an array of parts, found {}",
                                          json_type_name(content)));
  if (parts->empty()) return bad_param(pointer, "an array of parts needs at least one");
  std::string out;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    JsonReader part((*parts)[i], element(pointer, i));
    const std::string type = TRY(part.required_string("type"));
    if (type != "text")
      return unsupported(part.pointer("type"),
                         fmt::format("only text parts are supported, not {}", quoted(type)));
    if (i > 0) out += '\n';
    out += TRY(part.required_string("text"));
    TRY(refuse_unread(part));
  }
  return out;
}

Result<std::vector<ToolCall>> read_tool_calls(const JsonArray& calls, const std::string& pointer) {
  std::vector<ToolCall> out;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    JsonReader call(calls[i], element(pointer, i));
    ToolCall one;
    one.id = TRY(call.required_string("id"));
    if (const std::string type = TRY(call.string("type", "function")); type != "function")
      return unsupported(call.pointer("type"), "only calls of functions are supported");
    call.find("index");  // streaming clients send back what they were sent
    const Json* function = TRY(call.object("function"));
    if (!function) return bad_param(call.pointer("function"), "required, and absent");
    JsonReader inner(*function, call.pointer("function"));
    one.name = TRY(inner.required_string("name"));
    one.arguments = TRY(inner.string("arguments", "{}"));
    TRY(refuse_unread(inner));
    TRY(refuse_unread(call));
    out.push_back(std::move(one));
  }
  return out;
}

Result<void> read_assistant(JsonReader& reader, Message& message) {
  if (const JsonArray* calls = TRY(reader.array("tool_calls")))
    message.tool_calls = TRY(read_tool_calls(*calls, reader.pointer("tool_calls")));
  const std::string content = TRY(reader.string("reasoning_content", ""));
  const std::string reasoning = TRY(reader.string("reasoning", content));
  if (!reasoning.empty()) message.reasoning = reasoning;
  // Members of our own answers (and OpenAI's), as clients send them back.
  reader.find("refusal");
  const JsonArray* annotations = TRY(reader.array("annotations"));
  if (annotations && !annotations->empty())
    return unsupported(reader.pointer("annotations"), "not supported");
  return {};
}

Result<Message> read_message(const Json& value, const std::string& pointer) {
  JsonReader reader(value, pointer);
  Message message;
  message.role = TRY(reader.required_string("role"));
  if (message.role == "developer") message.role = "system";
  if (const Json* content = reader.find("content"))
    message.content = TRY(read_content(*content, reader.pointer("content")));
  message.name = TRY(reader.string("name", ""));
  if (message.role == "assistant") {
    TRY(read_assistant(reader, message));
  } else if (message.role == "tool") {
    message.tool_call_id = TRY(reader.required_string("tool_call_id"));
  } else if (message.role != "system" && message.role != "user") {
    return bad_param(reader.pointer("role"),
                     fmt::format("expected system, developer, user, assistant or tool, found {}",
                                 quoted(message.role)));
  }
  if (!message.content && message.tool_calls.empty())
    return bad_param(reader.pointer("content"), "required, and absent");
  TRY(refuse_unread(reader));
  return message;
}

Result<std::vector<Message>> read_messages(JsonReader& reader) {
  const JsonArray* array = TRY(reader.array("messages"));
  const std::string pointer = reader.pointer("messages");
  if (!array) return bad_param(pointer, "required, and absent");
  if (array->empty()) return refuse("prompt_empty", pointer, "there has to be a message");
  if (array->size() > kMaxMessages)
    return bad_param(pointer, fmt::format("at most {} messages", kMaxMessages));
  std::vector<Message> messages;
  for (std::size_t i = 0; i < array->size(); ++i)
    messages.push_back(TRY(read_message((*array)[i], element(pointer, i))));
  return messages;
}

bool is_function_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Result<std::string> read_tool(const Json& value, const std::string& pointer) {
  JsonReader tool(value, pointer);
  if (const std::string type = TRY(tool.required_string("type")); type != "function")
    return unsupported(tool.pointer("type"),
                       fmt::format("only functions are supported, not {}", quoted(type)));
  const Json* function = TRY(tool.object("function"));
  if (!function) return bad_param(tool.pointer("function"), "required, and absent");
  TRY(refuse_unread(tool));
  JsonReader inner(*function, tool.pointer("function"));
  std::string name = TRY(inner.required_string("name"));
  if (!is_function_name(name))
    return bad_param(inner.pointer("name"), "expected 1 to 64 letters, digits, '_' and '-'");
  TRY(inner.string("description", ""));
  TRY(inner.object("parameters"));
  if (TRY(inner.boolean("strict", false))) return schema_unsupported(inner.pointer("strict"));
  TRY(refuse_unread(inner));
  return name;
}

Result<std::string> read_tool_choice(JsonReader& reader, const std::vector<std::string>& names) {
  const Json* choice = reader.find("tool_choice");
  const std::string pointer = reader.pointer("tool_choice");
  if (!choice) return "auto";
  if (const auto* word = choice->if_string()) {
    if (*word == "none" || (*word == "auto" && !names.empty())) return std::string(*word);
    if (*word == "auto") return bad_param(pointer, "there are no tools to choose from");
    if (*word == "required")
      return unsupported(pointer,
                         "\"required\" needs structured output, which comes in a later "
                         "version");
    return bad_param(pointer,
                     fmt::format("expected \"auto\" or \"none\", found {}", quoted(*word)));
  }
  JsonReader inner(*choice, pointer);
  const Json* function = TRY(inner.object("function"));
  if (function) {
    JsonReader named(*function, inner.pointer("function"));
    const std::string name = TRY(named.required_string("name"));
    if (std::ranges::find(names, name) == names.end())
      return bad_param(named.pointer("name"), fmt::format("there is no tool {}", quoted(name)));
  }
  return unsupported(pointer,
                     "a named function needs structured output, which comes in a later "
                     "version");
}

Result<void> read_tools(JsonReader& reader, ChatRequest& request) {
  std::vector<std::string> names;
  const JsonArray* tools = TRY(reader.array("tools"));
  const std::string pointer = reader.pointer("tools");
  if (tools && tools->size() > kMaxTools)
    return bad_param(pointer, fmt::format("at most {} tools, found {}", kMaxTools, tools->size()));
  for (std::size_t i = 0; tools && i < tools->size(); ++i)
    names.push_back(TRY(read_tool((*tools)[i], element(pointer, i))));
  const std::string choice = TRY(read_tool_choice(reader, names));
  if (!names.empty() && choice != "none") request.tools = *tools;
  if (!TRY(reader.boolean("parallel_tool_calls", true)))
    return unsupported(reader.pointer("parallel_tool_calls"),
                       "the number of calls cannot be held to one");
  return {};
}

Result<void> read_max_tokens(JsonReader& reader, StopOptions& stop) {
  const bool both = reader.find("max_tokens") && reader.find("max_completion_tokens");
  stop.max_tokens = TRY(reader.integer("max_tokens", -1, 1, kMaxInt32));
  const std::int64_t completion =
      TRY(reader.integer("max_completion_tokens", stop.max_tokens, 1, kMaxInt32));
  if (both && completion != stop.max_tokens)
    return bad_param(reader.pointer("max_tokens"),
                     "max_completion_tokens is the same and differs; send one of them");
  stop.max_tokens = completion;
  return {};
}

Result<void> read_chat(JsonReader& reader, ChatRequest& request) {
  request.messages = TRY(read_messages(reader));
  TRY(read_max_tokens(reader, request.stop));
  const bool logprobs = TRY(reader.boolean("logprobs", false));
  const std::int64_t top = TRY(reader.integer("top_logprobs", 0, 0, kMaxTopLogprobs));
  if (!logprobs && reader.find("top_logprobs"))
    return bad_param(reader.pointer("top_logprobs"), "goes with \"logprobs\": true only");
  if (logprobs) request.top_logprobs = static_cast<int>(top);
  TRY(read_tools(reader, request));
  if (const Json* arguments = TRY(reader.object("chat_template_kwargs")))
    request.template_arguments = *arguments;
  if (const JsonArray* modalities = TRY(reader.array("modalities"))) {
    const bool text = modalities->size() == 1 && (*modalities)[0] == Json("text");
    if (!text) return unsupported(reader.pointer("modalities"), "only [\"text\"] is supported");
  }
  return {};
}

// --- completions -------------------------------------------------------------------------------

Result<ChatRequest> with_text(ChatRequest request, const Json& text, const std::string& pointer) {
  if (!text.is_string())
    return bad_param(pointer, fmt::format("expected string, found {}", json_type_name(text)));
  if (text.get_string().empty()) return refuse("prompt_empty", pointer, "the prompt is empty");
  request.prompt = std::string(text.get_string());
  return request;
}

Result<ChatRequest> with_ids(ChatRequest request, const JsonArray& ids,
                             const std::string& pointer) {
  if (ids.empty()) return refuse("prompt_empty", pointer, "the prompt is empty");
  request.prompt_ids = TRY(token_ids(ids, pointer));
  return request;
}

Result<std::vector<ChatRequest>> read_prompts(JsonReader& reader, const ChatRequest& request) {
  const Json* prompt = reader.find("prompt");
  const std::string pointer = reader.pointer("prompt");
  if (!prompt) return bad_param(pointer, "required, and absent");
  std::vector<ChatRequest> out;
  const auto* array = prompt->if_array();
  if (!array) {
    out.push_back(TRY(with_text(request, *prompt, pointer)));
    return out;
  }
  if (array->empty() || (*array)[0].is_number()) {
    out.push_back(TRY(with_ids(request, *array, pointer)));
    return out;
  }
  if (array->size() > kMaxPrompts)
    return bad_param(pointer,
                     fmt::format("at most {} prompts, found {}", kMaxPrompts, array->size()));
  for (std::size_t i = 0; i < array->size(); ++i) {
    const Json& one = (*array)[i];
    const auto* ids = one.if_array();
    out.push_back(ids ? TRY(with_ids(request, *ids, element(pointer, i)))
                      : TRY(with_text(request, one, element(pointer, i))));
  }
  return out;
}

Result<void> read_completions(JsonReader& reader, std::size_t n, ChatRequest& request) {
  request.echo = TRY(reader.boolean("echo", false));
  request.stop.max_tokens = TRY(reader.integer("max_tokens", 16, request.echo ? 0 : 1, kMaxInt32));
  request.top_logprobs = static_cast<int>(TRY(reader.integer("logprobs", -1, 0, kMaxTopLogprobs)));
  const auto wanted = static_cast<std::int64_t>(n);
  if (TRY(reader.integer("best_of", wanted, 1, kMaxChoices)) != wanted)
    return unsupported(reader.pointer("best_of"), "choosing the best of several is not supported");
  if (!TRY(reader.string("suffix", "")).empty())
    return unsupported(reader.pointer("suffix"), "filling in between is not supported");
  return {};
}

}  // namespace

ChatRequest OpenAiRequest::choice(std::size_t index) const {
  ChatRequest request = prompts.at(index / n);
  if (request.sampling.seed) *request.sampling.seed += index % n;
  return request;
}

Result<OpenAiRequest> decode_openai(OpenAiEndpoint endpoint, std::string_view body) {
  Result<Json> document = parse_bounded(body);
  if (!document) {
    Error error = std::move(document.error());
    if (error.code != "json_too_large") error.kind = ErrorKind::kMalformed;
    return std::unexpected(std::move(error));
  }
  if (!document->is_object())
    return bad_param("/", fmt::format("expected an object, found {}", json_type_name(*document)));
  JsonReader reader(*document);
  OpenAiRequest out;
  out.endpoint = endpoint;
  ChatRequest request;
  TRY(read_common(reader, out, request));
  if (endpoint == OpenAiEndpoint::kChat) {
    TRY(read_chat(reader, request));
    out.prompts.push_back(std::move(request));
  } else {
    TRY(read_completions(reader, out.n, request));
    out.prompts = TRY(read_prompts(reader, request));
  }
  TRY(settle_the_rest(reader, endpoint));
  for (ChatRequest& prompt : out.prompts) prompt.model = out.model;
  return out;
}

}  // namespace bantam
