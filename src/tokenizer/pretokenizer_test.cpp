// Pre-tokenizers by name and as tokenizer.json has them.
#include "tokenizer/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenizer_names.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Collect final : public PieceSink {
 public:
  void piece(std::string_view text) override {
    EXPECT_FALSE(text.empty());
    pieces.emplace_back(text);
  }
  std::vector<std::string> pieces;
};

std::vector<std::string> run(const Pretokenizer& pretokenizer, std::string_view text,
                             bool at_start = true) {
  Collect collect;
  pretokenizer.split(text, at_start, collect);
  return collect.pieces;
}

Result<Pretokenizer> parse(std::string_view json) {
  const Result<Json> value = parse_json(json);
  EXPECT_TRUE(value) << value.error().to_string();
  return Pretokenizer::parse(*value);
}

std::vector<std::string> run_json(std::string_view json, std::string_view text,
                                  bool at_start = true) {
  const Result<Pretokenizer> pretokenizer = parse(json);
  EXPECT_TRUE(pretokenizer) << pretokenizer.error().to_string();
  return pretokenizer ? run(*pretokenizer, text, at_start) : std::vector<std::string>();
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

TEST(Pretokenizer, UnknownNamesAreRefusedWithTheNearest) {
  const Result<Pretokenizer> unknown = Pretokenizer::named("lama-bpe");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "tokenizer_unsupported");
  EXPECT_THAT(unknown.error().message, HasSubstr("Did you mean llama-bpe"));
  EXPECT_THAT(unknown.error().message, HasSubstr("gpt-2, "));
  EXPECT_LE(unknown.error().to_string().size(), 1024u);
}

TEST(Pretokenizer, EveryNameKeepsEveryByte) {
  Random random(5);
  std::vector<std::string> texts = {"", " ", "\n", "\xFF", "\xC3", "Hello  World's 12345\n\n  x"};
  for (int i = 0; i < 60; ++i) {
    texts.push_back(samples::random_text(random, 60));
    texts.push_back(samples::random_bytes(random, 60));
  }
  for (const PretokenizerInfo& info : known_pretokenizers()) {
    const Result<Pretokenizer> pretokenizer = Pretokenizer::named(info.name);
    ASSERT_TRUE(pretokenizer) << info.name << ": " << pretokenizer.error().to_string();
    EXPECT_TRUE(pretokenizer->byte_level());
    EXPECT_TRUE(pretokenizer->keeps_text());
    for (const std::string& text : texts)
      EXPECT_EQ(joined(run(*pretokenizer, text)), text) << info.name;
  }
}

TEST(Pretokenizer, FamousNamesCutAsTheirModelsDo) {
  const std::string_view text = "I've  12345 ABCdef\n\n x!\n";
  const auto named = [&](std::string_view name) { return run(*Pretokenizer::named(name), text); };
  EXPECT_THAT(named("gpt-2"),
              ElementsAre("I", "'ve", " ", " 12345", " ABCdef", "\n\n", " x", "!", "\n"));
  EXPECT_THAT(named("llama-bpe"),
              ElementsAre("I", "'ve", " ", " ", "123", "45", " ABCdef", "\n\n", " x", "!\n"));
  EXPECT_THAT(named("qwen2"), ElementsAre("I", "'ve", " ", " ", "1", "2", "3", "4", "5", " ABCdef",
                                          "\n\n", " x", "!\n"));
  EXPECT_THAT(named("gpt-4o"),
              ElementsAre("I've", " ", " ", "123", "45", " ABCdef", "\n\n", " x", "!\n"));
  EXPECT_THAT(named("smollm"), ElementsAre("I", "'ve", "  ", "1", "2", "3", "4", "5", " ABCdef",
                                           "\n\n", " x", "!", "\n"));
}

TEST(Pretokenizer, BrokenBytesAreWordsOfTheirOwn) {
  EXPECT_THAT(run(*Pretokenizer::named("gpt-2"), "ab\xFF\xFE cd\xE4\xB8"),
              ElementsAre("ab", "\xFF\xFE", " cd", "\xE4\xB8"));
}

TEST(PretokenizerJson, ByteLevel) {
  EXPECT_THAT(run_json(R"({"type":"ByteLevel","add_prefix_space":true})", "Hi you"),
              ElementsAre(" Hi", " you"));
  EXPECT_THAT(run_json(R"({"type":"ByteLevel","add_prefix_space":true})", " Hi"),
              ElementsAre(" Hi"));
  EXPECT_THAT(
      run_json(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})", "Hi you"),
      ElementsAre("Hi you"));
}

TEST(PretokenizerJson, StepsAfterByteLevelSeeTheSpelling) {
  const std::string_view json = R"({"type":"Sequence","pretokenizers":[
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":false},
      {"type":"Digits","individual_digits":false}]})";
  const Result<Pretokenizer> pretokenizer = parse(json);
  ASSERT_TRUE(pretokenizer);
  EXPECT_TRUE(pretokenizer->byte_level());
  EXPECT_TRUE(pretokenizer->spells_bytes());
  EXPECT_FALSE(pretokenizer->keeps_text());
  // The byte B2 (of "ひ", E3 81 B2) is spelled as a superscript two, which is a number.
  std::string first;
  append_spelling(first, "a \xE3\x81");
  EXPECT_THAT(run(*pretokenizer, "a \u307212"), ElementsAre(first, "\u00B212"));
  std::string broken;
  append_spelling(broken, "\xFF");
  EXPECT_THAT(run(*pretokenizer, "\xFF"), ElementsAre(broken));
}

TEST(PretokenizerJson, Classes) {
  EXPECT_THAT(run_json(R"({"type":"Digits","individual_digits":true})", "a12\u00BD3b"),
              ElementsAre("a", "1", "2", "\u00BD", "3", "b"));
  EXPECT_THAT(run_json(R"({"type":"Digits"})", "a12 34"), ElementsAre("a", "12", " ", "34"));
  EXPECT_THAT(run_json(R"({"type":"Punctuation"})", "a,.b$\u3002"),
              ElementsAre("a", ",", ".", "b", "$", "\u3002"));
  EXPECT_THAT(run_json(R"({"type":"Punctuation","behavior":"Contiguous"})", "a,.b"),
              ElementsAre("a", ",.", "b"));
  EXPECT_THAT(run_json(R"({"type":"Punctuation","behavior":"MergedWithPrevious"})", "a,.b"),
              ElementsAre("a,", ".", "b"));
  EXPECT_THAT(run_json(R"({"type":"Whitespace"})", " a-b  c_1!"),
              ElementsAre("a", "-", "b", "c_1", "!"));
  EXPECT_THAT(run_json(R"({"type":"WhitespaceSplit"})", " a-b\u3000\nc "), ElementsAre("a-b", "c"));
  EXPECT_THAT(run_json(R"({"type":"BertPreTokenizer"})", "Hey, you! "),
              ElementsAre("Hey", ",", "you", "!"));
  EXPECT_THAT(run_json(R"({"type":"CharDelimiterSplit","delimiter":"."})", "a.b..c"),
              ElementsAre("a", "b", "c"));
}

TEST(PretokenizerJson, Split) {
  EXPECT_THAT(
      run_json(R"({"type":"Split","pattern":{"String":"."},"behavior":"MergedWithNext"})", "a.b.c"),
      ElementsAre("a", ".b", ".c"));
  EXPECT_THAT(
      run_json(R"({"type":"Split","pattern":{"Regex":"\\d"},"behavior":"Isolated"})", "a1b"),
      ElementsAre("a", "1", "b"));
}

TEST(PretokenizerJson, Metaspace) {
  EXPECT_THAT(run_json(R"({"type":"Metaspace"})", "a b"), ElementsAre("▁a", "▁b"));
  EXPECT_THAT(run_json(R"({"type":"Metaspace","prepend_scheme":"first"})", "a b", false),
              ElementsAre("a", "▁b"));
  EXPECT_THAT(run_json(R"({"type":"Metaspace","prepend_scheme":"first"})", " a b"),
              ElementsAre("▁a", "▁b"));
  EXPECT_THAT(run_json(R"({"type":"Metaspace","prepend_scheme":"never","split":false})", "a b"),
              ElementsAre("a▁b"));
  EXPECT_THAT(run_json(R"({"type":"Metaspace","add_prefix_space":false})", "a  b"),
              ElementsAre("a", "▁", "▁b"));
}

TEST(PretokenizerJson, RefusesWhatItDoesNotKnow) {
  const auto error = [](std::string_view json) {
    const Result<Pretokenizer> pretokenizer = parse(json);
    return pretokenizer ? std::string()
                        : pretokenizer.error().code + ": " + pretokenizer.error().to_string();
  };
  EXPECT_EQ(error("null"), "");
  EXPECT_THAT(error(R"({"type":"Magic"})"), HasSubstr("unknown pre-tokenizer type \"Magic\""));
  EXPECT_THAT(error(R"({"type":"Split","pattern":{"Regex":"(a+)+$"}})"),
              HasSubstr("tokenizer_regex_slow: /pre_tokenizer"));  // S16
  EXPECT_THAT(error(R"({"type":"Split","pattern":{"Regex":"("}})"), HasSubstr("tokenizer_invalid"));
  EXPECT_THAT(error(R"({"type":"Split"})"), HasSubstr("/pre_tokenizer/pattern"));
  EXPECT_THAT(error(R"({"type":"Split","pattern":{"String":"x"},"behavior":"Odd"})"),
              HasSubstr("unknown behavior"));
  EXPECT_THAT(error(R"({"type":"Sequence","pretokenizers":[{"type":"Sequence"}]})"),
              HasSubstr("/pre_tokenizer/pretokenizers/0/pretokenizers"));
  EXPECT_THAT(error(R"({"type":"Metaspace","replacement":"ab"})"), HasSubstr("one character"));
  EXPECT_THAT(error("[]"), HasSubstr("/pre_tokenizer"));
  std::string deep = R"({"type":"Digits"})";
  for (int i = 0; i < 12; ++i) deep = R"({"type":"Sequence","pretokenizers":[)" + deep + "]}";
  EXPECT_THAT(error(deep), HasSubstr("tokenizer_too_large"));
  std::string many = R"({"type":"Digits"})";
  for (int i = 0; i < 40; ++i) many += R"(,{"type":"Digits"})";
  EXPECT_THAT(error(R"({"type":"Sequence","pretokenizers":[)" + many + "]}"),
              HasSubstr("tokenizer_too_large"));
}

}  // namespace
}  // namespace bantam
