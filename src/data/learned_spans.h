// Where in a rendered conversation the assistant's turns are. For render.cpp.
#pragma once

#include <cstddef>
#include <ctime>
#include <optional>
#include <vector>

#include "base/result.h"
#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

// One turn: bytes [begin, end) of the text, from where the model would begin to generate to behind
// the token that would stop it.
struct TurnSpan {
  std::size_t begin = 0, end = 0;
  bool ended = false;         // a token that ends a generation is the last of it
  bool prompt_shown = false;  // the text before `begin` is what the server would have sent
};

// The turn that message `index` of the request is; nothing if the template shows none of it at or
// after byte `from`. `whole` is render_conversation() of the request. Errors of the template cannot
// come from here: a prompt that it refuses to make counts as not shown.
std::optional<TurnSpan> find_turn(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                  const ChatRequest& request, const RenderedPrompt& whole,
                                  std::size_t index, std::size_t from, const std::tm& now);

}  // namespace bantam
