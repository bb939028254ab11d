// Unigram: against the sum over every way to cut a text, and each rule by example.
#include "tokenizer/unigram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tokenizer/fallback.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using samples::Token;
using Strings = std::vector<std::string>;

const Token kUnknown{"<unk>", 0, TokenType::kUnknown};

// The best sum of scores of any way to cut `text`, by trying all of them.
double best_sum(std::string_view text, const std::map<std::string, float>& scores, double unknown) {
  if (text.empty()) return 0;
  double best = -INFINITY;
  for (std::size_t size = 1; size <= text.size(); ++size) {
    const auto found = scores.find(std::string(text.substr(0, size)));
    if (found != scores.end())
      best = std::max(
          best, static_cast<double>(found->second) + best_sum(text.substr(size), scores, unknown));
  }
  if (!scores.contains(std::string(text.substr(0, 1))))
    best = std::max(best, unknown + best_sum(text.substr(1), scores, unknown));
  return best;
}

Metadata bare(const std::vector<Token>& tokens, bool exact = false) {
  Metadata metadata = samples::vocabulary("t5", tokens);
  metadata.set_bool("tokenizer.ggml.add_space_prefix", false);
  if (!exact) return metadata;
  MetaArray scores;
  scores.element = MetaType::kF64;
  for (const Token& token : tokens) scores.floats.push_back(static_cast<double>(token.score));
  metadata.set(kExactScoresKey, {.type = MetaType::kArray, .value = std::move(scores)});
  return metadata;
}

TEST(Unigram, FindsTheBestSumOfRandomVocabularies) {
  Random random(21);
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, float> scores;
    for (std::size_t i = 0, count = 1 + random.next_below(15); i < count; ++i)
      scores[samples::random_word(random, "abc", 1 + random.next_below(4))] =
          -static_cast<float>(random.next_below(64)) / 8;  // sums are exact
    std::vector<Token> tokens = {kUnknown};
    double worst = INFINITY;
    for (const auto& [piece, score] : scores) {
      tokens.push_back({piece, score});
      worst = std::min(worst, static_cast<double>(score));
    }
    for (const bool exact : {false, true}) {
      Metadata metadata = bare(tokens, exact);
      metadata.set_bool(kFuseUnknownKey, false);
      const auto tokenizer = samples::make(metadata);
      ASSERT_TRUE(tokenizer);
      for (int i = 0; i < 10; ++i) {
        const std::string text = samples::random_word(random, "abcd", 1 + random.next_below(11));
        double sum = 0;
        std::string spelled;
        for (const TokenId id : tokenizer->encode(text, {})) {
          const std::string piece =
              id == 0 ? text.substr(spelled.size(), 1) : std::string(tokenizer->piece(id));
          sum += id == 0 ? worst - 10 : scores.at(piece);
          spelled += piece;
        }
        EXPECT_EQ(spelled, text);
        EXPECT_EQ(sum, best_sum(text, scores, worst - 10)) << text;
      }
    }
  }
}

TEST(Unigram, OfEquallyGoodWaysTheLongestLastTokenWins) {
  const auto tokenizer = samples::make(
      bare({kUnknown, {"a", -1}, {"aa", -2}, {"aaa", -3}, {"b", -1}, {"ab", -2}, {"bb", -2}}));
  EXPECT_EQ(samples::pieces(*tokenizer, "aaaa"), (Strings{"a", "aaa"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "abb"), (Strings{"a", "bb"}));
}

TEST(Unigram, SumsAreFloatsAsInTheLibraryUnlessExact) {
  // 2^24 + 1 is no float: after the long token, "x" and "y" are lost in rounding.
  const std::vector<Token> tokens = {kUnknown,     {"L", -16777216}, {"x", -1},
                                     {"y", -0.5f}, {"xy", -1.25f},   {"z", -2}};
  EXPECT_EQ(samples::pieces(*samples::make(bare(tokens, true)), "Lxy"), (Strings{"L", "xy"}));
  EXPECT_EQ(samples::pieces(*samples::make(bare(tokens, true)), "xy"), (Strings{"xy"}));
  // As floats both sums are equal to that of "L", and the sum of x and y comes later.
  EXPECT_EQ(samples::pieces(*samples::make(bare(tokens, false)), "Lxy"), (Strings{"L", "x", "y"}));
  EXPECT_EQ(samples::pieces(*samples::make(bare(tokens, false)), "xy"), (Strings{"xy"}));
}

TEST(Unigram, UnknownCharactersFuseOrBecomeBytes) {
  const std::vector<Token> tokens = {kUnknown, {"a", -1}, {"\uFFFD", -2}};
  EXPECT_EQ(samples::pieces(*samples::make(bare(tokens)), "aéèa日"),
            (Strings{"a", "<unk>", "a", "<unk>"}));
  EXPECT_EQ(samples::pieces(*samples::make(bare(tokens)), "a\xFF"), (Strings{"a", "\uFFFD"}));
  EXPECT_EQ(samples::pieces(*samples::make(bare(samples::with_bytes(tokens))), "é\xFF"),
            (Strings{"<0xC3>", "<0xA9>", "<0xFF>"}));
}

TEST(Unigram, UserDefinedTokensAlwaysCount) {
  const auto tokenizer = samples::make(
      bare({kUnknown, {"a", -1}, {"b", -1}, {"ab", 0}, {"aba", 0, TokenType::kUserDefined}}));
  EXPECT_EQ(samples::pieces(*tokenizer, "abab"), (Strings{"aba", "b"}));
}

TEST(Unigram, ControlTokensInTextAreText) {  // P06
  const auto tokenizer = samples::make(bare({kUnknown,
                                             {"</s>", 0, TokenType::kControl},
                                             {"<", -1},
                                             {"/", -1},
                                             {"s", -1},
                                             {">", -1},
                                             {"pad", 0, TokenType::kUnused}}));
  EXPECT_EQ(samples::pieces(*tokenizer, "</s>"), (Strings{"<", "/", "s", ">"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "pad"), (Strings{"<unk>"}));
}

TEST(Unigram, PiecesThatAreNotUtf8AndInfiniteScores) {
  const auto tokenizer = samples::make(bare(samples::with_bytes(
      {kUnknown, {"\xE6\x97", 5}, {"\x97", 5}, {"a", -INFINITY}, {"b", INFINITY}, {"", -1}})));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("日ab日", {}), false), "日ab日");
}

// Without a table of replacements and with tokens for bytes nothing is lost, but that the mark of a
// space comes back as one. (With such a table text is normalised, and without byte tokens unknown
// characters are gone.)
TEST(Unigram, AnyBytesComeBack) {
  Random random(22);
  const auto tokenizer = samples::make(samples::vocabulary(
      "t5", samples::with_bytes({kUnknown, {"▁", -3}, {"a", -2}, {"▁a", -1}, {"日", -4}})));
  ASSERT_TRUE(tokenizer);
  for (int i = 0; i < 1000; ++i) {
    std::string text = i % 2 == 0 ? samples::random_text(random, random.next_below(60))
                                  : samples::random_bytes(random, random.next_below(60));
    for (std::size_t at; (at = text.find("▁")) != std::string::npos;) text.replace(at, 3, "_");
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, {}), false), text);
  }
}

TEST(Unigram, CharsmapThenSpaces) {
  Metadata metadata =
      samples::vocabulary("t5", {kUnknown, {"▁", -2}, {"a", -2}, {"b", -2}, {"▁a", -1}});
  const std::string map = samples::charsmap({{"A", "a"}, {"\t", " "}, {"ab", "b"}, {"x", ""}});
  MetaArray bytes{.element = MetaType::kU8, .integers = {}, .floats = {}, .strings = {}};
  for (const char c : map) bytes.integers.push_back(static_cast<unsigned char>(c));
  metadata.set("tokenizer.ggml.precompiled_charsmap", {.type = MetaType::kArray, .value = bytes});
  metadata.set_bool("tokenizer.ggml.remove_extra_whitespaces", true);
  const auto tokenizer = samples::make(metadata);
  EXPECT_EQ(samples::pieces(*tokenizer, "\t A \t ab xx"), (Strings{"▁a", "▁", "b"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "xx \t"), Strings{});
}

TEST(Unigram, RefusesWhatCannotWork) {
  Metadata no_scores = bare({kUnknown, {"a"}});
  no_scores.erase("tokenizer.ggml.scores");
  EXPECT_EQ(make_tokenizer(no_scores).error().code, "tokenizer_invalid");
  EXPECT_EQ(make_tokenizer(bare({{"a"}})).error().code, "tokenizer_invalid");
  Metadata wrong_type = bare({kUnknown, {"a"}});
  wrong_type.set_string("tokenizer.ggml.precompiled_charsmap", "x");
  EXPECT_EQ(make_tokenizer(wrong_type).error().code, "tokenizer_invalid");
}

}  // namespace
}  // namespace bantam
