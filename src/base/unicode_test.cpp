#include "base/unicode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace bantam {
namespace {

std::string utf8(std::u32string_view chars) {
  std::string out;
  for (const char32_t c : chars) append_utf8(out, c);
  return out;
}

// Whether `bytes`, a lead byte and its two or three others, are valid: straight from the
// definition, which is that a scalar value has one encoding. What the payload bits say is encoded
// and compared.
bool is_sequence(std::string_view bytes) {
  const unsigned lead_bits = bytes.size() == 3 ? 0x0F : 0x07;
  char32_t c = static_cast<unsigned char>(bytes[0]) & lead_bits;
  for (const char byte : bytes.substr(1)) c = c << 6 | (static_cast<unsigned char>(byte) & 0x3F);
  const bool is_scalar = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
  std::string encoded;
  append_utf8(encoded, c);
  return is_scalar && encoded == bytes;
}

TEST(Utf8, EveryScalarValueRoundTrips) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    append_utf8(bytes, c);
    const DecodedChar back = decode_utf8(bytes);
    ASSERT_TRUE(back.valid) << std::hex << std::uint32_t{c};
    ASSERT_EQ(back.codepoint, c);
    ASSERT_EQ(back.bytes, bytes.size());
    ASSERT_EQ(bytes.size(), c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u);
  }
}

TEST(Utf8, WhatIsNoScalarValueIsWrittenAsReplacement) {
  for (const char32_t c : {0xD800u, 0xDFFFu, 0x110000u, 0xFFFFFFFFu})
    EXPECT_EQ(utf8({&c, 1}), "\xEF\xBF\xBD");
}

TEST(Utf8, EveryPairOfBytesIsJudgedRight) {
  for (unsigned first = 0x80; first < 0x100; ++first) {
    for (unsigned second = 0; second < 0x100; ++second) {
      const std::string bytes = {static_cast<char>(first), static_cast<char>(second)};
      const bool valid = first >= 0xC2 && first <= 0xDF && (second & 0xC0) == 0x80;
      EXPECT_EQ(decode_utf8(bytes).valid, valid) << first << ' ' << second;
    }
  }
}

// Three-byte and four-byte forms at every edge: overlong, surrogate, past the end.
TEST(Utf8, EdgesOfTheRangesAgreeWithTheDefinition) {
  const std::string edges = "\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0";
  for (const char first : {'\xE0', '\xE1', '\xEC', '\xED', '\xEE', '\xEF'})
    for (const char second : edges)
      for (const char third : {'\x7F', '\x80', '\xBF', '\xC0'}) {
        const std::string bytes = {first, second, third};
        EXPECT_EQ(decode_utf8(bytes).valid, is_sequence(bytes)) << quoted(bytes);
      }
  for (const char first : {'\xF0', '\xF1', '\xF3', '\xF4', '\xF5'})
    for (const char second : edges) {
      const std::string bytes = {first, second, '\x80', '\xBF'};
      EXPECT_EQ(decode_utf8(bytes).valid, is_sequence(bytes)) << quoted(bytes);
    }
}

// The example of Unicode 15, section 3.9, tables 3-8 to 3-11.
TEST(Utf8, InvalidSequencesTakeTheirLongestValidPrefix) {
  EXPECT_EQ(repair_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            utf8(U"a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd"));
  // Non-shortest forms, surrogates, and other ill-formed sequences: a replacement a byte.
  EXPECT_EQ(repair_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            utf8(U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"));
  EXPECT_EQ(repair_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            utf8(U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"));
  EXPECT_EQ(repair_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            utf8(U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB"));
  EXPECT_EQ(repair_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            utf8(U"\uFFFD\uFFFD\uFFFD\uFFFDA"));
}

TEST(Utf8, EmptyAndTruncatedInput) {
  EXPECT_EQ(decode_utf8("").bytes, 0u);
  EXPECT_FALSE(decode_utf8("").valid);
  EXPECT_EQ(decode_utf8("\xF0\x9F\x98").bytes, 3u);
  EXPECT_FALSE(decode_utf8("\xF0\x9F\x98").valid);
  EXPECT_EQ(decode_utf8("\xF0\x9F\x98x").bytes, 3u);
  EXPECT_EQ(decode_utf8("\xE2\x82").bytes, 2u);
}

TEST(Utf8, FirstInvalidNamesTheByte) {
  EXPECT_EQ(first_invalid_utf8("abc"), 3u);
  EXPECT_EQ(first_invalid_utf8("ab\xC3\xA9\xFFx"), 4u);
  EXPECT_EQ(first_invalid_utf8("ab\xE2\x82"), 2u);
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8(std::string_view("\0", 1)));
  EXPECT_FALSE(is_valid_utf8("\xC0\x80"));
}

// A stream cut anywhere: what is held back plus what follows is the whole text, and what is let
// through is always valid.
TEST(Utf8, TailOfEveryCutMayStillBecomeACharacter) {
  const std::string text = utf8(U"aé€😀￿\U0010FFFFz");
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view head = std::string_view(text).substr(0, cut);
    const std::size_t tail = incomplete_utf8_tail(head);
    ASSERT_LE(tail, 3u);
    EXPECT_TRUE(is_valid_utf8(head.substr(0, cut - tail))) << cut;
    EXPECT_EQ(tail == 0, is_valid_utf8(head)) << cut;
  }
}

TEST(Utf8, TailThatCanNeverBecomeACharacterIsNotHeldBack) {
  for (const std::string_view bytes : {"a\x80", "\xC0", "\xE0\x80", "\xED\xA0", "\xF4\x90", "\xF5",
                                       "\xFF", "\x80\x80\x80\x80", "\xF0\x80\x80"})
    EXPECT_EQ(incomplete_utf8_tail(bytes), 0u) << quoted(bytes);
  EXPECT_EQ(incomplete_utf8_tail("\xFF\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x90\x80"), 3u);
}

TEST(Unicode, CategoriesOfChosenCharacters) {
  struct Case {
    char32_t c;
    bool letter, number, mark, punctuation, symbol, control;
  };
  for (const Case& k : std::vector<Case>{
           {'a', true, false, false, false, false, false},
           {0x4E2D, true, false, false, false, false, false},  // 中
           {0x02B0, true, false, false, false, false, false},  // ʰ, Lm
           {'7', false, true, false, false, false, false},
           {0x2167, false, true, false, false, false, false},  // Ⅷ, Nl
           {0x00BD, false, true, false, false, false, false},  // ½, No
           {0x0301, false, false, true, false, false, false},  // combining acute
           {0x20DD, false, false, true, false, false, false},  // enclosing circle
           {'_', false, false, false, true, false, false},
           {0x00AB, false, false, false, true, false, false},  // «
           {'$', false, false, false, false, true, false},
           {0x1F600, false, false, false, false, true, false},  // 😀
           {'\n', false, false, false, false, false, true},
           {0x200D, false, false, false, false, false, true},  // zero width joiner
           {0x0378, false, false, false, false, false, true},  // unassigned
           {0xE000, false, false, false, false, false, true},  // private use
           {0xD800, false, false, false, false, false, true},  // surrogate
           {0x110000, false, false, false, false, false, true},
           {0xFFFFFFFF, false, false, false, false, false, true},
           {' ', false, false, false, false, false, false},  // Zs: none of these
       }) {
    SCOPED_TRACE(fmt::format("U+{:04X}", std::uint32_t{k.c}));
    EXPECT_EQ(is_letter(k.c), k.letter);
    EXPECT_EQ(is_number(k.c), k.number);
    EXPECT_EQ(is_mark(k.c), k.mark);
    EXPECT_EQ(is_punctuation(k.c), k.punctuation);
    EXPECT_EQ(is_symbol(k.c), k.symbol);
    EXPECT_EQ(is_control(k.c), k.control);
  }
}

TEST(Unicode, EveryCodePointHasAtMostOneCategory) {
  int separators = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const int kinds =
        is_letter(c) + is_number(c) + is_mark(c) + is_punctuation(c) + is_symbol(c) + is_control(c);
    ASSERT_LE(kinds, 1) << std::uint32_t{c};
    separators += kinds == 0;
  }
  EXPECT_EQ(separators, 19);  // Zs 17, Zl 1, Zp 1
}

TEST(Unicode, WhitespaceIsTheProperty) {
  std::vector<char32_t> found;
  for (char32_t c = 0; c <= 0x10FFFF; ++c)
    if (is_whitespace(c)) found.push_back(c);
  EXPECT_EQ(found.size(), 25u);  // PropList.txt of Unicode 15: "Total code points: 25"
  EXPECT_FALSE(is_whitespace(0x200B));
  EXPECT_FALSE(is_whitespace(0xFEFF));
  EXPECT_FALSE(is_whitespace(0x1C));
  EXPECT_TRUE(is_whitespace(0x85));
}

TEST(Unicode, SimpleCaseMapping) {
  EXPECT_EQ(to_lower('A'), U'a');
  EXPECT_EQ(to_upper(0x00E9), 0x00C9u);
  EXPECT_EQ(to_lower(0x0130), U'i');     // İ
  EXPECT_EQ(to_upper(0x00DF), 0x00DFu);  // ß has no simple capital
  EXPECT_EQ(to_lower(0x1E9E), 0x00DFu);  // ẞ
  EXPECT_EQ(to_upper(0x01C6), 0x01C4u);  // ǆ
  EXPECT_EQ(to_lower(0x10400), 0x10428u);
  EXPECT_EQ(to_lower(0x4E2D), 0x4E2Du);
  EXPECT_EQ(to_lower(0x110000), 0x110000u);
  EXPECT_TRUE(is_upper('Q'));
  EXPECT_TRUE(is_upper(0x01C5));  // ǅ, Lt
  EXPECT_TRUE(is_lower(0x00DF));
  EXPECT_FALSE(is_lower(0x01C5));
}

TEST(Unicode, NormalFormsOfKnownStrings) {
  const std::string text = utf8(U"Å\u212Bé\uAC00ﬁ²\u1E9B\u0323");
  EXPECT_EQ(normalize(text, Normalization::kNfc),
            utf8(U"\u00C5\u00C5\u00E9\uAC00\uFB01\u00B2\u1E9B\u0323"));
  EXPECT_EQ(normalize(text, Normalization::kNfd),
            utf8(U"A\u030AA\u030Ae\u0301\u1100\u1161\uFB01\u00B2\u017F\u0323\u0307"));
  EXPECT_EQ(normalize(text, Normalization::kNfkc), utf8(U"\u00C5\u00C5\u00E9\uAC00fi2\u1E69"));
  EXPECT_EQ(normalize(text, Normalization::kNfkd),
            utf8(U"A\u030AA\u030Ae\u0301\u1100\u1161fi2s\u0323\u0307"));
  // Composition exclusions and blocked marks.
  EXPECT_EQ(normalize(utf8(U"\u0958"), Normalization::kNfc), utf8(U"\u0915\u093C"));
  EXPECT_EQ(normalize(utf8(U"a\u0305\u0301"), Normalization::kNfc), utf8(U"a\u0305\u0301"));
  EXPECT_EQ(normalize(utf8(U"\uFDFA"), Normalization::kNfkd).size(), 33u);
}

TEST(Unicode, NormalisingTwiceChangesNothing) {
  for (char32_t c = 0x80; c <= 0x10FFFF; c += c < 0x30000 ? 1 : 257) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string text = utf8(std::u32string{'x', c, 0x0323, 0x0307});
    for (const Normalization form :
         {Normalization::kNfc, Normalization::kNfd, Normalization::kNfkc, Normalization::kNfkd}) {
      const std::string once = normalize(text, form);
      ASSERT_EQ(normalize(once, form), once) << std::hex << std::uint32_t{c};
    }
  }
}

TEST(Unicode, NormalisingReplacesWhatIsNotUtf8) {
  EXPECT_EQ(normalize("a\xFF\xE2\x82z", Normalization::kNfc), utf8(U"a\uFFFD\uFFFDz"));
  EXPECT_EQ(normalize("plain", Normalization::kNfkd), "plain");
  EXPECT_EQ(normalize("", Normalization::kNfkc), "");
}

// Canonical order on a run of a hundred thousand marks, against a stable sort by class. With a
// quadratic ordering this takes minutes, not milliseconds.
TEST(Unicode, LongRunsOfMarksAreOrdered) {
  std::u32string marks, low, high;
  for (int i = 0; i < 100000; ++i) {
    const char32_t mark = i % 2 == 0 ? 0x0301 : 0x0323;  // classes 230 and 220
    (mark == 0x0323 ? low : high) += mark;
    marks += mark;
  }
  EXPECT_EQ(normalize(utf8(U"q" + marks), Normalization::kNfd), utf8(U"q" + low + high));
  const std::string composed = normalize(utf8(U"a" + marks), Normalization::kNfc);
  EXPECT_EQ(composed, utf8(U"\u1EA1" + low.substr(1) + high));
}

TEST(Unicode, GeneralCategoryNamesEachKind) {
  EXPECT_EQ(general_category(U'A'), GeneralCategory::kLu);
  EXPECT_EQ(general_category(U'a'), GeneralCategory::kLl);
  EXPECT_EQ(general_category(0x01C5), GeneralCategory::kLt);
  EXPECT_EQ(general_category(0x02B0), GeneralCategory::kLm);
  EXPECT_EQ(general_category(0x4E00), GeneralCategory::kLo);
  EXPECT_EQ(general_category(0x0301), GeneralCategory::kMn);
  EXPECT_EQ(general_category(0x00B2), GeneralCategory::kNo);
  EXPECT_EQ(general_category(U' '), GeneralCategory::kZs);
  EXPECT_EQ(general_category(U'\n'), GeneralCategory::kCc);
  EXPECT_EQ(general_category(0xE000), GeneralCategory::kCo);
  EXPECT_EQ(general_category(0x110000), GeneralCategory::kCn);
}

}  // namespace
}  // namespace bantam
