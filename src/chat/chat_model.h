// THE seam: a request goes in, a stream of events comes out.
//
// A local engine, a remote API, a retriever, a router and a mixture are all ChatModels, and own the
// next one. The command line, the server, the evaluator and the tests speak to this and to nothing
// below it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "chat/message.h"

namespace bantam {

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of the prompt, not computed again
  std::int64_t completion_tokens = 0;
};

struct Timings {
  double queue_seconds = 0;     // waiting for its turn
  double prompt_seconds = 0;    // until the first token
  double generate_seconds = 0;  // after it
};

enum class FinishReason : std::uint8_t { kStop, kLength, kToolCalls, kCancelled };
std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", …

struct TokenLogprob {
  std::int32_t id = 0;
  std::string bytes;  // what the token stands for; may be part of a character
  float logprob = 0;  // natural logarithm, of the model's own distribution at temperature 1
};

struct LogprobEntry : TokenLogprob {
  std::vector<TokenLogprob> top;  // the alternatives asked for, best first
};

// Text that is ready to be shown: whole characters, never the beginning of a stop string.
struct TextEvent {
  std::string text;
  std::vector<std::int32_t> ids;       // tokens finished since the last event
  std::vector<LogprobEntry> logprobs;  // one an id, if asked for
};

// The last event of a request that ran. An error ends a request through the Result of answer().
struct FinishEvent {
  FinishReason reason = FinishReason::kStop;
  std::string stop_string;  // the one that matched, if any
  std::uint64_t seed = 0;   // that was used, given or drawn
  Usage usage;
  Timings timings;
};

using ChatEvent = std::variant<TextEvent, FinishEvent>;

// Returns false to stop the generation: the receiver is gone.
using EventSink = std::function<bool(const ChatEvent&)>;

class ChatModel {
 public:
  virtual ~ChatModel() = default;

  // Answers one request, calling `sink` on the calling thread as text becomes ready, and returns
  // after the FinishEvent or with the error. Thread safe; calls wait for their turn in order of
  // arrival. `stop` ends it within one token; the FinishEvent then says kCancelled.
  virtual Result<void> answer(const ChatRequest& request, std::stop_token stop,
                              const EventSink& sink) = 0;

  virtual std::string_view name() const = 0;
  virtual std::int64_t context_length() const = 0;
};

}  // namespace bantam
