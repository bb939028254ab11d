#include "chat/chat_template.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/unicode.h"
#include "chat/chat_inputs.h"
#include "chat/jinja/template.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxTemplateBytes = 1u << 20;

// What carries the request itself; not to be set from outside as an extra argument.
constexpr std::array<std::string_view, 4> kReserved = {
    "add_generation_prompt", "continue_final_message", "messages", "tools"};

bool is_argument(std::string_view name) {
  return !name.ends_with("_token") &&
         std::find(kReserved.begin(), kReserved.end(), name) == kReserved.end();
}

bool is_present(const Json& json) {
  return !json.is_null() && !(json.is_array() && json.get_array().empty());
}

const Json* documents_of(const ChatRequest& request) {
  if (!request.template_arguments.is_object()) return nullptr;
  const Json* documents = request.template_arguments.get_object().if_contains("documents");
  return documents != nullptr && is_present(*documents) ? documents : nullptr;
}

// A longer conversation may run longer: so much for each message and each byte.
jinja::Limits limits_for(const ChatRequest& request) {
  const std::size_t bytes = text_bytes(request.messages) + write_json(request.tools).size() +
                            write_json(request.template_arguments).size();
  jinja::Limits limits;
  limits.fuel += static_cast<std::int64_t>(request.messages.size() * 500 + bytes / 4);
  limits.string_bytes += 4 * bytes;
  return limits;
}

// What the templates of different families call the assistant's thinking.
std::string reasoning_key_of(std::string_view text) {
  if (text.find("reasoning_content") != text.npos) return "reasoning_content";
  for (const std::string_view key : {"thinking", "reasoning"}) {
    for (const std::string& use :
         {fmt::format(".{}", key), fmt::format("['{}']", key), fmt::format("[\"{}\"]", key),
          fmt::format("'{}' in", key), fmt::format("\"{}\" in", key)}) {
      if (text.find(use) != text.npos) return std::string(key);
    }
  }
  return "reasoning_content";
}

constexpr std::string_view kNeedle = "bantam-probe-7c1f";

ChatRequest probe_question() {
  ChatRequest request;
  request.messages.push_back({.role = "user", .content = std::string(kNeedle)});
  return request;
}

// A conversation with a tool call, whose argument is the needle.
ChatRequest probe_tool_call() {
  ChatRequest request;
  request.messages.push_back({.role = "user", .content = "What is the weather?"});
  Message call{.role = "assistant", .content = ""};
  call.tool_calls.push_back({.id = "call00000",
                             .name = "weather",
                             .arguments = fmt::format(R"({{"city": "{}"}})", kNeedle)});
  request.messages.push_back(std::move(call));
  request.messages.push_back(
      {.role = "tool", .content = "cloudy", .tool_call_id = "call00000", .name = "weather"});
  request.messages.push_back({.role = "assistant", .content = "It is cloudy."});
  request.messages.push_back({.role = "user", .content = "Thanks."});
  request.tools = JsonArray{JsonObject{
      {"type", "function"},
      {"function",
       JsonObject{
           {"name", "weather"},
           {"description", "The weather in a city"},
           {"parameters",
            JsonObject{{"type", "object"},
                       {"properties", JsonObject{{"city", JsonObject{{"type", "string"},
                                                                     {"description", "A city"}}}}},
                       {"required", JsonArray{"city"}}}}}}}};
  return request;
}

std::tm probe_time() {
  std::tm time{};
  time.tm_year = 124;
  time.tm_mday = 1;
  time.tm_wday = 1;
  return time;
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size()))
    ++count;
  return count;
}

constexpr std::string_view kArguments = "/chat_template_kwargs";

std::unexpected<Error> invalid(std::string_view where, std::string message) {
  return std::unexpected(Error{.kind = ErrorKind::kUsage,
                               .code = "invalid_param",
                               .message = std::move(message),
                               .where = std::string(where),
                               .hint = {}});
}

std::unexpected<Error> no_template() {
  return std::unexpected(
      Error{.kind = ErrorKind::kNotFound,
            .code = "no_template",
            .message = "the model has no chat template",
            .where = {},
            .hint = "put chat_template.jinja into the model's folder, or use a raw prompt, which "
                    "needs none"});
}

// The text and its marks; ranges of different messages that touch are one range of input.
RenderedPrompt marked(const jinja::Text& text) {
  RenderedPrompt prompt{.text = text.bytes, .input_ranges = {}};
  prompt.input_ranges.reserve(text.input.size());
  for (const jinja::Span& span : text.input) {
    if (!prompt.input_ranges.empty() && prompt.input_ranges.back().end == span.begin) {
      prompt.input_ranges.back().end = span.end;
    } else {
      prompt.input_ranges.push_back({span.begin, span.end});
    }
    if (span.origin >= jinja::kMessage)
      prompt.said.push_back({{span.begin, span.end}, span.origin - jinja::kMessage});
  }
  return prompt;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

}  // namespace

std::vector<RenderedPrompt::Segment> RenderedPrompt::segments() const {
  std::vector<Segment> segments;
  const std::string_view all = text;
  std::size_t done = 0;
  for (const ByteRange& range : input_ranges) {
    if (range.begin > done) segments.push_back({all.substr(done, range.begin - done), false});
    segments.push_back({all.substr(range.begin, range.end - range.begin), true});
    done = range.end;
  }
  if (done < all.size()) segments.push_back({all.substr(done), false});
  return segments;
}

std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt) {
  return tokenizer.encode(
      prompt.text,
      {.add_specials = false, .parse_specials = true, .plain_ranges = prompt.input_ranges});
}

Result<ChatTemplate> ChatTemplate::parse(std::string_view text, Specials specials) {
  return parse(std::vector<Named>{{"default", std::string(text)}}, std::move(specials));
}

Result<ChatTemplate> ChatTemplate::parse(const std::vector<Named>& templates, Specials specials) {
  ChatTemplate made;
  made.specials_ = std::move(specials);
  std::set<std::string> names, arguments;
  for (const Named& named : templates) {
    const std::string where = fmt::format("chat template {}", quoted(named.name));
    if (named.text.size() > kMaxTemplateBytes)
      return fail(ErrorKind::kTooLarge, "template_too_large", "the {} has {} bytes, more than {}",
                  where, named.text.size(), kMaxTemplateBytes);
    if (!names.insert(named.name).second)
      return fail(ErrorKind::kMalformed, "template_invalid", "there are two of the {}", where);
    auto program = jinja::Template::parse(named.text);
    if (!program) return std::unexpected(std::move(program).error().in(where));
    for (const std::string& input : (*program)->inputs()) {
      if (is_argument(input)) arguments.insert(input);
    }
    Variant variant{.name = named.name,
                    .program = std::move(*program),
                    .arguments_as_text = false,
                    .reasoning_key = reasoning_key_of(named.text)};
    const auto place = named.name == "default" ? made.variants_.begin() : made.variants_.end();
    made.variants_.insert(place, std::move(variant));
  }
  if (made.variants_.empty() || made.variants_[0].name != "default") return no_template();
  made.arguments_.assign(arguments.begin(), arguments.end());
  for (Variant& variant : made.variants_) made.probe(variant);
  return made;
}

Result<ChatTemplate> ChatTemplate::from_model(const Metadata& metadata,
                                              const Tokenizer& tokenizer) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  std::vector<Named> templates;
  for (const auto& [key, value] : metadata.entries()) {
    if (key == kKey) {
      templates.push_back({"default", TRY(metadata.string(key))});
    } else if (key.starts_with(kKey) && key[kKey.size()] == '.') {
      templates.push_back({key.substr(kKey.size() + 1), TRY(metadata.string(key))});
    }
  }
  const SpecialTokens& tokens = tokenizer.specials();
  Specials specials;
  const auto add = [&](std::string_view name, std::optional<TokenId> id) {
    if (id) specials.emplace_back(name, tokenizer.piece(*id));
  };
  add("bos_token", tokens.bos);
  add("eos_token", tokens.eos);
  add("unk_token", tokens.unknown);
  add("sep_token", tokens.separator);
  add("pad_token", tokens.pad);
  add("cls_token", tokens.cls);
  add("mask_token", tokens.mask);
  return parse(templates, std::move(specials));
}

const ChatTemplate::Variant& ChatTemplate::choose(const ChatRequest& request) const {
  const std::string_view wanted = is_present(request.tools)          ? "tool_use"
                                  : documents_of(request) != nullptr ? "rag"
                                                                     : "default";
  const auto found = std::find_if(variants_.begin(), variants_.end(),
                                  [wanted](const Variant& v) { return v.name == wanted; });
  return found == variants_.end() ? variants_[0] : *found;
}

Result<RenderedPrompt> ChatTemplate::render(const ChatRequest& request,
                                            const std::optional<std::tm>& now) const {
  return render_with(choose(request), request, now);
}

Result<RenderedPrompt> ChatTemplate::render_conversation(const ChatRequest& request,
                                                         const std::optional<std::tm>& now) const {
  return render_with(choose(request), request, now, false);
}

Result<void> ChatTemplate::add_arguments(const Json& arguments,
                                         std::vector<Variable>& variables) const {
  if (arguments.is_null()) return {};
  if (!arguments.is_object())
    return invalid(kArguments,
                   fmt::format("must be an object, found {}", json_type_name(arguments)));
  for (const auto& [key, value] : arguments.get_object()) {
    const std::string name(key.data(), key.size());
    if (!std::binary_search(arguments_.begin(), arguments_.end(), name))
      return invalid(kArguments,
                     fmt::format("the model's chat template has no argument {}; it has: {}",
                                 quoted(name), joined(arguments_).substr(0, 400)));
    const std::string where = fmt::format("{}/{}", kArguments, name);
    variables.emplace_back(name, TRY(jinja::from_json(value, jinja::kCaller, where)));
  }
  return {};
}

Result<RenderedPrompt> ChatTemplate::render_with(const Variant& variant, const ChatRequest& request,
                                                 const std::optional<std::tm>& now,
                                                 bool generation_prompt) const {
  const MessageShape shape{variant.arguments_as_text, variant.reasoning_key};
  std::vector<Variable> variables;
  variables.emplace_back("messages", TRY(message_list(request.messages, shape)));
  if (!request.tools.is_null() && !request.tools.is_array())
    return invalid("/tools",
                   fmt::format("must be an array, found {}", json_type_name(request.tools)));
  // As transformers does it: tools and documents are always defined, and None without any.
  variables.emplace_back("tools",
                         is_present(request.tools)
                             ? TRY(jinja::from_json(request.tools, jinja::kCaller, "/tools"))
                             : jinja::Value());
  variables.emplace_back("add_generation_prompt", jinja::Value(generation_prompt));
  for (const auto& [name, text] : specials_)
    variables.emplace_back(name, jinja::Value(jinja::make_text(repair_utf8(text))));
  TRY(add_arguments(request.template_arguments, variables));
  variables.emplace_back("documents", jinja::Value());  // the arguments come first and win

  const jinja::TextPtr text = TRY(variant.program->render(variables, limits_for(request), now));
  return marked(*text);
}

void ChatTemplate::probe(Variant& variant) {
  const std::tm time = probe_time();
  const auto question = render_with(variant, probe_question(), time);
  if (!question) {
    warnings_.push_back(fmt::format("the chat template {} fails on a plain question: {}",
                                    quoted(variant.name), question.error().to_string()));
  } else if (const std::size_t count = count_of(question->text, kNeedle); count != 1) {
    warnings_.push_back(
        count == 0 ? fmt::format("the chat template {} drops user content", quoted(variant.name))
                   : fmt::format("the chat template {} repeats user content {} times",
                                 quoted(variant.name), count));
  }
  const auto shows_arguments = [&](bool as_text) {
    variant.arguments_as_text = as_text;
    const auto prompt = render_with(variant, probe_tool_call(), time);
    return prompt && prompt->text.find(kNeedle) != std::string::npos;
  };
  if (!shows_arguments(false) && !shows_arguments(true)) variant.arguments_as_text = false;
}

Result<std::string> render_template(std::string_view text, const Json& inputs,
                                    const std::optional<std::tm>& now) {
  if (!inputs.is_object())
    return fail(ErrorKind::kMalformed, "invalid_inputs",
                "the inputs of a template must be a JSON object, found {}", json_type_name(inputs));
  const auto program = TRY(jinja::Template::parse(text));
  jinja::Template::Inputs variables;
  for (const auto& [key, value] : inputs.get_object()) {
    const std::string name(key.data(), key.size());
    variables.emplace_back(name, TRY(jinja::from_json(value, jinja::kCaller, "/" + name)));
  }
  return TRY(program->render(variables, {}, now))->bytes;
}

}  // namespace bantam
