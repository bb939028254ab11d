// What is said: messages, tools and the request that carries them. The one internal form that
// every dialect decodes into and every ChatModel answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/sampling.h"

namespace bantam {

struct ToolCall {
  std::string id;  // "call_0"; unique in its message
  std::string name;
  std::string arguments;  // JSON text as the model wrote it
};

struct Message {
  std::string role;                      // "system", "user", "assistant", "tool", …
  std::optional<std::string> content;    // absent: an assistant message that only calls tools
  std::optional<std::string> reasoning;  // the assistant's thinking, if the caller sent it back
  std::vector<ToolCall> tool_calls;
  std::string tool_call_id;  // role "tool": which call this answers
  std::string name;
};

struct ChatRequest {
  std::string model;
  // Either messages (rendered by the template) or a raw prompt, as text or as ids.
  std::vector<Message> messages;
  std::optional<std::string> prompt;
  std::optional<std::vector<std::int32_t>> prompt_ids;
  Json tools = nullptr;               // the array as sent: templates want it verbatim
  Json template_arguments = nullptr;  // allow-listed extra variables ("enable_thinking", …)
  SamplingOptions sampling;
  StopOptions stop;
  int top_logprobs = -1;  // negative: no log-probabilities; else alternatives a token
  bool echo = false;      // completions: the prompt's own text comes first
};

}  // namespace bantam
