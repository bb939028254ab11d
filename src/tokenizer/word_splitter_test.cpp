// The splitters written by hand against their patterns, run by PCRE2.
#include "tokenizer/word_splitter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "base/unicode.h"
#include "tokenizer/pretokenizer_names.h"
#include "tokenizer/regex_step.h"

namespace bantam {
namespace {

class Collect final : public PieceSink {
 public:
  void piece(std::string_view text) override { pieces.emplace_back(text); }
  std::vector<std::string> pieces;
};

std::vector<std::string> run(const PretokenizerStep& step, std::string_view text) {
  Collect collect;
  const std::unique_ptr<PieceSink> sink = step.open(collect, true);
  if (!text.empty()) sink->piece(text);
  return collect.pieces;
}

std::shared_ptr<const PretokenizerStep> regex_step(std::string_view pattern) {
  const auto regex = Regex::compile(pattern, true);
  EXPECT_TRUE(regex) << regex.error().to_string();
  return make_split_step(*regex, SplitBehavior::kIsolated, false);
}

// Characters of which both sides say the same: PCRE2 knows an older Unicode than utf8proc, and
// counts one format character as a space.
std::vector<char32_t> common_characters() {
  std::vector<char32_t> out;
  const auto letter = *Regex::compile(R"(^\p{L}$)", true);
  const auto mark = *Regex::compile(R"(^\p{M}$)", true);
  const auto number = *Regex::compile(R"(^\p{N}$)", true);
  const auto space = *Regex::compile(R"(^\s$)", true);
  Regex::Matcher is_l(*letter), is_m(*mark), is_n(*number), is_s(*space);
  const auto hit = [](Regex::Matcher& matcher, const std::string& text) {
    return matcher.find(text, 0) == Regex::Matcher::Outcome::kMatch;
  };
  for (char32_t c = 1; c < 0x1F000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    if (c > 0x3100 && c % 37 != 0) continue;  // blocks of hundreds that are all alike
    std::string text;
    append_utf8(text, c);
    if (c != '\n' && hit(is_l, text) == is_letter(c) && hit(is_m, text) == is_mark(c) &&
        hit(is_n, text) == is_number(c) && hit(is_s, text) == is_whitespace(c))
      out.push_back(c);
  }
  out.push_back('\n');
  return out;
}

std::string random_text(Random& random, const std::vector<char32_t>& characters) {
  static constexpr std::string_view kOften[] = {
      " ",      "  ",      "\n",     "\r",     "\r\n", "\t",     "'s",     "'T",     "'ll",
      "'RE",    "'\u017F", "'",      "''d",    "a",    "A",      "aB",     "BC",     "1",
      "22",     "4567",    ".",      "/",      "//\n", "!",      "\u0301", "\u4E2D", "\u01C5",
      "\u02B0", "\u00B2",  "\u00A0", "\u3000", "_",    "\u00DF", "\u0085"};
  std::string text;
  for (std::uint64_t i = random.next_below(40) + 1; i > 0; --i) {
    if (random.next_below(3) == 0)
      append_utf8(text, characters[random.next_below(characters.size())]);
    else
      text += kOften[random.next_below(std::size(kOften))];
  }
  return text;
}

TEST(WordSplitter, CutsLikeThePatternItStandsFor) {
  const std::vector<char32_t> characters = common_characters();
  ASSERT_GT(characters.size(), 8000u);
  Random random(11);
  std::set<std::string_view> patterns;
  for (const PretokenizerInfo& info : known_pretokenizers())
    for (const std::string_view pattern : info.patterns)
      if (known_word_rules(pattern) != nullptr) patterns.insert(pattern);
  EXPECT_GE(patterns.size(), 9u);
  for (const std::string_view pattern : patterns) {
    const auto fast = make_word_splitter(*known_word_rules(pattern));
    const auto slow = regex_step(pattern);
    for (int i = 0; i < 4000; ++i) {
      const std::string text = random_text(random, characters);
      ASSERT_EQ(run(*fast, text), run(*slow, text)) << pattern << "\n" << quoted(text, 400);
    }
  }
}

TEST(WordSplitter, OtherSpellingsOfThePatternsMeanTheSame) {
  const std::vector<char32_t> characters = common_characters();
  Random random(12);
  for (
      const std::string_view pattern :
      {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
       R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}) {
    ASSERT_NE(known_word_rules(pattern), nullptr) << pattern;
    const auto fast = make_word_splitter(*known_word_rules(pattern));
    const auto slow = regex_step(pattern);
    for (int i = 0; i < 4000; ++i) {
      const std::string text = random_text(random, characters);
      ASSERT_EQ(run(*fast, text), run(*slow, text)) << pattern << "\n" << quoted(text, 400);
    }
  }
}

TEST(WordSplitter, ThousandsCountFromTheEnd) {
  using Strings = std::vector<std::string>;
  const auto any = make_thousands_splitter(false);
  EXPECT_EQ(run(*any, "1234567"), (Strings{"1", "234", "567"}));
  EXPECT_EQ(run(*any, "a12b123456c"), (Strings{"a", "12", "b", "123", "456", "c"}));
  EXPECT_EQ(run(*any, "none"), Strings{"none"});
  EXPECT_EQ(run(*any, ""), Strings{});
  const auto words = make_thousands_splitter(true);
  EXPECT_EQ(run(*words, "1234 1234x 12345."), (Strings{"1", "234", " 1234x ", "12", "345", "."}));
}

TEST(WordSplitter, ThousandsAgreeWithTheirPatterns) {
  Random random(13);
  const auto words = make_thousands_splitter(true);
  const auto slow_words = regex_step(kThousandsInWordsPattern);
  const auto any = make_thousands_splitter(false);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::uint64_t n = random.next_below(20) + 1; n > 0; --n)
      text += std::string_view("0123456789012345678901234567 a_.")[random.next_below(32)];
    ASSERT_EQ(run(*words, text), run(*slow_words, text)) << text;
    // The pattern of the other one cuts only, so it leaves what lies around the digits together
    // with them; \d+ cuts it off first.
    Collect collect;
    const auto cut = regex_step(kThousandsPattern);
    const auto digits = regex_step(R"(\d+)");
    const auto inner = cut->open(collect, true);
    const auto outer = digits->open(*inner, true);
    outer->piece(text);
    ASSERT_EQ(run(*any, text), collect.pieces) << text;
  }
}

TEST(WordSplitter, LineEndsAgreeWithTheirPattern) {
  Random random(14);
  const auto fast = make_line_end_splitter();
  const auto slow = regex_step(kLineEndPattern);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::uint64_t n = random.next_below(12) + 1; n > 0; --n)
      text += std::string_view(" \n\r\tab \n")[random.next_below(8)];
    ASSERT_EQ(run(*fast, text), run(*slow, text)) << quoted(text);
  }
}

}  // namespace
}  // namespace bantam
