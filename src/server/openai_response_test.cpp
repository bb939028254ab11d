#include <gtest/gtest.h>

#include <limits>

#include "server/openai.h"

namespace bantam {
namespace {

constexpr auto kChat = OpenAiEndpoint::kChat;
constexpr auto kCompletions = OpenAiEndpoint::kCompletions;

const OpenAiIdentity kIdentity{.id = "chatcmpl-1", .created = 5, .model = "m", .fingerprint = "f"};

OpenAiRequest request(OpenAiEndpoint endpoint, std::size_t n = 1, int top_logprobs = -1) {
  OpenAiRequest out;
  out.endpoint = endpoint;
  out.n = n;
  out.prompts.resize(1);
  out.prompts[0].top_logprobs = top_logprobs;
  return out;
}

TextEvent text(std::string piece, float logprob = -0.5f) {
  TextEvent event;
  event.text = piece;
  LogprobEntry entry;
  entry.bytes = std::move(piece);
  entry.logprob = logprob;
  entry.top.push_back({.id = 1, .bytes = "other", .logprob = -0.25f});
  event.logprobs.push_back(entry);
  return event;
}

FinishEvent finish(FinishReason reason = FinishReason::kStop) {
  FinishEvent event;
  event.reason = reason;
  event.seed = 9;
  event.usage = {.prompt_tokens = 10, .cached_tokens = 4, .completion_tokens = 8};
  event.timings = {.queue_seconds = 0.001, .prompt_seconds = 0.5, .generate_seconds = 2};
  return event;
}

constexpr std::string_view kTimings =
    R"({"cache_n":4,"queue_ms":1.0,"prompt_n":6,"prompt_ms":500.0,"prompt_per_token_ms":83.333,)"
    R"("prompt_per_second":12.0,"predicted_n":8,"predicted_ms":2000.0,)"
    R"("predicted_per_token_ms":250.0,"predicted_per_second":4.0})";

constexpr std::string_view kHead = R"("created":5,"model":"m","system_fingerprint":"f","choices":)";

TEST(OpenAiStream, ChatChunks) {
  OpenAiRequest asked = request(kChat);
  asked.include_usage = true;
  OpenAiStream stream(asked, kIdentity);
  const std::string start =
      fmt::format(R"(data: {{"id":"chatcmpl-1","object":"chat.completion.chunk",{})", kHead);
  EXPECT_EQ(stream.begin(0),
            start + R"([{"index":0,"delta":{"role":"assistant","content":"","refusal":null},)"
                    R"("logprobs":null,"finish_reason":null}],"usage":null})"
                    "\n\n");
  EXPECT_EQ(stream.text(0, text("Hé\n")),
            start + R"([{"index":0,"delta":{"content":"Hé\n"},"logprobs":null,)"
                    R"("finish_reason":null}],"usage":null})"
                    "\n\n");
  EXPECT_EQ(stream.text(0, TextEvent{}), "");
  EXPECT_EQ(stream.finish(0, finish(FinishReason::kLength)),
            start +
                R"([{"index":0,"delta":{},"logprobs":null,"finish_reason":"length","seed":9}],)"
                R"("usage":null,"timings":)" +
                std::string(kTimings) + "}\n\n");
  EXPECT_EQ(stream.end(),
            start + R"([],"usage":{"prompt_tokens":10,"completion_tokens":8,"total_tokens":18,)"
                    R"("prompt_tokens_details":{"cached_tokens":4}}})"
                    "\n\ndata: [DONE]\n\n");
}

TEST(OpenAiStream, WithoutUsageItSaysNothingAboutIt) {
  OpenAiStream stream(request(kChat), kIdentity);
  EXPECT_EQ(stream.begin(0).find("usage"), std::string::npos);
  stream.finish(0, finish());
  EXPECT_EQ(stream.end(), "data: [DONE]\n\n");
}

TEST(OpenAiStream, CompletionsChunksWithLogprobsThatGoOn) {
  OpenAiStream stream(request(kCompletions, 2, 1), kIdentity);
  EXPECT_EQ(stream.begin(0), "");
  const std::string first = stream.text(0, text("\xC3\xA9t"));
  EXPECT_NE(first.find(R"("text":"ét","logprobs":{"tokens":["ét"],"token_logprobs":[-0.5],)"
                       R"("top_logprobs":[{"other":-0.25,"ét":-0.5}],"text_offset":[0]})"),
            std::string::npos)
      << first;
  EXPECT_NE(stream.text(0, text("x")).find(R"("text_offset":[2])"), std::string::npos);
  EXPECT_NE(stream.text(1, text("x")).find(R"("text_offset":[0])"), std::string::npos);
}

TEST(OpenAiStream, AnErrorIsAnEventInTheUsualShape) {
  HttpError error;
  error.status = 503;
  error.code = "draining";
  error.message = "bye";
  EXPECT_EQ(OpenAiStream::error(error),
            "data: {\"error\":{\"message\":\"bye\",\"type\":\"unavailable_error\",\"param\":null,"
            "\"code\":\"draining\"}}\n\n");
}

TEST(OpenAiDocument, ChatWithLogprobs) {
  OpenAiDocument document(request(kChat, 1, 1), kIdentity);
  document.text(0, text("a"));
  TextEvent half = text("\xC3");
  half.text.clear();
  document.text(0, half);
  document.finish(0, finish());
  EXPECT_EQ(
      document.body(),
      fmt::format(
          R"({{"id":"chatcmpl-1","object":"chat.completion",{}[{{"index":0,"message":)"
          R"({{"role":"assistant","content":"a","refusal":null}},"logprobs":{{"content":[)"
          R"({{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[)"
          R"({{"token":"other","logprob":-0.25,"bytes":[111,116,104,101,114]}}]}},)"
          R"({{"token":"{}","logprob":-0.5,"bytes":[195],"top_logprobs":[)"
          R"({{"token":"other","logprob":-0.25,"bytes":[111,116,104,101,114]}}]}}],)"
          R"("refusal":null}},"finish_reason":"stop","seed":9}}],"usage":{{"prompt_tokens":10,)"
          R"("completion_tokens":8,"total_tokens":18,"prompt_tokens_details":)"
          R"({{"cached_tokens":4}}}},"timings":{}}})",
          kHead, "\xEF\xBF\xBD", kTimings));
}

TEST(OpenAiDocument, CompletionsHaveNullsAndBytesWhereTheyBelong) {
  OpenAiDocument document(request(kCompletions, 1, 1), kIdentity);
  document.text(0, text("ab", std::numeric_limits<float>::quiet_NaN()));
  document.text(0, text("\xE2\x82", -std::numeric_limits<float>::infinity()));
  document.finish(0, finish());
  const std::string body = document.body();
  EXPECT_NE(body.find(R"("logprobs":{"tokens":["ab","bytes:\\xe2\\x82"],)"
                      R"("token_logprobs":[null,-9999.0],"top_logprobs":[null,)"
                      R"({"other":-0.25,"bytes:\\xe2\\x82":-9999.0}],"text_offset":[0,2]})"),
            std::string::npos)
      << body;
  EXPECT_NE(body.find(R"("object":"text_completion")"), std::string::npos);
}

TEST(OpenAiUsage, CountsEachPromptOnce) {
  OpenAiUsage usage(2);
  for (std::size_t choice = 0; choice < 4; ++choice) usage.add(choice, finish().usage);
  EXPECT_EQ(write_json(usage.json()),
            R"({"prompt_tokens":20,"completion_tokens":32,"total_tokens":52,)"
            R"("prompt_tokens_details":{"cached_tokens":8}})");
}

}  // namespace
}  // namespace bantam
