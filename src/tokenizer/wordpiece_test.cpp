// WordPiece: against a slow definition, and each rule by example.
#include "tokenizer/wordpiece.h"

#include <gtest/gtest.h>

#include <set>

#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using samples::Token;
using Strings = std::vector<std::string>;

Metadata bert(const Strings& pieces) {
  std::vector<Token> tokens = {{"[PAD]", 0, TokenType::kControl},
                               {"[UNK]", 0, TokenType::kUnknown},
                               {"[CLS]", 0, TokenType::kControl},
                               {"[SEP]", 0, TokenType::kControl}};
  for (const std::string& piece : pieces) tokens.push_back({piece});
  Metadata metadata = samples::vocabulary("bert", tokens);
  metadata.erase("tokenizer.ggml.scores");
  return metadata;
}

TEST(WordPiece, EqualsTheSlowDefinition) {
  Random random(31);
  for (int round = 0; round < 200; ++round) {
    std::set<std::string> pieces;
    for (std::size_t i = 0, count = random.next_below(30); i < count; ++i)
      pieces.insert((random.next_below(2) == 0 ? "▁" : "") +
                    samples::random_word(random, "abc", 1 + random.next_below(4)));
    const auto tokenizer = samples::make(bert({pieces.begin(), pieces.end()}));
    ASSERT_TRUE(tokenizer);
    for (int i = 0; i < 20; ++i) {
      const std::string word = samples::random_word(random, "abc", 1 + random.next_below(12));
      Strings expected;
      for (std::size_t at = 0; at < word.size();) {
        std::size_t size = word.size() - at;
        const std::string mark = at == 0 ? "▁" : "";
        while (size > 0 && !pieces.contains(mark + word.substr(at, size))) --size;
        if (size == 0) {
          expected = {"[UNK]"};
          break;
        }
        expected.push_back(mark + word.substr(at, size));
        at += size;
      }
      EXPECT_EQ(samples::pieces(*tokenizer, word), expected) << word;
    }
  }
}

TEST(WordPiece, CleansAndCutsAsBertDoes) {
  const auto tokenizer = samples::make(
      bert({"▁cafe", "▁un", "aff", "able", "▁,", "▁!", "▁中", "▁文", "▁i", "▁$", "▁“"}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(samples::pieces(*tokenizer, "Café,\tUNAFFABLE!"),
            (Strings{"▁cafe", "▁,", "▁un", "aff", "able", "▁!"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "中文"), (Strings{"▁中", "▁文"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "un\u200Baff\u0000"), (Strings{"▁un", "aff"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "İ"), (Strings{"▁i"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "$“x"), (Strings{"▁$", "▁“", "[UNK]"}));
  EXPECT_EQ(samples::pieces(*tokenizer, " \u00A0\u3000\n"), Strings{});
  EXPECT_EQ(samples::pieces(*tokenizer, "[CLS]"), (Strings{"[UNK]", "[UNK]", "[UNK]"}));  // P06
}

TEST(WordPiece, SwitchesOfTheNormalizer) {
  Metadata metadata = bert({"▁Cafe", "▁cafe", "▁Café", "▁café"});
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "Café"), Strings{"▁cafe"});
  metadata.set_bool(kBertLowercaseKey, false);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "Café"), Strings{"▁Café"});
  metadata.set_bool(kBertStripAccentsKey, true);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "Café"), Strings{"▁Cafe"});
  metadata.set_bool(kBertLowercaseKey, true);
  metadata.set_bool(kBertStripAccentsKey, false);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "Café"), Strings{"▁café"});
  metadata.set_string("bantam.tokenizer.normalizer", "null");
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "Café"), Strings{"▁Café"});
}

TEST(WordPiece, LongWordsAreUnknown) {
  Metadata metadata = bert({"▁é", "é"});
  metadata.set_string("bantam.tokenizer.normalizer", "null");
  std::string word;
  for (int i = 0; i < 100; ++i) word += "é";
  EXPECT_EQ(samples::pieces(*samples::make(metadata), word).size(), 100u);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), word + "é"), Strings{"[UNK]"});
  metadata.set_u32(kMaxWordCharsKey, 3);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "éééé ééé"),
            (Strings{"[UNK]", "▁é", "é", "é"}));
}

TEST(WordPiece, DecodesWithSpacesBetweenWords) {
  const auto tokenizer = samples::make(bert({"▁un", "aff", "able", "▁,"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("unaffable, un", {.add_specials = true}), false),
            "unaffable , un");
}

TEST(WordPiece, NeedsAnUnknownToken) {
  Metadata metadata = samples::vocabulary("bert", {{"▁a"}});
  EXPECT_EQ(make_tokenizer(metadata).error().code, "tokenizer_invalid");
}

TEST(WordPiece, AWordWithBrokenUtf8IsUnknown) {  // P05
  const auto tokenizer = samples::make(bert({"▁ab"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "ab a\xFF\xC3 ab"), (Strings{"▁ab", "[UNK]", "▁ab"}));
  Random random(32);
  for (int i = 0; i < 500; ++i) tokenizer->encode(samples::random_bytes(random, 50), {});
}

}  // namespace
}  // namespace bantam
