// Added tokens in a text, against the definition; row S18 of the bad inputs.
#include "tokenizer/special_splitter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace bantam {
namespace {

using Entry = SpecialSplitter::Entry;

Entry entry(TokenId id, std::string text, bool control = true) {
  return {.text = std::move(text), .token = {.id = id, .control = control}};
}

std::string shown(const std::vector<TextPart>& parts) {
  std::string out;
  for (const TextPart& part : parts)
    out += part.token < 0 ? fmt::format("({})", part.text)
                          : fmt::format("[{}:{}]", part.token, part.text);
  return out;
}

TEST(SpecialSplitter, LeftmostThenLongest) {
  const SpecialSplitter splitter({entry(0, "ab"), entry(1, "abc"), entry(2, "bcd"), entry(3, "d")});
  EXPECT_EQ(shown(splitter.split("xabcdab", true)), "(x)[1:abc][3:d][0:ab]");
  EXPECT_EQ(shown(splitter.split("bcdabd", true)), "[2:bcd][0:ab][3:d]");
  EXPECT_EQ(shown(splitter.split("", true)), "");
  EXPECT_EQ(shown(SpecialSplitter().split("abc", true)), "(abc)");
}

TEST(SpecialSplitter, ControlTokensOnlyOnRequest) {
  const SpecialSplitter splitter({entry(0, "<end>"), entry(1, "<e", false)});
  EXPECT_EQ(shown(splitter.split("a<end>", true)), "(a)[0:<end>]");
  EXPECT_EQ(shown(splitter.split("a<end>", false)), "(a)[1:<e](nd>)");
}

TEST(SpecialSplitter, ControlTokensNotInPlainRanges) {
  const SpecialSplitter splitter(
      {entry(0, "<end>"), entry(1, "<e", false), entry(2, "<end>x"), entry(3, "<")});
  const std::string text = "<end><end><end>x";
  const auto split = [&](std::vector<ByteRange> plain) {
    return shown(splitter.split(text, true, plain));
  };
  EXPECT_EQ(split({}), "[0:<end>][0:<end>][2:<end>x]");
  EXPECT_EQ(split({{5, 10}}), "[0:<end>][1:<e](nd>)[2:<end>x]");
  EXPECT_EQ(split({{15, 16}}), "[0:<end>][0:<end>][0:<end>](x)");
  EXPECT_EQ(split({{7, 8}}), "[0:<end>][1:<e](nd>)[2:<end>x]");  // a user-defined one is longer
  EXPECT_EQ(split({{0, 16}}), "[1:<e](nd>)[1:<e](nd>)[1:<e](nd>x)");
}

TEST(SpecialSplitter, TakesWhiteSpaceAlong) {
  Entry left = entry(0, "<m>"), right = entry(1, "<r>"), word = entry(2, "fox");
  left.token.lstrip = true;
  right.token.rstrip = true;
  word.token.single_word = true;
  const SpecialSplitter splitter({left, right, word});
  EXPECT_EQ(shown(splitter.split("a \u00A0<m> b", true)), "(a)[0: \u00A0<m>]( b)");
  EXPECT_EQ(shown(splitter.split("a <r> \n\u3000b", true)), "(a )[1:<r> \n\u3000](b)");
  EXPECT_EQ(shown(splitter.split("<r>  <m>", true)), "[1:<r>  ][0:<m>]");
  EXPECT_EQ(shown(splitter.split("fox, a fox-fox", true)), "[2:fox](, a )[2:fox](-)[2:fox]");
  EXPECT_EQ(shown(splitter.split("foxes 9fox_ \u00E9fox", true)), "(foxes 9fox_ \u00E9fox)");
}

TEST(SpecialSplitter, OfOneSpellingTheFirstWins) {
  EXPECT_EQ(shown(SpecialSplitter({entry(7, "x"), entry(8, "x")}).split("x", true)), "[7:x]");
}

// The definition, place by place.
std::vector<TextPart> slow_split(const std::vector<Entry>& entries, std::string_view text,
                                 bool control, const std::vector<ByteRange>& plain) {
  std::vector<TextPart> parts;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Entry* best = nullptr;
    for (const Entry& e : entries) {
      if (!text.substr(at).starts_with(e.text)) continue;
      const bool touches = std::ranges::any_of(plain, [&](const ByteRange& range) {
        return range.begin < at + e.text.size() && at < range.end;
      });
      if (e.token.control && (!control || touches)) continue;
      if (best == nullptr || e.text.size() > best->text.size()) best = &e;
    }
    if (best == nullptr) {
      ++at;
      continue;
    }
    if (at > done) parts.push_back({text.substr(done, at - done), -1});
    parts.push_back({text.substr(at, best->text.size()), best->token.id});
    at = done = at + best->text.size();
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

TEST(SpecialSplitter, AgreesWithTheDefinitionOnRandomTokens) {
  Random random(3);
  const auto letters = [&](std::size_t most) {
    std::string text(1 + random.next_below(most), 'a');
    for (char& c : text) c = static_cast<char>('a' + random.next_below(2));
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Entry> entries;
    for (std::uint64_t i = random.next_below(6) + 1; i > 0; --i)
      entries.push_back(entry(static_cast<TokenId>(i), letters(5), random.next_below(2) == 0));
    const std::string text = letters(30);
    std::vector<ByteRange> plain;
    for (std::size_t at = random.next_below(10); at < text.size();) {
      const std::size_t end = std::min(text.size(), at + 1 + random.next_below(4));
      plain.push_back({at, end});
      at = end + 1 + random.next_below(10);
    }
    const SpecialSplitter splitter(entries);
    for (const bool control : {false, true})
      EXPECT_EQ(shown(splitter.split(text, control, plain)),
                shown(slow_split(entries, text, control, plain)))
          << text;
  }
}

// Quadratic matching would take hours over this.
TEST(SpecialSplitter, StaysLinearWithNestedTokens) {  // S18
  std::vector<Entry> entries;
  for (TokenId size = 1; size <= 2000; ++size)
    entries.push_back(entry(size, std::string(static_cast<std::size_t>(size), 'a') + "b"));
  entries.push_back(entry(0, std::string(60000, 'a') + "c"));
  const SpecialSplitter splitter(std::move(entries));
  const std::string text(4'000'000, 'a');
  EXPECT_EQ(splitter.split(text, true).size(), 1u);
  EXPECT_EQ(splitter.split(text + "b", true).size(), 2u);
}

TEST(SpecialSplitter, TakesManyTokens) {  // S18
  std::vector<Entry> entries;
  for (TokenId id = 0; id < 300'000; ++id) entries.push_back(entry(id, fmt::format("<{}>", id)));
  for (char c = 'a'; c <= 'z'; ++c) entries.push_back(entry(1'000'000 + c, std::string(1, c)));
  const SpecialSplitter splitter(std::move(entries));
  EXPECT_EQ(splitter.split(std::string(1'000'000, 'q') + "<299999>", true).size(), 1'000'001u);
}

}  // namespace
}  // namespace bantam
