// SentencePiece BPE: against a slow definition on random vocabularies, and each rule by example.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tokenizer/merge_queue.h"
#include "tokenizer/spm_merges.h"
#include "tokenizer/tokenizer_samples.h"

namespace bantam {
namespace {

using samples::Token;
using Strings = std::vector<std::string>;

const Token kUnknown{"<unk>", 0, TokenType::kUnknown};
const Token kBos{"<s>", 0, TokenType::kControl};
const Token kEos{"</s>", 0, TokenType::kControl};

// The definition, quadratic: merge the best pair, the leftmost of equals, until there is none. A
// token that is unused falls apart into what it was merged of.
Strings slow_merge(const Strings& characters, const std::map<std::string, Token>& tokens) {
  struct Symbol {
    std::string text;
    Strings parts;  // what it counts as in the end
  };
  std::vector<Symbol> symbols;
  for (const std::string& character : characters) symbols.push_back({character, {character}});
  while (true) {
    std::size_t best = symbols.size();
    float best_score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = tokens.find(symbols[i].text + symbols[i + 1].text);
      if (found == tokens.end()) continue;
      if (best == symbols.size() || found->second.score > best_score) {
        best = i;
        best_score = found->second.score;
      }
    }
    if (best == symbols.size()) break;
    Symbol& left = symbols[best];
    const Symbol& right = symbols[best + 1];
    left.text += right.text;
    left.parts.insert(left.parts.end(), right.parts.begin(), right.parts.end());
    if (tokens.at(left.text).type != TokenType::kUnused) left.parts = {left.text};
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  Strings out;
  for (const Symbol& symbol : symbols)
    out.insert(out.end(), symbol.parts.begin(), symbol.parts.end());
  return out;
}

// A random vocabulary over a few letters with many equal scores, and its tokens by spelling.
std::map<std::string, Token> random_tokens(Random& random, bool unused) {
  std::map<std::string, Token> tokens;
  for (const std::string_view letter : {"a", "b", "c", "▁"}) {
    if (random.next_below(8) > 0)
      tokens[std::string(letter)] = {std::string(letter), -100, TokenType::kNormal};
  }
  const std::size_t count = 5 + random.next_below(40);
  for (std::size_t i = 0; i < count; ++i) {
    std::string piece;
    const std::size_t letters = 2 + random.next_below(5);
    for (std::size_t k = 0; k < letters; ++k)
      piece += std::vector<std::string>{"a", "b", "c", "▁"}[random.next_below(4)];
    const auto score = -static_cast<float>(random.next_below(12));
    const bool is_unused = unused && random.next_below(4) == 0;
    tokens[piece] = {piece, score, is_unused ? TokenType::kUnused : TokenType::kNormal};
  }
  return tokens;
}

TEST(Spm, EqualsTheSlowDefinitionOnRandomVocabularies) {
  Random random(11);
  std::size_t merged = 0;
  for (int round = 0; round < 120; ++round) {
    const std::map<std::string, Token> tokens = random_tokens(random, round % 2 == 1);
    std::vector<Token> list = {kUnknown};
    for (const auto& [piece, token] : tokens) list.push_back(token);
    const auto tokenizer = samples::make(samples::vocabulary("llama", samples::with_bytes(list)));
    ASSERT_TRUE(tokenizer);
    for (int i = 0; i < 20; ++i) {
      // Both under and over the length from which on a queue is used.
      const std::string text = samples::random_word(random, "aabbc ", 1 + random.next_below(120));
      Strings characters = {"▁"};
      for (const char c : text) characters.push_back(c == ' ' ? "▁" : std::string(1, c));
      Strings expected;
      for (const std::string& part : slow_merge(characters, tokens)) {
        if (tokens.contains(part)) {
          expected.push_back(part);
          continue;
        }
        for (const char c : part)
          expected.push_back(samples::byte_piece(static_cast<unsigned char>(c)));
      }
      merged += characters.size() - expected.size();
      ASSERT_EQ(samples::pieces(*tokenizer, text), expected) << text;
    }
  }
  EXPECT_GT(merged, 1000u);
}

TEST(Spm, ListedMergesEqualTheSlowDefinition) {
  Random random(12);
  for (int round = 0; round < 100; ++round) {
    // A list of pairs of what is known so far, in random order of rank.
    Strings known = {"a", "b", "c"};
    Strings merges;
    std::map<std::pair<std::string, std::string>, std::size_t> ranks;
    for (int i = 0; i < 25; ++i) {
      const std::string left = known[random.next_below(known.size())];
      const std::string right = known[random.next_below(known.size())];
      if (left.size() + right.size() > 6) continue;
      ranks.try_emplace({left, right}, merges.size());
      merges.push_back(left + ' ' + right);
      if (std::ranges::find(known, left + right) == known.end()) known.push_back(left + right);
    }
    std::vector<Token> tokens = {kUnknown};
    for (const std::string& piece : known) tokens.push_back({piece});
    Metadata metadata = samples::vocabulary("llama", samples::with_bytes(tokens));
    metadata.set_bool("tokenizer.ggml.add_space_prefix", false);
    metadata.set_strings(kSpmMergesKey, merges);
    const auto tokenizer = samples::make(metadata);
    ASSERT_TRUE(tokenizer);
    for (int i = 0; i < 20; ++i) {
      const std::string text = samples::random_word(random, "aabc", 1 + random.next_below(90));
      Strings symbols;
      for (const char c : text) symbols.emplace_back(1, c);
      while (true) {
        std::size_t best = symbols.size(), best_rank = merges.size();
        for (std::size_t k = 0; k + 1 < symbols.size(); ++k) {
          const auto found = ranks.find({symbols[k], symbols[k + 1]});
          if (found != ranks.end() && found->second < best_rank) {
            best = k;
            best_rank = found->second;
          }
        }
        if (best == symbols.size()) break;
        symbols[best] += symbols[best + 1];
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
      }
      ASSERT_EQ(samples::pieces(*tokenizer, text), symbols) << text;
    }
  }
}

TEST(Spm, AnyBytesComeBack) {
  Random random(13);
  const auto tokenizer =
      samples::make(samples::vocabulary("llama", samples::with_bytes({kUnknown,
                                                                      kBos,
                                                                      kEos,
                                                                      {"▁", -9},
                                                                      {"a", -8},
                                                                      {"▁a", -1},
                                                                      {"é", -7},
                                                                      {"▁▁", -2},
                                                                      {"\xE6\x97", -3},
                                                                      {"日", -4}})));
  ASSERT_TRUE(tokenizer);
  for (int i = 0; i < 2000; ++i) {
    std::string text = i % 2 == 0 ? samples::random_text(random, random.next_below(60))
                                  : samples::random_bytes(random, random.next_below(60));
    // The one text that does not come back: the mark that stands for a space.
    for (std::size_t at; (at = text.find("▁")) != std::string::npos;) text.replace(at, 3, "_");
    const std::vector<TokenId> ids = tokenizer->encode(text, {});
    EXPECT_EQ(tokenizer->decode(ids, false), text);
    EXPECT_EQ(ids.empty(), text.empty());
  }
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("x▁y", {}), false), "x y");
}

TEST(Spm, SpacesAreMarksAndOneGoesFirst) {
  std::vector<Token> tokens = samples::with_bytes({kUnknown, {"▁", -3}, {"a", -4}, {"▁a", -1}});
  Metadata metadata = samples::vocabulary("llama", tokens);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "a a  a"), (Strings{"▁a", "▁a", "▁", "▁a"}));
  EXPECT_EQ(samples::pieces(*samples::make(metadata), " a"), (Strings{"▁", "▁a"}));
  EXPECT_EQ(samples::pieces(*samples::make(metadata), ""), Strings{});
  metadata.set_bool("tokenizer.ggml.add_space_prefix", false);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "a a"), (Strings{"a", "▁a"}));
  EXPECT_EQ(samples::make(metadata)->decode(std::vector<TokenId>{3}, false), " a");
  metadata.set_bool("tokenizer.ggml.add_space_prefix", true);
  metadata.set_bool("tokenizer.ggml.remove_extra_whitespaces", true);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "  a   a "), (Strings{"▁a", "▁a"}));
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "   "), Strings{});
}

TEST(Spm, ControlTokensInTextAreText) {  // P06
  const auto tokenizer =
      samples::make(samples::vocabulary("llama", samples::with_bytes({kUnknown,
                                                                      kBos,
                                                                      kEos,
                                                                      {"<", -9},
                                                                      {"s", -9},
                                                                      {"<s", -1},
                                                                      {">", -9},
                                                                      {"/", -9},
                                                                      {"</", -2},
                                                                      {"</s", -1},
                                                                      {"▁", -9}})));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(samples::pieces(*tokenizer, "<s></s>"), (Strings{"▁", "<s", ">", "</s", ">"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "<0x0A>"),
            (Strings{"▁", "<", "<0x30>", "<0x78>", "<0x30>", "<0x41>", ">"}));
  EXPECT_EQ(samples::pieces(*tokenizer, "<s>s", {.parse_specials = true}),
            (Strings{"<s>", "▁", "s"}));
}

TEST(Spm, UnknownCharactersWithoutByteTokens) {
  Metadata metadata =
      samples::vocabulary("llama", {kUnknown, {"▁", -1}, {"a", -1}, {"\uFFFD", -1}});
  const auto fused = samples::make(metadata);
  EXPECT_EQ(samples::pieces(*fused, "axyza x"), (Strings{"▁", "a", "<unk>", "a", "▁", "<unk>"}));
  EXPECT_EQ(samples::pieces(*fused, "\xFF\xFE"), (Strings{"▁", "\uFFFD", "\uFFFD"}));
  metadata.set_bool("bantam.tokenizer.fuse_unknown", false);
  EXPECT_EQ(samples::pieces(*samples::make(metadata), "axya"),
            (Strings{"▁", "a", "<unk>", "<unk>", "a"}));
}

TEST(Spm, SomeByteTokensMissing) {
  std::vector<Token> tokens = {kUnknown, {"▁", -1}, {"<0xC3>", 0, TokenType::kByte}};
  const auto tokenizer = samples::make(samples::vocabulary("llama", tokens));
  EXPECT_EQ(samples::pieces(*tokenizer, "é"), (Strings{"▁", "<unk>"}));  // C3 A9, not half of it
}

TEST(Spm, HostileVocabularies) {  // G34, G36
  const auto code = [](const Metadata& metadata) {
    const auto made = make_tokenizer(metadata);
    return made ? std::string("made") : made.error().code;
  };
  EXPECT_EQ(code(samples::vocabulary("llama", {{"a"}})), "tokenizer_invalid");  // nothing for "b"
  EXPECT_EQ(code(samples::vocabulary("llama", {kUnknown, {"<0xZZ>", 0, TokenType::kByte}})),
            "tokenizer_invalid");
  Metadata no_scores = samples::vocabulary("llama", {kUnknown, {"a"}});
  no_scores.erase("tokenizer.ggml.scores");
  EXPECT_EQ(code(no_scores), "tokenizer_invalid");

  // Two tokens with one spelling: the first counts.
  const auto twice = samples::make(
      samples::vocabulary("llama", {kUnknown, {"▁"}, {"ab", -5}, {"ab", -1}, {"a"}, {"b"}}));
  EXPECT_EQ(twice->encode("ab", {}), (std::vector<TokenId>{1, 2}));

  // Merges of what is no token, and ones that go round in a circle.
  for (const std::string merge : {"a x", "x a", "a a", "ab", "a ", " a", ""}) {
    Metadata metadata = samples::vocabulary("llama", {kUnknown, {"a"}, {"b"}, {"ab"}});
    metadata.set_strings(kSpmMergesKey, {"a b", merge});
    EXPECT_EQ(code(metadata), "tokenizer_invalid") << merge;
  }
}

TEST(Spm, InfiniteScores) {
  const float huge = std::numeric_limits<float>::infinity();
  const auto tokenizer = samples::make(samples::vocabulary(
      "llama", {kUnknown, {"▁", -huge}, {"a", 0}, {"b", 0}, {"ab", -huge}, {"ba", huge}}));
  EXPECT_EQ(samples::pieces(*tokenizer, "abab"), (Strings{"▁", "a", "ba", "b"}));
}

TEST(Spm, AMillionOfOneLetterTakesNoTime) {  // P03; a quadratic algorithm would not come back
  std::vector<Token> tokens = {kUnknown, {"▁", -50}, {"a", -50}};
  for (std::size_t size = 2; size <= 16; size *= 2)
    tokens.push_back({std::string(size, 'a'), -static_cast<float>(size)});
  const auto tokenizer = samples::make(samples::vocabulary("llama", samples::with_bytes(tokens)));
  const std::vector<TokenId> ids = tokenizer->encode(std::string(1 << 20, 'a'), {});
  EXPECT_EQ(ids.size(), 1 + (1u << 16));
}

TEST(MergeQueue, GivesRanksThenPlacesInOrder) {
  Random random(14);
  MergeQueue queue(10);
  std::multiset<std::pair<std::uint32_t, std::uint32_t>> expected;
  for (int i = 0; i < 5000; ++i) {
    if (expected.empty() || random.next_below(3) > 0) {
      const auto rank = static_cast<std::uint32_t>(random.next_below(10));
      const auto place = static_cast<std::uint32_t>(random.next_below(1000));
      queue.push({.rank = rank, .place = place});
      expected.emplace(rank, place);
    } else {
      const MergeQueue::Entry entry = queue.pop();
      ASSERT_EQ(std::pair(entry.rank, entry.place), *expected.begin());
      expected.erase(expected.begin());
    }
    ASSERT_EQ(queue.empty(), expected.empty());
  }
}

}  // namespace
}  // namespace bantam
