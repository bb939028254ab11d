// One JSON row, whatever its shape. For rows.cpp.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "chat/message.h"
#include "data/rows.h"

namespace bantam {

// Everything but the line. Members that no shape has are added to `unused`. Errors are kMalformed
// "row_invalid" with the JSON pointer in front of the reason.
Result<Row> parse_json_row(std::string_view text, const RowOptions& options,
                           std::set<std::string>& unused);

// A list of messages in any of the usual spellings: "role" or "from"; "content" or "value", as a
// string or as text parts; OpenAI's tool calls, with arguments as text or as an object; ShareGPT's
// "human", "gpt", "function_call" and "observation". `weights` gets one a message (Row::weights).
Result<std::vector<Message>> parse_messages(const Json& value, const std::string& pointer,
                                            std::vector<float>& weights);

// kMalformed "row_invalid": "/messages/0: reason".
template <typename... Args>
[[nodiscard]] std::unexpected<Error> bad_row(std::string_view pointer,
                                             fmt::format_string<Args...> format, Args&&... args) {
  const std::string reason = fmt::format(format, std::forward<Args>(args)...);
  return fail(ErrorKind::kMalformed, "row_invalid", "{}{}{}", pointer.substr(0, 128),
              pointer.empty() ? "" : ": ", reason);
}

}  // namespace bantam
