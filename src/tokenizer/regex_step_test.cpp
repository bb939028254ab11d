// Regular expressions from files and the Split step; row S16 of the bad inputs.
#include "tokenizer/regex_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tokenizer/pretokenizer_names.h"

namespace bantam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Collect final : public PieceSink {
 public:
  void piece(std::string_view text) override { pieces.emplace_back(text); }
  std::vector<std::string> pieces;
};

std::vector<std::string> split(std::string_view pattern, SplitBehavior behavior, bool invert,
                               std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << regex.error().to_string();
  if (!regex) return {};
  const auto step = make_split_step(*regex, behavior, invert);
  Collect collect;
  step->open(collect, true)->piece(text);
  return collect.pieces;
}

TEST(SplitStep, EveryBehavior) {
  const auto dashes = [](SplitBehavior behavior, bool invert = false) {
    return split("-", behavior, invert, "the-final--countdown-");
  };
  EXPECT_THAT(dashes(SplitBehavior::kRemoved), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(dashes(SplitBehavior::kIsolated),
              ElementsAre("the", "-", "final", "-", "-", "countdown", "-"));
  EXPECT_THAT(dashes(SplitBehavior::kMergedWithPrevious),
              ElementsAre("the-", "final-", "-", "countdown-"));
  EXPECT_THAT(dashes(SplitBehavior::kMergedWithNext),
              ElementsAre("the", "-final", "-", "-countdown", "-"));
  EXPECT_THAT(dashes(SplitBehavior::kContiguous),
              ElementsAre("the", "-", "final", "--", "countdown", "-"));
  EXPECT_THAT(dashes(SplitBehavior::kRemoved, true), ElementsAre("-", "-", "-", "-"));
}

TEST(SplitStep, EmptyMatchesCut) {
  EXPECT_THAT(split("(?=b)", SplitBehavior::kIsolated, false, "abab\u00E9b"),
              ElementsAre("a", "ba", "b\u00E9", "b"));
  EXPECT_THAT(split("x*", SplitBehavior::kIsolated, false, "axb"), ElementsAre("a", "x", "b"));
}

TEST(SplitStep, LinesEndAtDollar) {
  EXPECT_THAT(split("b$", SplitBehavior::kIsolated, false, "ab\nb "),
              ElementsAre("a", "b", "\nb "));
}

TEST(Regex, RefusesWhatIsNoPattern) {
  const auto error = [](std::string_view pattern) {
    const auto regex = Regex::compile(pattern);
    return regex ? std::string() : regex.error().code + ": " + regex.error().to_string();
  };
  EXPECT_THAT(error("(a"), HasSubstr("tokenizer_invalid: the regular expression \"(a\" is wrong"));
  EXPECT_THAT(error("a{3,2}"), HasSubstr("tokenizer_invalid"));
  EXPECT_THAT(error("\\C"), HasSubstr("tokenizer_invalid"));
  EXPECT_THAT(error("\xFF"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(error(std::string(20000, 'a')), HasSubstr("tokenizer_too_large"));
  EXPECT_THAT(error(std::string(200, '(') + std::string(200, ')')), HasSubstr("tokenizer_invalid"));
}

TEST(Regex, RefusesPatternsThatTakeMoreThanLinearTime) {  // S16
  for (const char* pattern :
       {"(a+)+$", "(a|a)*b", "(a*)*b", "(a|aa)+$", "([a-z]+)*!", "(\\w+\\s?)*$", "a.*b.*c",
        "\\s*\\n", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?=(\\d+)+x)", "[^x]+x"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex) << pattern;
    EXPECT_EQ(regex.error().code, "tokenizer_regex_slow") << pattern;
  }
}

// Our own patterns are trusted, and for good reason.
TEST(Regex, EveryKnownPatternIsLinear) {
  std::set<std::string_view> patterns;
  for (const PretokenizerInfo& info : known_pretokenizers())
    patterns.insert(info.patterns.begin(), info.patterns.end());
  EXPECT_GE(patterns.size(), 30u);
  for (const std::string_view pattern :
       {kThousandsPattern, kThousandsInWordsPattern, kLineEndPattern}) {
    EXPECT_FALSE(Regex::compile(pattern)) << pattern;  // these have a splitter of their own
    patterns.erase(pattern);
  }
  for (const std::string_view pattern : patterns) {
    const auto regex = Regex::compile(pattern);
    EXPECT_TRUE(regex) << regex.error().to_string();
  }
}

// A pattern that gets past the trial and still explodes: the rest of the text stays whole.
TEST(SplitStep, PastTheLimitTheRestIsOnePiece) {
  const auto regex = Regex::compile("(?:(?:q+)+z|[ab])", true);
  ASSERT_TRUE(regex);
  const std::string text = "ab" + std::string(60, 'q') + "ab";
  for (const SplitBehavior behavior : {SplitBehavior::kIsolated, SplitBehavior::kRemoved}) {
    const auto step = make_split_step(*regex, behavior, behavior == SplitBehavior::kRemoved);
    Collect collect;
    step->open(collect, true)->piece(text);
    EXPECT_THAT(collect.pieces, ElementsAre("a", "b", std::string(60, 'q') + "ab"));
  }
}

TEST(Regex, EscapedTextMatchesItself) {
  for (const std::string_view text : {"a.b*c", "\\d", "[x]", "\n\t ", "\u4E2D(", "^$|", "#-"}) {
    const auto regex = Regex::compile(escape_regex(text));
    ASSERT_TRUE(regex) << text;
    Regex::Matcher matcher(**regex);
    const std::string around = fmt::format("..{}..", text);
    ASSERT_EQ(matcher.find(around, 0), Regex::Matcher::Outcome::kMatch) << text;
    EXPECT_EQ(matcher.begin(), 2u);
    EXPECT_EQ(matcher.end(), 2 + text.size());
  }
}

}  // namespace
}  // namespace bantam
