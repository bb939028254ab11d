// The OpenAI dialect, as pure functions: JSON in, ChatRequest out; events in, JSON out.
//
// Nothing in a request is ignored silently. Every member is honoured, or known to change nothing
// and documented so, or refused by name; the table of all of them is openai_fields(), and
// docs/openai.md is the same table for people. A member that nobody knows is 400 "unknown_param".
//
// Reference: the OpenAI API as its 2026 clients use it; sampling members that llama-server and vLLM
// added are taken under their names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/chat_model.h"
#include "server/http_message.h"

namespace bantam {

enum class OpenAiEndpoint : std::uint8_t { kChat, kCompletions };

enum class FieldTreatment : std::uint8_t {
  kHonoured,
  kHarmless,  // accepted, without effect on the answer
  kRefused,   // 400 "unsupported_param" whatever its value, null aside
};

struct OpenAiField {
  std::string_view name;
  bool chat;         // in /v1/chat/completions
  bool completions;  // in /v1/completions
  FieldTreatment treatment;
  std::string_view note;  // range, default, reason: one cell of docs/openai.md
};
std::span<const OpenAiField> openai_fields();

inline constexpr std::int64_t kMaxChoices = 16;      // n
inline constexpr std::size_t kMaxPrompts = 64;       // prompts in one completions request
inline constexpr std::size_t kMaxStops = 16;         // stop strings
inline constexpr std::size_t kMaxStopBytes = 256;    // of each
inline constexpr std::int64_t kMaxTopLogprobs = 20;  // alternatives a token
inline constexpr std::size_t kMaxLogitBias = 1024;   // entries
inline constexpr std::size_t kMaxTools = 128;
inline constexpr std::size_t kMaxMessages = 16'384;
// JSON values in a body: a body of 16 MiB made of nothing else would take a gigabyte.
inline constexpr std::size_t kMaxValues = std::size_t{1} << 20;

struct OpenAiRequest {
  OpenAiEndpoint endpoint = OpenAiEndpoint::kChat;
  std::string model;  // empty: not named
  bool stream = false;
  bool include_usage = false;
  std::size_t n = 1;                 // choices a prompt
  std::vector<ChatRequest> prompts;  // one, or, for completions, one a prompt

  std::size_t choices() const { return prompts.size() * n; }
  // What to ask the model for choice i of choices(): prompt i / n, with the seed, if one was
  // given, raised by i mod n.
  ChatRequest choice(std::size_t index) const;
};

// Errors: "invalid_json", "duplicate_key", "json_depth", "invalid_param", "unknown_param",
// "unsupported_param", "schema_unsupported", "prompt_empty", "json_too_large"; `where` is the JSON
// pointer. Everything is answered 400 but the last, which is 413.
Result<OpenAiRequest> decode_openai(OpenAiEndpoint endpoint, std::string_view body);

// Who answers.
struct OpenAiIdentity {
  std::string id;            // "chatcmpl-…" or "cmpl-…"
  std::int64_t created = 0;  // seconds since 1970
  std::string model;         // as served
  std::string fingerprint;   // the same for the same program and model
};

// What all choices of a request used together. A prompt counts once, however many choices it has.
class OpenAiUsage {
 public:
  explicit OpenAiUsage(std::size_t choices_a_prompt) : choices_a_prompt_(choices_a_prompt) {}
  void add(std::size_t choice, const Usage& usage);
  JsonObject json() const;

 private:
  std::size_t choices_a_prompt_;
  Usage sum_;
};

// Log-probabilities of one choice in the shape of the endpoint, collected or a piece at a time.
class OpenAiLogprobs {
 public:
  explicit OpenAiLogprobs(OpenAiEndpoint endpoint) : endpoint_(endpoint) {}
  // The object for these entries; text_offset (completions: characters from the beginning of the
  // choice's text) goes on from call to call. A NaN, which the first token of an echoed prompt has,
  // becomes null; minus infinity becomes -9999.
  Json piece(std::span<const LogprobEntry> entries);

 private:
  OpenAiEndpoint endpoint_;
  std::int64_t characters_ = 0;
};

// An answer as server-sent events: each function gives the text of whole events.
class OpenAiStream {
 public:
  OpenAiStream(const OpenAiRequest& request, OpenAiIdentity identity);

  std::string begin(std::size_t choice);  // the role; nothing for completions
  std::string text(std::size_t choice, const TextEvent& event);
  std::string finish(std::size_t choice, const FinishEvent& event);
  std::string end() const;  // usage, if it was asked for, and [DONE]
  // Something went wrong in the middle: the last event, without [DONE].
  static std::string error(const HttpError& error);

 private:
  std::string chunk(JsonArray choices, Json usage, Json timings) const;
  JsonObject choice_object(std::size_t choice, Json content) const;

  OpenAiEndpoint endpoint_;
  bool include_usage_;
  bool logprobs_;
  OpenAiIdentity identity_;
  OpenAiUsage usage_;
  std::vector<OpenAiLogprobs> offsets_;  // one a choice
};

// The same answer as one document.
class OpenAiDocument {
 public:
  OpenAiDocument(const OpenAiRequest& request, OpenAiIdentity identity);

  void text(std::size_t choice, const TextEvent& event);
  void finish(std::size_t choice, const FinishEvent& event);
  std::string body() const;
  std::size_t bytes() const { return bytes_; }  // about what body() will need

 private:
  struct Choice {
    std::string text;
    std::vector<LogprobEntry> logprobs;
    FinishEvent finish;
  };

  OpenAiEndpoint endpoint_;
  bool logprobs_;
  OpenAiIdentity identity_;
  OpenAiUsage usage_;
  Timings timings_;
  Usage computed_;  // of all choices, for the timings
  std::vector<Choice> choices_;
  std::size_t bytes_ = 0;
};

}  // namespace bantam
