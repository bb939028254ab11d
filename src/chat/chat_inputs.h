// A request as the variables of a chat template, in the shape that Hugging Face templates expect.
#pragma once

#include <string_view>

#include "base/result.h"
#include "chat/jinja/template.h"
#include "chat/message.h"

namespace bantam {

struct MessageShape {
  bool arguments_as_text = false;  // else an object, where the text is one
  std::string_view reasoning_key = "reasoning_content";
};

// The list "messages". All text in it is marked: contents, thinking and tool calls with their
// message, names and ids as the caller's; but for roles of everyday use and the keys, which are
// ours. Errors: "invalid_param" with the JSON pointer.
Result<jinja::Value> message_list(const std::vector<Message>& messages, const MessageShape& shape);

// Bytes of text in the messages: what the limits of a render grow with.
std::size_t text_bytes(const std::vector<Message>& messages);

}  // namespace bantam
