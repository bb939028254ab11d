#include "data/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace bantam {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

RowFile rows(std::string_view text, RowFormat format = RowFormat::kJson,
             const RowOptions& options = {}) {
  auto file = parse_rows(text, format, "data", options);
  EXPECT_TRUE(file) << file.error().to_string();
  return file ? std::move(*file) : RowFile{};
}

// One row, which may be written over several lines.
Row row(std::string_view text) {
  RowFile file = rows(fmt::format("[{}]", text));
  EXPECT_THAT(file.rows, SizeIs(1)) << text;
  return file.rows.empty() ? Row{} : file.rows[0];
}

std::string problem(std::string_view text, RowFormat format = RowFormat::kJson,
                    const RowOptions& options = {}) {
  const auto file = parse_rows(text, format, "data", options);
  return file ? "good" : file.error().code + ": " + file.error().to_string();
}

// "role:content" of each message.
std::vector<std::string> said(const std::vector<Message>& messages) {
  std::vector<std::string> out;
  for (const Message& message : messages)
    out.push_back(message.role + ":" + message.content.value_or("-"));
  return out;
}

TEST(Rows, Conversations) {
  const Row one = row(R"({"messages":[
      {"role":"developer","content":"s"}, {"role":"user","content":"q"},
      {"role":"assistant","content":"a","weight":0}, {"role":"user","content":"r"},
      {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[
          {"id":"c1","type":"function","function":{"name":"f","arguments":{"x":1}}},
          {"function":{"name":"g","arguments":"{\"y\": 2}"}}]},
      {"role":"tool","tool_call_id":"c1","name":"f","content":"t"},
      {"role":"assistant","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}],
      "tools":"[{\"name\":\"f\"}]"})");
  EXPECT_EQ(one.shape, RowShape::kMessages);
  EXPECT_THAT(said(one.messages), ElementsAre("system:s", "user:q", "assistant:a", "user:r",
                                              "assistant:-", "tool:t", "assistant:b\nc"));
  EXPECT_THAT(one.weights, ElementsAre(0, 0, 0, 0, 1, 0, 1));
  const Message& call = one.messages[4];
  EXPECT_EQ(call.reasoning, "hm");
  ASSERT_THAT(call.tool_calls, SizeIs(2));
  EXPECT_EQ(call.tool_calls[0].id + call.tool_calls[0].name + call.tool_calls[0].arguments,
            "c1f{\"x\":1}");
  EXPECT_EQ(call.tool_calls[1].arguments, "{\"y\": 2}");
  EXPECT_EQ(one.messages[5].tool_call_id + one.messages[5].name, "c1f");
  EXPECT_EQ(write_json(one.tools), R"([{"name":"f"}])");
}

TEST(Rows, ShareGptConversations) {
  const Row one = row(R"({"system":"s","conversations":[{"from":"human","value":"q"},
      {"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"},
      {"from":"observation","value":"o"},{"from":"gpt","value":"a"}],"tools":""})");
  EXPECT_THAT(said(one.messages),
              ElementsAre("system:s", "user:q", "assistant:-", "tool:o", "assistant:a"));
  EXPECT_THAT(one.weights, ElementsAre(0, 0, 1, 0, 1));
  EXPECT_EQ(one.messages[2].tool_calls[0].arguments, "{\"x\":1}");
  EXPECT_TRUE(one.tools.is_null());
}

TEST(Rows, PartsOfAMessage) {
  const Row one = row(R"({"messages":[{"role":"user","content":[{"type":"text","value":"q"}]},
      {"role":"assistant","content":[{"type":"reasoning","value":"hm"},
          {"type":"text","value":"wait"},
          {"type":"tool_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"}]}]})");
  const Message& answer = one.messages[1];
  EXPECT_EQ(answer.content, "wait");
  EXPECT_EQ(answer.reasoning, "hm");
  ASSERT_THAT(answer.tool_calls, SizeIs(1));
  EXPECT_EQ(answer.tool_calls[0].name + answer.tool_calls[0].arguments, "f{\"x\":1}");
}

TEST(Rows, Completions) {
  const Row text = row(R"({"prompt":"p","completion":"c"})");
  EXPECT_EQ(text.shape, RowShape::kCompletion);
  EXPECT_EQ(text.text + text.answer.content.value_or("-"), "pc");
  const Row alpaca = row(R"({"instruction":"do","input":"this","output":"done"})");
  EXPECT_EQ(alpaca.text, "do\n\nthis");
  EXPECT_EQ(row(R"({"instruction":"do","input":"","output":"done"})").text, "do");
  const Row messages = row(R"({"prompt":[{"role":"user","content":"p"}],
                               "completion":[{"role":"assistant","content":"c"}]})");
  EXPECT_THAT(said(messages.messages), ElementsAre("user:p"));
  EXPECT_EQ(messages.answer.role + messages.answer.content.value_or("-"), "assistantc");
  const Row system = row(R"({"system":"s","prompt":"p","response":"c"})");
  EXPECT_THAT(said(system.messages), ElementsAre("system:s", "user:p"));
  EXPECT_EQ(system.text, "");
}

TEST(Rows, Preferences) {
  const Row text = row(R"({"prompt":"p","chosen":"c","rejected":"r"})");
  EXPECT_EQ(text.shape, RowShape::kPreference);
  EXPECT_EQ(text.text + *text.answer.content + *text.rejected.content, "pcr");
  // Whole conversations, which say the prompt themselves.
  const Row whole = row(R"({"prompt":"p",
      "chosen":[{"role":"user","content":"p"},{"role":"assistant","content":"c"}],
      "rejected":[{"role":"user","content":"p"},{"role":"assistant","content":"r"}]})");
  EXPECT_THAT(said(whole.messages), ElementsAre("user:p"));
  EXPECT_EQ(whole.text + *whole.answer.content + *whole.rejected.content, "cr");
  const Row sharegpt = row(R"({"conversations":[{"from":"human","value":"p"}],
      "chosen":{"from":"gpt","value":"c"},"rejected":{"from":"gpt","value":"r"}})");
  EXPECT_THAT(said(sharegpt.messages), ElementsAre("user:p"));
  EXPECT_THAT(
      problem(
          R"({"chosen":[{"role":"user","content":"p"},{"role":"assistant","content":"c"}],"rejected":[{"role":"user","content":"o"},{"role":"assistant","content":"r"}]})"),
      HasSubstr("/rejected: another conversation"));
  EXPECT_THAT(problem(R"({"prompt":"p","chosen":"c","rejected":"c"})"),
              HasSubstr("the same answer as the chosen one"));
}

TEST(Rows, LikedAnswers) {
  const Row text = row(R"({"prompt":"p","completion":"c","label":true})");
  EXPECT_EQ(text.shape, RowShape::kLiked);
  EXPECT_TRUE(text.liked);
  const Row messages = row(R"({"messages":[{"role":"user","content":"p"},
      {"role":"assistant","content":"c"}],"label":false})");
  EXPECT_FALSE(messages.liked);
  EXPECT_THAT(said(messages.messages), ElementsAre("user:p"));
  EXPECT_EQ(messages.answer.content, "c");
}

TEST(Rows, LabelledTextsAndDocuments) {
  const Row labelled = row(R"({"text":"t","label":3})");
  EXPECT_EQ(labelled.shape, RowShape::kLabelled);
  EXPECT_EQ(labelled.text + labelled.label, "t3");
  EXPECT_EQ(row(R"({"text":"t"})").shape, RowShape::kText);
  const RowFile csv = rows("id,category,text\n1,\"a,b\",\"q \"\"x\"\"\ny\"\n\n2,c,d\n",
                           RowFormat::kCsv, {.label_column = "category"});
  ASSERT_THAT(csv.rows, SizeIs(2));
  EXPECT_EQ(csv.rows[0].text + "|" + csv.rows[0].label, "q \"x\"\ny|a,b");
  EXPECT_EQ(csv.rows[1].line, 5);
  EXPECT_THAT(csv.unused, ElementsAre("id"));
  EXPECT_EQ(rows("text\tlabel\na,b\tc\n", RowFormat::kTsv).rows[0].text, "a,b");
  const RowFile documents =
      rows("One.\nTwo.\n<|endoftext|>\n\nThree.<|endoftext|>\n<|endoftext|>", RowFormat::kText);
  ASSERT_THAT(documents.rows, SizeIs(2));
  EXPECT_EQ(documents.rows[0].text, "One.\nTwo.");
  EXPECT_EQ(documents.rows[1].text, "Three.");
  EXPECT_EQ(documents.rows[1].line, 5);
}

TEST(Rows, MembersThatNobodyReadsAreSaid) {
  EXPECT_THAT(rows(R"({"id":7,"text":"t","source":"x"})"
                   "\n"
                   R"({"text":"t","meta":null})")
                  .unused,
              ElementsAre("id", "meta", "source"));
  EXPECT_THAT(rows(R"({"prompt":"p","completion":"c","text":"t","label":"l"})").unused,
              ElementsAre("label", "text"));
  EXPECT_THAT(rows(R"({"prompt":"p","completion":"c"})").unused, IsEmpty());
}

TEST(Rows, NamesFileLineAndReasonOfABadRow) {
  const std::string good = R"({"text":"t"})";
  EXPECT_THAT(problem(good + "\n\n{\"text\":1}\n"),
              AllOf(HasSubstr("row_invalid: data:3: /text: expected a string, found integer"),
                    HasSubstr("skip-bad")));
  EXPECT_THAT(problem(good + "\n{\"text\":\"t\""), HasSubstr("data:2: "));
  EXPECT_THAT(problem(good + "\n{\"text\":\"\xFF\"}"), HasSubstr("data:2: "));
  EXPECT_THAT(problem(good + "\n{\"text\":\"a\",\"text\":\"b\"}"), HasSubstr("data:2: "));
  EXPECT_THAT(problem(good + "\n[]"), HasSubstr("data:2: expected an object, found array"));
  EXPECT_THAT(problem(good + "\n" + R"({"prompt":"p","completion":"c"})"),
              HasSubstr("data:2: expected a document, as in line 1; found a completion"));
  EXPECT_THAT(problem(R"({"a":1,"b":2})"),
              HasSubstr("no shape of a row has the members \"a\", \"b\""));
  EXPECT_THAT(problem("{\"text\":" + std::string(70, '[')), HasSubstr("data:1: "));
  EXPECT_THAT(problem(R"({"text":")" + std::string(kMaxRowBytes, 'x') + "\"}"),
              HasSubstr("data:1: "));
}

TEST(Rows, NamesThePlaceInAConversation) {
  const auto with = [](std::string_view message) {
    return problem(R"({"messages":[{"role":"user","content":"q"},)" + std::string(message) + "]}");
  };
  EXPECT_THAT(with(R"({"role":"owner","content":"x"})"), HasSubstr("/messages/1/role: expected"));
  EXPECT_THAT(with(R"({"content":"x"})"), HasSubstr("/messages/1: a message without a role"));
  EXPECT_THAT(with(R"({"role":"assistant"})"), HasSubstr("/messages/1: a message without content"));
  EXPECT_THAT(with(R"({"role":"assistant","content":[{"type":"image_url","image_url":"x"}]})"),
              HasSubstr("/messages/1/content/0: only parts of text"));
  EXPECT_THAT(with(R"({"role":"user","content":"x"})"), HasSubstr("no turn of the assistant"));
  EXPECT_THAT(
      with(R"({"role":"user","content":"x","weight":1},{"role":"assistant","content":"x"})"),
      HasSubstr("/messages/1/weight: only the assistant's turns"));
  EXPECT_THAT(with(R"({"role":"assistant","content":"x","weight":-1})"),
              HasSubstr("/messages/1/weight: expected a number"));
  EXPECT_THAT(with(R"({"role":"assistant","tool_calls":[{"function":{"arguments":"{}"}}]})"),
              HasSubstr("/messages/1/tool_calls/0: expected an object with the name"));
  EXPECT_THAT(with("7"), HasSubstr("/messages/1: expected a message, found integer"));
  std::string many;
  for (std::size_t i = 0; i < kMaxRowMessages; ++i)
    many += R"({"role":"assistant","content":"x"},)";
  EXPECT_THAT(with(many + R"({"role":"assistant","content":"x"})"), HasSubstr("at most 1024 fit"));
}

TEST(Rows, SkipBadCountsThem) {
  std::string text = "nonsense\n{\"text\":\"a\"}\n";
  for (int i = 0; i < 20; ++i) text += "{}\n";
  text += "{\"text\":\"b\"}\n{\"prompt\":\"p\",\"completion\":\"c\"}\n";
  const RowFile file = rows(text, RowFormat::kJson, {.skip_bad = true});
  EXPECT_THAT(file.rows, SizeIs(2));
  EXPECT_EQ(file.skipped, 22);
  ASSERT_THAT(file.first_problems, SizeIs(10));
  EXPECT_THAT(file.first_problems[1], HasSubstr("data:3: "));
  const RowFile csv =
      rows("text,label\na\n\"b\"c,d\ne,\xFF\nf,g\nh,i,j\n", RowFormat::kCsv, {.skip_bad = true});
  EXPECT_THAT(csv.rows, SizeIs(1));
  EXPECT_EQ(csv.skipped, 4);
  EXPECT_THAT(
      csv.first_problems,
      ElementsAre(HasSubstr("data:2: 1 fields, the header has 2"), HasSubstr("data:3: text after"),
                  HasSubstr("data:4: text that is not UTF"), HasSubstr("data:6: 3 fields")));
}

TEST(Rows, WhatIsNoDataAtAllIsRefusedWithSkipBadToo) {
  const RowOptions skip{.skip_bad = true};
  EXPECT_THAT(problem("", RowFormat::kJson, skip), HasSubstr("data_empty: data: no rows"));
  EXPECT_THAT(problem("x\ny\n", RowFormat::kJson, skip),
              HasSubstr("data_empty: data: no good row; 2 bad ones, first data:1: "));
  EXPECT_THAT(problem("\xFF\xFE{\0", RowFormat::kJson, skip),
              AllOf(HasSubstr("data_invalid"), HasSubstr("UTF-16"), HasSubstr("iconv")));
  EXPECT_THAT(problem("\x1F\x8B\x08", RowFormat::kJson, skip), HasSubstr("compressed"));
  EXPECT_THAT(problem("[{\"text\":\"a\"},", RowFormat::kJson, skip), HasSubstr("data_invalid"));
  EXPECT_THAT(problem("text,label\na,\"b\n", RowFormat::kCsv, skip), HasSubstr("never closed"));
  EXPECT_THAT(problem("text,category\na,b\n", RowFormat::kCsv, skip),
              HasSubstr("no column \"label\"; the header has \"text\", \"category\""));
  EXPECT_EQ(rows("\xEF\xBB\xBFtext,label\na,b\n", RowFormat::kCsv).rows[0].label, "b");
}

TEST(Rows, ReadsPublishedFiles) {
  const std::filesystem::path data = BANTAM_SHARED_DATA;
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "needs " << data;
  struct Published {
    const char* path;
    RowShape shape;
    std::size_t rows;
  };
  const Published kFiles[] = {
      {"tasks/banking77/train.csv", RowShape::kLabelled, 9003},
      {"tasks/finetune/alpaca_en_demo.json", RowShape::kCompletion, 999},
      {"tasks/finetune/dpo_en_demo.json", RowShape::kPreference, 299},
      {"tasks/finetune/kto_en_demo.json", RowShape::kLiked, 300},
      {"tasks/finetune/glaive_toolcall_en_demo.json", RowShape::kMessages, 300},
      {"tasks/finetune/v1_sft_demo.jsonl", RowShape::kMessages, 500},
      {"tasks/finetune/reason_tool_use_demo_50.jsonl", RowShape::kMessages, 50},
      {"text/c4_demo.jsonl", RowShape::kText, 300},
  };
  for (const auto& [path, shape, count] : kFiles) {
    const auto file = read_rows(data / path, {.label_column = "category"});
    ASSERT_TRUE(file) << file.error().to_string();
    EXPECT_EQ(file->shape, shape) << path;
    EXPECT_EQ(file->rows.size(), count) << path;
  }
  const auto missing = read_rows(data / "none.jsonl", {});
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace bantam
