// Asks a ChatModel and shows its answer: text as it comes, or one document with --json.
#pragma once

#include <string>

#include "base/result.h"
#include "chat/chat_model.h"
#include "cli/console.h"

namespace bantam {

// The document: {"text", "ids", "finish_reason", "seed"?, "usage", "timings"}. Interrupted by
// SIGINT, the answer so far is shown and finish_reason is "cancelled". `answer`, if given, receives
// the text.
Result<void> print_answer(ChatModel& model, const ChatRequest& request, Console& console,
                          std::string* answer = nullptr);

}  // namespace bantam
