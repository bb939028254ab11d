// The local model through the seam, on the shipped weights.
#include "chat/local_chat.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bantam {
namespace {

class SeedChat : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = LocalChat::open(BANTAM_SOURCE_DIR "/models/seed-Q8_0.gguf", {});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    chat_ = *opened;
  }

  struct Answer {
    std::string text;
    std::vector<std::int32_t> ids;
    std::vector<LogprobEntry> logprobs;
    FinishEvent finish;
  };
  Answer answer(const ChatRequest& request) {
    Answer answer;
    const auto done = chat_->answer(request, {}, [&](const ChatEvent& event) {
      if (const auto* piece = std::get_if<TextEvent>(&event)) {
        answer.text += piece->text;
        answer.ids.insert(answer.ids.end(), piece->ids.begin(), piece->ids.end());
        answer.logprobs.insert(answer.logprobs.end(), piece->logprobs.begin(),
                               piece->logprobs.end());
      } else {
        answer.finish = std::get<FinishEvent>(event);
      }
      return true;
    });
    EXPECT_TRUE(done.has_value()) << done.error().to_string();
    return answer;
  }

  static ChatRequest story() {
    ChatRequest request;
    request.prompt = "one day, a little girl";
    request.stop.max_tokens = 40;
    request.sampling.temperature = 0;
    return request;
  }

  std::shared_ptr<LocalChat> chat_;
};

TEST_F(SeedChat, SameSeedSameText) {
  ChatRequest request = story();
  request.sampling.temperature = 1.0;
  request.sampling.seed = 11;
  const Answer first = answer(request);
  EXPECT_EQ(first.finish.seed, 11u);
  EXPECT_EQ(answer(request).ids, first.ids);
  request.sampling.seed = 12;
  EXPECT_NE(answer(request).ids, first.ids);
  // A drawn seed is reported, and gives the same again.
  request.sampling.seed.reset();
  const Answer drawn = answer(request);
  request.sampling.seed = drawn.finish.seed;
  EXPECT_EQ(answer(request).ids, drawn.ids);
}

TEST_F(SeedChat, StopStringsCutTheTextAndAreNamed) {
  const Answer whole = answer(story());
  ASSERT_GT(whole.text.size(), 20u);
  ChatRequest request = story();
  request.stop.strings = {"never there", whole.text.substr(10, 5)};
  const Answer cut = answer(request);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(request.stop.strings[1])));
  EXPECT_EQ(cut.finish.stop_string, request.stop.strings[1]);
  EXPECT_EQ(cut.finish.reason, FinishReason::kStop);
}

TEST_F(SeedChat, LogprobsBelongToTheTokens) {
  ChatRequest request = story();
  request.top_logprobs = 3;
  const Answer got = answer(request);
  ASSERT_EQ(got.logprobs.size(), got.ids.size());
  for (std::size_t i = 0; i < got.ids.size(); ++i) {
    const LogprobEntry& entry = got.logprobs[i];
    EXPECT_EQ(entry.id, got.ids[i]);
    ASSERT_EQ(entry.top.size(), 3u);
    EXPECT_EQ(entry.top[0].id, entry.id) << "greedy takes the best";
    EXPECT_EQ(entry.top[0].logprob, entry.logprob);
    EXPECT_GE(entry.top[0].logprob, entry.top[1].logprob);
    EXPECT_LE(entry.logprob, 0.0F);
  }
}

TEST_F(SeedChat, EchoGivesThePromptFirst) {
  ChatRequest request = story();
  request.echo = true;
  EXPECT_TRUE(answer(request).text.starts_with(*request.prompt));
  request.top_logprobs = 0;
  const Answer scored = answer(request);
  EXPECT_TRUE(scored.text.starts_with(*request.prompt));
  EXPECT_TRUE(std::isnan(scored.logprobs.at(0).logprob));
  EXPECT_FALSE(std::isnan(scored.logprobs.at(1).logprob));
}

TEST_F(SeedChat, AReceiverThatLeavesEndsItWithinAToken) {
  ChatRequest request = story();
  int events = 0;
  const auto done = chat_->answer(request, {}, [&](const ChatEvent& event) {
    if (const auto* finish = std::get_if<FinishEvent>(&event)) {
      EXPECT_EQ(finish->reason, FinishReason::kCancelled);
      EXPECT_LE(finish->usage.completion_tokens, 2);
    }
    return ++events < 1;
  });
  EXPECT_TRUE(done.has_value());
}

TEST_F(SeedChat, BadRequestsAreRefusedByName) {
  const auto code = [&](const ChatRequest& request) {
    const auto done = chat_->answer(request, {}, [](const ChatEvent&) { return true; });
    return done ? std::string() : done.error().code;
  };
  ChatRequest request = story();
  request.prompt = "";
  EXPECT_EQ(code(request), "prompt_empty");
  request.prompt = std::string(5000, 'x');
  EXPECT_EQ(code(request), "context_length_exceeded");
  request.prompt_ids = {{1, 2048}};
  EXPECT_EQ(code(request), "token_out_of_range");
  request.prompt_ids = {{-1}};
  EXPECT_EQ(code(request), "token_out_of_range");
  request = story();
  request.sampling.top_p = std::nan("");
  EXPECT_EQ(code(request), "invalid_param");
  request = story();
  for (std::int32_t id = 0; id < 2048; ++id) request.sampling.logit_bias.emplace_back(id, -100.0);
  EXPECT_EQ(code(request), "") << "all tokens banned alike leaves the order as it was";
}

}  // namespace
}  // namespace bantam
