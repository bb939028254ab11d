#include <cmath>
#include <utility>

#include "base/unicode.h"
#include "server/openai.h"

namespace bantam {
namespace {

constexpr double kSmallestLogprob = -9999;  // what the API writes for minus infinity

Json number(float logprob) {
  if (std::isnan(logprob)) return nullptr;
  if (std::isinf(logprob)) return logprob < 0 ? Json(kSmallestLogprob) : Json(0.0);
  return static_cast<double>(logprob);
}

JsonArray byte_array(std::string_view bytes) {
  JsonArray out;
  for (const char c : bytes) out.emplace_back(static_cast<unsigned char>(c));
  return out;
}

JsonObject chat_token(const TokenLogprob& token) {
  return {{"token", repair_utf8(token.bytes)},
          {"logprob", number(token.logprob)},
          {"bytes", byte_array(token.bytes)}};
}

// The completions shape has texts only, so part of a character is spelled as bytes.
std::string completions_token(const TokenLogprob& token) {
  if (is_valid_utf8(token.bytes)) return token.bytes;
  std::string out = "bytes:";
  for (const char c : token.bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::int64_t characters_begun(std::string_view bytes) {
  std::int64_t count = 0;
  for (const char c : bytes) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

Json chat_logprobs(std::span<const LogprobEntry> entries) {
  JsonArray content;
  for (const LogprobEntry& entry : entries) {
    JsonArray top;
    for (const TokenLogprob& other : entry.top) top.push_back(chat_token(other));
    JsonObject token = chat_token(entry);
    token["top_logprobs"] = std::move(top);
    content.push_back(std::move(token));
  }
  return JsonObject{{"content", std::move(content)}, {"refusal", nullptr}};
}

double milliseconds(double seconds) { return std::round(seconds * 1e6) / 1e3; }

double per_second(std::int64_t count, double seconds) {
  return seconds > 0 ? std::round(static_cast<double>(count) / seconds * 1e3) / 1e3 : 0;
}

double per_token(std::int64_t count, double seconds) {
  return count > 0 ? milliseconds(seconds / static_cast<double>(count)) : 0;
}

JsonObject timings_json(const Usage& usage, const Timings& timings) {
  const std::int64_t computed = usage.prompt_tokens - usage.cached_tokens;
  return {{"cache_n", usage.cached_tokens},
          {"queue_ms", milliseconds(timings.queue_seconds)},
          {"prompt_n", computed},
          {"prompt_ms", milliseconds(timings.prompt_seconds)},
          {"prompt_per_token_ms", per_token(computed, timings.prompt_seconds)},
          {"prompt_per_second", per_second(computed, timings.prompt_seconds)},
          {"predicted_n", usage.completion_tokens},
          {"predicted_ms", milliseconds(timings.generate_seconds)},
          {"predicted_per_token_ms", per_token(usage.completion_tokens, timings.generate_seconds)},
          {"predicted_per_second", per_second(usage.completion_tokens, timings.generate_seconds)}};
}

void add(Usage& sum, const Usage& more) {
  sum.prompt_tokens += more.prompt_tokens;
  sum.cached_tokens += more.cached_tokens;
  sum.completion_tokens += more.completion_tokens;
}

JsonObject envelope(const OpenAiIdentity& identity, std::string_view object, JsonArray choices) {
  return {{"id", identity.id},
          {"object", object},
          {"created", identity.created},
          {"model", identity.model},
          {"system_fingerprint", identity.fingerprint},
          {"choices", std::move(choices)}};
}

std::string event(std::string_view data) { return fmt::format("data: {}\n\n", data); }

}  // namespace

void OpenAiUsage::add(std::size_t choice, const Usage& usage) {
  Usage counted = usage;
  if (choice % choices_a_prompt_ != 0) counted.prompt_tokens = counted.cached_tokens = 0;
  bantam::add(sum_, counted);
}

JsonObject OpenAiUsage::json() const {
  return {{"prompt_tokens", sum_.prompt_tokens},
          {"completion_tokens", sum_.completion_tokens},
          {"total_tokens", sum_.prompt_tokens + sum_.completion_tokens},
          {"prompt_tokens_details", JsonObject{{"cached_tokens", sum_.cached_tokens}}}};
}

Json OpenAiLogprobs::piece(std::span<const LogprobEntry> entries) {
  if (endpoint_ == OpenAiEndpoint::kChat) return chat_logprobs(entries);
  JsonArray tokens, values, tops, offsets;
  for (const LogprobEntry& entry : entries) {
    const std::string text = completions_token(entry);
    tokens.emplace_back(text);
    values.push_back(number(entry.logprob));
    offsets.emplace_back(characters_);
    characters_ += characters_begun(entry.bytes);
    if (std::isnan(entry.logprob) || entry.top.empty()) {
      tops.emplace_back(nullptr);
      continue;
    }
    JsonObject top;
    for (const TokenLogprob& other : entry.top)
      top.emplace(completions_token(other), number(other.logprob));
    top.emplace(text, number(entry.logprob));  // the chosen one too, whatever its rank
    tops.push_back(std::move(top));
  }
  return JsonObject{{"tokens", std::move(tokens)},
                    {"token_logprobs", std::move(values)},
                    {"top_logprobs", std::move(tops)},
                    {"text_offset", std::move(offsets)}};
}

// --- events ------------------------------------------------------------------------------------

OpenAiStream::OpenAiStream(const OpenAiRequest& request, OpenAiIdentity identity)
    : endpoint_(request.endpoint),
      include_usage_(request.include_usage),
      logprobs_(request.prompts.front().top_logprobs >= 0),
      identity_(std::move(identity)),
      usage_(request.n),
      offsets_(request.choices(), OpenAiLogprobs(request.endpoint)) {}

std::string OpenAiStream::chunk(JsonArray choices, Json usage, Json timings) const {
  const bool chat = endpoint_ == OpenAiEndpoint::kChat;
  JsonObject object =
      envelope(identity_, chat ? "chat.completion.chunk" : "text_completion", std::move(choices));
  if (include_usage_) object["usage"] = std::move(usage);
  if (!timings.is_null()) object["timings"] = std::move(timings);
  return event(write_json(object));
}

// `content` is the delta's or the text; null leaves a delta empty.
JsonObject OpenAiStream::choice_object(std::size_t choice, Json content) const {
  JsonObject object{{"index", choice}};
  if (endpoint_ == OpenAiEndpoint::kChat) {
    object["delta"] = content.is_null() ? JsonObject{} : JsonObject{{"content", content}};
  } else {
    object["text"] = content.is_null() ? Json("") : std::move(content);
  }
  object["logprobs"] = nullptr;
  object["finish_reason"] = nullptr;
  return object;
}

std::string OpenAiStream::begin(std::size_t choice) {
  if (endpoint_ != OpenAiEndpoint::kChat) return {};
  JsonObject object = choice_object(choice, "");
  object["delta"] = JsonObject{{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}};
  return chunk({std::move(object)}, nullptr, nullptr);
}

std::string OpenAiStream::text(std::size_t choice, const TextEvent& text) {
  const bool with_logprobs = logprobs_ && !text.logprobs.empty();
  if (text.text.empty() && !with_logprobs) return {};
  JsonObject object = choice_object(choice, Json(text.text));
  if (with_logprobs) object["logprobs"] = offsets_.at(choice).piece(text.logprobs);
  return chunk({std::move(object)}, nullptr, nullptr);
}

std::string OpenAiStream::finish(std::size_t choice, const FinishEvent& finished) {
  usage_.add(choice, finished.usage);
  JsonObject object = choice_object(choice, nullptr);
  object["finish_reason"] = finish_reason_name(finished.reason);
  object["seed"] = finished.seed;
  return chunk({std::move(object)}, nullptr, timings_json(finished.usage, finished.timings));
}

std::string OpenAiStream::end() const {
  std::string out;
  if (include_usage_) out = chunk({}, usage_.json(), nullptr);
  return out + event("[DONE]");
}

std::string OpenAiStream::error(const HttpError& error) { return event(error_body(error)); }

// --- one document ------------------------------------------------------------------------------

OpenAiDocument::OpenAiDocument(const OpenAiRequest& request, OpenAiIdentity identity)
    : endpoint_(request.endpoint),
      logprobs_(request.prompts.front().top_logprobs >= 0),
      identity_(std::move(identity)),
      usage_(request.n),
      choices_(request.choices()) {}

void OpenAiDocument::text(std::size_t choice, const TextEvent& event) {
  constexpr std::size_t kTokenBytes = 96;  // a token of the chat shape, without its text
  Choice& target = choices_.at(choice);
  target.text += event.text;
  bytes_ += event.text.size();
  if (!logprobs_) return;
  for (const LogprobEntry& entry : event.logprobs) {
    bytes_ += kTokenBytes * (1 + entry.top.size());
    target.logprobs.push_back(entry);
  }
}

void OpenAiDocument::finish(std::size_t choice, const FinishEvent& event) {
  choices_.at(choice).finish = event;
  usage_.add(choice, event.usage);
  add(computed_, event.usage);
  timings_.queue_seconds += event.timings.queue_seconds;
  timings_.prompt_seconds += event.timings.prompt_seconds;
  timings_.generate_seconds += event.timings.generate_seconds;
}

std::string OpenAiDocument::body() const {
  const bool chat = endpoint_ == OpenAiEndpoint::kChat;
  JsonArray choices;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    JsonObject object{{"index", i}};
    if (chat) {
      object["message"] =
          JsonObject{{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    } else {
      object["text"] = choice.text;
    }
    object["logprobs"] = logprobs_ ? OpenAiLogprobs(endpoint_).piece(choice.logprobs) : Json();
    object["finish_reason"] = finish_reason_name(choice.finish.reason);
    object["seed"] = choice.finish.seed;
    choices.push_back(std::move(object));
  }
  JsonObject object =
      envelope(identity_, chat ? "chat.completion" : "text_completion", std::move(choices));
  object["usage"] = usage_.json();
  object["timings"] = timings_json(computed_, timings_);
  return write_json(object);
}

}  // namespace bantam
