// LINK: bantam_server bantam_runtime
//
// Bodies of the OpenAI API: whatever comes is a request whose every value is in the range that the
// engine asks for, or an error with a code and a place. The first byte chooses the endpoint.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/openai.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bantam;
  if (size < 1) return 0;
  const OpenAiEndpoint endpoint =
      data[0] % 2 ? OpenAiEndpoint::kCompletions : OpenAiEndpoint::kChat;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<OpenAiRequest> request = decode_openai(endpoint, body);
  if (!request) {
    const HttpError error = to_http_error(request.error());
    CHECK(error.status == 400 || error.status == 413, "{}", error.status);
    CHECK(!error.code.empty() && !error.message.empty());
    const std::string text = error_body(error);
    CHECK(text.size() <= 2048, "{}", text.size());
    CHECK(parse_json(text).has_value(), "{}", text);
    return 0;
  }
  constexpr std::size_t kVocabulary = std::size_t{1} << 31;
  CHECK(request->n >= 1 && request->n <= static_cast<std::size_t>(kMaxChoices));
  CHECK(!request->prompts.empty() && request->prompts.size() <= kMaxPrompts);
  for (std::size_t i = 0; i < request->choices(); i += request->n) {
    const ChatRequest choice = request->choice(i);
    CHECK(validate(choice.sampling, kVocabulary).has_value());
    CHECK(validate(choice.stop, kVocabulary).has_value());
    CHECK(choice.top_logprobs <= kMaxTopLogprobs);
    const bool chat = endpoint == OpenAiEndpoint::kChat;
    CHECK(choice.messages.empty() != chat);
    CHECK((choice.prompt.has_value() || choice.prompt_ids.has_value()) != chat);
  }
  return 0;
}
