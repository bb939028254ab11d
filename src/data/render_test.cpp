#include "data/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>
#include <set>

#include "base/file.h"
#include "tokenizer/byte_alphabet.h"

namespace bantam {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// Byte-level BPE whose tokens are the bytes, two merges that could straddle seams, and `control`.
std::shared_ptr<const Tokenizer> tokenizer_with(const std::vector<std::string>& control,
                                                const std::string& eos = "<|im_end|>") {
  std::vector<std::string> pieces;
  std::vector<std::int32_t> types;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    append_spelling(pieces.emplace_back(), {&c, 1});
  }
  pieces.insert(pieces.end(), {"ĊĊ", "Ġa"});
  types.assign(pieces.size(), static_cast<std::int32_t>(TokenType::kNormal));
  std::uint32_t end = 0;
  for (const std::string& name : control) {
    if (name == eos) end = static_cast<std::uint32_t>(pieces.size());
    pieces.push_back(name);
    types.push_back(static_cast<std::int32_t>(TokenType::kControl));
  }
  Metadata metadata;
  metadata.set_string("tokenizer.ggml.model", "gpt2");
  metadata.set_string("tokenizer.ggml.pre", "qwen2");
  metadata.set_strings("tokenizer.ggml.tokens", pieces);
  metadata.set_i32s("tokenizer.ggml.token_type", types);
  metadata.set_strings("tokenizer.ggml.merges", {"Ċ Ċ", "Ġ a"});
  if (end != 0) metadata.set_u32("tokenizer.ggml.eos_token_id", end);
  auto made = make_tokenizer(metadata);
  CHECK(made.has_value(), "{}", made.error().to_string());
  return *made;
}

ChatTemplate parsed(std::string_view text) {
  auto made = ChatTemplate::parse(text, {{"bos_token", "<s>"}, {"eos_token", "<|im_end|>"}});
  CHECK(made.has_value(), "{}", made.error().to_string());
  return std::move(*made);
}

constexpr std::string_view kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

class Rendered : public testing::Test {
 protected:
  std::shared_ptr<const Tokenizer> tokenizer_ = tokenizer_with({"<|im_start|>", "<|im_end|>"});
  RenderCounts counts_;

  Result<std::vector<Example>> try_render(std::string_view text, std::string_view row,
                                          const RenderOptions& options = {}) {
    const auto file = parse_rows(row, RowFormat::kJson, "data", {});
    CHECK(file.has_value(), "{}", file.error().to_string());
    std::optional<ChatTemplate> chat;
    if (!text.empty()) chat = parsed(text);
    const auto renderer = RowRenderer::create(*tokenizer_, chat ? &*chat : nullptr, options);
    if (!renderer) return std::unexpected(renderer.error());
    return renderer->render(file->rows[0], counts_);
  }

  // The masks of the examples of a row.
  std::vector<std::string> masks(std::string_view text, std::string_view row,
                                 const RenderOptions& options = {}) {
    const auto examples = try_render(text, row, options);
    if (!examples) return {"!" + examples.error().code + ": " + examples.error().to_string()};
    std::vector<std::string> out;
    for (const Example& example : *examples) {
      EXPECT_EQ(example.ids.size(), example.weights.size());
      EXPECT_EQ(example.weights[0], 0);
      out.push_back(show_mask(*tokenizer_, example, false));
    }
    return out;
  }
};

constexpr std::string_view kTwoTurns =
    R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a b"},{"role":"user","content":"r"},{"role":"assistant","content":"c"}]})";

TEST_F(Rendered, LearnsTheAssistantsTurnsAndTheirEnds) {
  EXPECT_THAT(masks(kChatMl, kTwoTurns),
              ElementsAre("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n⟦a b<|im_end|>⟧\n"
                          "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n⟦c<|im_end|>⟧\n"));
  EXPECT_EQ(counts_.examples, 1);
  EXPECT_EQ(counts_.unended + counts_.other_prompts + counts_.unseen + counts_.empty_targets, 0);
  EXPECT_THAT(masks(kChatMl, kTwoTurns, {.last_answer_only = true})[0],
              AllOf(HasSubstr("\na b<|im_end|>"), HasSubstr("⟦c<|im_end|>⟧")));
}

TEST_F(Rendered, IdsAreThoseOfTheServerAndItsAnswer) {
  const ChatTemplate chat = parsed(kChatMl);
  ChatRequest request;
  request.messages = {{.role = "user", .content = "an apple a day"}};
  const auto prompt = encode_prompt(*tokenizer_, *chat.render(request));
  // The answer begins with a line break, which would join the one that ends the prompt.
  const auto examples =
      try_render(kChatMl, R"({"prompt":"an apple a day","completion":"\nand a pear"})");
  ASSERT_TRUE(examples);
  const Example& example = (*examples)[0];
  ASSERT_GT(example.ids.size(), prompt.size());
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), example.ids.begin()));
  const auto answer = tokenizer_->encode("\nand a pear", {});
  EXPECT_TRUE(std::equal(answer.begin(), answer.end(),
                         example.ids.begin() + static_cast<std::ptrdiff_t>(prompt.size())));
  const auto learned =
      static_cast<std::size_t>(std::count(example.weights.begin(), example.weights.end(), 1.0f));
  EXPECT_EQ(learned, answer.size() + 1);
  EXPECT_EQ(example.weights[prompt.size()], 1);
  EXPECT_EQ(example.weights[prompt.size() - 1], 0);
}

TEST_F(Rendered, WhatIsTypedCannotBecomeAControlToken) {
  const auto examples =
      try_render(kChatMl, R"({"prompt":"x<|im_end|>","completion":"<|im_end|>y"})");
  ASSERT_TRUE(examples);
  const TokenId end = *tokenizer_->find("<|im_end|>");
  EXPECT_EQ(std::ranges::count((*examples)[0].ids, end), 2);
  EXPECT_THAT(masks(kChatMl, R"({"prompt":"x<|im_end|>","completion":"<|im_end|>y"})"),
              ElementsAre(HasSubstr("⟦<|im_end|>y<|im_end|>⟧\n")));
}

TEST_F(Rendered, WeightsOfMessages) {
  const auto examples = try_render(kChatMl, R"([{"messages":[
      {"role":"user","content":"q"}, {"role":"assistant","content":"a","weight":0},
      {"role":"user","content":"r"}, {"role":"assistant","content":"c","weight":0.5}]}])");
  ASSERT_TRUE(examples);
  EXPECT_EQ(std::accumulate((*examples)[0].weights.begin(), (*examples)[0].weights.end(), 0.0f),
            1.0f);
}

TEST_F(Rendered, MarksOfThinkingThatTheTemplateWritesAreLearnedWhereTheModelWritesThem) {
  // The server's prompt ends before the marks: the model has to write them.
  constexpr std::string_view kThinks =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>"
      "{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  constexpr std::string_view kRow =
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","reasoning_content":"hm","content":"a"}]})";
  EXPECT_THAT(masks(kThinks, kRow),
              ElementsAre(HasSubstr("assistant\n⟦<think>hm</think>a<|im_end|>⟧\n")));
  EXPECT_EQ(counts_.other_prompts, 0);
  // Here the server's prompt has a mark that the conversation lacks: said, and learned from the
  // assistant's own first byte.
  constexpr std::string_view kOpens =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}";
  EXPECT_THAT(masks(kOpens, kRow), ElementsAre(HasSubstr("assistant\n⟦a<|im_end|>⟧\n")));
  EXPECT_EQ(counts_.other_prompts, 1);
}

TEST_F(Rendered, ATemplateThatEndsNoTurnIsSaidAndGetsEos) {
  constexpr std::string_view kPlain =
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}"
      "{% if add_generation_prompt %}assistant:{% endif %}";
  EXPECT_THAT(masks(kPlain, kTwoTurns),
              ElementsAre("user: q\n\nassistant:⟦ a b⟧\n\nuser: r\n\nassistant:⟦ c<|im_end|>⟧"));
  EXPECT_EQ(counts_.unended, 2);
}

TEST_F(Rendered, TurnsThatTheTemplateHidesAreCounted) {
  constexpr std::string_view kLastOnly =
      "{% for m in messages %}{% if loop.last or m.role == 'user' %}<|im_start|>{{ m.role }}\n"
      "{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  EXPECT_THAT(masks(kLastOnly, kTwoTurns),
              ElementsAre(AllOf(HasSubstr("⟦c<|im_end|>⟧"), Not(HasSubstr("a b")))));
  EXPECT_EQ(counts_.unseen, 1);
  EXPECT_THAT(masks("{% for m in messages %}{{ m.role }}{% endfor %}", kTwoTurns),
              ElementsAre(HasSubstr("!template_no_spans")));
}

TEST_F(Rendered, ToolCallsAreLearnedAndToolResultsAreNot) {
  constexpr std::string_view kTools =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls %}"
      "<call>{{ c.function|tojson }}</call>{% endfor %}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  EXPECT_THAT(
      masks(
          kTools,
          R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]},{"role":"tool","content":"7"},{"role":"assistant","content":"seven"}]})"),
      ElementsAre(AllOf(
          HasSubstr("⟦<call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</call><|im_end|>⟧\n"),
          HasSubstr("tool\n7<|im_end|>\n"), HasSubstr("⟦seven<|im_end|>⟧"))));
}

TEST_F(Rendered, PreferencesLikedAndLabelled) {
  EXPECT_THAT(masks(kChatMl, R"({"prompt":"p","chosen":"c","rejected":"r"})"),
              ElementsAre(HasSubstr("⟦c<|im_end|>⟧"), HasSubstr("⟦r<|im_end|>⟧")));
  const auto liked = try_render(kChatMl, R"({"prompt":"p","completion":"c","label":false})");
  EXPECT_EQ((*liked)[0].label, -1);
  EXPECT_THAT(
      masks(kChatMl, R"({"text":"t","label":"l"})", {.label_prompt = "Which? {text}!"}),
      ElementsAre(HasSubstr("user\nWhich? t!<|im_end|>\n<|im_start|>assistant\n⟦l<|im_end|>⟧")));
  EXPECT_THAT(masks(kChatMl, R"({"text":"t","label":"l"})", {.label_prompt = "Which?"}),
              ElementsAre(HasSubstr("!label_prompt_invalid")));
  EXPECT_THAT(masks(kChatMl, R"({"text":"t","label":"l"})", {.label_system = "Which?"}),
              ElementsAre("<|im_start|>system\nWhich?<|im_end|>\n<|im_start|>user\nt<|im_end|>\n"
                          "<|im_start|>assistant\n⟦l<|im_end|>⟧\n"));
  EXPECT_THAT(masks("", R"({"text":"t","label":"l"})", {.label_system = "Which?"}),
              ElementsAre(HasSubstr("!label_prompt_invalid")));
}

TEST_F(Rendered, WithoutATemplateTextIsContinued) {
  EXPECT_THAT(masks("", R"({"prompt":"one","completion":" and two"})"),
              ElementsAre("one⟦ and two<|im_end|>⟧"));
  EXPECT_THAT(masks("", kTwoTurns), ElementsAre(HasSubstr("!no_template: line 1: ")));
  EXPECT_THAT(masks("", R"({"prompt":"one","completion":"two"})", {.learn_prompts = true}),
              ElementsAre("o⟦netwo<|im_end|>⟧"));
}

TEST_F(Rendered, DocumentsAreCutWithoutLoss) {
  EXPECT_THAT(masks("", R"({"text":"abcdefg"})"), ElementsAre("a⟦bcdefg<|im_end|>⟧"));
  EXPECT_THAT(masks("", R"({"text":"abcdefg"})", {.context = 4}),
              ElementsAre("a⟦bc⟧", "c⟦de⟧", "e⟦fg<|im_end|>⟧"));
  EXPECT_EQ(counts_.too_long, 0);
}

TEST_F(Rendered, RowsWithoutAnAnswerAreCounted) {
  EXPECT_THAT(masks(kChatMl, R"({"prompt":"p","completion":" \n"})"), IsEmpty());
  EXPECT_THAT(masks(kChatMl, R"({"text":"t","label":""})"), IsEmpty());
  EXPECT_THAT(masks(kChatMl, R"({"text":" "})"), IsEmpty());
  EXPECT_THAT(masks(kChatMl, R"({"prompt":"p","chosen":"c","rejected":""})"), IsEmpty());
  EXPECT_EQ(counts_.empty_targets, 4);
  EXPECT_EQ(counts_.examples, 0);
}

TEST_F(Rendered, LongRowsAreRefusedDroppedOrCutAsAsked) {
  constexpr std::string_view kLong = R"({"prompt":"0123456789","completion":"ab"})";
  EXPECT_THAT(masks("", kLong, {.context = 8}),
              ElementsAre(AllOf(HasSubstr("!row_too_long: line 1: 13 tokens, the context is 8"),
                                HasSubstr("raise --context"))));
  EXPECT_THAT(masks("", kLong, {.context = 8, .too_long = TooLong::kDrop}), IsEmpty());
  EXPECT_THAT(masks("", kLong, {.context = 8, .too_long = TooLong::kCutFront}),
              ElementsAre("56789⟦ab<|im_end|>⟧"));
  EXPECT_EQ(counts_.too_long, 2);
  EXPECT_THAT(masks("", kLong, {.context = 13}), SizeIs(1));
}

TEST_F(Rendered, MasksEscapeControlBytes) {
  Example example{.ids = tokenizer_->encode("a\x1b[2J\nb", {}), .weights = {}};
  example.weights.assign(example.ids.size(), 0);
  example.weights.back() = 1;
  EXPECT_EQ(show_mask(*tokenizer_, example, false), "a\\x1B[2J\n⟦b⟧");
  EXPECT_EQ(show_mask(*tokenizer_, example, true), "a\\x1B[2J\n\x1b[32mb\x1b[0m");
}

// A tokenizer that puts a space before every text must see that the answer goes on.
TEST(SentencePieceRows, AnswersFollowTheirPromptsWithoutASpaceOfTheirOwn) {
  const auto path = std::filesystem::path(BANTAM_SHARED_DATA) / "weights/tinyllamas/tok512.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs " << path;
  const auto tokenizer = load_tokenizer(path);
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  ASSERT_TRUE((*tokenizer)->drops_leading_space());
  const auto chat = ChatTemplate::parse(
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }} A:"
      "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
      {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  ASSERT_TRUE(chat) << chat.error().to_string();
  const auto renderer = RowRenderer::create(**tokenizer, &*chat, {});
  ASSERT_TRUE(renderer);
  const auto file = parse_rows(
      R"([{"messages":[{"role":"user","content":"Who?"},{"role":"assistant","content":"the cat"},
          {"role":"user","content":"Why?"},{"role":"assistant","content":"a dog"}]}])",
      RowFormat::kJson, "data", {});
  RenderCounts counts;
  const auto examples = renderer->render(file->rows[0], counts);
  ASSERT_TRUE(examples) << examples.error().to_string();
  const Example& example = (*examples)[0];
  EXPECT_EQ(show_mask(**tokenizer, example, false).substr(0, 3), "<s>");
  EXPECT_THAT(show_mask(**tokenizer, example, false),
              AllOf(HasSubstr("Who? A:⟦ the cat</s>⟧"), HasSubstr("Why? A:⟦ a dog</s>⟧")));
  ChatRequest request;
  request.messages = {{.role = "user", .content = "Who?"}};
  const auto prompt = encode_prompt(**tokenizer, *chat->render(request));
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), example.ids.begin()));
  // As the answer stands in the running text: "▁the" and no space before it.
  EXPECT_EQ((*tokenizer)->piece(example.ids[prompt.size()]), "▁the");
  EXPECT_EQ(counts.other_prompts + counts.unended, 0);
}

// --- every published template ------------------------------------------------------------------

// What looks like a control token in the text of a template.
std::vector<std::string> control_tokens(std::string_view text) {
  std::set<std::string> found = {"<BOS>", "<EOS>"};
  for (const std::string_view open : {"<|", "<｜", "[/", "[", "<"}) {
    const std::string_view close = open[0] == '[' ? "]" : ">";
    for (std::size_t at = text.find(open); at != text.npos; at = text.find(open, at + 1)) {
      const std::size_t end = text.find(close, at);
      if (end == text.npos || end - at > 40) continue;
      const std::string token(text.substr(at, end + 1 - at));
      const bool named = open == "<" || open[0] == '['
                             ? std::ranges::any_of(
                                   std::initializer_list<std::string_view>{
                                       "<start_of_turn>", "<end_of_turn>", "</s>", "[INST]",
                                       "[/INST]", "<turn|>", "<|turn>", "<end_of_utterance>",
                                       "<EOT>", "[e~[", "[EOT]", "[EOS]", "<eos>"},
                                   [&](std::string_view name) { return name == token; })
                             : token.find_first_of(" '\"{}\n") == token.npos;
      if (named) found.insert(token);
    }
  }
  return {found.begin(), found.end()};
}

std::string learned_text(const Tokenizer& tokenizer, const Example& example) {
  std::string out;
  for (std::size_t i = 0; i < example.ids.size(); ++i)
    if (example.weights[i] > 0) out += tokenizer.piece_bytes(example.ids[i], true);
  return out;
}

// Two questions and two answers through one template; false if it refuses to show them.
bool check_template(const std::string& text, const Row& row) {
  const auto tokenizer = tokenizer_with(control_tokens(text), "<EOS>");
  const auto chat = ChatTemplate::parse(text, {{"bos_token", "<BOS>"}, {"eos_token", "<EOS>"}});
  CHECK(chat.has_value(), "{}", chat.error().to_string());
  std::tm now{};
  now.tm_year = 124;
  now.tm_mday = 1;
  const auto renderer = RowRenderer::create(*tokenizer, &*chat, {.now = now});
  CHECK(renderer.has_value(), "{}", renderer.error().to_string());
  RenderCounts counts;
  const auto examples = renderer->render(row, counts);
  if (!examples) return false;
  const Example& example = examples->at(0);
  const std::string learned = learned_text(*tokenizer, example);
  EXPECT_THAT(learned, AllOf(HasSubstr("Answer-one."), HasSubstr("Answer-two."),
                             Not(HasSubstr("Question"))));
  EXPECT_EQ(counts.unseen, 0);

  // Each answer, what the template writes around it, and one end: its own, or, of the last, EOS.
  std::int64_t ends = 0;
  for (std::size_t i = 0; i < example.ids.size(); ++i)
    ends += example.weights[i] > 0 && tokenizer->specials().ends_generation(example.ids[i]);
  EXPECT_GE(ends, std::max<std::int64_t>(1, 2 - counts.unended)) << learned;
  EXPECT_LE(ends, 2) << learned;
  EXPECT_LE(learned.size(), 2 * (std::string("Answer-one.").size() + 64)) << learned;

  if (counts.other_prompts == 0) {  // what the server sends for the first answer
    ChatRequest request;
    request.messages = {row.messages[0]};
    const auto prompt = encode_prompt(*tokenizer, *chat->render(request, now));
    EXPECT_LT(prompt.size(), example.ids.size());
    EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), example.ids.begin()));
    const auto first = std::ranges::find(example.weights, 1.0f) - example.weights.begin();
    EXPECT_EQ(static_cast<std::size_t>(first), prompt.size());
  }
  return true;
}

TEST(PublishedTemplates, LearnExactlyTheAssistantsTurnsAndTheirEnds) {
  const std::filesystem::path data = std::filesystem::path(BANTAM_SHARED_DATA) / "templates/jinja";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "needs " << data;
  const auto file = parse_rows(
      R"([{"messages":[{"role":"user","content":"Question-one?"},
          {"role":"assistant","content":"Answer-one."},{"role":"user","content":"Question-two?"},
          {"role":"assistant","content":"Answer-two."}]}])",
      RowFormat::kJson, "data", {});
  ASSERT_TRUE(file);
  std::size_t shown = 0;
  std::vector<std::string> refused;
  for (const auto& entry : std::filesystem::directory_iterator(data)) {
    SCOPED_TRACE(entry.path().stem().string());
    const auto text = read_file(entry.path(), 1 << 20);
    ASSERT_TRUE(text);
    if (check_template(*text, file->rows[0])) {
      ++shown;
    } else {
      refused.push_back(entry.path().stem().string());
    }
  }
  EXPECT_GE(shown, 49u);
  // One wants the variable "functions", which no server sends; three are for use with tools only.
  EXPECT_THAT(refused, UnorderedElementsAre("fireworks-ai-llama-3-firefunction-v2",
                                            "CohereForAI-c4ai-command-r-plus-tool_use",
                                            "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
                                            "NousResearch-Hermes-3-Llama-3.1-8B-tool_use"));
}

}  // namespace
}  // namespace bantam
