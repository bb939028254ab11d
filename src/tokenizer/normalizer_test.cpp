// The normalizers of tokenizer.json; row S17 of the bad inputs.
#include "tokenizer/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unicode.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using testing::HasSubstr;

std::string normal(std::string_view json, std::string_view text) {
  const Result<Normalizer> normalizer = Normalizer::parse_text(json);
  EXPECT_TRUE(normalizer) << normalizer.error().to_string();
  return normalizer ? normalizer->apply(text) : std::string();
}

std::string error_of(std::string_view json) {
  const Result<Normalizer> normalizer = Normalizer::parse_text(json);
  return normalizer ? std::string()
                    : normalizer.error().code + ": " + normalizer.error().to_string();
}

TEST(Normalizer, EachType) {
  EXPECT_EQ(normal("null", " As\tis "), " As\tis ");
  EXPECT_EQ(normal(R"({"type":"NFC"})", "e\u0301"), "\u00E9");
  EXPECT_EQ(normal(R"({"type":"NFD"})", "\u00E9"), "e\u0301");
  EXPECT_EQ(normal(R"({"type":"NFKC"})", "\uFB01\u00B2"), "fi2");
  EXPECT_EQ(normal(R"({"type":"NFKD"})", "\u00E9\uFB01"), "e\u0301fi");
  EXPECT_EQ(normal(R"({"type":"Lowercase"})", "\u00C4B\u03A3\u0130"), "\u00E4b\u03C3i\u0307");
  EXPECT_EQ(normal(R"({"type":"StripAccents"})", "e\u0301\u00E9"), "e\u00E9");
  EXPECT_EQ(normal(R"({"type":"Strip"})", " \u3000a b\n"), "a b");
  EXPECT_EQ(normal(R"({"type":"Strip","strip_right":false})", " a "), "a ");
  EXPECT_EQ(normal(R"({"type":"Strip","strip_left":false})", " a "), " a");
  EXPECT_EQ(normal(R"({"type":"Strip"})", " \n "), "");
  EXPECT_EQ(normal(R"({"type":"Prepend","prepend":"▁"})", "a"), "▁a");
  EXPECT_EQ(normal(R"({"type":"Prepend","prepend":"▁"})", ""), "");
  EXPECT_EQ(normal(R"({"type":"Replace","pattern":{"String":"ab"},"content":"x"})", "aabab"),
            "axx");
  EXPECT_EQ(normal(R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})", "a   b c"),
            "a b c");
  EXPECT_EQ(normal(R"({"type":"Nmt"})", "a\u200Bb\u0001c\td"), "a bc d");
  EXPECT_EQ(normal(R"({"type":"ByteLevel"})", "a \u00E9"), "a\u0120\u00C3\u00A9");
}

TEST(Normalizer, Bert) {
  const std::string_view uncased = R"({"type":"BertNormalizer","clean_text":true,
      "handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  EXPECT_EQ(normal(uncased, "H\u00C9llo\t\u4F60\u597D\u200D\x01!"), "hello  \u4F60  \u597D !");
  const std::string_view cased = R"({"type":"BertNormalizer","clean_text":false,
      "handle_chinese_chars":false,"strip_accents":null,"lowercase":false})";
  EXPECT_EQ(normal(cased, "H\u00C9\u4F60\t"), "H\u00C9\u4F60\t");
  // Unassigned characters are no control characters.
  EXPECT_EQ(normal(uncased, "\u0E7D"), "\u0E7D");
}

TEST(Normalizer, StepsInARow) {
  EXPECT_EQ(normal(R"({"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},
                      {"type":"Lowercase"},{"type":"Replace","pattern":{"String":" "},
                      "content":"_"}]})",
                   "\u00C9 A"),
            "e_a");
}

TEST(Normalizer, BrokenBytesStay) {
  for (const std::string_view type :
       {"NFC", "NFKC", "Lowercase", "StripAccents", "ByteLevel", "Nmt", "BertNormalizer"})
    EXPECT_EQ(normal(fmt::format(R"({{"type":"{}"}})", type), "\xFF\xE4\xB8"), "\xFF\xE4\xB8")
        << type;
  EXPECT_EQ(normal(R"({"type":"NFC"})",
                   "a\u0301\xFF"
                   "a\u0301"),
            "\u00E1\xFF\u00E1");
  EXPECT_EQ(normal(R"({"type":"Strip"})", " \xFF "), "\xFF");
  EXPECT_EQ(normal(R"({"type":"Replace","pattern":{"Regex":"a"},"content":"b"})",
                   "a\xFF"
                   "a"),
            "b\xFF"
            "b");
}

// Only stretches around characters that are not ASCII are normalised; the result must not differ.
TEST(Normalizer, FormsAgreeWithNormalizingTheWhole) {
  Random random(9);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (std::uint64_t n = random.next_below(20); n > 0; --n) {
      if (random.next_below(2) == 0)
        text += "aeo \u0301\u0327\u00E9"[random.next_below(4)];
      else
        append_utf8(text, static_cast<char32_t>(random.next_below(2) == 0
                                                    ? 0x300 + random.next_below(0x60)
                                                    : 0xC0 + random.next_below(0x1F00)));
    }
    EXPECT_EQ(normal(R"({"type":"NFC"})", text), normalize(text, Normalization::kNfc));
    EXPECT_EQ(normal(R"({"type":"NFKD"})", text), normalize(text, Normalization::kNfkd));
  }
}

TEST(Normalizer, RefusesWhatItDoesNotKnowAndWhatExplodes) {
  EXPECT_THAT(error_of(R"({"type":"Odd"})"), HasSubstr("unknown normalizer type \"Odd\""));
  EXPECT_THAT(error_of(R"({"type":"Sequence"})"), HasSubstr("/normalizer/normalizers"));
  EXPECT_THAT(error_of(R"({"type":"Replace","pattern":{"String":""},"content":"x"})"),
              HasSubstr("is empty"));
  EXPECT_THAT(error_of(R"({"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":"x"})"),
              HasSubstr("tokenizer_regex_slow"));
  EXPECT_THAT(error_of(R"({"type":"Precompiled","precompiled_charsmap":"?"})"),
              HasSubstr("is not base64"));
  EXPECT_THAT(error_of("[]"), HasSubstr("/normalizer"));
  // S17: each step makes the text ten times as long.
  std::string steps;
  for (int i = 0; i < 8; ++i)
    steps +=
        fmt::format(R"({}{{"type":"Replace","pattern":{{"String":"a"}},"content":"aaaaaaaaaa"}})",
                    i == 0 ? "" : ",");
  EXPECT_THAT(error_of(R"({"type":"Sequence","normalizers":[)" + steps + "]}"),
              HasSubstr("tokenizer_too_large"));
  EXPECT_THAT(
      error_of(fmt::format(R"({{"type":"Replace","pattern":{{"String":"a"}},"content":"{}"}})",
                           std::string(1000, 'x'))),
      HasSubstr("tokenizer_too_large"));
}

}  // namespace
}  // namespace bantam
